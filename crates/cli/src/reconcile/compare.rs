//! One comparison: what is missing, and what becomes of it.

use std::{
    collections::BTreeSet,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::{ProgressBar, ProgressStyle};
use tower_webhook::{
    Delivery, Processor, TopicRouter, WebhookLayer,
    event::{Event, Tenant},
    inbox::Inbox,
    provider::Provider,
    store::IdempotencyStore,
};
use tower_webhook_reconcile::{
    Reconciler,
    reconciler::{End, Ending, Listed, Report, Source, Window},
};

use super::{
    Remedy, report,
    tenant_keys::{self, MakeProcessor, Providers},
    undelivered::Undelivered,
};
use crate::{
    failure::Failure,
    output::{Output, is_confirmed, is_watched, note},
    store::Opened,
};

pub(super) struct Comparison<S, P> {
    pub(super) opened: Opened,
    pub(super) source: S,
    pub(super) providers: Providers<P>,
    pub(super) tenant: Option<Tenant>,
    pub(super) namespace: String,
    pub(super) window: Window,
    pub(super) topics: BTreeSet<String>,
    pub(super) also_delivered: bool,
    pub(super) remedy: Remedy,
}

/// The report of a run, with the items it found.
pub(super) struct ItemsByEnding {
    pub(super) report: Report,
    /// The items that the store does not know, and how each ended.
    pub(super) unknown: Vec<(Listed, Ending)>,
}

/// The result of a comparison, and of its remedy.
pub(super) struct Compared<'c> {
    pub(super) window: Window,
    pub(super) topics: &'c BTreeSet<String>,
    pub(super) also_delivered: bool,
    pub(super) looked: ItemsByEnding,
    pub(super) remedied: Option<ItemsByEnding>,
}

impl Compared<'_> {
    /// Whether the receiver should have it. What was delivered may be of a topic that nobody
    /// handles: it should where the topic was asked for.
    pub(super) fn is_missed(&self, item: &Listed) -> bool {
        !item.is_delivered || self.also_delivered || !self.topics.is_empty()
    }

    /// The items that are missing before any remedy.
    pub(super) fn missing(&self) -> Vec<&(Listed, Ending)> {
        let unknown = self.looked.unknown.iter();
        unknown.filter(|(item, _)| self.is_missed(item)).collect()
    }

    /// The items that were delivered and are not stored, and perhaps need not be.
    pub(super) fn unstored(&self) -> Vec<&(Listed, Ending)> {
        let unknown = self.looked.unknown.iter();
        unknown.filter(|(item, _)| !self.is_missed(item)).collect()
    }

    /// The items that are still missing after the remedy.
    pub(super) fn left(&self) -> Vec<&(Listed, Ending)> {
        let Some(remedied) = &self.remedied else {
            return self.missing();
        };
        let untouched = self.missing().into_iter();
        let untouched = untouched.filter(|(item, _)| !self.is_remedied(item));
        remedied.unknown.iter().chain(untouched).collect()
    }

    /// Whether a remedy is for it.
    fn is_remedied(&self, item: &Listed) -> bool {
        !item.is_delivered || self.also_delivered
    }
}

