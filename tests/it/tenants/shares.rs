//! One tenant takes up a share of the layer, and leaves the rest to the others.

use tower_webhook::RefusalKind;

use super::{Mood, Office, Source, signed_for};
use crate::fixtures::Held;

#[tokio::test(start_paused = true)]
async fn a_tenant_has_its_share_of_the_requests_in_flight() {
    let held = Held::new();
    let office = Office::handling(
        Source::of(&["acme", "umbrella"]),
        |provider| provider,
        |builder| builder.max_in_flight(8),
        held.handler(),
    );
    let mut waiting: Vec<_> = (0..4).map(|id| office.spawn("acme", &id.to_string())).collect();
    held.started(4).await;
    // Half of eight is taken.
    let answer = office.deliver("acme", "5").await;
    answer.assert_refused(503, RefusalKind::Overloaded);
    assert_eq!(answer.retry_after(), Some(1));
    // The other half is the others'.
    waiting.extend((0..4).map(|id| office.spawn("umbrella", &id.to_string())));
    held.started(4).await;
    held.end(8);
    for answer in waiting {
        answer.await.unwrap().assert_acknowledged();
    }
    // The places are given back.
    held.end(1);
    office.deliver("acme", "5").await.assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn a_share_is_as_large_as_is_said() {
    let held = Held::new();
    let office = Office::handling(
        Source::of(&["acme"]),
        |provider| provider,
        |builder| builder.max_in_flight_per_tenant(1),
        held.handler(),
    );
    let first = office.spawn("acme", "1");
    held.started(1).await;
    assert_eq!(office.status("acme", "2").await, 503);
    held.end(2);
    first.await.unwrap().assert_acknowledged();
    office.deliver("acme", "2").await.assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn a_tenant_with_a_request_in_flight_keeps_its_place_however_many_others_come() {
    let held = Held::new();
    let names: Vec<String> = (0..20).map(|number| format!("tenant-{number}")).collect();
    let mut known: Vec<&str> = names.iter().map(String::as_str).collect();
    known.push("acme");
    let office = Office::handling(
        Source::of(&known),
        |provider| provider.max_tenants(2),
        |builder| builder.max_in_flight_per_tenant(1),
        held.handler(),
    );
    let first = office.spawn("acme", "1");
    held.started(1).await;
    for name in &names {
        let forged = office.send(signed_for(name, "nobody's secret", "1")).await;
        forged.assert_refused(401, RefusalKind::Signature);
    }
    assert_eq!(office.source.asked(), 21);
    // Forgotten and looked up anew, it would have a second share.
    office
        .deliver("acme", "2")
        .await
        .assert_refused(503, RefusalKind::Overloaded);
    held.end(2);
    first.await.unwrap().assert_acknowledged();
    office.deliver("acme", "2").await.assert_acknowledged();
    assert_eq!(office.source.asked(), 21);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_look_up_takes_a_place_too() {
    let office = Office::with(
        Source::of(&["umbrella"]),
        |provider| provider,
        |builder| builder.max_in_flight(8),
    );
    office.deliver("umbrella", "1").await.assert_acknowledged();
    office.source.feels(Mood::Hangs);
    let waiting: Vec<_> = (0..20).map(|id| office.spawn("nobody", &id.to_string())).collect();
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    // Strangers who name one name have half of the places, and no more.
    office.deliver("umbrella", "2").await.assert_acknowledged();
    let mut kinds = std::collections::BTreeMap::<&str, usize>::new();
    for answer in waiting {
        let refusal = answer.await.unwrap().rejection.unwrap();
        *kinds.entry(refusal.kind().as_str()).or_default() += 1;
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        [("overloaded", 16), ("tenants", 4)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_place_is_kept_over_a_refresh() {
    let held = Held::new();
    let office = Office::handling(
        Source::of(&["acme"]),
        |provider| provider,
        |builder| builder.max_in_flight_per_tenant(2),
        held.handler(),
    );
    let first = office.spawn("acme", "1");
    held.started(1).await;
    tokio::time::advance(std::time::Duration::from_secs(3)).await;
    office
        .handle
        .forget(&tower_webhook::event::Tenant::new("acme").unwrap());
    let second = office.spawn("acme", "2");
    held.started(1).await;
    assert_eq!(office.source.asked(), 2);
    assert_eq!(office.status("acme", "3").await, 503);
    held.end(2);
    for answer in [first, second] {
        answer.await.unwrap().assert_acknowledged();
    }
}
