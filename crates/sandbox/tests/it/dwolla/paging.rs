//! Lists: pages, filters, and what is too old.

use serde_json::Value;
use tower_webhook_reconcile::dwolla::Webhooks;
use tower_webhook_sandbox::{Provider, Sandbox};

use crate::support::{DAY, HOUR, Receiver, fire_dwolla, id_of, subscribed};

async fn event_ids(webhooks: &Webhooks) -> Vec<String> {
    let mut ids = Vec::new();
    let mut list = webhooks.list();
    while let Some(webhook) = list.next().await {
        ids.push(webhook.unwrap().event_id.unwrap());
    }
    ids
}

async fn page(sandbox: &Sandbox, path: &str) -> Value {
    let basic = "Authorization: Basic aWQ6c2VjcmV0";
    let token = crate::support::call(sandbox, "POST /dwolla/token", &[basic], "grant_type=client_credentials").await;
    let bearer = format!(
        "Authorization: Bearer {}",
        token.json()["access_token"].as_str().unwrap()
    );
    let accept = "Accept: application/vnd.dwolla.v1.hal+json";
    crate::support::call(sandbox, &format!("GET /dwolla{path}"), &[accept, &bearer], "")
        .await
        .json()
}

#[tokio::test]
async fn pages_follow_each_other_newest_first() {
    let receiver = Receiver::start(200).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    let mut fired: Vec<String> = (0..7).map(|_| fire_dwolla(&sandbox, "transfer_created")).collect();
    fired.reverse();
    assert_eq!(event_ids(&api.webhooks(&subscription).limit(2)).await, fired);
    assert_eq!(event_ids(&api.webhooks(&subscription)).await, fired);

    let path = format!("/webhook-subscriptions/{subscription}/webhooks");
    let url = format!("{}/dwolla{path}", sandbox.base_url());
    let middle = page(&sandbox, &format!("{path}?limit=3&offset=3")).await;
    assert_eq!(middle["total"], 7);
    assert_eq!(middle["_embedded"]["webhooks"].as_array().unwrap().len(), 3);
    for (name, offset) in [("self", 3), ("first", 0), ("last", 6), ("next", 6)] {
        let expected = format!("{url}?limit=3&offset={offset}");
        assert_eq!(middle["_links"][name]["href"], expected, "{name}");
    }
    let last = page(&sandbox, &format!("{path}?limit=3&offset=6")).await;
    assert!(last["_links"].get("next").is_none());
    let beyond = page(&sandbox, &format!("{path}?limit=3&offset=99")).await;
    assert!(beyond["_links"].get("next").is_none());
    let all = page(&sandbox, &path).await;
    assert_eq!(all["_links"]["self"]["href"], format!("{url}?limit=25&offset=0"));
    // The last page is full: there is none after it that is empty.
    let sevenths = page(&sandbox, &format!("{path}?limit=7")).await;
    assert_eq!(sevenths["_links"]["last"]["href"], format!("{url}?limit=7&offset=0"));
    assert!(sevenths["_links"].get("next").is_none());
}

#[tokio::test]
async fn a_page_has_200_entries_at_most() {
    let receiver = Receiver::start(200).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    for _ in 0..201 {
        fire_dwolla(&sandbox, "transfer_created");
    }
    let path = format!("/webhook-subscriptions/{subscription}/webhooks?limit=1000");
    let page = page(&sandbox, &path).await;
    assert_eq!(page["_embedded"]["webhooks"].as_array().unwrap().len(), 200);
    assert_eq!(event_ids(&api.webhooks(&subscription).limit(1000)).await.len(), 201);
}

#[tokio::test]
async fn webhooks_are_filtered_by_resource_whatever_the_case() {
    let receiver = Receiver::start(200).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    fire_dwolla(&sandbox, "transfer_created");
    let about = r#"{"topic":"transfer_completed","resourceId":"81BA6F36-CD7C-E511-80DB-0AA34A9B2388"}"#;
    let about = id_of(&sandbox.fire(Provider::Dwolla, about).unwrap());
    let listed = api
        .webhooks(&subscription)
        .resource_id("81ba6f36-cd7c-e511-80db-0aa34a9b2388");
    assert_eq!(event_ids(&listed).await, [about]);
}

#[tokio::test]
async fn webhooks_are_filtered_by_day() {
    let receiver = Receiver::start(200).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    // At 14:13:20 of September 21st, 22nd and 23rd.
    let mut fired = Vec::new();
    for _ in 0..3 {
        fired.push(fire_dwolla(&sandbox, "transfer_created"));
        sandbox.advance(DAY).await;
    }
    let webhooks = || api.webhooks(&subscription).limit(1);
    let [first, second, third] = &fired[..] else { panic!() };
    assert_eq!(
        event_ids(&webhooks().start_date("2026-09-22")).await,
        [third.clone(), second.clone()]
    );
    assert_eq!(
        event_ids(&webhooks().end_date("2026-09-22")).await,
        std::slice::from_ref(first)
    );
    let middle = webhooks().start_date("2026-09-22").end_date("2026-09-23");
    assert_eq!(event_ids(&middle).await, std::slice::from_ref(second));
    // The client's window is padded, and holds what is at its edges.
    let now = sandbox.now();
    assert_eq!(event_ids(&webhooks().window(now - 2 * DAY - HOUR, now)).await.len(), 3);
}

#[tokio::test]
async fn after_30_days_webhooks_and_events_are_gone() {
    let receiver = Receiver::start(200).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    let old = fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(29 * DAY).await;
    let young = fire_dwolla(&sandbox, "transfer_completed");
    let old_webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    assert_eq!(
        event_ids(&api.webhooks(&subscription)).await,
        [young.clone(), old.clone()]
    );
    api.event(&old).await.unwrap();

    sandbox.advance(DAY + HOUR).await;
    assert_eq!(
        event_ids(&api.webhooks(&subscription)).await,
        std::slice::from_ref(&young)
    );
    api.event(&old).await.unwrap_err();
    api.event(&young).await.unwrap();
    api.webhook(&old_webhook.id).await.unwrap();
    let mut events = api.events().list();
    assert_eq!(events.next().await.unwrap().unwrap().id, young);
    assert!(events.next().await.is_none());
}
