//! What was looked up is kept: for how long, and what happens when the source is away.

use std::time::Duration;

use tokio::time::{Instant, advance, sleep};
use tower_webhook::{
    RefusalKind,
    event::{EventId, Tenant},
    store::{IdempotencyStore as _, Key},
};

use super::{Source, SourceBehaviour, TenantEndpoint, secret, signed_for};

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_looked_up_once_within_the_time_to_live() {
    let endpoint = TenantEndpoint::of(&["acme", "umbrella"]);
    for id in ["1", "2", "3"] {
        endpoint.deliver("acme", id).await.assert_acknowledged();
        endpoint.deliver("umbrella", id).await.assert_acknowledged();
    }
    assert_eq!(
        (endpoint.source.asked(), endpoint.runs(), endpoint.handle.known()),
        (2, 6, 2)
    );
    // Its forgeries too.
    let forged = signed_for("acme", &secret("umbrella"), "4");
    endpoint.send(forged).await.assert_refused(401, RefusalKind::Signature);
    assert_eq!((endpoint.source.asked(), endpoint.runs()), (2, 6));
    advance(seconds(59)).await;
    endpoint.deliver("acme", "5").await.assert_acknowledged();
    assert_eq!(endpoint.source.asked(), 2);
    advance(seconds(1)).await;
    endpoint.deliver("acme", "6").await.assert_acknowledged();
    assert_eq!(endpoint.source.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_seen_within_the_time_to_live_and_at_once_after_forget() {
    let endpoint = TenantEndpoint::of(&["acme"]);
    endpoint.deliver("acme", "1").await.assert_acknowledged();
    endpoint.source.set("acme", &["the new secret of acme"]);
    let new = |id| signed_for("acme", "the new secret of acme", id);
    assert_eq!(endpoint.send(new("2")).await.status, 401);
    advance(seconds(60)).await;
    endpoint.send(new("2")).await.assert_acknowledged();
    assert_eq!(endpoint.status("acme", "3").await, 401, "the old secret is over");

    endpoint.source.set("acme", &["newer than new"]);
    endpoint.handle.forget(&tenant("acme"));
    endpoint
        .send(signed_for("acme", "newer than new", "4"))
        .await
        .assert_acknowledged();
    assert_eq!(endpoint.send(new("5")).await.status, 401);
}

/// What changed while the source was thinking about it is seen within the time to live as well.
#[tokio::test(start_paused = true)]
async fn secrets_are_as_old_as_the_question_and_not_as_the_answer() {
    let endpoint = TenantEndpoint::of(&["acme"]);
    endpoint
        .source
        .feels(SourceBehaviour::After(Duration::from_millis(1500)));
    endpoint.deliver("acme", "1").await.assert_acknowledged();
    endpoint.source.feels(SourceBehaviour::Well);
    advance(Duration::from_millis(58_500)).await;
    endpoint.deliver("acme", "2").await.assert_acknowledged();
    assert_eq!(endpoint.source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn both_secrets_of_a_rotation_are_valid() {
    let endpoint = TenantEndpoint::of(&[]);
    endpoint
        .source
        .set("acme", &["the new one of acme", "the old one of acme"]);
    for (secret, id) in [("the new one of acme", "1"), ("the old one of acme", "2")] {
        endpoint
            .send(signed_for("acme", secret, id))
            .await
            .assert_acknowledged();
    }
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_such_tenant_is_remembered_for_a_shorter_time() {
    let endpoint = TenantEndpoint::of(&[]);
    for id in ["1", "2"] {
        let answer = endpoint.deliver("acme", id).await;
        answer.assert_refused(401, RefusalKind::Signature);
    }
    assert_eq!(endpoint.source.asked(), 1);
    endpoint.source.set("acme", &[&secret("acme")]);
    assert_eq!(endpoint.status("acme", "1").await, 401);
    advance(seconds(30)).await;
    assert_eq!(endpoint.status("acme", "1").await, 200);

    // A tenant that is created calls `forget`, and waits for nothing.
    assert_eq!(endpoint.status("umbrella", "1").await, 401);
    endpoint.source.set("umbrella", &[&secret("umbrella")]);
    endpoint.handle.forget(&tenant("umbrella"));
    assert_eq!(endpoint.status("umbrella", "1").await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_removed_is_unknown_after_the_time_to_live() {
    let endpoint = TenantEndpoint::of(&["acme"]);
    endpoint.deliver("acme", "1").await.assert_acknowledged();
    endpoint.source.remove("acme");
    advance(seconds(60)).await;
    assert_eq!(endpoint.status("acme", "2").await, 401);
    assert_eq!(endpoint.handle.known(), 0);
}

#[tokio::test(start_paused = true)]
async fn secrets_serve_while_the_source_is_down_and_no_longer_than_is_said() {
    for mood in [
        SourceBehaviour::Fails,
        SourceBehaviour::Panics,
        SourceBehaviour::Hangs,
        SourceBehaviour::After(seconds(10)),
    ] {
        let endpoint = TenantEndpoint::with(
            Source::of(&["acme"]),
            |provider| provider.stale_if_error(seconds(600)),
            |builder| builder,
        );
        endpoint.deliver("acme", "1").await.assert_acknowledged();
        endpoint.source.feels(mood);
        advance(seconds(60)).await;
        let asked = endpoint.source.asked();
        let began = Instant::now();
        endpoint.deliver("acme", "2").await.assert_acknowledged();
        assert!(began.elapsed() <= seconds(3), "half of the time is left for the body");
        // Forgeries are still refused.
        assert_eq!(
            endpoint.send(signed_for("acme", "another secret", "3")).await.status,
            401
        );
        // The source is left alone for some seconds.
        sleep(seconds(3)).await;
        endpoint.deliver("acme", "4").await.assert_acknowledged();
        assert_eq!(endpoint.source.asked(), asked + 1);
        sleep(seconds(6)).await;
        endpoint.deliver("acme", "5").await.assert_acknowledged();
        assert_eq!(endpoint.source.asked(), asked + 2);

        advance(seconds(600)).await;
        let answer = endpoint.deliver("acme", "6").await;
        answer.assert_refused(503, RefusalKind::Tenants);
        assert_eq!(answer.retry_after(), Some(5));

        // It comes back by itself.
        endpoint.source.feels(SourceBehaviour::Well);
        sleep(seconds(10)).await;
        endpoint.deliver("acme", "6").await.assert_acknowledged();
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_down_leads_to_503_and_leaves_nothing() {
    let endpoint = TenantEndpoint::of(&["acme"]);
    for mood in [SourceBehaviour::Fails, SourceBehaviour::Panics, SourceBehaviour::Hangs] {
        endpoint.source.feels(mood);
        let began = Instant::now();
        let answer = endpoint.deliver("acme", "1").await;
        answer.assert_refused(503, RefusalKind::Tenants);
        assert_eq!(answer.retry_after(), Some(5));
        assert!(
            !answer.body.contains("database") && !answer.body.contains("acme"),
            "{answer:?}"
        );
        assert!(began.elapsed() <= seconds(2), "the time of a lookup");
    }
    let key = Key::new("dwolla", tenant("acme").id_of(&EventId::new("1").unwrap()));
    assert!(endpoint.store.get(&key).await.unwrap().is_none());
    assert_eq!(endpoint.runs(), 0);
    endpoint.source.feels(SourceBehaviour::Well);
    endpoint.deliver("acme", "1").await.assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_does_not_serve_while_the_source_is_down() {
    let endpoint = TenantEndpoint::of(&["acme"]);
    endpoint.deliver("acme", "1").await.assert_acknowledged();
    endpoint.source.feels(SourceBehaviour::Fails);
    endpoint.handle.forget(&tenant("acme"));
    assert_eq!(endpoint.status("acme", "2").await, 503);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_began_before_forget_is_not_kept() {
    let endpoint = TenantEndpoint::of(&["acme"]);
    endpoint.source.feels(SourceBehaviour::After(seconds(1)));
    let early = endpoint.spawn("acme", "1");
    sleep(Duration::from_millis(500)).await;
    endpoint.handle.forget(&tenant("acme"));
    assert_eq!(early.await.unwrap().status, 200, "it waited for that lookup");
    assert_eq!(endpoint.handle.known(), 0);
    endpoint.deliver("acme", "2").await.assert_acknowledged();
    assert_eq!(endpoint.source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_look_ups_the_one_that_began_after_forget_is_kept() {
    let endpoint = TenantEndpoint::of(&["acme"]);
    endpoint
        .source
        .feels(SourceBehaviour::After(seconds(2) - Duration::from_millis(1)));
    let early = endpoint.spawn("acme", "1");
    sleep(seconds(1)).await;
    endpoint.handle.forget(&tenant("acme"));
    let late = endpoint.spawn("acme", "2");
    early.await.unwrap().assert_acknowledged();
    // The later one still runs: its name has no second lookup, and nothing is kept yet.
    assert_eq!(endpoint.handle.known(), 0);
    late.await.unwrap().assert_acknowledged();
    assert_eq!((endpoint.handle.known(), endpoint.source.asked()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn with_secrets_from_before_half_of_the_time_is_left_for_the_body() {
    let endpoint = TenantEndpoint::with(
        Source::of(&["acme"]),
        |provider| provider.lookup_timeout(seconds(60)),
        |builder| builder.body_timeout(seconds(4)),
    );
    endpoint.deliver("acme", "1").await.assert_acknowledged();
    endpoint.source.feels(SourceBehaviour::Hangs);
    advance(seconds(60)).await;
    let began = Instant::now();
    endpoint.deliver("acme", "2").await.assert_acknowledged();
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn secrets_of_another_form_than_the_schemes_are_no_secrets() {
    use http::HeaderName;
    use tower_webhook::{
        MemoryStore, TopicRouter, WebhookLayer,
        provider::{Provider as _, tenant::TenantOf},
        standard_webhooks::StandardWebhooks,
    };
    let source = Source::of(&["acme"]); // text, and base64 is expected
    let provider = StandardWebhooks::reader()
        .per_tenant(TenantOf::header(HeaderName::from_static("x-tenant")), source)
        .unwrap();
    let service = WebhookLayer::new(provider, MemoryStore::new()).topics(TopicRouter::new());
    let mut request = tower_webhook::testing::SignedRequest::of(
        &StandardWebhooks::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap(),
        r#"{"type":"a"}"#,
    )
    .build();
    request.headers_mut().insert("x-tenant", "acme".parse().unwrap());
    let response = tower::ServiceExt::oneshot(service, request).await.unwrap();
    assert_eq!(response.status(), 503);
    let refusal = response.extensions().get::<tower_webhook::Refusal>().unwrap();
    assert!(refusal.reason().contains("do not fit the scheme"), "{refusal}");
    assert!(!refusal.reason().contains("the secret of acme"), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn the_number_of_tenants_is_bounded_and_those_in_use_stay() {
    let names: Vec<String> = (0..50).map(|number| format!("tenant-{number}")).collect();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let endpoint = TenantEndpoint::with(
        Source::of(&known),
        |provider| provider.max_tenants(10),
        |builder| builder,
    );
    for (number, name) in known.iter().enumerate() {
        endpoint.deliver(name, "1").await.assert_acknowledged();
        assert!(endpoint.handle.known() <= 10);
        // In use all the time, and so never looked up again.
        let asked = endpoint.source.asked();
        endpoint
            .deliver("tenant-0", &number.to_string())
            .await
            .assert_acknowledged();
        assert_eq!(endpoint.source.asked(), asked, "{name}");
    }
    assert_eq!(endpoint.handle.known(), 10);
}
