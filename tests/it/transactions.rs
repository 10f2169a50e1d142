//! Effect and DONE in one transaction: both or neither, however the handler ends and whoever has
//! the event by then.

use std::{
    future::{Future, ready},
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_webhook::{
    Delivery, HandlerError, ResultExt as _, WebhookLayer,
    dwolla::{self, Dwolla},
    event::Fingerprint,
    store::{Claimed, Completion, Effect, IdempotencyStore, State, StoreError, StoreErrorKind, Token},
    testing::{self, FaultyStore, Operation},
};

use crate::{
    endpoint::{SECRET, key},
    over_store::{App, claim_request_in},
};

/// A database with a table of effects beside the store's.
pub(crate) trait Books: Clone + Send + Sync + 'static {
    type Store: IdempotencyStore + Clone;

    fn store(&self) -> Self::Store;

    /// A store on the same table that sees the leases of the first as over.
    fn later(&self) -> impl Future<Output = Self::Store> + Send;

    /// Writes an effect, completes the claim, and commits when and if told to.
    fn book(
        &self,
        delivery: &Delivery<dwolla::Event>,
        commits: impl Future<Output = bool> + Send,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How many effects of this event there are.
    fn effects(&self, id: &str) -> impl Future<Output = usize> + Send;
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Well,
    Fails,
    Rejects,
    Panics,
}

const ENDS: [End; 4] = [End::Well, End::Fails, End::Rejects, End::Panics];

fn end(end: End) -> Result<(), HandlerError> {
    match end {
        End::Well => Ok(()),
        End::Fails => Err(HandlerError::retry("on purpose")),
        End::Rejects => Err(HandlerError::permanent("on purpose")),
        End::Panics => panic!("on purpose"),
    }
}

/// The first run commits or not and ends like this; those after it commit and end well.
fn app<B: Books>(books: &B, commits: bool, first: End) -> (App, FaultyStore<B::Store>) {
    let store = FaultyStore::new(books.store());
    let (books, runs) = (books.clone(), Arc::new(Mutex::new(0)));
    let handler = move |delivery: Delivery<dwolla::Event>| {
        let run = {
            let mut runs = runs.lock().unwrap();
            *runs += 1;
            *runs
        };
        let books = books.clone();
        async move {
            books.book(&delivery, ready(commits || run > 1)).await?;
            end(if run == 1 { first } else { End::Well })
        }
    };
    (App::with(store.clone(), handler), store)
}

async fn state<B: Books>(books: &B, id: &str) -> State {
    books.store().get(&key(id)).await.unwrap().unwrap().state
}

fn is_done(state: &State) -> bool {
    matches!(
        state,
        State::Done {
            completion: Completion::Handled,
            ..
        }
    )
}

pub(crate) async fn what_is_committed_is_done_however_the_handler_ends(books: impl Books) {
    for end in ENDS {
        let id = format!("committed {end:?}");
        let (app, store) = app(&books, true, end);
        for _ in 0..3 {
            assert_eq!(app.deliver(&id).await, 200, "{end:?}");
        }
        assert_eq!((app.runs(&id), books.effects(&id).await), (1, 1), "{end:?}");
        assert!(is_done(&state(&books, &id).await));
        // the layer completes nothing, and has nothing to release
        assert_eq!(
            (store.calls(Operation::Complete), store.calls(Operation::Release)),
            (0, 0),
            "{end:?}"
        );
    }
}

pub(crate) async fn what_is_not_committed_is_neither_there_nor_done(books: impl Books) {
    for end in ENDS {
        let id = format!("rolled back {end:?}");
        let (app, store) = app(&books, false, end);
        assert_eq!((app.deliver(&id).await, books.effects(&id).await), (500, 0), "{end:?}");
        app.deliver_until_acknowledged(&id).await;
        assert_eq!((app.runs(&id), books.effects(&id).await), (2, 1), "{end:?}");
        assert!(is_done(&state(&books, &id).await));
        assert_eq!(store.calls(Operation::Complete), 0, "{end:?}");
    }
}

pub(crate) async fn a_run_that_lost_its_claim_leaves_no_effect(books: impl Books) {
    for (other_finishes, same_facts) in [(false, true), (true, true), (false, false), (true, false)] {
        let id = format!("lost {other_finishes} {same_facts}");
        let theirs = Arc::new(Mutex::new(None));
        let handler = {
            let (books, theirs) = (books.clone(), Arc::clone(&theirs));
            move |delivery: Delivery<dwolla::Event>| {
                let (books, theirs) = (books.clone(), Arc::clone(&theirs));
                async move {
                    let other = books.later().await;
                    let key = key(delivery.event().id().as_str());
                    let fingerprint = match same_facts {
                        true => other.get(&key).await?.unwrap().fingerprint,
                        false => Fingerprint::of(["other facts"]),
                    };
                    let claim_request = claim_request_in("dwolla", key.id().as_str())
                        .with_fingerprint(fingerprint)
                        .with_token(Token::random());
                    assert_eq!(
                        other.claim(&claim_request).await?,
                        Claimed::Acquired {
                            generation: 2,
                            attempts: 2
                        }
                    );
                    if other_finishes {
                        assert_eq!(
                            other.complete(&claim_request, Completion::Handled).await?,
                            Effect::Applied
                        );
                    }
                    theirs.lock().unwrap().replace(claim_request);
                    let lost = books.book(&delivery, ready(true)).await;
                    assert_eq!(lost.as_ref().unwrap_err().kind(), StoreErrorKind::NotHeld);
                    lost.permanent()
                }
            }
        };
        let app = App::with(books.store(), handler);
        // The other's DONE is as good as this run's would have been, if it is the same event. Its
        // claim is not, and stays.
        let is_done_by_other = other_finishes && same_facts;
        assert_eq!(app.deliver(&id).await, if is_done_by_other { 200 } else { 500 });
        assert_eq!(books.effects(&id).await, 0);
        let theirs = theirs.lock().unwrap().take().unwrap();
        match state(&books, &id).await {
            State::Claimed { token, .. } => assert!(!other_finishes && token == theirs.token),
            state => assert!(other_finishes && is_done(&state), "{state:?}"),
        }
    }
}

/// As long as the transaction is open, no renewal comes through: the claim is held all the same,
/// and what is committed is there once.
pub(crate) async fn a_renewal_that_waits_for_the_handlers_own_transaction_is_no_lost_lease(books: impl Books) {
    const LIMIT: Duration = Duration::from_millis(500);
    let store = FaultyStore::new(books.store());
    let (inner, watched) = (books.clone(), store.clone());
    let handler = move |delivery: Delivery<dwolla::Event>| {
        let (books, store) = (inner.clone(), watched.clone());
        async move {
            let renewed = store.calls(Operation::Renew);
            let given_up = async {
                // The second is asked for when the first was given up.
                while store.calls(Operation::Renew) < renewed + 2 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                assert!(!delivery.claim().is_lost());
                true
            };
            Ok(books.book(&delivery, given_up).await?)
        }
    };
    let app = App::on(
        WebhookLayer::builder(Dwolla::new(SECRET).unwrap(), store)
            .store_timeout(LIMIT)
            .lease(Duration::from_secs(60), Duration::from_millis(20))
            .build()
            .unwrap(),
        handler,
    );
    app.deliver_until_acknowledged("1").await;
    assert_eq!((app.runs("1"), books.effects("1").await), (1, 1));
    assert!(is_done(&state(&books, "1").await));
}

/// Outside of a layer nothing reads the record afterwards.
pub(crate) async fn a_handler_alone_can_be_tested_with_a_claim_of_its_own(books: impl Books) {
    let body = crate::endpoint::event("in a unit test");
    let event = || dwolla::Event::from_json(body.as_bytes()).unwrap();
    let store = books.store();
    let claim = || testing::claimed_delivery(&store, "dwolla", event(), body.clone());

    let delivery = claim().await.unwrap();
    assert_eq!((delivery.claim().attempt(), delivery.claim().is_lost()), (1, false));
    books.book(&delivery, ready(true)).await.unwrap();
    assert_eq!(books.effects("in a unit test").await, 1);
    assert!(matches!(
        state(&books, "in a unit test").await,
        State::Done {
            completion: Completion::Handled,
            ..
        }
    ));

    let again = claim().await.unwrap_err();
    assert_eq!(again.kind(), StoreErrorKind::NotHeld);
    assert!(
        again
            .to_string()
            .contains("dwolla/in a unit test is Done(Handled); expected an event that nobody has claimed"),
        "{again}"
    );
}

pub(crate) async fn a_claim_that_no_store_granted_is_refused(books: impl Books) {
    let body = crate::endpoint::event("by hand");
    let event = dwolla::Event::from_json(body.as_bytes()).unwrap();
    let refused = books
        .book(&tower_webhook::testing::delivery(event, body), ready(true))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::NotHeld);
    assert_eq!(books.effects("by hand").await, 0);
}
