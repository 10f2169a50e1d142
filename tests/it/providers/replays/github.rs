//! GitHub's deliveries, whose id and event name nobody signs.

#![cfg(test)] // for clippy

use super::*;

const ISSUE: &[u8] = br#"{"action":"opened","issue":{"number":17},"repository":{"id":660011223}}"#;

fn github() -> Endpoint<GitHub> {
    Endpoint::new(GitHub::new(SECRET).unwrap())
}

async fn github_post(endpoint: &Endpoint<GitHub>, body: &[u8], event: &str, delivery: &str) -> Answer {
    endpoint
        .post(body, &[("x-github-event", event), ("x-github-delivery", delivery)])
        .await
}

#[tokio::test]
async fn two_github_events_with_one_body_both_run_and_a_redelivery_is_a_duplicate() {
    let endpoint = github();
    let dispatch = br#"{"action":"deploy","client_payload":{}}"#;
    for delivery in ["1", "2", "1", "2"] {
        github_post(&endpoint, dispatch, "repository_dispatch", delivery)
            .await
            .assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["repository_dispatch.deploy"; 2]);
    // Two hooks of one Enterprise Server can name one body in two ways.
    github_post(&endpoint, dispatch, "workflow_dispatch", "1")
        .await
        .assert_acknowledged();
    assert_eq!(endpoint.seen().len(), 3);
}

#[tokio::test]
async fn a_github_delivery_without_an_id_goes_by_its_name_and_its_body() {
    let endpoint = github();
    for _ in 0..2 {
        let answer = endpoint.post(ISSUE, &[("x-github-event", "issues")]).await;
        answer.assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["issues.opened"]);
}

#[tokio::test]
async fn a_github_delivery_under_a_new_delivery_id_runs_nothing_a_second_time_in_strict_mode() {
    let endpoint = Endpoint::strict(GitHub::new(SECRET).unwrap());
    for delivery in ["72d3162e", "72d3162e", "another", "", "\"", "72d3162f"] {
        github_post(&endpoint, ISSUE, "issues", delivery)
            .await
            .assert_acknowledged();
    }
    // none at all, and two
    endpoint
        .post(ISSUE, &[("x-github-event", "issues")])
        .await
        .assert_acknowledged();
    let two = [
        ("x-github-event", "issues"),
        ("x-github-delivery", "1"),
        ("x-github-delivery", "2"),
    ];
    endpoint.post(ISSUE, &two).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["issues.opened"]);
    assert_eq!(endpoint.store.inner().len(), 1);
}

#[tokio::test]
async fn a_github_delivery_under_another_event_name_is_a_conflict_in_strict_mode() {
    let endpoint = Endpoint::strict(GitHub::new(SECRET).unwrap());
    github_post(&endpoint, ISSUE, "issues", "1").await.assert_acknowledged();
    for event in ["pull_request", "issues.opened", "Issues", "issue"] {
        for delivery in ["1", "2"] {
            github_post(&endpoint, ISSUE, event, delivery)
                .await
                .assert_refused(500, RefusalKind::Conflict);
        }
    }
    assert_eq!(endpoint.seen(), ["issues.opened"]);
    // The right name is still a duplicate.
    github_post(&endpoint, ISSUE, "issues", "1").await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["issues.opened"]);
}

#[tokio::test]
async fn a_github_delivery_without_a_name_or_with_two_is_no_event() {
    let endpoint = github();
    for names in [&[][..], &["issues", "issues", "push"], &["issues", "push"], &[""]] {
        let headers: Vec<_> = names.iter().map(|name| ("x-github-event", *name)).collect();
        let answer = endpoint.post(ISSUE, &headers).await;
        answer.assert_refused(400, RefusalKind::NotAnEvent);
    }
    endpoint.assert_untouched();
}

#[tokio::test]
async fn a_github_name_that_a_gateway_has_doubled_is_one_name() {
    let endpoint = github();
    let headers = [("x-github-event", "issues"), ("x-github-event", "issues")];
    endpoint.post(ISSUE, &headers).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["issues.opened"]);
}

#[tokio::test]
async fn another_body_of_github_is_another_event_under_one_delivery_id() {
    let endpoint = github();
    let other = br#"{"action":"opened","issue":{"number":18},"repository":{"id":660011223}}"#;
    github_post(&endpoint, ISSUE, "issues", "1").await.assert_acknowledged();
    github_post(&endpoint, other, "issues", "1").await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["issues.opened", "issues.opened"]);
}

// ---- Shopify ----
