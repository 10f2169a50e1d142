//! The providers, and the sandbox's own API beside theirs.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header::DATE};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Error, Provider,
    clock::{FAR, Reading, time_after},
    deliver::{Attempt, Courier, Dispatcher},
    dwolla::Dwolla,
    example::Example,
    github::GitHub,
    http::{Incoming, json as respond, with_allow, with_body},
    keep::{Keeper, Kept},
    stripe::Stripe,
    time::{http_date, millis},
};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) base: String,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) keeper: Keeper,
    dwolla: Arc<Dwolla>,
    example: Arc<Example>,
    github: Arc<GitHub>,
    stripe: Arc<Stripe>,
}

#[derive(Deserialize)]
struct Advance {
    advance_seconds: u64,
}

impl World {
    pub(crate) fn new(
        base: String,
        token_lifetime: Duration,
        dispatcher: Arc<Dispatcher>,
        mut kept: Kept,
    ) -> Result<Self, Error> {
        let at = |provider| url(&base, provider);
        let kept = &mut kept;
        let world = Self {
            dwolla: Dwolla::new(at(Provider::Dwolla), token_lifetime, Arc::clone(&dispatcher), kept)?,
            example: Example::new(at(Provider::Example), Arc::clone(&dispatcher), kept)?,
            github: GitHub::new(at(Provider::GitHub), Arc::clone(&dispatcher), kept)?,
            stripe: Stripe::new(Arc::clone(&dispatcher), kept)?,
            keeper: kept.keeper.clone(),
            base,
            dispatcher: Arc::clone(&dispatcher),
        };
        dispatcher.register(world.couriers());
        Ok(world)
    }

    fn couriers(&self) -> Vec<Weak<dyn Courier>> {
        vec![
            Arc::downgrade(&self.dwolla) as _,
            Arc::downgrade(&self.example) as _,
            Arc::downgrade(&self.github) as _,
            Arc::downgrade(&self.stripe) as _,
        ]
    }

    pub(crate) fn url(&self, provider: Provider) -> String {
        url(&self.base, provider)
    }

    pub(crate) fn fire(&self, provider: Provider, event: &Bytes) -> Result<Bytes, Error> {
        let _together = self.keeper.together();
        match provider {
            Provider::Dwolla => self.dwolla.fire(event),
            Provider::Example => self.example.fire(event),
            Provider::GitHub => self.github.fire(event),
            Provider::Stripe => self.stripe.fire(event),
        }
    }

