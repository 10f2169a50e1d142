//! New deliveries, as they come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::{sync::oneshot, time::timeout};
use tower::ServiceExt as _;
use tower_webhook::delivery_log::{DeliveryLogFilter, DeliveryLogReader, Numbered, PerMinute, Reading};
use tower_webhook_inspector::{Access, Inspector};

use crate::support::World;

async fn connect(app: &Router, path: &str, seen: Option<&str>) -> Response<Body> {
    let mut request = Request::get(path)
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap();
    if let Some(seen) = seen {
        request.headers_mut().insert("last-event-id", seen.parse().unwrap());
    }
    let peer: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    app.clone().oneshot(request).await.unwrap()
}

/// The next event of deliveries; comments that keep the connection alive are skipped.
async fn next(response: &mut Response<Body>) -> Option<String> {
    loop {
        let frame = response.frame().await?.unwrap().into_data().unwrap();
        let text = String::from_utf8(frame.to_vec()).unwrap();
        if text.contains("event: deliveries") {
            return Some(text);
        }
    }
}

fn app(world: &World) -> Router {
    world.builder(Access::loopback_only()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_page_gets_what_is_new_and_matches_its_filter() {
    let world = World::new();
    world.record("handled", |entry| entry.id = Some("before".into()));
    let app = app(&world);
    let mut all = connect(&app, "/live?after=0", None).await;
    let mut failures = connect(&app, "/live?after=0&outcome=failures", None).await;
    assert_eq!(all.headers()["content-type"], "text/event-stream");
    world.record("handled", |entry| entry.id = Some("well".into()));
    let told = next(&mut all).await.unwrap();
    assert!(
        told.contains("id: 1\n") && told.contains(">well<") && !told.contains("before"),
        "{told}"
    );
    // Nothing for this one, at first and as it comes.
    assert!(timeout(Duration::from_secs(5), next(&mut failures)).await.is_err());
    world.record("handled", |entry| entry.id = Some("well-again".into()));
    assert!(timeout(Duration::from_secs(5), next(&mut failures)).await.is_err());
    assert!(next(&mut all).await.unwrap().contains(">well-again<"));
    world.record("store", |entry| entry.id = Some("<b>".into()));
    let told = next(&mut failures).await.unwrap();
    assert!(told.contains("id: 3\n") && told.contains(">&lt;b&gt;<"), "{told}");
    assert!(next(&mut all).await.unwrap().contains("id: 3\n"));
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_asks_again_misses_nothing() {
    let world = World::new();
    for id in ["0", "1", "2"] {
        world.record("handled", |entry| entry.id = Some(format!("evt-{id}.")));
    }
    let mut again = connect(&app(&world), "/live?after=0", Some("1")).await;
    let told = next(&mut again).await.unwrap();
    assert!(told.contains("evt-2.") && !told.contains("evt-1."), "{told}");
}

/// Many seconds' news have come before it reads on: more than are kept for it.
#[tokio::test(start_paused = true)]
async fn a_browser_that_is_slow_misses_nothing() {
    let world = World::new();
    let mut response = connect(&app(&world), "/live", None).await;
    world.record("handled", |entry| entry.id = Some("evt-0.".into()));
    let mut told = next(&mut response).await.unwrap();
    for number in 1..=20 {
        world.record("handled", |entry| entry.id = Some(format!("evt-{number}.")));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    while let Ok(Some(more)) = timeout(Duration::from_secs(2), next(&mut response)).await {
        told.push_str(&more);
    }
    for number in 0..=20 {
        assert_eq!(told.matches(&format!(">evt-{number}.<")).count(), 1, "{number}: {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_is_read_while_somebody_listens_and_no_longer() {
    #[derive(Clone, Debug, Default)]
    struct Counted(Arc<AtomicUsize>);

    impl DeliveryLogReader for Counted {
        fn list<'a>(&'a self, _: &'a DeliveryLogFilter, _: Option<u64>, _: usize) -> Reading<'a, Vec<Numbered>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(Vec::new()) })
        }

        fn per_minute<'a>(&'a self, _: &'a DeliveryLogFilter) -> Reading<'a, Vec<PerMinute>> {
            Box::pin(async { Ok(Vec::new()) })
        }
    }

    let log = Counted::default();
    let read = || log.0.load(Ordering::SeqCst);
    let app = Inspector::builder(Access::loopback_only())
        .log(log.clone())
        .build()
        .unwrap();
    for _ in 0..2 {
        let before = read();
        let mut both = [connect(&app, "/live", None).await, connect(&app, "/live", None).await];
        assert!(timeout(Duration::from_secs(10), next(&mut both[0])).await.is_err());
        let listened = read() - before;
        // Once a second for both of them, and once for each itself.
        assert!((9..=14).contains(&listened), "{listened}");
        drop(both);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let at_the_end = read();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(read(), at_the_end);
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_after_a_while_and_when_the_application_does() {
    let world = World::new();
    let mut response = connect(&app(&world), "/live", None).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(next(&mut response).await, None);
    assert_eq!(begun.elapsed(), Duration::from_secs(30));

    let (stop, stopped) = oneshot::channel::<()>();
    let app = world
        .builder(Access::loopback_only())
        .shutdown(async { drop(stopped.await) })
        .build()
        .unwrap();
    let mut response = connect(&app, "/live", None).await;
    let mut other = connect(&app, "/live", None).await;
    let begun = tokio::time::Instant::now();
    stop.send(()).unwrap();
    assert_eq!((next(&mut response).await, next(&mut other).await), (None, None));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn so_many_browsers_are_served_and_no_more() {
    let world = World::new();
    let app = app(&world);
    let mut open = Vec::new();
    for _ in 0..32 {
        let response = connect(&app, "/live", None).await;
        assert_eq!(response.status(), 200);
        open.push(response);
    }
    assert_eq!(connect(&app, "/live", None).await.status(), 503);
    open.pop();
    assert_eq!(connect(&app, "/live", None).await.status(), 200);
}
