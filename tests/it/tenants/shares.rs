//! One tenant takes up a share of the layer, and leaves the rest to the others.

use tower_webhook::RefusalKind;

use super::{Source, SourceBehaviour, TenantEndpoint, signed_for};
use crate::fixtures::Held;

#[tokio::test(start_paused = true)]
async fn a_tenant_has_its_share_of_the_requests_in_flight() {
    let held = Held::new();
    let endpoint = TenantEndpoint::handling(
        Source::of(&["acme", "umbrella"]),
        |provider| provider,
        |builder| builder.max_in_flight(8),
        held.handler(),
    );
    let mut waiting: Vec<_> = (0..4).map(|id| endpoint.spawn("acme", &id.to_string())).collect();
    held.started(4).await;
    // Half of eight is taken.
    let answer = endpoint.deliver("acme", "5").await;
    answer.assert_refused(503, RefusalKind::Overloaded);
    assert_eq!(answer.retry_after(), Some(1));
    // The other half is the others'.
    waiting.extend((0..4).map(|id| endpoint.spawn("umbrella", &id.to_string())));
    held.started(4).await;
    held.end(8);
    for answer in waiting {
        answer.await.unwrap().assert_acknowledged();
    }
    // The places are given back.
    held.end(1);
    endpoint.deliver("acme", "5").await.assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn a_share_is_as_large_as_is_said() {
    let held = Held::new();
    let endpoint = TenantEndpoint::handling(
        Source::of(&["acme"]),
        |provider| provider,
        |builder| builder.max_in_flight_per_tenant(1),
        held.handler(),
    );
    let first = endpoint.spawn("acme", "1");
    held.started(1).await;
    assert_eq!(endpoint.status("acme", "2").await, 503);
    held.end(2);
    first.await.unwrap().assert_acknowledged();
    endpoint.deliver("acme", "2").await.assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn a_tenant_with_a_request_in_flight_keeps_its_place_however_many_others_come() {
    let held = Held::new();
    let names: Vec<String> = (0..20).map(|number| format!("tenant-{number}")).collect();
    let mut known: Vec<&str> = names.iter().map(String::as_str).collect();
    known.push("acme");
    let endpoint = TenantEndpoint::handling(
        Source::of(&known),
        |provider| provider.max_tenants(2),
        |builder| builder.max_in_flight_per_tenant(1),
        held.handler(),
    );
    let first = endpoint.spawn("acme", "1");
    held.started(1).await;
    for name in &names {
        let forged = endpoint.send(signed_for(name, "nobody's secret", "1")).await;
        forged.assert_refused(401, RefusalKind::Signature);
    }
    assert_eq!(endpoint.source.asked(), 21);
    // Forgotten and looked up anew, it would have a second share.
    endpoint
        .deliver("acme", "2")
        .await
        .assert_refused(503, RefusalKind::Overloaded);
    held.end(2);
    first.await.unwrap().assert_acknowledged();
    endpoint.deliver("acme", "2").await.assert_acknowledged();
    assert_eq!(endpoint.source.asked(), 21);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_look_up_takes_a_place_too() {
    let endpoint = TenantEndpoint::with(
        Source::of(&["umbrella"]),
        |provider| provider,
        |builder| builder.max_in_flight(8),
    );
    endpoint.deliver("umbrella", "1").await.assert_acknowledged();
    endpoint.source.feels(SourceBehaviour::Hangs);
    let waiting: Vec<_> = (0..20).map(|id| endpoint.spawn("nobody", &id.to_string())).collect();
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    // Strangers who name one name have half of the places, and no more.
    endpoint.deliver("umbrella", "2").await.assert_acknowledged();
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
    let endpoint = TenantEndpoint::handling(
        Source::of(&["acme"]),
        |provider| provider,
        |builder| builder.max_in_flight_per_tenant(2),
        held.handler(),
    );
    let first = endpoint.spawn("acme", "1");
    held.started(1).await;
    tokio::time::advance(std::time::Duration::from_secs(3)).await;
    endpoint
        .handle
        .forget(&tower_webhook::event::Tenant::new("acme").unwrap());
    let second = endpoint.spawn("acme", "2");
    held.started(1).await;
    assert_eq!(endpoint.source.asked(), 2);
    assert_eq!(endpoint.status("acme", "3").await, 503);
    held.end(2);
    for answer in [first, second] {
        answer.await.unwrap().assert_acknowledged();
    }
}
