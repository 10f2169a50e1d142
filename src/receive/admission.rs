//! Limits on what all unauthenticated callers together may take up: requests and bytes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::error::{Refusal, RefusalKind};

#[derive(Clone, Debug)]
pub(super) struct Admission(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    max_in_flight: usize,
    most_bytes: usize,
    requests: AtomicUsize,
    bytes: AtomicUsize,
    discards: AtomicUsize,
}

impl Admission {
    pub(super) fn new(max_in_flight: usize, most_bytes: usize) -> Self {
        Self(Arc::new(Counts {
            max_in_flight,
            most_bytes,
            requests: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            discards: AtomicUsize::new(0),
        }))
    }

    /// Lets a request in, if there is room for it and for what it says it will send. What it says
    /// takes no room: otherwise a few hundred headers would close the door for everybody.
    pub(super) fn enter(&self, expected: usize) -> Result<Permit, Refusal> {
        if self.0.bytes.load(Ordering::Relaxed).saturating_add(expected) > self.0.most_bytes {
            return Err(self.no_bytes());
        }
        if !take(&self.0.requests, 1, self.0.max_in_flight) {
            let most = self.0.max_in_flight;
            return Err(Refusal::new(
                RefusalKind::Overloaded,
                format!("{most} requests are in flight; expected fewer"),
            ));
        }
        Ok(Permit {
            admission: self.clone(),
            bytes: 0,
            seat: None,
        })
    }

    /// Lets the body of a refused request be discarded, unless `most` are being discarded already.
    /// It does not count against `max_in_flight`.
    pub(super) fn discard(&self, most: usize) -> Option<Discarding> {
        take(&self.0.discards, 1, most).then(|| Discarding(self.clone()))
    }

    fn no_bytes(&self) -> Refusal {
        let most = self.0.most_bytes;
        Refusal::new(
            RefusalKind::Overloaded,
            format!("unauthenticated bodies fill their {most} bytes; expected room"),
        )
    }
}

fn take(count: &AtomicUsize, amount: usize, most: usize) -> bool {
    count
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            now.checked_add(amount).filter(|sum| *sum <= most)
        })
        .is_ok()
}

/// A request's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Admission,
    bytes: usize,
    /// A place among those of its tenant.
    seat: Option<Arc<AtomicUsize>>,
}

impl Permit {
    /// Takes one of a tenant's places, if fewer than `most` are taken. One request takes one.
    pub(super) fn sit(&mut self, seats: &Arc<AtomicUsize>, most: usize) -> Result<(), Refusal> {
        if self.seat.is_some() {
            return Ok(());
        }
        if !take(seats, 1, most) {
            return Err(Refusal::new(
                RefusalKind::Overloaded,
                format!("{most} requests of the tenant are in flight, its share; expected fewer"),
            )
            .because("share"));
        }
        self.seat = Some(Arc::clone(seats));
        Ok(())
    }

    /// Counts bytes that have arrived.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        if !take(&self.admission.0.bytes, bytes, self.admission.0.most_bytes) {
            return Err(self.admission.no_bytes());
        }
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// The provider is known: its bytes no longer count against strangers.
    pub(super) fn authenticated(&mut self) {
        self.admission
            .0
            .bytes
            .fetch_sub(std::mem::take(&mut self.bytes), Ordering::AcqRel);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.authenticated();
        if let Some(seats) = &self.seat {
            seats.fetch_sub(1, Ordering::AcqRel);
        }
        self.admission.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A refused body that is being discarded, until it is dropped.
#[derive(Debug)]
pub(super) struct Discarding(Admission);

impl Drop for Discarding {
    fn drop(&mut self) {
        self.0.0.discards.fetch_sub(1, Ordering::AcqRel);
    }
}
