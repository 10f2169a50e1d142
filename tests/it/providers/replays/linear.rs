//! Linear's deliveries: an unsigned id, and a time in the body.

#![cfg(test)] // for clippy

use super::*;

fn linear() -> Endpoint<Linear> {
    Endpoint::new(Linear::new(SECRET).unwrap())
}

/// An update of an issue that was signed so many milliseconds after [`NOW`].
fn issue(milliseconds: i64) -> String {
    let sent = i64::try_from(NOW).unwrap() * 1000 + milliseconds;
    issue_of(&json!(sent))
}

fn issue_of(sent: &Value) -> String {
    json!({
        "action": "update",
        "createdAt": "2023-11-14T22:13:19.120Z",
        "data": {"id": "2b6f6a51", "title": "Pump 3 stops"},
        "type": "Issue",
        "webhookTimestamp": sent,
        "webhookId": "f3a8a1de",
    })
    .to_string()
}

async fn linear_post(endpoint: &Endpoint<Linear>, body: &str, event: &str, delivery: &str) -> Answer {
    let headers = [("linear-event", event), ("linear-delivery", delivery)];
    endpoint.post(body.as_bytes(), &headers).await
}

/// JSON has one kind of number: whole milliseconds may be printed with a point or an exponent.
#[tokio::test]
async fn a_linear_time_of_whole_milliseconds_counts_however_it_is_printed() {
    for (printed, status) in [
        ("1700000000000.0", 200),
        ("1.7e12", 200),
        ("1700000000000.5", 401),
        ("1e300", 401),
    ] {
        let endpoint = linear();
        let body = issue_of(&json!("TIME")).replace("\"TIME\"", printed);
        let answer = linear_post(&endpoint, &body, "Issue", "1").await;
        assert_eq!(answer.status.as_u16(), status, "{printed}");
    }
}

#[tokio::test]
async fn a_linear_delivery_under_a_new_delivery_id_runs_nothing_a_second_time_in_strict_mode() {
    let endpoint = Endpoint::strict(Linear::new(SECRET).unwrap());
    for delivery in ["1", "1", "2", ""] {
        linear_post(&endpoint, &issue(0), "Issue", delivery)
            .await
            .assert_acknowledged();
    }
    endpoint.post(issue(0).as_bytes(), &[]).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["Issue.update"]);
}

/// Linear resends the first bytes, with the first time in them.
#[tokio::test]
async fn a_linear_retry_with_the_first_bytes_is_handled_hours_later() {
    for minutes in [1, 61, 421] {
        let endpoint = linear();
        endpoint.clock.set(at(NOW + minutes * 60));
        for _ in 0..2 {
            linear_post(&endpoint, &issue(0), "Issue", "1")
                .await
                .assert_acknowledged();
        }
        assert_eq!(endpoint.seen(), ["Issue.update"], "{minutes}");
    }
}

#[tokio::test]
async fn two_linear_events_with_one_body_both_run() {
    let endpoint = linear();
    for delivery in ["1", "2", "1"] {
        linear_post(&endpoint, &issue(0), "Issue", delivery)
            .await
            .assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["Issue.update"; 2]);
}

#[tokio::test]
async fn a_linear_retry_that_was_sent_anew_is_a_duplicate() {
    let endpoint = linear();
    linear_post(&endpoint, &issue(0), "Issue", "1")
        .await
        .assert_acknowledged();
    for minutes in [1, 60, 360] {
        endpoint.clock.set(at(NOW + minutes * 60));
        let retry = issue(i64::try_from(minutes).unwrap() * 60_000);
        linear_post(&endpoint, &retry, "Issue", "1").await.assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["Issue.update"]);
    // What differs in anything else is another event.
    let other = issue(360 * 60_000).replace("Pump 3", "Pump 4");
    linear_post(&endpoint, &other, "Issue", "1").await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["Issue.update", "Issue.update"]);
}

#[tokio::test]
async fn a_linear_event_header_that_disagrees_with_the_body_is_refused() {
    let endpoint = linear();
    for event in ["Comment", "issue", "Issue.update", "IssueLabel", ""] {
        linear_post(&endpoint, &issue(0), event, "1")
            .await
            .assert_refused(400, RefusalKind::NotAnEvent);
    }
    let two = [("linear-event", "Issue"), ("linear-event", "Comment")];
    let answer = endpoint.post(issue(0).as_bytes(), &two).await;
    answer.assert_refused(400, RefusalKind::NotAnEvent);
    endpoint.assert_untouched();
}

#[tokio::test]
async fn a_linear_delivery_that_was_signed_too_long_ago_or_ahead_is_401_like_any_other() {
    let minute = 60_000;
    let window = Duration::from_secs(60);
    let endpoint = Endpoint::new(Linear::new(SECRET).unwrap().with_tolerance(window));
    for milliseconds in [-minute - 1000, minute + 1000, -10 * minute, 1_000_000 * minute] {
        let answer = linear_post(&endpoint, &issue(milliseconds), "Issue", "1").await;
        endpoint.assert_unauthorized(&answer);
    }
    // A header with a fresh time decides nothing.
    let now = (NOW * 1000).to_string();
    let old = issue(-2 * minute);
    let answer = endpoint.post(old.as_bytes(), &[("linear-timestamp", &now)]).await;
    endpoint.assert_unauthorized(&answer);
    // Nor is a body without a time, or with one in another form, good for ever.
    let text = json!(now);
    for sent in [
        Value::Null,
        text,
        json!(-1),
        json!([now]),
        json!({}),
        json!(true),
        json!(NOW),
    ] {
        let body = issue_of(&sent);
        endpoint.assert_unauthorized(&linear_post(&endpoint, &body, "Issue", "1").await);
    }
    let without = issue(0).replace("webhookTimestamp", "webhookTime");
    endpoint.assert_unauthorized(&linear_post(&endpoint, &without, "Issue", "1").await);
    endpoint.assert_untouched();
    // The time twice is no event.
    let twice = issue(0).replacen('{', &format!("{{\"webhookTimestamp\":{now},"), 1);
    let answer = linear_post(&endpoint, &twice, "Issue", "1").await;
    answer.assert_refused(400, RefusalKind::NotAnEvent);
    endpoint.assert_untouched();
    // A minute to either side is fine, and a fresh header's value is not needed for it.
    for (number, milliseconds) in [-minute, minute, 0, -minute - 999, minute + 999]
        .into_iter()
        .enumerate()
    {
        let body = issue(milliseconds).replace("Pump 3", &format!("Pump {number}"));
        let answer = linear_post(&endpoint, &body, "Issue", "1").await;
        let expected = if number == 3 { 401 } else { 200 };
        assert_eq!(answer.status.as_u16(), expected, "{milliseconds}");
    }
}

#[tokio::test]
async fn linears_tolerance_can_be_as_long_as_its_retries() {
    let hours = Duration::from_secs(7 * 3600 + 5 * 60);
    let endpoint = Endpoint::new(Linear::new(SECRET).unwrap().with_tolerance(hours));
    endpoint.clock.set(at(NOW) + hours);
    linear_post(&endpoint, &issue(0), "Issue", "1")
        .await
        .assert_acknowledged();
    endpoint.clock.set(at(NOW + 1) + hours);
    let answer = linear_post(&endpoint, &issue(0), "Issue", "1").await;
    endpoint.assert_unauthorized(&answer);
    assert_eq!(endpoint.seen(), ["Issue.update"]);
}

// ---- providers whose id is signed ----
