//! The page in Chromium. Images of it are kept in `target/inspector`.

mod driver;

use std::{
    net::SocketAddr,
    sync::atomic::Ordering,
    time::{Duration, Instant, SystemTime},
};

use axum::{Router, body::Body};
use http::Request;
use tokio::net::TcpListener;
use tower_webhook::{
    delivery_log::{DeliveryLog as _, DeliveryLogEntry, DeliveryLogFilter, DeliveryLogReader as _},
    dwolla,
    event::Source,
    inbox::InboxAdmin as _,
    signature::Secrets,
    store::Stage,
};
use tower_webhook_inspector::{Access, RunReport};

use self::driver::{Browser, ENTER, SPACE};
use crate::support::{SECRET, World, event, key};

const TOKEN: &str = "a-token-for-tests-of-32-letters!";

const CHECKS: &str = include_str!("checks.js");

/// Serves the page below a prefix, and says where.
async fn serve(inspector: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().nest("/inspector", inspector);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/inspector")
}

async fn page_of(world: &World) -> String {
    serve(world.builder(Access::loopback_only()).build().unwrap()).await
}

/// Headings, labels, contrast and width, on the page at hand.
#[track_caller]
fn is_sound<'a>(browser: &'a Browser, name: &'a str) -> impl Future<Output = ()> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let wrong = browser.text(CHECKS).await;
        assert!(wrong.is_empty(), "{caller}: {name}:\n{wrong}");
    }
}

