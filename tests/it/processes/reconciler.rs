//! Reconcilers in several processes, over one store: never two at once.

use std::time::Duration;

use serde_json::{Value, json};
use tower_webhook::{
    Processor, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    event::EventId,
    store::IdempotencyStore,
};
use tower_webhook_reconcile::{
    Pages, Reconciler,
    reconciler::{Content, End, Ending, Item, Report, Source, Window},
};

use super::{
    process::{Process, say},
    shared::Shared,
};
use crate::endpoint::SECRET;

const LEASE: Duration = Duration::from_secs(60);

/// Has one event, and tells it at once, or never.
struct Provider {
    never: bool,
}

impl Source for Provider {
    type Event = dwolla::Event;

    fn name(&self) -> String {
        "dwolla/of-two-processes".to_owned()
    }

    fn retention(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn overlap(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn list(&self, _: Window) -> Pages<Item<dwolla::Event>> {
        let never = self.never;
        Pages::fetched(0, move |_| async move {
            if never {
                say("listing");
                std::future::pending::<()>().await;
            }
            let json = r#"{"id":"1","topic":"customer_created","created":"2026-11-14T22:13:20.000Z"}"#;
            let event = dwolla::Event::from_json(json.as_bytes()).unwrap();
            let item = Item::new("webhook-1").event_id(EventId::new("1").unwrap());
            Ok((vec![item.content(Content::event(event, json))], None))
        })
    }
}

fn reconciler<S: IdempotencyStore>(store: S, never: bool) -> Reconciler<Provider> {
    let topics = TopicRouter::new().on("customer_created", |_: dwolla::Event| async {});
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), store);
    let door: Processor<dwolla::Event> = layer.processor(topics);
    Reconciler::new(Provider { never }, door).lease(LEASE)
}

/// One of the processes: runs once and says how that ended.
pub(super) async fn take_part<S: Shared>(task: &Value) {
    let store = S::open(task["place"].as_str().unwrap()).await;
    let report = reconciler(store, task["never"].as_bool().unwrap()).run_once().await;
    say(report.end().as_str());
    // Until it is told to end.
    std::future::pending::<()>().await;
}

#[track_caller]
fn is_busy(report: &Report) {
    let End::Busy(remaining) = report.end() else {
        panic!("{report}")
    };
    assert!(*remaining <= LEASE && *remaining > LEASE / 2, "{remaining:?}");
    assert_eq!(report.seen(), 0);
}

async fn one_runs_and_is_killed<S: Shared>(store: &str, place: &str) {
    let start = |never| {
        let task = json!({ "role": "reconciler", "store": store, "place": place, "never": never });
        Process::start(&task)
    };
    let holder = start(true);
    assert_eq!(holder.line(), "listing");
    let here = S::open(place).await;
    let mine = reconciler(here.clone(), false);
    is_busy(&mine.run_once().await);
    let other = start(false);
    assert_eq!(other.line(), "busy");

    assert_eq!(holder.kill(), [""; 0]);
    // Nothing has released it.
    is_busy(&mine.run_once().await);
    here.advance(LEASE);
    let report = mine.run_once().await;
    assert!(matches!(report.end(), End::Complete), "{report}");
    assert_eq!((report.seen(), report.count(Ending::Handled)), (1, 1), "{report}");
    // It was released: the next one, in another process, does not wait.
    let next = start(false);
    assert_eq!(next.line(), "complete");
}

#[tokio::test]
async fn of_reconcilers_in_several_processes_one_runs_over_a_sqlite_file() {
    let folder = crate::sqlite::Folder::new();
    let place = folder.file().to_str().unwrap().to_owned();
    one_runs_and_is_killed::<tower_webhook_sqlx::SqliteStore>("sqlite", &place).await;
}

#[tokio::test]
async fn of_reconcilers_in_several_processes_one_runs_over_postgres() {
    let Some(place) = super::postgres::new_database("reconciler").await else {
        return;
    };
    one_runs_and_is_killed::<tower_webhook_sqlx::PostgresStore>("postgres", &place).await;
}

#[tokio::test]
async fn of_reconcilers_in_several_processes_one_runs_over_redis() {
    let Some(server) = crate::redis::server::Server::start(&[]) else {
        return;
    };
    one_runs_and_is_killed::<tower_webhook_redis::RedisStore>("redis", &server.url()).await;
}
