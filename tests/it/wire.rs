//! How a request gets to the service under test: by a call, or over a real socket.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use http::{Request, Uri};
use http_body_util::BodyExt as _;
use hyper::{
    client::conn::{http1, http2},
    server,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tower::ServiceExt as _;
use tower_webhook::{Outcome, Refusal};

use crate::endpoint::{Answer, BodyError, BoxService, TestBody};

/// Who calls the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// The test itself.
    Service,
    /// hyper's HTTP/1 server, for a hyper client with a connection for each request.
    Hyper1,
    /// hyper's HTTP/2 server, for a hyper client whose requests are streams of one connection.
    Hyper2,
    /// `axum::serve`, for the client of `Hyper1`.
    Axum,
}

#[derive(Clone)]
pub(crate) enum Wire {
    Direct(BoxService),
    Http1(SocketAddr),
    /// The connection ends with the last provider that holds it.
    Http2(SocketAddr, http2::SendRequest<TestBody>, Arc<JoinSet<()>>),
}

impl Wire {
    /// Serves the service at an address of its own, until the test's runtime ends.
    pub(crate) async fn over(self, via: Via) -> Self {
        let Self::Direct(service) = self else {
            panic!("served already")
        };
        if via == Via::Service {
            return Self::Direct(service);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        if via == Via::Axum {
            let service = service.map_request(|request: Request<axum::body::Body>| request.map(boxed));
            let app = axum::Router::new().route_service("/webhooks/dwolla", service);
            tokio::spawn(async move { axum::serve(listener, app).await });
            return Self::Http1(address);
        }
        tokio::spawn(async move {
            loop {
                let io = TokioIo::new(listener.accept().await.unwrap().0);
                let service = service
                    .clone()
                    .map_request(|request: Request<hyper::body::Incoming>| request.map(boxed));
                let service = TowerToHyperService::new(service);
                if via == Via::Hyper2 {
                    let http = server::conn::http2::Builder::new(TokioExecutor::new());
                    tokio::spawn(http.serve_connection(io, service));
                } else {
                    tokio::spawn(server::conn::http1::Builder::new().serve_connection(io, service));
                }
            }
        });
        match via {
            Via::Hyper2 => Self::connect_http2(address).await,
            _ => Self::Http1(address),
        }
    }

    /// To the same server by another connection.
    pub(crate) async fn anew(&self) -> Self {
        match self {
            Self::Http2(address, ..) => Self::connect_http2(*address).await,
            other => other.clone(),
        }
    }

    async fn connect_http2(address: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (provider, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Self::Http2(address, provider, Arc::new(driver))
    }

    /// Dropped before it completes, the request is given up: its call is dropped, its connection
    /// closed or its stream reset.
    pub(crate) async fn send(&self, mut request: Request<TestBody>) -> Answer {
        match self {
            Self::Direct(service) => {
                let response = service.clone().oneshot(request).await.unwrap();
                // Whatever it is, it says how the event ended.
                let outcome = response.extensions().get::<Outcome>().expect("an outcome");
                let refusal = response.extensions().get::<Refusal>();
                assert_eq!(outcome.refusal(), refusal);
                Answer::of(response).await
            }
            Self::Http1(address) => {
                let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
                let (mut provider, connection) = http1::handshake(io).await.unwrap();
                let mut driver = JoinSet::new();
                driver.spawn(async move { drop(connection.await) });
                Answer::of(provider.send_request(request).await.unwrap()).await
            }
            Self::Http2(address, provider, _driver) => {
                let uri = format!("http://{address}{}", request.uri());
                *request.uri_mut() = uri.parse::<Uri>().unwrap();
                Answer::of(provider.clone().send_request(request).await.unwrap()).await
            }
        }
    }
}

fn boxed<B>(body: B) -> TestBody
where
    B: http_body::Body<Data = bytes::Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    body.map_err(|error| BodyError(error.into())).boxed_unsync()
}

/// Counts the calls of a service, so that a test can wait for what its server has noticed.
#[derive(Clone)]
pub(crate) struct Calls(watch::Sender<(usize, usize)>);

impl Default for Calls {
    fn default() -> Self {
        Self(watch::Sender::new((0, 0)))
    }
}

impl Calls {
    pub(crate) fn watch(&self, service: BoxService) -> BoxService {
        let calls = self.clone();
        BoxService::new(tower::service_fn(move |request| {
            let (calls, service) = (calls.clone(), service.clone());
            async move {
                calls.0.send_modify(|(begun, _)| *begun += 1);
                let _call = Call(calls);
                let answer: Result<_, Infallible> = service.oneshot(request).await;
                answer
            }
        }))
    }

    pub(crate) fn have_ended(&self) -> usize {
        self.0.borrow().1
    }

    pub(crate) async fn begun(&self, calls: usize) {
        self.0.subscribe().wait_for(|(begun, _)| *begun >= calls).await.unwrap();
    }

    pub(crate) async fn ended(&self, calls: usize) {
        self.0.subscribe().wait_for(|(_, ended)| *ended >= calls).await.unwrap();
    }
}

/// A call, until its future has ended or was dropped.
struct Call(Calls);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.send_modify(|(_, ended)| *ended += 1);
    }
}
