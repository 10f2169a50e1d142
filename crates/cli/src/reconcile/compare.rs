//! One comparison: what is missing, and what becomes of it.

use std::{
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
    whose::{self, Providers, Through},
};
use crate::{
    failure::Failure,
    output::{Output, is_confirmed, is_watched},
    store::{self, Opened},
};

pub(super) struct Comparison<S, P> {
    pub(super) source: S,
    pub(super) providers: Providers<P>,
    pub(super) tenant: Option<Tenant>,
    pub(super) namespace: String,
    pub(super) window: Window,
    pub(super) remedy: Remedy,
}

/// What a run told, item by item.
pub(super) struct Told {
    pub(super) report: Report,
    /// What is not known, and how it ended.
    pub(super) missing: Vec<(Listed, Ending)>,
}

impl<S, P> Comparison<S, P>
where
    S: Source + Clone,
    P: Provider<Event = S::Event> + Clone,
{
    /// Whether nothing is missing in the end.
    pub(super) async fn run(self, url: &str, output: Output) -> Result<bool, Failure> {
        let opened = store::open(url).await?;
        whose::check(&opened, &self.namespace, self.tenant.as_ref(), self.window).await?;
        let looked = self
            .tell(self.everything(opened.store().clone())?, Reconciler::report_only)
            .await?;
        let count = looked.missing.len();
        if count > 0 && looked.report.count(Ending::Known) == 0 {
            whose::doubt(&opened, &self.namespace).await?;
        }
        let remedied = match self.remedy {
            _ if count == 0 => None,
            Remedy::None => None,
            Remedy::Redeliver { confirmed } => {
                let question = format!("{count} are missing. Shall {} send them again?", self.providers.name());
                if !confirmed && !is_confirmed(&question) {
                    return Err(Failure::usage(format!(
                        "{count} are missing, and nobody has confirmed that they are to be sent again; expected a yes, \
                         or --yes"
                    )));
                }
                let door = self.everything(opened.store().clone())?;
                Some(self.tell(door, Reconciler::redeliver).await?)
            }
            Remedy::Deposit => Some(self.tell(self.inbox(&opened)?, |reconciler| reconciler).await?),
        };
        report::print(self.window, &looked, remedied.as_ref(), output);
        let last = remedied.as_ref().unwrap_or(&looked);
        Ok(last.missing.is_empty())
    }

    /// A door that wants every topic. Nothing is handed in at it.
    fn everything<T: IdempotencyStore>(&self, store: T) -> Result<Processor<S::Event>, Failure> {
        self.door(store, Everything)
    }

    /// The store's inbox.
    fn inbox(&self, opened: &Opened) -> Result<Processor<S::Event>, Failure> {
        self.door(opened.inbox("--deposit")?.clone(), Stored)
    }

    fn door<T: IdempotencyStore>(
        &self,
        store: T,
        through: impl Through<S::Event, T>,
    ) -> Result<Processor<S::Event>, Failure> {
        let tenant = self.tenant.as_ref();
        self.providers.door(tenant, &self.namespace, store, through)
    }

    async fn tell(
        &self,
        door: Processor<S::Event>,
        mode: impl FnOnce(Reconciler<S>) -> Reconciler<S>,
    ) -> Result<Told, Failure> {
        let (missing, bar) = (Arc::<Mutex<Vec<_>>>::default(), progress());
        let (noted, counted) = (Arc::clone(&missing), bar.clone());
        let reconciler = Reconciler::new(self.source.clone(), door)
            .over(self.window)
            .on_item(move |item, ending| {
                counted.inc(1);
                if is_missing(ending) {
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
        let mut missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Told {
            report,
            missing: std::mem::take(&mut *missing),
        })
    }
}

struct Everything;

impl<E: Event, T: IdempotencyStore> Through<E, T> for Everything {
    fn door<P: Provider<Event = E>>(self, layer: WebhookLayer<P, T>) -> Processor<E> {
        layer.processor(TopicRouter::new().fallback(|_: Delivery<E>| async {}))
    }
}

struct Stored;

impl<E: Event, T: Inbox> Through<E, T> for Stored {
    fn door<P: Provider<Event = E>>(self, layer: WebhookLayer<P, T>) -> Processor<E> {
        layer.inbox().processor()
    }
}

fn failed(error: &(dyn Error + 'static)) -> Failure {
    Failure::caused_by("they could not be compared", error)
}

/// Whether an event is missing still, as far as this run knows.
fn is_missing(ending: Ending) -> bool {
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
