//! `events`, over a SQLite file and a Postgres that a receiver has filled.

#![cfg(test)] // for clippy

#[path = "../../../../tests/it/postgres/server.rs"]
#[expect(dead_code, reason = "the root crate's tests need more of it")]
mod server;
#[path = "../../../../tests/it/postgres/child_process.rs"]
mod child_process;

use std::{path::PathBuf, time::Duration};

use http::HeaderMap;
use serde_json::{Value, json};
use tower_webhook::{
    event::{EventId, Fingerprint, Tenant},
    inbox::{Action, AnyInbox, Deposit, Inbox as _, Settlement, StoredDelivery, TakeRequest},
    store::{ClaimRequest, Completion, IdempotencyStore as _, Key, Token},
};

use self::server::{PASSWORD, Server};
use crate::support::run;

struct Stored {
    /// Where it is a file.
    folder: Option<PathBuf>,
    url: String,
    inbox: AnyInbox,
}

impl Drop for Stored {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            drop(std::fs::remove_dir_all(folder));
        }
    }
}

/// A file, and a database of Postgres where the machine has one, each with so many deliveries of
/// two topics in turn.
async fn stored(name: &str, deliveries: usize) -> Vec<Stored> {
    let folder = std::env::temp_dir().join(format!("tower-webhook-events-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = format!("sqlite:{}", folder.join("webhooks.db").display());
    let mut stores = vec![Stored::open(file, Some(folder)).await];
    if let Some(server) = Server::shared() {
        let create = format!("CREATE DATABASE {name}");
        sqlx::query(sqlx::AssertSqlSafe(create))
            .execute(&mut server.connection().await)
            .await
            .unwrap();
        stores.push(Stored::open(server.url_of(name), None).await);
    }
    for stored in &stores {
        for number in 0..deliveries {
            let id = EventId::new(&format!("e{number:04}")).unwrap();
            deposit(&stored.inbox, id, number).await;
        }
    }
    stores
}

async fn deposit(inbox: &AnyInbox, id: EventId, number: usize) {
    let topic = ["customer_created", "transfer_completed"][number % 2];
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    let delivery = StoredDelivery::new(topic, headers, format!("{{\"n\":{number}}}"));
    let fingerprint = Fingerprint::of([number.to_string().as_bytes()]);
    let key = Key::new("dwolla", id);
    inbox.deposit(&Deposit::new(key, fingerprint, delivery)).await.unwrap();
}

impl Stored {
    async fn open(url: String, folder: Option<PathBuf>) -> Self {
        let inbox = tower_webhook_sqlx::connect_inbox(&url).await.unwrap();
        Self { folder, url, inbox }
    }

    /// The exit code, and what was said as JSON.
    async fn events(&self, arguments: &[&str]) -> (i32, Value) {
        let all = ["events", "--json", "--store", &self.url, "-n", "dwolla"];
        let output = run(&[&all[..], arguments].concat()).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains(PASSWORD), "{text}");
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (output.status.code().unwrap(), value)
    }

    async fn ids(&self, arguments: &[&str]) -> Vec<String> {
        let (_, list) = self.events(&[&["list", "--limit", "0"], arguments].concat()).await;
        let events = list["events"].as_array().unwrap().iter();
        events.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn stored_deliveries_are_listed_shown_buried_replayed_and_forgotten() {
    for stored in stored("verbs", 4).await {
        assert_eq!(stored.ids(&[]).await, ["e0000", "e0001", "e0002", "e0003"]);
        assert_eq!(stored.ids(&["--topic", "transfer_completed"]).await, ["e0001", "e0003"]);
        let (code, list) = stored.events(&["list", "--limit", "3"]).await;
        assert_eq!((code, &list["more"]), (0, &true.into()));

        let (code, shown) = stored.events(&["show", "e0001", "--full"]).await;
        assert_eq!(code, 0);
        let delivery = &shown["event"]["delivery"];
        assert_eq!(
            (&delivery["body"], &delivery["entry"]["stage"]),
            (&"{\"n\":1}".into(), &"waiting".into())
        );
        assert_eq!(stored.events(&["show", "e9"]).await, (1, json!({ "event": null })));

        let (code, buried) = stored.events(&["bury", "e0001", "--reason", "no such account"]).await;
        assert_eq!((code, &buried["buried"]), (0, &1.into()));
        assert_eq!(stored.ids(&["--stage", "dead"]).await, ["e0001"]);
        let (_, shown) = stored.events(&["show", "e0001"]).await;
        assert!(shown.to_string().contains("no such account"), "{shown}");
        let (_, counts) = stored.events(&["count"]).await;
        assert_eq!((&counts["dead"], &counts["inbox"]["due"]), (&1.into(), &3.into()));

        let (code, replayed) = stored
            .events(&["replay", "--stage", "dead", "--all", "--over", "1min"])
            .await;
        assert_eq!((code, replayed), (0, json!({ "replayed": 1 })));
        let nothing: [String; 0] = [];
        assert_eq!(stored.ids(&["--stage", "dead"]).await, nothing);

        let (code, forgotten) = stored.events(&["forget", "e0000", "e9"]).await;
        let left = json!([{ "id": "e9", "why": "there is nothing to change" }]);
        assert_eq!((code, forgotten), (1, json!({ "forgotten": 1, "left": left })));
        assert_eq!(stored.ids(&[]).await.len(), 3);
        assert_eq!(stored.events(&["purge"]).await, (0, json!({ "purged": 0 })));
        // One that is past its retention.
        let key = Key::new("dwolla", EventId::new("old").unwrap());
        let request = ClaimRequest::new(key, Token::random(), Fingerprint::of(["old"])).with_retention(Duration::ZERO);
        stored.inbox.complete(&request, Completion::Handled).await.unwrap();
        assert_eq!(stored.events(&["purge"]).await, (0, json!({ "purged": 1 })));
        assert_eq!(stored.ids(&[]).await.len(), 3);
    }
}

#[tokio::test]
async fn a_finished_event_took_the_attempts_that_it_took() {
    for stored in stored("attempts", 1).await {
        let store = &stored.inbox;
        for action in [
            Action::PutBack {
                after: Duration::ZERO,
                is_counted: true,
            },
            Action::Complete(Completion::Handled),
        ] {
            let taken = store
                .take(&TakeRequest::new("dwolla", Token::random(), 1))
                .await
                .unwrap();
            let settlement = Settlement::new(taken[0].claim_request.clone(), action);
            store.settle(&[settlement]).await.unwrap();
        }
        let (_, list) = stored.events(&["list"]).await;
        let entry = &list["events"][0];
        assert_eq!((&entry["stage"], &entry["attempts"]), (&"done".into(), &2.into()));
        let (_, shown) = stored.events(&["show", "e0000"]).await;
        assert_eq!(shown["event"]["delivery"]["entry"]["attempts"], 2);
    }
}

impl Stored {
    /// The exit code, and what was said beside the result.
    async fn noted(&self, namespace: &str, arguments: &[&str]) -> (i32, String) {
        let all = ["events", "--store", &self.url, "-n", namespace];
        let output = run(&[&all[..], arguments].concat()).await;
        assert!(output.status.code() != Some(1) || output.stdout != b"0\n");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test]
async fn what_a_store_does_not_have_is_said() {
    for stored in stored("absent", 1).await {
        let (code, said) = stored.noted("dwola", &["count"]).await;
        let expected = "the store has no event of the namespace dwola; expected the provider's name";
        assert!(code == 1 && said.starts_with(expected), "{said}");
        assert_eq!(stored.noted("dwolla", &["count"]).await, (0, String::new()));
        let (code, said) = stored.noted("dwola", &["list"]).await;
        assert!(
            code == 1 && said.contains("only deliveries that lie in an inbox"),
            "{said}"
        );
        assert_eq!(stored.noted("dwolla", &["list"]).await, (0, String::new()));

        // An endpoint without an inbox stores no body.
        let store = &stored.inbox;
        let request = |namespace: &str, id: &str| {
            let key = Key::new(namespace, EventId::new(id).unwrap());
            ClaimRequest::new(key, Token::random(), Fingerprint::of([id]))
        };
        for namespace in ["direct", "dwolla"] {
            let done = request(namespace, "done");
            store.complete(&done, Completion::Handled).await.unwrap();
            store.claim(&request(namespace, "failed")).await.unwrap();
        }
        for (namespace, id, expected) in [
            (
                "direct",
                "done",
                "its body was never stored, since its endpoint has no inbox; or",
            ),
            (
                "direct",
                "failed",
                "its body was never stored: it came to an endpoint without an inbox",
            ),
            ("dwolla", "done", "its body is not stored any more; or"),
        ] {
            let (code, said) = stored.noted(namespace, &["replay", id]).await;
            let expected = format!("{namespace}/{id}: {expected}");
            assert!(code == 1 && said.starts_with(&expected), "{said}");
        }
    }
}

#[tokio::test]
async fn what_others_wrote_turns_no_text_around_begins_no_line_and_pads_no_row() {
    for stored in stored("texts", 1).await {
        let store = &stored.inbox;
        let long = format!("long{}", "g".repeat(200));
        for (id, topic) in [("odd\u{202e}id", "a\u{202e}b\nstate: done"), (&*long, &*long)] {
            let delivery = StoredDelivery::new(topic, HeaderMap::new(), "{}");
            let key = Key::new("dwolla", EventId::new(id).unwrap());
            let deposit = Deposit::new(key, Fingerprint::of([id]), delivery);
            store.deposit(&deposit).await.unwrap();
        }
        let text = async |arguments: &[&str]| {
            let all = ["events", "--store", &stored.url, "-n", "dwolla"];
            String::from_utf8(run(&[&all[..], arguments].concat()).await.stdout).unwrap()
        };
        let list = text(&["list"]).await;
        assert!(
            list.contains("a\u{fffd}b\u{fffd}state: done") && list.contains("odd\u{fffd}id"),
            "{list}"
        );
        // The id is there as a whole, the topic before it is not.
        assert!(list.contains(&long) && !list.contains(&format!("{long} ")), "{list}");
        let widths: Vec<usize> = list.lines().map(|line| line.chars().count()).collect();
        assert_eq!(
            (widths.len(), widths.iter().filter(|width| **width > 200).count()),
            (4, 1),
            "{list}"
        );
        let shown = text(&["show", "odd\u{202e}id"]).await;
        assert!(
            shown.contains("\ntopic: a\u{fffd}b\u{fffd}state: done\n") && !shown.contains('\u{202e}'),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn the_beginning_of_an_id_is_enough_where_no_other_begins_so() {
    for stored in stored("beginnings", 0).await {
        let store = &stored.inbox;
        // In the order of a list, also where several come in one millisecond.
        for (number, id) in ["72d3162e-aa:1", "72d3162e-b", "72d3162e-bb:2", "acme/0ea5c5f1:3"]
            .iter()
            .enumerate()
        {
            deposit(store, EventId::new(id).unwrap(), number).await;
        }
        let shown = async |arguments: &[&str]| {
            let (code, said) = stored.events(&[&["show"], arguments].concat()).await;
            assert_eq!(code, 0, "{said}");
            said["event"]["id"].as_str().unwrap().to_owned()
        };
        assert_eq!(shown(&["72d3162e-a"]).await, "72d3162e-aa:1");
        // One with exactly that id comes first.
        assert_eq!(shown(&["72d3162e-b"]).await, "72d3162e-b");
        assert_eq!(shown(&["0ea5c5f1", "--tenant", "acme"]).await, "acme/0ea5c5f1:3");
        for verb in ["show", "forget", "bury", "replay"] {
            let (code, said) = stored.events(&[verb, "72d3162e"]).await;
            let expected = "several events begin with 72d3162e; expected one of them: \
                        72d3162e-aa:1, 72d3162e-b, 72d3162e-bb:2";
            assert_eq!((code, &said["error"]), (2, &expected.into()));
        }
        assert_eq!(stored.events(&["show", "72d3162"]).await, (1, json!({ "event": null })));
        let (code, forgotten) = stored.events(&["forget", "72d3162e-aa", "72d3162e-bb"]).await;
        assert_eq!((code, forgotten), (0, json!({ "forgotten": 2, "left": [] })));
        assert_eq!(stored.ids(&[]).await, ["72d3162e-b", "acme/0ea5c5f1:3"]);
    }
}

#[tokio::test]
async fn with_a_tenant_its_events_alone_are_meant_by_the_providers_ids() {
    for stored in stored("tenants", 0).await {
        for name in ["acme", "acme2"] {
            for number in 0..2 {
                let id = EventId::new(&format!("e{number}")).unwrap();
                deposit(&stored.inbox, Tenant::new(name).unwrap().id_of(&id), number).await;
            }
        }
        let acme = ["--tenant", "acme"];
        assert_eq!(stored.ids(&acme).await, ["acme/e0", "acme/e1"]);
        let (code, shown) = stored.events(&["show", "e1", "--tenant", "acme"]).await;
        assert_eq!(
            (code, &shown["event"]["delivery"]["entry"]["id"]),
            (0, &"acme/e1".into())
        );
        let (code, buried) = stored.events(&["bury", "--tenant", "acme", "--all"]).await;
        assert_eq!((code, buried), (0, json!({ "buried": 2, "left": [] })));
        let (code, replayed) = stored.events(&["replay", "e0", "--tenant", "acme"]).await;
        assert_eq!((code, replayed), (0, json!({ "replayed": 1, "left": [] })));
        let (_, replayed) = stored
            .events(&["replay", "--tenant", "acme", "--stage", "dead", "--all"])
            .await;
        assert_eq!(replayed, json!({ "replayed": 1 }));
        let (code, forgotten) = stored.events(&["forget", "e0", "--tenant", "acme"]).await;
        assert_eq!((code, forgotten), (0, json!({ "forgotten": 1, "left": [] })));
        assert_eq!(
            stored.ids(&["--stage", "waiting"]).await,
            ["acme/e1", "acme2/e0", "acme2/e1"]
        );
        for (arguments, said) in [
            (&["count", "--tenant", "acme"][..], "count, which is for all tenants"),
            (&["purge", "--tenant", "acme"], "purge, which is for all tenants"),
        ] {
            let (code, error) = stored.events(arguments).await;
            assert_eq!(code, 2);
            assert!(error["error"].as_str().unwrap().contains(said), "{error}");
        }
        let output = run(&["events", "-n", "dwolla", "--tenant", "a/b", "list"]).await;
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("without `/`"));
    }
}

#[tokio::test]
async fn a_selection_of_some_thousand_is_buried_as_a_whole() {
    for stored in stored("many", 1203).await {
        assert_eq!(stored.ids(&[]).await.len(), 1203);
        let (code, buried) = stored.events(&["bury", "--all"]).await;
        assert_eq!((code, buried), (0, json!({ "buried": 1203, "left": [] })));
        assert_eq!(stored.ids(&["--stage", "dead"]).await.len(), 1203);
    }
}

#[tokio::test]
async fn nothing_is_changed_that_was_not_named() {
    for stored in stored("unnamed", 1).await {
        for (arguments, said) in [
            (&["replay"][..], "no event is named"),
            (&["forget", "--stage", "waiting"], "a selection is given without --all"),
            (
                &["bury", "e0000", "--stage", "waiting"],
                "both ids and a selection are given",
            ),
        ] {
            let (code, error) = stored.events(arguments).await;
            assert_eq!(code, 2);
            assert!(error["error"].as_str().unwrap().contains(said), "{error}");
        }
        assert_eq!(stored.ids(&["--stage", "waiting"]).await.len(), 1);
    }
}

#[tokio::test]
async fn a_store_that_cannot_do_it_is_refused_with_the_reason_and_without_its_password() {
    for (store, verb, said) in [
        (
            "redis://u:hunter2@127.0.0.1:1",
            "list",
            "Redis, which keeps records and no deliveries",
        ),
        ("redis://u:hunter2@127.0.0.1:1", "count", "the store"),
        ("redis+cluster://u:hunter2@127.0.0.1:1", "count", "the store"),
        ("rediss+cluster://u:hunter2@127.0.0.1:1", "count", "the store"),
        ("redis+sentinel://u:hunter2@127.0.0.1:1/main", "count", "the store"),
        (
            "redis+sentinel://u:hunter2@127.0.0.1:1/main",
            "list",
            "Redis, which keeps records and no deliveries",
        ),
        ("postgres://u:hunter2@127.0.0.1:1/db", "count", "the store"),
        ("mysql://u:hunter2@127.0.0.1", "count", "--store has another scheme"),
        ("sqlite:/nowhere/at.db", "count", "a SQLite file that is not there"),
    ] {
        let output = run(&["events", "--store", store, "-n", "dwolla", verb]).await;
        let shown = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.contains(said), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
