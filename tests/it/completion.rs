//! A claim that is completed in a transaction of the handler's, by a store from outside the crate.

use std::sync::{Arc, OnceLock};

use tower_webhook::{
    HandlerError, MemoryStore, RefusalKind,
    store::{Completion, Effect, IdempotencyStore},
    testing::{FaultyStore, Operation},
};

use crate::{
    endpoint::{Endpoint, key},
    fixtures::assert_state,
};

/// An endpoint whose handler takes the completion over, completes it if it is to commit, and ends
/// like this.
fn endpoint(commits: bool, end: fn() -> Result<(), HandlerError>) -> Endpoint {
    let store = Arc::<OnceLock<FaultyStore<MemoryStore>>>::default();
    let handlers_store = Arc::clone(&store);
    let endpoint = Endpoint::new(move |delivery| {
        let store = Arc::clone(&handlers_store);
        async move {
            let request = delivery.claim().hand_over_completion();
            assert_eq!(request.key, key("1"));
            if commits {
                let completed = store.get().unwrap().complete(request, Completion::Handled).await;
                assert_eq!(completed.unwrap(), Effect::Applied);
            }
            end()
        }
    });
    assert!(store.set(endpoint.store.clone()).is_ok());
    endpoint
}

#[tokio::test(start_paused = true)]
async fn what_the_handler_committed_is_handled_however_it_ends() {
    for end in [|| Ok(()), || Err(HandlerError::retry("after the commit"))] {
        let endpoint = endpoint(true, end);
        endpoint.deliver("1").await.assert_acknowledged();
        assert_state(endpoint.record("1").await, "handled");
        // The handler's call is the only one: the layer told the store nothing.
        assert_eq!(endpoint.store.calls(Operation::Complete), 1);
        assert_eq!(endpoint.store.calls(Operation::Release), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_handler_did_not_commit_is_not_handled_and_its_event_runs_again() {
    let ends = [
        || Ok(()),
        || Err(HandlerError::permanent("and the transaction is rolled back")),
    ];
    for end in ends {
        let endpoint = endpoint(false, end);
        for runs in 1..=2 {
            let answer = endpoint.deliver("1").await;
            answer.assert_refused(500, RefusalKind::HandlerFailed);
            assert_state(endpoint.record("1").await, &format!("free, {runs}"));
            assert_eq!(endpoint.runs(), runs);
        }
    }
}
