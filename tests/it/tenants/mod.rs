//! Many tenants behind one layer: whose request it is, and what was looked up of them.

mod cached_secrets;
mod body;
mod processor_inbox_and_log;
mod floods;
mod keys;
mod names;
mod scheme;
mod shares;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_webhook::{
    Delivery, MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    event::Tenant,
    layer::{TenantsHandle, WebhookLayerBuilder},
    provider::{
        Provider as _,
        tenant::{BoxError, PerTenant, TenantOf, TenantSecrets},
    },
    signature::Secrets,
};

use crate::{
    endpoint::{Answer, BoxService, Event, TestBody, TestClock, event, with_body},
    fixtures::Work,
};

pub(super) const TENANT: HeaderName = HeaderName::from_static("x-tenant");

/// How the source responds.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum SourceBehaviour {
    Well,
    After(Duration),
    Fails,
    Panics,
    Hangs,
}

/// Secrets of tenants, with each lookup counted.
#[derive(Clone)]
pub(super) struct Source {
    secrets: Arc<Mutex<HashMap<String, Vec<String>>>>,
    mood: Arc<Mutex<SourceBehaviour>>,
    asked: Arc<AtomicUsize>,
}

impl Source {
    /// One that knows these, each with the secret that [`secret`] says.
    pub(super) fn of(tenants: &[&str]) -> Self {
        let secrets = tenants.iter().map(|name| ((*name).to_owned(), vec![secret(name)]));
        Self {
            secrets: Arc::new(Mutex::new(secrets.collect())),
            mood: Arc::new(Mutex::new(SourceBehaviour::Well)),
            asked: Arc::default(),
        }
    }

    pub(super) fn set(&self, tenant: &str, secrets: &[&str]) {
        let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        self.secrets.lock().unwrap().insert(tenant.to_owned(), secrets);
    }

    pub(super) fn remove(&self, tenant: &str) {
        self.secrets.lock().unwrap().remove(tenant);
    }

    pub(super) fn feels(&self, mood: SourceBehaviour) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl TenantSecrets for Source {
    async fn secrets(&self, tenant: &Tenant) -> Result<Option<Secrets>, BoxError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        match mood {
            SourceBehaviour::Well => {}
            SourceBehaviour::After(time) => sleep(time).await,
            SourceBehaviour::Fails => return Err("the database is away".into()),
            SourceBehaviour::Panics => panic!("the source is broken"),
            SourceBehaviour::Hangs => std::future::pending().await,
        }
        let found = self.secrets.lock().unwrap().get(tenant.as_str()).cloned();
        Ok(found.map(Secrets::several).transpose()?)
    }
}

pub(super) type Provider = PerTenant<Dwolla>;
pub(super) type Builder = WebhookLayerBuilder<Provider, MemoryStore>;

/// A layer of Dwolla's with tenants in a header, and a service of it.
#[derive(Clone)]
pub(super) struct TenantEndpoint {
    pub(super) service: BoxService,
    pub(super) source: Source,
    pub(super) handle: TenantsHandle,
    pub(super) store: MemoryStore,
    pub(super) runs: Arc<Mutex<Vec<(String, String)>>>,
}

impl TenantEndpoint {
    pub(super) fn of(tenants: &[&str]) -> Self {
        Self::with(Source::of(tenants), |provider| provider, |builder| builder)
    }

    pub(super) fn with(
        source: Source,
        provider: impl FnOnce(Provider) -> Provider,
        settings: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::handling(source, provider, settings, |_| Box::pin(async { Ok(()) }))
    }

    /// The same with a handler, whose runs are kept by tenant and id.
    pub(super) fn handling(
        source: Source,
        provider: impl FnOnce(Provider) -> Provider,
        settings: impl FnOnce(Builder) -> Builder,
        handler: impl Fn(Delivery<Event>) -> Work + Clone + Send + Sync + 'static,
    ) -> Self {
        let clock = TestClock::start();
        let store = MemoryStore::builder().capacity(10_000).clock(clock).build();
        let per_tenant = Dwolla::reader()
            .per_tenant(TenantOf::header(TENANT), source.clone())
            .unwrap();
        let builder = WebhookLayer::builder(provider(per_tenant), store.clone()).clock(clock);
        let layer = settings(builder).build().unwrap();
        let runs: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let kept = Arc::clone(&runs);
        let handle = layer.tenants_handle().unwrap();
        let topics = TopicRouter::new().on("customer_created", move |delivery: Delivery<Event>| {
            let tenant = delivery.tenant().unwrap().to_string();
            kept.lock()
                .unwrap()
                .push((tenant, delivery.event().id().as_str().to_owned()));
            handler(delivery)
        });
        Self {
            service: BoxService::new(layer.topics(topics)),
            source,
            handle,
            store,
            runs,
        }
    }

    pub(super) async fn send(&self, request: Request<TestBody>) -> Answer {
        Answer::of(self.service.clone().oneshot(request).await.unwrap()).await
    }

    /// An event of this tenant's, signed with its secret.
    pub(super) async fn deliver(&self, tenant: &str, id: &str) -> Answer {
        self.send(signed_for(tenant, &secret(tenant), id)).await
    }

    /// The same, and its status.
    pub(super) async fn status(&self, tenant: &str, id: &str) -> u16 {
        self.deliver(tenant, id).await.status.as_u16()
    }

    pub(super) fn spawn(&self, tenant: &str, id: &str) -> tokio::task::JoinHandle<Answer> {
        let (endpoint, tenant, id) = (self.clone(), tenant.to_owned(), id.to_owned());
        tokio::spawn(async move { endpoint.deliver(&tenant, &id).await })
    }

    pub(super) fn runs(&self) -> usize {
        self.runs.lock().unwrap().len()
    }
}

/// The secret of this tenant.
pub(super) fn secret(tenant: &str) -> String {
    format!("the secret of {tenant}, which is long")
}

/// A request that names this tenant, signed with this secret.
pub(super) fn signed_for(tenant: &str, secret: &str, id: &str) -> Request<TestBody> {
    let body = event(id);
    let secrets = Secrets::new(secret).unwrap();
    let mut headers = dwolla::scheme().sign(&secrets, body.as_bytes()).unwrap();
    headers.insert(TENANT, HeaderValue::from_str(tenant).unwrap());
    with_body(headers, Full::from(body))
}