    /// Responds when what the request has changed is kept.
    pub(crate) async fn respond(&self, request: Incoming) -> Response {
        let response = self.dispatch(request).await;
        let mut response = match self.keeper.kept().await {
            Ok(()) => response,
            Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error),
        };
        // A client that goes by this machine's clock would ask for the past alone.
        let date = http_date(self.dispatcher.clock().now());
        if let Some(date) = date.and_then(|date| HeaderValue::try_from(date).ok()) {
            response.headers_mut().insert(DATE, date);
        }
        response
    }

    fn ask(&self, provider: Provider, request: &Incoming) -> Response {
        let _together = self.keeper.together();
        match provider {
            Provider::Dwolla => self.dwolla.respond(request),
            Provider::Example => self.example.respond(request),
            Provider::GitHub => self.github.respond(request),
            Provider::Stripe => self.stripe.respond(request),
        }
    }

    async fn dispatch(&self, mut request: Incoming) -> Response {
        let under = |provider: &&Provider| {
            let path = provider.path();
            request.path.len() >= path.len() && path.iter().zip(&request.path).all(|(known, asked)| known == asked)
        };
        if let Some(provider) = Provider::ALL.iter().find(under) {
            request.path.drain(..provider.path().len());
            return self.ask(*provider, &request);
        }
        // Stripe's own clients take a host and no path before theirs.
        if request.path.first().is_some_and(|first| first == "v1") {
            return self.ask(Provider::Stripe, &request);
        }
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match path[..] {
            [] | ["sandbox"] => self.only(&request, Method::GET, || self.overview()),
            ["sandbox", "attempts"] => self.only(&request, Method::GET, || self.attempts()),
            ["sandbox", "clock"] if request.method == Method::POST => self.advance_by_request(&request).await,
            ["sandbox", "clock"] => self.only(&request, Method::POST, || refuse(StatusCode::NOT_FOUND, "")),
            ["sandbox", provider, "events"] => match Provider::named(provider) {
                Some(provider) => self.only(&request, Method::POST, || self.fire_by_request(provider, &request)),
                None => refuse(StatusCode::NOT_FOUND, &format!("there is no provider {provider}")),
            },
            _ => {
                let paths: Vec<String> = Provider::ALL.iter().map(|provider| provider.path().join("/")).collect();
                let expected = format!("there is nothing here; expected /{} or /sandbox", paths.join(", /"));
                refuse(StatusCode::NOT_FOUND, &expected)
            }
        }
    }

    fn only(&self, request: &Incoming, method: Method, respond: impl FnOnce() -> Response) -> Response {
        if request.method == method {
            return respond();
        }
        let message = format!("the method is {}; expected {method}", request.method);
        with_allow(refuse(StatusCode::METHOD_NOT_ALLOWED, &message), &[method])
    }

    fn overview(&self) -> Response {
        let mut urls = serde_json::Map::new();
        for provider in Provider::ALL {
            urls.insert(provider.to_string(), self.url(*provider).into());
        }
        let clock = self.dispatcher.clock();
        let body = json!({
            "providers": urls,
            "now": millis(clock.now()),
            "speed": clock.speed(),
            "chaos_seed": self.dispatcher.chaos().map(crate::Chaos::seed),
        });
        respond(StatusCode::OK, "application/json", &body)
    }

    fn attempts(&self) -> Response {
        let attempts = self.dispatcher.log().attempts();
        let shown: Vec<Value> = attempts.iter().rev().map(show).collect();
        respond(StatusCode::OK, "application/json", &json!({ "data": shown }))
    }

    fn fire_by_request(&self, provider: Provider, request: &Incoming) -> Response {
        match self.fire(provider, &request.body) {
            Ok(event) => with_body(StatusCode::CREATED, "application/json", event),
            Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    async fn advance_by_request(&self, request: &Incoming) -> Response {
        match request.object::<Advance>() {
            Ok(Advance { advance_seconds }) if advance_seconds > FAR.as_secs() => {
                let most = FAR.as_secs();
                let message =
                    format!("advance_seconds is {advance_seconds}; expected {most} at most, which are 100 years");
                refuse(StatusCode::BAD_REQUEST, &message)
            }
            Ok(Advance { advance_seconds }) => {
                self.advance(Duration::from_secs(advance_seconds)).await;
                self.overview()
            }
            Err(error) => {
                let message = format!("{error}; expected {{\"advance_seconds\": 900}}");
                refuse(StatusCode::BAD_REQUEST, &message)
            }
        }
    }

    /// Moves the time ahead from one due attempt to the next, so that each comes at its own time.
    pub(crate) async fn advance(&self, by: Duration) {
        let clock = self.dispatcher.clock();
        let until = time_after(clock.now(), by.min(FAR));
        self.dispatcher.idle().await;
        while let Some(due) = self.dispatcher.next_due().filter(|due| *due <= until) {
            clock.skip(due.duration_since(clock.now()).unwrap_or_default());
            if clock.now() < due {
                // It has been moved as far as it can be.
                break;
            }
            self.dispatcher.idle().await;
        }
        clock.skip(until.duration_since(clock.now()).unwrap_or_default());
        self.keeper.put(Reading::KIND, 0, &clock.reading());
    }

    /// Returns when everything that is due has been sent and is kept.
    pub(crate) async fn idle(&self) {
        self.dispatcher.idle().await;
        // What cannot be kept is tried again, and said by responses and in the end.
        let _ = self.keeper.kept().await;
    }
}

fn url(base: &str, provider: Provider) -> String {
    format!("{base}/{}", provider.path().join("/"))
}

fn show(attempt: &Attempt) -> Value {
    let headers: Vec<Value> = attempt
        .headers
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({
        "provider": attempt.provider.as_str(),
        "endpoint": attempt.endpoint,
        "event_id": attempt.event_id,
        "topic": attempt.topic,
        "url": attempt.url,
        "headers": headers,
        "body": String::from_utf8_lossy(&attempt.body),
        "sent_at": millis(attempt.sent_at),
        "status": attempt.status,
        "failure": attempt.failure.as_ref().map(ToString::to_string),
        "took_ms": u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
    })
}

fn refuse(status: StatusCode, message: &str) -> Response {
    respond(status, "application/json", &json!({ "error": message }))
}
