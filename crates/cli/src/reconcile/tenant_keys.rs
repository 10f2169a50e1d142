//! Whose events they are, where a layer has tenants.

use std::future::ready;

use tower_webhook::{
    Processor, WebhookLayer,
    event::Tenant,
    inbox::{Filter, InboxAdmin as _},
    provider::{
        Provider,
        tenant::{BoxError, TenantOf},
    },
    signature::Secrets,
    store::{IdempotencyStore, StoreAdmin as _},
};
use tower_webhook_reconcile::reconciler::Window;

use crate::{
    failure::Failure,
    output::note,
    store::{Opened, failed},
};

/// How many of the deliveries that a store lists say whether its layer has tenants.
const SAMPLE: usize = 500;

/// A provider with the secrets that were given, and as a layer with tenants takes it.
pub(super) struct Providers<P> {
    keyed: P,
    reader: P,
    secrets: Option<Secrets>,
}

impl<P: Provider + Clone> Providers<P> {
    pub(super) fn new(keyed: P, reader: P, secrets: Option<Secrets>) -> Self {
        Self { keyed, reader, secrets }
    }

    pub(super) fn name(&self) -> &str {
        self.keyed.name()
    }

    /// The processor of a layer over this store: of no tenant, or of this one.
    pub(super) fn processor<T: IdempotencyStore>(
        &self,
        tenant: Option<&Tenant>,
        namespace: &str,
        store: T,
        make: impl MakeProcessor<P::Event, T>,
    ) -> Result<Processor<P::Event>, Failure> {
        let Some(tenant) = tenant else {
            return Ok(make.processor(layer(self.keyed.clone(), namespace, store)?));
        };
        let secrets = self.secrets.clone();
        // Whose events they are, the command was told: no request names it.
        let of_any = move |_: Tenant| ready(Ok::<_, BoxError>(secrets.clone()));
        let provider = self.reader.clone().per_tenant(TenantOf::from_parts(|_| None), of_any);
        let provider = provider.map_err(|error| Failure::caused_by("the provider cannot have tenants", &error))?;
        Ok(make.processor(layer(provider, namespace, store)?).of(tenant))
    }
}

/// Makes the processor of a layer: for topic handlers, or for an inbox.
pub(super) trait MakeProcessor<E, T> {
    fn processor<P: Provider<Event = E>>(self, layer: WebhookLayer<P, T>) -> Processor<E>;
}

fn layer<P: Provider, T: IdempotencyStore>(
    provider: P,
    namespace: &str,
    store: T,
) -> Result<WebhookLayer<P, T>, Failure> {
    let built = WebhookLayer::builder(provider, store).namespace(namespace).build();
    built.map_err(|error| Failure::caused_by("the store's layer cannot be built", &error))
}

/// Refuses keys that the receiver's layer does not have: under them nothing is known, and what is
/// deposited runs a second time. The oldest stored deliveries tell which keys it has, and the
/// oldest of the window.
pub(super) async fn check(
    opened: &Opened,
    namespace: &str,
    tenant: Option<&Tenant>,
    window: Window,
) -> Result<(), Failure> {
    let Ok(inbox) = opened.inbox("a look at its keys") else {
        return Ok(());
    };
    let of_all = Filter::new(namespace);
    let (mut with, mut without) = (None, false);
    for filter in [of_all.clone(), of_all.since(window.from)] {
        let page = inbox.list(&filter, None, SAMPLE).await.map_err(failed)?;
        for entry in &page.entries {
            match Tenant::of_id(entry.key.id()) {
                Some(tenant) => with = with.or(Some(tenant)),
                None => without = true,
            }
        }
    }
    match (tenant, with) {
        (None, Some(found)) => Err(Failure::usage(format!(
            "--tenant is missing, and the namespace {namespace} holds events of tenants ({found} is one); expected the \
             name of the tenant tenant_keys events the provider recorded: without it each would count as missing"
        ))),
        (Some(tenant), None) if without => Err(Failure::usage(format!(
            "--tenant is {tenant}, and the namespace {namespace} holds events of no tenant; expected a namespace tenant_keys \
             layer has tenants: leave it out, or name another --namespace"
        ))),
        _ => Ok(()),
    }
}

/// Says that the keys may be others where not one event is known of a namespace that has some: what
/// lies in no inbox is not listed, so nothing tells its keys.
pub(super) async fn doubt(opened: &Opened, namespace: &str) -> Result<(), Failure> {
    let counts = opened.store().count(namespace).await.map_err(failed)?;
    let all = counts.claimed + counts.free + counts.done + counts.dead;
    if all > 0 {
        note(&format!(
            "none of these events is known, though the namespace {namespace} has {all}: if its layer has tenants, name \
             one with --tenant"
        ));
    }
    Ok(())
}
