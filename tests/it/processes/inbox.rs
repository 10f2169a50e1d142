//! The process that is killed: a receiver that stores, a worker, or both in one.

use std::time::Duration;

use serde_json::Value;
use tower_webhook::{
    WebhookLayer,
    dwolla::Dwolla,
    inbox::{Action, Backlog, Deposit, Inbox, Retries, Settlement, TakeRequest, Taken},
    store::{Deposited, Effect, StoreError},
};

use super::{
    process::say,
    receiver::{Announcing, listen, topics},
    shared::{Book, Shared},
};

impl<S: Inbox> Inbox for Announcing<S> {
    async fn deposit(&self, deposit: &Deposit) -> Result<Deposited, StoreError> {
        self.0.deposit(deposit).await
    }
    async fn take(&self, request: &TakeRequest) -> Result<Vec<Taken>, StoreError> {
        self.0.take(request).await
    }
    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Effect>, StoreError> {
        let effects = self.0.settle(settlements).await?;
        for settlement in settlements {
            if let Action::Complete(_) = settlement.action {
                say(&format!("settled {}", settlement.claim_request.key.id()));
            }
        }
        Ok(effects)
    }
    async fn backlog(&self, namespace: &str, up_to: u64) -> Result<Backlog, StoreError> {
        self.0.backlog(namespace, up_to).await
    }
    fn changed(&self) -> impl Future<Output = ()> + Send {
        self.0.changed()
    }
}

/// Stores, handles, or both, until it is killed.
pub(super) async fn serve<S: Shared + Inbox, B: Book>(store: S, book: B, task: &Value) {
    store.advance(Duration::from_secs(task["ahead"].as_u64().unwrap()));
    let is = |what: &str| task[what].as_bool().unwrap();
    let dwolla = Dwolla::new(task["secret"].as_str().unwrap()).unwrap();
    let layer = WebhookLayer::builder(dwolla, Announcing(store))
        .store_timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    if is("works") {
        // A handler fails where its lease was lost: then it is another's turn at once.
        let at_once = Retries::new([]).max_attempts(1000).allow_shorter_than_provider();
        let worker = layer.worker(topics(book, task)).retries(at_once).start();
        std::mem::forget(worker);
    }
    if is("receives") {
        listen(layer.inbox(), task["process"].as_u64().unwrap()).await;
    }
    say("working");
    std::future::pending::<()>().await;
}
