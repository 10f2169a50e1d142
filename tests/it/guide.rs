//! The SQL of `store::guide`, as an operator copies it from the page.

use std::{fs, path::Path, time::Duration};

use tower_webhook::store::{ClaimRequest, Claimed, Completion, IdempotencyStore};

use crate::over_store::claim_request_in;

/// What the page has for this database: each statement, and the remark behind it.
pub(crate) fn statements(database: &str) -> Vec<(String, String)> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/guide.rs")).unwrap();
    let section = page
        .lines()
        .map(|line| line.trim_start_matches("//!"))
        .skip_while(|line| !line.starts_with(&format!(" -- {database}")))
        .skip(1)
        .take_while(|line| !line.trim().is_empty() && line.trim() != "```");
    let mut found = Vec::new();
    let mut sql = String::new();
    for line in section {
        let (code, remark) = line.split_once("--").unwrap_or((line, ""));
        sql.push_str(code);
        if code.trim_end().ends_with(';') {
            let statement = std::mem::take(&mut sql);
            found.push((statement.trim().to_owned(), remark.trim().to_owned()));
        }
    }
    assert!(sql.is_empty(), "a statement without its end: {sql}");
    found
}

/// The only statement with this remark.
#[track_caller]
pub(crate) fn statement(database: &str, remark: &str) -> String {
    let mut found: Vec<_> = statements(database);
    found.retain(|(_, said)| said == remark);
    assert_eq!(found.len(), 1, "{remark}");
    found.remove(0).0
}

/// One event of each kind. Of the failed ones, one was tried twice, and one failed before it.
pub(crate) async fn events_of_each_kind<S: IdempotencyStore>(store: &S, advance: impl Fn(&S, Duration)) {
    let claim = async |id: &str| {
        let claim_request = claim_request_in("dwolla", id);
        assert!(matches!(
            store.claim(&claim_request).await.unwrap(),
            Claimed::Acquired { .. }
        ));
        claim_request
    };
    let fail = async |id: &str| store.release(&claim(id).await).await.unwrap();
    fail("failed twice").await;
    fail("failed").await;
    advance(store, Duration::from_secs(1));
    fail("failed twice").await;
    let complete =
        async |claim_request: ClaimRequest, completion| store.complete(&claim_request, completion).await.unwrap();
    complete(claim("handled").await, Completion::Handled).await;
    complete(claim("rejected").await, Completion::Rejected).await;
    claim("claimed").await;
}

/// What the page's statements say of these events: `id attempts`, in their order.
pub(crate) const FAILED: [&str; 2] = ["failed 1", "failed twice 2"];
pub(crate) const REJECTED: [&str; 1] = ["rejected 1"];
