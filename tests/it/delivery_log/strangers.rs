use http::HeaderMap;
use http_body_util::Full;
use tokio::time::advance;

use super::{all, log};
use crate::{
    endpoint::{Endpoint, TestBody, event_of, signed, with_body},
    fixtures::{SECOND, succeed},
};

fn unsigned() -> http::Request<TestBody> {
    with_body(HeaderMap::new(), Full::from("{}"))
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_refused_requests_leaves_60_entries_a_minute() {
    let (given, log) = log();
    let endpoint = Endpoint::with(succeed, |builder| builder.delivery_log(given));
    for _ in 0..500 {
        assert_eq!(endpoint.send(unsigned()).await.status, 401);
    }
    assert_eq!(all(&*log).await.len(), 60);

    // What is authentic is no stranger's.
    endpoint.deliver("a").await.assert_acknowledged();
    for _ in 0..100 {
        endpoint.send(signed("no JSON")).await;
    }
    assert_eq!(all(&*log).await.len(), 60 + 1 + 100);

    advance(SECOND * 61).await;
    for _ in 0..100 {
        endpoint.send(unsigned()).await;
    }
    let entries = all(&*log).await;
    assert_eq!(entries.len(), 60 + 1 + 100 + 60);
    let left_out: Vec<_> = entries
        .iter()
        .map(|entry| entry.left_out)
        .filter(|left_out| *left_out > 0)
        .collect();
    assert_eq!(left_out, [440], "the first entry afterwards says how many there were");
}

#[tokio::test(start_paused = true)]
async fn whatever_a_stranger_does_is_bounded() {
    let (given, log) = log();
    let endpoint = Endpoint::with(succeed, |builder| {
        builder.delivery_log(given).log_unauthenticated(2).body_limit(1000)
    });
    let mut encoded = signed("{}");
    encoded
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    endpoint.send(encoded).await;
    endpoint.send(signed(event_of("a", &"t".repeat(5000)))).await;
    let mut get = signed("{}");
    *get.method_mut() = http::Method::GET;
    endpoint.send(get).await;
    drop(endpoint.handle.drain(SECOND).await);
    endpoint.send(unsigned()).await;

    let entries = all(&*log).await;
    let outcomes: Vec<_> = entries.iter().map(|entry| &*entry.outcome).collect();
    assert_eq!(outcomes, ["encoding", "too-large"]);
}

#[tokio::test(start_paused = true)]
async fn none_of_them_where_the_rate_is_zero() {
    let (given, log) = log();
    let endpoint = Endpoint::with(succeed, |builder| builder.log_unauthenticated(0).delivery_log(given));
    endpoint.send(unsigned()).await;
    assert!(all(&*log).await.is_empty());
    endpoint.deliver("a").await.assert_acknowledged();
    assert_eq!(all(&*log).await.len(), 1);
}