impl<S, P> Comparison<S, P>
where
    S: Source + Clone,
    P: Provider<Event = S::Event> + Clone,
{
    /// Whether nothing is missing in the end.
    pub(super) async fn run(self, output: Output) -> Result<bool, Failure> {
        let opened = &self.opened;
        tenant_keys::check(opened, &self.namespace, self.tenant.as_ref(), self.window).await?;
        let processor = self.handled(opened.store().clone())?;
        let mut compared = Compared {
            window: self.window,
            topics: &self.topics,
            also_delivered: self.also_delivered,
            looked: self
                .tell(self.source.clone(), processor, Reconciler::report_only)
                .await?,
            remedied: None,
        };
        let unknown = &compared.looked.unknown;
        if !unknown.is_empty() && compared.looked.report.count(Ending::Known) == 0 {
            tenant_keys::doubt(opened, &self.namespace).await?;
        }
        let count = unknown.iter().filter(|(item, _)| compared.is_remedied(item)).count();
        if count > 0 {
            compared.remedied = self.remedy(count).await?;
        }
        report::print(&compared, output);
        Ok(compared.left().is_empty())
    }

    async fn remedy(&self, count: usize) -> Result<Option<ItemsByEnding>, Failure> {
        let source = Undelivered {
            source: self.source.clone(),
            also_delivered: self.also_delivered,
        };
        match self.remedy {
            Remedy::None => Ok(None),
            Remedy::Redeliver { confirmed } => {
                let question = format!("{count} are missing. Shall {} send them again?", self.providers.name());
                if !confirmed && !is_confirmed(&question) {
                    return Err(Failure::usage(format!(
                        "{count} are missing, and nobody has confirmed that they are to be sent again; expected a yes, \
                         or --yes"
                    )));
                }
                let processor = self.handled(self.opened.store().clone())?;
                self.tell(source, processor, Reconciler::redeliver).await.map(Some)
            }
            Remedy::Deposit => {
                if self.topics.is_empty() && self.providers.name() == "stripe" {
                    note(
                        "Stripe's list does not say what was delivered: events of topics that nobody handles are \
                         deposited, too, and wait; --topic says which are handled",
                    );
                }
                let processor = self.inbox()?;
                self.tell(source, processor, |reconciler| reconciler).await.map(Some)
            }
        }
    }

    /// A processor that wants these topics. Nothing is handed in.
    fn handled<T: IdempotencyStore>(&self, store: T) -> Result<Processor<S::Event>, Failure> {
        self.processor(store, Handled(&self.topics))
    }

    /// The store's inbox.
    fn inbox(&self) -> Result<Processor<S::Event>, Failure> {
        self.processor(self.opened.inbox("--deposit")?.clone(), Stored(&self.topics))
    }

    fn processor<T: IdempotencyStore>(
        &self,
        store: T,
        through: impl MakeProcessor<S::Event, T>,
    ) -> Result<Processor<S::Event>, Failure> {
        let tenant = self.tenant.as_ref();
        self.providers.processor(tenant, &self.namespace, store, through)
    }

    async fn tell<F: Source<Event = S::Event>>(
        &self,
        source: F,
        processor: Processor<S::Event>,
        mode: impl FnOnce(Reconciler<F>) -> Reconciler<F>,
    ) -> Result<ItemsByEnding, Failure> {
        let (unknown, bar) = (Arc::<Mutex<Vec<_>>>::default(), progress());
        let (noted, counted) = (Arc::clone(&unknown), bar.clone());
        let reconciler = Reconciler::new(source, processor)
            .over(self.window)
            .on_item(move |item, ending| {
                counted.inc(1);
                if is_unknown(ending) {
                    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    noted.push((item.clone(), ending));
                }
            });
        let report = mode(reconciler).run_once().await;
        bar.finish_and_clear();
        match report.end() {
            End::Complete => {}
            End::Failed(error) => return Err(failed(error)),
            end => {
                return Err(Failure::usage(format!(
                    "the run has ended early ({end}); expected no other reconciler over this store: try again"
                )));
            }
        }
        let mut unknown = unknown.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ItemsByEnding {
            report,
            unknown: std::mem::take(&mut *unknown),
        })
    }
}

struct Handled<'c>(&'c BTreeSet<String>);

impl<E: Event, T: IdempotencyStore> MakeProcessor<E, T> for Handled<'_> {
    fn processor<P: Provider<Event = E>>(self, layer: WebhookLayer<P, T>) -> Processor<E> {
        layer.processor(router(self.0))
    }
}

struct Stored<'c>(&'c BTreeSet<String>);

impl<E: Event, T: Inbox> MakeProcessor<E, T> for Stored<'_> {
    fn processor<P: Provider<Event = E>>(self, layer: WebhookLayer<P, T>) -> Processor<E> {
        layer.inbox().only(&router(self.0)).processor()
    }
}

/// Handlers that nothing is handed to: for these topics, or for all.
fn router<E: Event>(topics: &BTreeSet<String>) -> TopicRouter<E> {
    let handler = |_: Delivery<E>| async {};
    match topics.is_empty() {
        true => TopicRouter::new().fallback(handler),
        false => TopicRouter::new().on(Vec::from_iter(topics.iter().cloned()), handler),
    }
}

pub(super) fn failed(error: &(dyn Error + 'static)) -> Failure {
    Failure::caused_by("they could not be compared", error)
}

/// Whether the store does not know an event, as far as this run knows.
fn is_unknown(ending: Ending) -> bool {
    matches!(
        ending,
        Ending::Missing | Ending::Asked | Ending::NotFetchable | Ending::Failed
    )
}

/// Shown on a terminal alone. How many there are is known in the end.
fn progress() -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} compared");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
