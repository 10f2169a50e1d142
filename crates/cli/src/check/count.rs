//! How often the receiver's handlers have run.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    failure::Failure,
    wire::{Framing, Request, Response, Target, exchange},
};

/// The place where runs are seen.
#[derive(Clone, Debug)]
pub(crate) enum Counter {
    /// A URL that says how many there were.
    Url(Target),
    /// A listener that gets a request for each.
    Listener(Arc<AtomicU64>),
}

impl Counter {
    /// A listener, and the address it has.
    pub(crate) async fn listen(address: SocketAddr) -> Result<(Self, SocketAddr), Failure> {
        let tried = || format!("--count-listen is {address}, which cannot be listened on");
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| Failure::caused_by(tried(), &error))?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::caused_by(tried(), &error))?;
        let runs = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&runs);
        let app = Router::new().fallback(async move || {
            counted.fetch_add(1, Ordering::Relaxed);
            "counted\n"
        });
        tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Ok((Self::Listener(runs), address))
    }

    pub(crate) async fn runs(&self, limit: Duration) -> Result<u64, Failure> {
        let target = match self {
            Self::Listener(runs) => return Ok(runs.load(Ordering::Relaxed)),
            Self::Url(target) => target,
        };
        let request = Request {
            method: "GET",
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            framing: Framing::Length,
        };
        let response = exchange(target, &request.pieces(target), "GET", limit)
            .await
            .map_err(|error| Failure::usage(format!("--count-url: {error}; expected a number of runs")))?;
        number(&response).ok_or_else(|| {
            Failure::usage(format!(
                "--count-url responded {} without a number; expected 200 and a number alone, or as `count` of a JSON \
                 object",
                response.status
            ))
        })
    }
}

fn number(response: &Response) -> Option<u64> {
    if !response.is_success() {
        return None;
    }
    let value: Value = serde_json::from_slice(response.body.trim_ascii()).ok()?;
    value.as_u64().or_else(|| value.get("count")?.as_u64())
}
