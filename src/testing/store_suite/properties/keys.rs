//! Which event a key names.

use std::sync::Arc;

use super::super::{
    StoreHarness,
    case::{Case, acquired},
};
use crate::store::{ClaimRequest, Claimed, Completion, Effect};

pub async fn a_key_is_one_event_in_one_namespace<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    // what runs together if a store joins the two carelessly, too
    let keys = [
        ("a", "b"),
        ("a", "c"),
        ("b", "b"),
        ("ab", "c"),
        ("a", "bc"),
        ("a/b", "c"),
        ("a", "b/c"),
        ("a:b", "c"),
        ("a", "b:c"),
        ("a\u{1f}b", "c"),
        ("A", "b"),
        ("a ", "b"),
        ("a%", "b"),
        ("a_", "b"),
        ("a'", "b"),
        ("{a}", "b"),
        ("ä", "b"),
    ];
    let claim_requests = keys.map(|(namespace, id)| case.claim_request_in(&case.namespace(namespace), id));
    each_is_an_event_of_its_own(&case, &claim_requests).await;
}

pub async fn ids_differ_if_one_byte_of_them_differs<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ids = [
        "event",
        "Event",
        "EVENT",
        "evenT",
        "event ",
        " event",
        "events",
        "even",
        "évent",
        "e\u{301}vent",
        "event\u{200b}",
        "evеnt",
        "0",
        "00",
        "0.0",
        "0e0",
        "+0",
        "-0",
        "1",
        "01",
        "1 ",
        "null",
        "NULL",
        "true",
        "ß",
        "ss",
        "İ",
        "i",
        "ı",
        "I",
    ];
    let claim_requests = ids.map(|id| case.claim_request(id));
    each_is_an_event_of_its_own(&case, &claim_requests).await;
}

pub async fn an_id_may_hold_every_printable_character<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ids = [
        "'",
        "''",
        "\"",
        "`",
        "\\",
        "\\'",
        "\\0",
        "\\x00",
        "%",
        "_",
        "%%",
        "?",
        "$1",
        ":id",
        "*",
        "[a]",
        "{a}",
        "{}",
        "(",
        ")",
        ";",
        "--",
        "/*",
        "#",
        "&",
        "|",
        "<",
        ">",
        "=",
        "~",
        "^",
        "@",
        "!",
        ",",
        ".",
        "..",
        "/",
        "a/b",
        " ",
        "  ",
        "\u{a0}",
        "\u{2028}",
        "\u{feff}",
        "\u{fffd}",
        "\u{ffff}",
        "\u{10ffff}",
        "😀",
        "👩‍👩‍👧",
        "العربية",
        "中文",
        "'; DROP TABLE events; --",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ];
    let claim_requests = ids.map(|id| case.claim_request(id));
    each_is_an_event_of_its_own(&case, &claim_requests).await;
}

pub async fn an_id_may_have_255_bytes<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ids = [
        "x".repeat(255),
        "x".repeat(254),
        format!("{}y", "x".repeat(254)),
        format!("y{}", "x".repeat(254)),
        format!("{}é", "x".repeat(253)),
        "\u{10ffff}".repeat(63),
        "'".repeat(255),
    ];
    let claim_requests = ids.map(|id| case.claim_request(&id));
    each_is_an_event_of_its_own(&case, &claim_requests).await;
}

/// Every claim request is claimed for the first time, and what happens to one happens to no other.
async fn each_is_an_event_of_its_own<H: StoreHarness>(case: &Case<H>, claim_requests: &[ClaimRequest]) {
    for claim_request in claim_requests {
        assert_eq!(case.claim(claim_request).await, acquired(1, 1), "{}", claim_request.key);
    }
    for claim_request in claim_requests {
        let claimed = case.claim(&case.again(claim_request)).await;
        assert!(
            matches!(claimed, Claimed::InFlight { .. }),
            "{}: {claimed:?}",
            claim_request.key
        );
        assert_eq!(
            case.complete(claim_request, Completion::Handled).await,
            Effect::Applied,
            "{}",
            claim_request.key
        );
        let claimed = case.claim(&case.again(claim_request)).await;
        assert_eq!(claimed, Claimed::Done(Completion::Handled), "{}", claim_request.key);
    }
    for claim_request in claim_requests {
        assert_eq!(
            case.forget(claim_request).await,
            Effect::Applied,
            "{}",
            claim_request.key
        );
        assert_eq!(case.get(claim_request).await, None, "{}", claim_request.key);
    }
}
