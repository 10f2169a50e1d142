//! The process that is killed: the layer behind a socket, with a handler that has an effect.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::Value;
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};
use tower_webhook::{
    Delivery, HandlerError, TopicRouter, WebhookLayer,
    dwolla::Dwolla,
    layer::ResponseBody,
    store::{ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record, StoreError},
};

use super::{
    process::say,
    random::Random,
    shared::{Book, Shared},
};
use crate::endpoint::Event;

/// The header that says which process answered.
pub(super) const PROCESS: &str = "process";

/// The longest that a handler works before its effect, and after it: so that many are killed
/// before, between and after.
const WORK: Duration = Duration::from_millis(3);

/// Says what is settled as soon as it is.
pub(super) struct Announcing<S>(pub(super) S);

impl<S: IdempotencyStore> IdempotencyStore for Announcing<S> {
    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        self.0.claim(claim_request).await
    }
    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.0.renew(claim_request).await
    }
    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        let effect = self.0.complete(claim_request, completion).await?;
        say(&format!("settled {}", claim_request.key.id()));
        Ok(effect)
    }
    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.0.release(claim_request).await
    }
    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.0.get(key).await
    }
    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        self.0.forget(key).await
    }
}

/// A handler that works, has its effect, and works on. It ends its process at the event that is
/// poison.
pub(super) fn topics<B: Book>(book: B, task: &Value) -> TopicRouter<Event> {
    let number = |name: &str| task[name].as_u64().unwrap();
    let process = number("process");
    let random = Arc::new(Random::new(number("seed")).branch(process));
    let poison = task["poison"].as_str().map(str::to_owned);
    TopicRouter::new().on("customer_created", move |delivery: Delivery<Event>| {
        let (book, random, poison) = (book.clone(), Arc::clone(&random), poison.clone());
        async move {
            let id = delivery.event().id();
            say(&format!("started {id}"));
            work(&random).await;
            if poison.is_some_and(|poison| id.as_str() == poison) {
                std::process::abort();
            }
            book.book(&delivery, process).await?;
            work(&random).await;
            Ok::<(), HandlerError>(())
        }
    })
}

/// Receives until it is killed.
pub(super) async fn serve<S: Shared, B: Book>(store: S, book: B, task: &Value) {
    store.advance(Duration::from_secs(task["ahead"].as_u64().unwrap()));
    let dwolla = Dwolla::new(task["secret"].as_str().unwrap()).unwrap();
    // Longer than by default: a completion that is given up, because the machine has other work, is
    // a run that may be repeated.
    let layer = WebhookLayer::builder(dwolla, Announcing(store)).store_timeout(Duration::from_secs(5));
    let service = layer.build().unwrap().topics(topics(book, task));
    listen(service, task["process"].as_u64().unwrap()).await;
}

/// Serves until it is killed, and says where, and in each response who.
pub(super) async fn listen<S>(service: S, process: u64)
where
    S: Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    say(&format!("listening {}", listener.local_addr().unwrap()));
    loop {
        let io = TokioIo::new(listener.accept().await.unwrap().0);
        let service = ServiceExt::<Request<Incoming>>::map_response(service.clone(), move |mut response| {
            response.headers_mut().insert(PROCESS, HeaderValue::from(process));
            response
        });
        let http = hyper::server::conn::http1::Builder::new();
        tokio::spawn(http.serve_connection(io, TowerToHyperService::new(service)));
    }
}

async fn work(random: &Random) {
    let longest = u64::try_from(WORK.as_micros()).unwrap();
    tokio::time::sleep(Duration::from_micros(random.below(longest))).await;
}