async fn is_quiet(browser: &Browser) {
    let complaints = browser.complaints().await;
    let ours: Vec<_> = complaints
        .iter()
        .filter(|complaint| !complaint.contains("favicon.ico"))
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

/// A signed request whose body was changed on its way.
fn broken(body: &str) -> Request<Body> {
    let secrets = Secrets::new(SECRET).unwrap();
    let headers = dwolla::scheme().sign(&secrets, body.as_bytes()).unwrap();
    let spaced = body.replace("\":", "\": ").replace(",\"", ", \"");
    let mut request = Request::post("/webhooks/dwolla").body(Body::from(spaced)).unwrap();
    request.headers_mut().extend(headers);
    request
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    request
}

/// Deliveries of an hour, in each state, so that every page has something to show.
async fn lively() -> World {
    let world = World::new();
    world.captures.start(Duration::from_secs(600));
    let now = SystemTime::now();
    let topics = [
        "customer_created",
        "transfer_completed",
        "customer_funding_source_added",
    ];
    for number in 0..240_u64 {
        let mut entry = DeliveryLogEntry::new(
            now - Duration::from_secs((240 - number) * 15),
            "dwolla",
            "dwolla",
            Source::Delivered,
            match number % 20 {
                7 | 8 if number > 120 => "signature",
                13 => "handler-failed",
                17 => "duplicate",
                _ => "stored",
            },
        );
        let is_unread = entry.outcome == "signature";
        entry.id = (!is_unread).then(|| format!("4f8b{number:04}-5b13-4815-a83d-ed7a1fc70bd8"));
        entry.topic = (!is_unread).then(|| topics[usize::try_from(number).unwrap() % 3].to_owned());
        entry.status = Some(match &*entry.outcome {
            "signature" => 401,
            "handler-failed" => 500,
            _ => 200,
        });
        entry.reason = match &*entry.outcome {
            "signature" => "the tag does not match the secret; expected the body's own".to_owned(),
            "handler-failed" => "the ledger is closed until midnight".to_owned(),
            _ => String::new(),
        };
        entry.duration = Duration::from_micros(800 + number * 37);
        entry.size = Some(600);
        entry.secret_index = (!is_unread).then_some(0);
        world.log.record(entry);
    }
    for id in ["evt-dead-1", "evt-dead-2"] {
        world.dead(id).await;
    }
    let body = r#"{"id":"evt-1","topic":"customer_created","created":"2026-01-01T00:00:00Z","_links":{"customer":{"href":"https://api.example.com/customers/a84222d5-31d2-4290-9a96-089813ef96b3"},"account":null},"amounts":[1.50,1e3,0],"note":"zwölf € 🦀"}"#;
    assert_eq!(world.deliver(body).await, 200);
    assert_eq!(world.deliver(&event("evt-2", "transfer_completed")).await, 200);
    world.run("evt-2").await;
    assert_eq!(world.send(broken(&event("evt-3", "customer_created"))).await, 401);
    let window = (now - Duration::from_secs(3600), now);
    let mut report = RunReport::new("dwolla", window, "complete")
        .tally("known", 236, [])
        .tally(
            "handled",
            2,
            [
                "4f8b9001 · customer_created".to_owned(),
                "4f8b9002 · transfer_completed".to_owned(),
            ],
        );
    report.is_settled = true;
    report.took = Duration::from_millis(1840);
    world.reports.push(report);
    let report = RunReport::new("dwolla", window, "failed: the provider's API did not respond: 503");
    world.reports.push(report);
    world
}

const EACH: [(&str, &str); 16] = [
    ("deliveries", "deliveries"),
    (
        "filtered",
        "deliveries?outcome=failures&last=1h&provider=dwolla&tenant=",
    ),
    ("nothing", "deliveries?topic=of-nothing&since=2026-01-01T00:00"),
    ("delivery", "delivery?number=240"),
    ("event", "event?namespace=dwolla&id=evt-dead-1"),
    ("event-waiting", "event?namespace=dwolla&id=evt-1"),
    ("inbox", "inbox"),
    (
        "confirm-replay",
        "confirm?namespace=dwolla&verb=replay&id=evt-dead-1&id=evt-dead-2",
    ),
    ("confirm-all", "confirm?namespace=dwolla&verb=replay-all&stage=dead"),
    ("confirm-bury", "confirm?namespace=dwolla&verb=bury&id=evt-1"),
    ("refused", "refused"),
    ("explained", "request?number={captured}"),
    ("endpoints", "endpoints"),
    ("reports", "reports"),
    ("report", "report?number=0"),
    ("not-found", "nothing"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_page_is_sound_wide_and_on_a_phone_by_day_and_by_night() {
    let Some(browser) = Browser::start().await else { return };
    let world = lively().await;
    let base = page_of(&world).await;
    for (name, path) in EACH {
        let path = path.replace("{captured}", &world.captured().to_string());
        browser.go(&format!("{base}/{path}")).await;
        for (form, width, height) in [("wide", 1280, 1300), ("tablet", 834, 1112), ("phone", 360, 1500)] {
            browser.size(width, height).await;
            for scheme in ["light", "dark"] {
                browser.scheme(scheme).await;
                let name = format!("{name}-{form}-{scheme}");
                browser.keep(&name).await;
                is_sound(&browser, &name).await;
            }
        }
    }
    let complaints = browser.complaints().await;
    assert!(
        !complaints
            .iter()
            .any(|complaint| complaint.contains("Content Security Policy")),
        "{complaints:#?}"
    );
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_event_is_found_and_replayed_to_success() {
    let Some(browser) = Browser::start().await else { return };
    let world = World::at_work();
    world.fails.store(true, Ordering::SeqCst);
    assert_eq!(world.deliver(&event("evt-1", "customer_created")).await, 200);
    until_dead(&world, "evt-1").await;
    world.fails.store(false, Ordering::SeqCst);
    let base = page_of(&world).await;
    let begun = Instant::now();

    browser.go(&base).await;
    browser.until("location.pathname === '/inspector/deliveries'").await;
    browser
        .script("document.querySelector('#outcome').value = 'failures'")
        .await;
    browser.click(".filter button").await;
    browser
        .until("document.querySelectorAll('.list tbody tr').length === 1")
        .await;
    assert!(browser.page().await.contains("the ledger <b>is</b> closed"));
    browser.click(".list td .id").await;
    browser
        .until("document.querySelector('h1').textContent === 'Event evt-1'")
        .await;
    assert!(browser.page().await.contains("dead after 1 attempt"));
    browser.click(".actions a").await;
    browser
        .until("document.querySelector('h1').textContent === 'Replay 1 event?'")
        .await;
    browser.click(".confirm button").await;
    browser
        .until("document.querySelector('h1').textContent === 'Done'")
        .await;
    browser.keep("result").await;
    is_sound(&browser, "result").await;
    browser.click("main a").await;
    // The worker runs it by itself.
    loop {
        browser
            .until("document.querySelector('h1').textContent === 'Event evt-1'")
            .await;
        if browser.page().await.contains("✓ done") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", browser.page().await);
        browser.script("location.reload()").await;
    }
    let page = browser.page().await;
    assert!(page.contains("✓ handled") && page.contains("by a worker"), "{page}");
    is_quiet(&browser).await;
    browser.end().await;
}

async fn until_dead(world: &World, id: &str) {
    let begun = Instant::now();
    loop {
        let letter = world.inbox.letter(&key(id)).await.unwrap();
        if letter.is_some_and(|letter| letter.entry.stage == Stage::Dead) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_keyboard_alone_a_filter_is_set_and_an_event_replayed() {
    let Some(browser) = Browser::start().await else { return };
    let world = World::new();
    world.dead("evt-1").await;
    let base = page_of(&world).await;
    browser.go(&format!("{base}/inbox")).await;
    // The first stop leads past the navigation.
    assert_eq!(browser.tab_to(".skip").await, 1);
    browser.keep("skip").await;
    browser.press(ENTER).await;
    browser.tab_to("#topic").await;
    browser.press("customer_created").await;
    browser.press(ENTER).await;
    browser
        .until("location.search.includes('topic=customer_created')")
        .await;

    browser.tab_to("input[type=checkbox]").await;
    browser.press(SPACE).await;
    browser.tab_to("button[value=replay]").await;
    browser.keep("focus").await;
    let outline = browser
        .text("return getComputedStyle(document.activeElement).outlineStyle")
        .await;
    assert_eq!(outline, "solid");
    browser.press(ENTER).await;
    browser
        .until("document.querySelector('h1').textContent === 'Replay 1 event?'")
        .await;
    browser.tab_to(".confirm button").await;
    browser.press(ENTER).await;
    browser
        .until("document.querySelector('h1').textContent === 'Done'")
        .await;
    let letter = world.inbox.letter(&key("evt-1")).await.unwrap().unwrap();
    assert_eq!(letter.entry.stage, Stage::Waiting);
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_in_a_body_a_topic_or_a_header_does_not_run() {
    let Some(browser) = Browser::start().await else { return };
    let world = World::new();
    world.captures.start(Duration::from_secs(600));
    let nasty = "<script>window.ran = 1; alert(1)</script><img src=x onerror='window.ran = 2'>";
    let body = format!(r#"{{"id":"evt-1","topic":"{nasty}","created":"2026-01-01T00:00:00Z","note":"{nasty}"}}"#);
    assert_eq!(world.deliver(&body).await, 200);
    let mut request = broken(&body);
    request.headers_mut().insert("x-note", nasty.parse().unwrap());
    assert_eq!(world.send(request).await, 401);
    let base = page_of(&world).await;
    for path in [
        "deliveries",
        "event?namespace=dwolla&id=evt-1",
        "inbox",
        &format!("request?number={}", world.captured()),
        "refused",
    ] {
        browser.go(&format!("{base}/{path}")).await;
        browser.until("document.readyState === 'complete'").await;
        assert_eq!(
            browser.script("return window.ran ?? null").await,
            serde_json::Value::Null,
            "{path}"
        );
        assert_eq!(
            browser
                .script("return document.querySelectorAll('main script, main img').length")
                .await,
            0,
            "{path}"
        );
        if !path.starts_with("refused") {
            assert!(browser.page().await.contains("<script>window.ran = 1"), "{path}");
        }
        is_sound(&browser, path).await;
    }
    // Live rows, too.
    browser.go(&format!("{base}/deliveries")).await;
    assert_eq!(world.deliver(&body.replace("evt-1", "evt-2")).await, 200);
    browser
        .until("document.querySelectorAll('.list tbody tr').length === 3")
        .await;
    assert_eq!(
        browser.script("return window.ran ?? null").await,
        serde_json::Value::Null
    );
    assert_eq!(
        browser
            .script("return document.querySelectorAll('main script, main img').length")
            .await,
        0
    );
    browser.keep("hostile").await;
    // A body that is opened by itself is a download, not a page.
    browser.go(&format!("{base}/body?namespace=dwolla&id=evt-1")).await;
    assert_eq!(
        browser.script("return window.ran ?? null").await,
        serde_json::Value::Null
    );
    is_quiet(&browser).await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_deliveries_come_by_themselves_and_can_be_paused() {
    let Some(browser) = Browser::start().await else { return };
    let world = World::new();
    let base = page_of(&world).await;
    browser.go(&format!("{base}/deliveries")).await;
    browser.until("document.querySelector('.live-status + button')").await;
    for number in 0..3 {
        world.record("handled", |entry| entry.id = Some(format!("evt-{number}")));
    }
    browser
        .until("document.querySelectorAll('.list tbody tr').length === 3")
        .await;
    browser
        .until("document.querySelector('#live-status').innerText === '3 new deliveries are at the top.'")
        .await;
    assert_eq!(
        browser
            .text("return document.querySelector('.list .id').textContent")
            .await,
        "evt-2"
    );
    is_sound(&browser, "live").await;
    browser.keep("live").await;

    browser.click(".live-status + button").await;
    world.record("store", |entry| entry.id = Some("evt-3".to_owned()));
    browser
        .until("document.querySelector('#live-status').innerText === '1 new, not shown while paused.'")
        .await;
    assert_eq!(
        browser
            .script("return document.querySelectorAll('.list tbody tr').length")
            .await,
        3
    );
    browser.click(".live-status + button").await;
    assert_eq!(
        browser
            .text("return document.querySelector('.list .id').textContent")
            .await,
        "evt-3"
    );
    is_quiet(&browser).await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_without_the_token_sees_nothing_and_one_with_it_everything() {
    let Some(browser) = Browser::start().await else { return };
    let world = World::new();
    world.dead("evt-1").await;
    let base = serve(world.builder(Access::token(TOKEN)).build().unwrap()).await;
    browser.go(&format!("{base}/inbox?stage=dead")).await;
    let page = browser.page().await;
    assert!(page.contains("Log in") && !page.contains("evt-1"), "{page}");
    for (scheme, form, width) in [("light", "wide", 1280), ("dark", "phone", 360)] {
        browser.scheme(scheme).await;
        browser.size(width, 740).await;
        browser.keep(&format!("login-{form}-{scheme}")).await;
        is_sound(&browser, "login").await;
    }
    // The field has the focus already.
    browser.press("not-the-token").await;
    browser.press(ENTER).await;
    browser
        .until("document.querySelector('.problem')?.innerText === 'This is not the token.'")
        .await;
    is_sound(&browser, "a wrong token").await;
    browser.keep("login-wrong").await;
    browser.write("#token", TOKEN).await;
    browser.press(ENTER).await;
    browser
        .until("location.pathname === '/inspector/inbox' && location.search === '?stage=dead'")
        .await;
    assert!(browser.page().await.contains("evt-1"));
    assert_eq!(
        browser.text("return document.cookie").await,
        "",
        "scripts see no cookie"
    );
    // Forms work: the origin is the page's own, and the cookie is sent.
    browser
        .go(&format!("{base}/confirm?verb=replay&namespace=dwolla&id=evt-1"))
        .await;
    browser.click(".confirm button").await;
    browser
        .until("document.querySelector('h1').textContent === 'Done'")
        .await;
    browser.click(".logout button").await;
    browser
        .until("document.querySelector('h1').textContent === 'Log in'")
        .await;
    browser.go(&format!("{base}/inbox")).await;
    assert!(!browser.page().await.contains("evt-1"));
    browser.end().await;
}

/// How much memory this process has, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_deliveries_are_there_at_once() {
    let Some(browser) = Browser::start().await else { return };
    let world = World::new();
    let before = memory();
    let now = SystemTime::now();
    for number in 0..100_000_u64 {
        let outcome = if number % 50 == 0 { "handler-failed" } else { "stored" };
        let time = now - Duration::from_millis((100_000 - number) * 36);
        let mut entry = DeliveryLogEntry::new(time, "dwolla", "dwolla", Source::Delivered, outcome);
        entry.id = Some(format!("4f8b-{number:06}-5b13-4815-a83d-ed7a1fc70bd8"));
        entry.topic = Some("customer_created".to_owned());
        entry.status = Some(if number % 50 == 0 { 500 } else { 200 });
        entry.reason = if number % 50 == 0 {
            "the ledger is closed".to_owned()
        } else {
            String::new()
        };
        world.log.record(entry);
    }
    let held = memory().saturating_sub(before);
    let base = page_of(&world).await;
    browser.go(&format!("{base}/endpoints")).await; // what the first request alone costs
    let mut told = String::new();
    for path in [
        "deliveries",
        "deliveries?outcome=failures",
        "deliveries?id=4f8b-000000-5b13-4815-a83d-ed7a1fc70bd8",
    ] {
        browser.go(&format!("{base}/{path}")).await;
        browser
            .until("performance.getEntriesByName('first-contentful-paint').length")
            .await;
        let paint = browser
            .script("return Math.round(performance.getEntriesByName('first-contentful-paint')[0].startTime)")
            .await;
        let sent = browser
            .script("const [page] = performance.getEntriesByType('navigation'); return [Math.round(page.responseStart), page.encodedBodySize]")
            .await;
        let tab = browser.memory().await;
        told.push_str(&format!(
            "\n{path}: first paint {paint} ms, first byte and size {sent}, the tab has {tab} KiB"
        ));
        let paint = paint.as_u64().unwrap();
        assert!(paint < 3000, "first paint after {paint} ms");
    }
    let served = memory().saturating_sub(before);
    eprintln!("100,000 deliveries: {held} bytes, {served} after the pages{told}");
    assert!(held < 150_000_000, "{held} bytes");
    browser.go(&format!("{base}/deliveries")).await;
    is_sound(&browser, "100,000 deliveries").await;
    browser.keep("hundred-thousand").await;
    assert!(browser.page().await.contains("Outcomes in the last hour"));
    let all = world.log.list(&DeliveryLogFilter::new(), None, 200_000).await.unwrap();
    assert_eq!(all.len(), 100_000);
    browser.end().await;
}
