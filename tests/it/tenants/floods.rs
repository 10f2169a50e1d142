//! What strangers can have the source do.

use std::time::Duration;

use tokio::time::{Instant, advance, sleep};
use tower_webhook::RefusalKind;

use super::{Source, SourceBehaviour, TenantEndpoint};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_requests_of_a_new_tenant_are_one_look_up() {
    for _ in 0..20 {
        let endpoint = TenantEndpoint::of(&["acme"]);
        let copies: Vec<_> = (0..100).map(|id| endpoint.spawn("acme", &id.to_string())).collect();
        for copy in copies {
            copy.await.unwrap().assert_acknowledged();
        }
        assert_eq!((endpoint.source.asked(), endpoint.runs()), (1, 100));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_cancels_no_look_up() {
    let endpoint = TenantEndpoint::of(&["acme"]);
    endpoint.source.feels(SourceBehaviour::After(Duration::from_secs(1)));
    let gone = endpoint.spawn("acme", "1");
    sleep(Duration::from_millis(10)).await;
    let waits = endpoint.spawn("acme", "2");
    sleep(Duration::from_millis(10)).await;
    gone.abort();
    waits.await.unwrap().assert_acknowledged();
    assert_eq!(endpoint.source.asked(), 1);
    // Not even where nobody else waits.
    endpoint.source.set("umbrella", &[&super::secret("umbrella")]);
    let gone = endpoint.spawn("umbrella", "1");
    sleep(Duration::from_millis(10)).await;
    gone.abort();
    sleep(Duration::from_secs(2)).await;
    assert_eq!((endpoint.source.asked(), endpoint.handle.known()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_tenants_asks_at_the_rate_and_harms_nobody_who_is_known() {
    let endpoint = TenantEndpoint::with(
        Source::of(&["acme"]),
        |provider| provider.lookup_rate(10, 20).ttl(Duration::from_secs(3)),
        |builder| builder,
    );
    endpoint.deliver("acme", "first").await.assert_acknowledged();
    let began = Instant::now();
    let (mut refused, mut limited, mut known) = (0, 0, 0);
    for number in 0..5000 {
        let answer = endpoint.deliver(&format!("nobody-{number}"), "1").await;
        match answer.status.as_u16() {
            401 => refused += 1,
            503 => {
                answer.assert_refused(503, RefusalKind::Overloaded);
                assert_eq!(answer.retry_after(), Some(1));
                limited += 1;
            }
            other => panic!("{other}"),
        }
        if number % 50 == 0 {
            // Also when its secrets are looked up anew, which takes nothing from the budget.
            endpoint
                .deliver("acme", &number.to_string())
                .await
                .assert_acknowledged();
            known += 1;
        }
        advance(Duration::from_millis(2)).await;
    }
    let seconds = began.elapsed().as_secs(); // ten
    let refreshes = 3;
    assert_eq!(known, 100);
    // The first delivery took one of the twenty.
    assert!((115..=120).contains(&refused), "{refused} in {seconds} s");
    assert_eq!(refused + limited, 5000);
    assert_eq!(endpoint.source.asked(), 1 + refused + refreshes);
}

#[tokio::test(start_paused = true)]
async fn a_name_beyond_the_rate_is_looked_up_when_it_is_sent_again() {
    let endpoint = TenantEndpoint::with(
        Source::of(&["acme"]),
        |provider| provider.lookup_rate(1, 1),
        |builder| builder,
    );
    assert_eq!(endpoint.status("nobody", "1").await, 401);
    let answer = endpoint.deliver("acme", "1").await;
    answer.assert_refused(503, RefusalKind::Overloaded);
    advance(Duration::from_secs(answer.retry_after().unwrap())).await;
    endpoint.deliver("acme", "1").await.assert_acknowledged();
    // A name that is known to be nobody's takes nothing from the rate.
    assert_eq!(endpoint.status("nobody", "1").await, 401);
    assert_eq!(endpoint.source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_that_ask_for_nothing_of_a_tenants_ask_the_source_for_nothing() {
    use http::{HeaderValue, Method};
    let endpoint = TenantEndpoint::of(&["acme"]);
    let request = || super::signed_for("acme", &super::secret("acme"), "1");
    let mut head = request();
    *head.method_mut() = Method::GET;
    let mut encoded = request();
    encoded
        .headers_mut()
        .insert("content-encoding", HeaderValue::from_static("gzip"));
    let mut large = request();
    large
        .headers_mut()
        .insert("content-length", HeaderValue::from_static("999999999"));
    let mut unsigned = request();
    unsigned.headers_mut().remove("x-request-signature-sha-256").unwrap();
    let mut nameless = request();
    nameless.headers_mut().remove(super::TENANT).unwrap();
    for (request, status) in [
        (head, 405),
        (encoded, 415),
        (large, 413),
        (unsigned, 401),
        (nameless, 401),
    ] {
        assert_eq!(endpoint.send(request).await.status, status);
    }
    assert_eq!(endpoint.source.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn names_that_are_nobodys_are_remembered_up_to_a_bound() {
    let endpoint = TenantEndpoint::with(
        Source::of(&[]),
        |provider| {
            provider
                .lookup_rate(1_000_000, 1_000_000)
                .negative_ttl(Duration::from_secs(3600))
        },
        |builder| builder,
    );
    for number in 0..10_001 {
        assert_eq!(endpoint.status(&number.to_string(), "1").await, 401);
    }
    assert_eq!(endpoint.source.asked(), 10_001);
    // The last is remembered, the first is not any more.
    assert_eq!(endpoint.status("10000", "1").await, 401);
    assert_eq!(endpoint.source.asked(), 10_001);
    assert_eq!(endpoint.status("0", "1").await, 401);
    assert_eq!(endpoint.source.asked(), 10_002);
}
