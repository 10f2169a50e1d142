use std::{
    fmt,
    time::{Duration, SystemTime},
};

use tower_webhook::event::Tenant;

use super::Window;
use crate::Error;

/// How many entries of each tally a report lists.
const LISTED: usize = 100;

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Ending {
    /// The store has it as finished, or it lies in the inbox: handled before, stored, or given up
    /// for an operator to decide.
    Known,
    /// The provider recorded a success, and the store could not be asked without fetching it.
    Delivered,
    /// No handler takes its topic.
    Unwanted,
    /// It is missing, and the run only [reports](super::Reconciler::report_only). The next run
    /// looks at it again.
    Missing,
    /// It was missing, and its handler has succeeded now.
    Handled,
    /// It was missing, and is in the inbox now.
    Stored,
    /// It was missing, and its handler failed with a permanent error: it is finished.
    Rejected,
    /// It was missing, and the provider was asked to send it again. The next run looks at it again.
    Asked,
    /// Another run of it is not over yet. The next run looks at it again.
    Waiting,
    /// It is missing, and the provider has nothing that could be handed in.
    NotFetchable,
    /// It is missing, and could not be fetched or handled. The next run tries again.
    Failed,
}

impl Ending {
    /// All of them, in the order in which a report tells them.
    pub const ALL: [Self; 11] = [
        Self::Known,
        Self::Delivered,
        Self::Unwanted,
        Self::Missing,
        Self::Handled,
        Self::Stored,
        Self::Rejected,
        Self::Asked,
        Self::Waiting,
        Self::NotFetchable,
        Self::Failed,
    ];

    /// A name for programs, as in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Delivered => "delivered",
            Self::Unwanted => "unwanted",
            Self::Missing => "missing",
            Self::Handled => "handled",
            Self::Stored => "stored",
            Self::Rejected => "rejected",
            Self::Asked => "asked",
            Self::Waiting => "waiting",
            Self::NotFetchable => "not-fetchable",
            Self::Failed => "failed",
        }
    }

    /// Whether the next run must look at the item again.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Missing | Self::Asked | Self::Waiting | Self::Failed)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum End {
    /// The list was read to its end. Items may have failed all the same.
    Complete,
    /// Another run over this store holds the lease, for so long if it is not renewed. Nothing was
    /// done.
    Busy(Duration),
    /// A shutdown came. What had begun was finished.
    Stopped,
    /// The lease was lost: the store did not take its renewal in time, or another run holds it. The
    /// run took up nothing more. What both runs looked at is claimed once all the same.
    LeaseLost,
    /// A page could not be fetched, the store did not respond, or the provider's API failed again
    /// and again.
    Failed(Error),
}

impl End {
    /// A name for programs, as in logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Busy(_) => "busy",
            Self::Stopped => "stopped",
            Self::LeaseLost => "lease-lost",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Busy(remaining) => write!(f, "busy: another run holds the lease for {} s", remaining.as_secs()),
            _ => f.write_str(self.as_str()),
        }
    }
}

/// An item in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The provider's name for it.
    pub id: String,
    /// The event's id, if the list told it.
    pub event_id: Option<String>,
    /// Its topic, if the list told it.
    pub topic: Option<String>,
    /// Whether the provider has recorded that the receiver took it: what is missing all the same is
    /// of a topic that nobody handles, was forgotten, or was lost behind a 2xx.
    pub is_delivered: bool,
    /// Why it ended so, where there is something to say.
    pub reason: Option<String>,
}

/// How many items ended in one way, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    count: u64,
    listed: Vec<Listed>,
}

impl Tally {
    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first 100 of them.
    #[must_use]
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }

    fn add(&mut self, item: Listed) {
        self.count += 1;
        if self.listed.len() < LISTED {
            self.listed.push(item);
        }
    }
}

/// The report of a run: the items that it found, and how they ended. One line when displayed.
///
/// Every item that was seen is in one tally: [`seen`](Self::seen) is their sum.
#[derive(Clone, Debug)]
pub struct Report {
    source: String,
    tenant: Option<Tenant>,
    window: Window,
    end: End,
    took: Duration,
    tallies: [Tally; Ending::ALL.len()],
    open: Open,
}

/// The earliest item that the next run must look at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    None,
    From(SystemTime),
    /// It has no time.
    Somewhere,
}

impl Report {
    pub(super) fn new(source: &str, tenant: Option<&Tenant>, window: Window) -> Self {
        Self {
            source: source.to_owned(),
            tenant: tenant.cloned(),
            window,
            end: End::Complete,
            took: Duration::ZERO,
            tallies: Default::default(),
            open: Open::None,
        }
    }

    pub(super) fn add(&mut self, item: Listed, time: Option<SystemTime>, ending: Ending) {
        if ending.is_open() {
            self.open = match (self.open, time) {
                (Open::Somewhere, _) | (_, None) => Open::Somewhere,
                (Open::None, Some(time)) => Open::From(time),
                (Open::From(earlier), Some(time)) => Open::From(earlier.min(time)),
            };
        }
        if let Some(tally) = self.tallies.get_mut(ending as usize) {
            tally.add(item);
        }
    }

    pub(super) fn ended(mut self, end: End, took: Duration) -> Self {
        self.end = end;
        self.took = took;
        self
    }

    /// The source's name.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The tenant whose events they are, where the layer has tenants.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref()
    }

    /// The time that the run asked for.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// How the run ended.
    #[must_use]
    pub fn end(&self) -> &End {
        &self.end
    }

    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// How many items were looked at.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.tallies.iter().map(Tally::count).sum()
    }

    /// The items that ended so.
    #[must_use]
    pub fn tally(&self, ending: Ending) -> &Tally {
        const NONE: &Tally = &Tally {
            count: 0,
            listed: Vec::new(),
        };
        self.tallies.get(ending as usize).unwrap_or(NONE)
    }

    /// How many items ended so.
    #[must_use]
    pub fn count(&self, ending: Ending) -> u64 {
        self.tally(ending).count()
    }

    /// Whether nothing is left for the next run: the list was read to its end, and no item failed,
    /// waits, or was asked for again.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.end, End::Complete) && self.open == Open::None
    }

    /// The time up to which nothing is left to do; `None` if this run says nothing about it. Keep
    /// it for [`covered_until`](super::Reconciler::covered_until) if a restart shall not look at
    /// the provider's whole retention again.
    #[must_use]
    pub fn covered_until(&self) -> Option<SystemTime> {
        match (&self.end, self.open) {
            (End::Complete, Open::None) => Some(self.window.until),
            (End::Complete, Open::From(time)) => Some(time.min(self.window.until)),
            _ => None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(tenant) = &self.tenant {
            write!(f, " of {tenant}")?;
        }
        write!(f, ": {}, {} seen", self.end, self.seen())?;
        for ending in Ending::ALL {
            match self.count(ending) {
                0 => {}
                count => write!(f, ", {count} {ending}")?,
            }
        }
        write!(f, " in {:.1} s", self.took.as_secs_f64())
    }
}
