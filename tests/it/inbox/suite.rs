//! The inbox: deliveries that are stored first and handled later.

use std::time::Duration;

use tower_webhook::testing::{ManualClock, MemoryInbox, store_suite::StoreHarness};

struct Harness {
    inbox: MemoryInbox,
    clock: ManualClock,
}

impl Harness {
    fn new() -> Self {
        let clock = ManualClock::new();
        Self {
            inbox: MemoryInbox::with_clock(clock.clone()),
            clock,
        }
    }
}

impl StoreHarness for Harness {
    type Store = MemoryInbox;

    fn store(&self) -> &MemoryInbox {
        &self.inbox
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

tower_webhook::store_suite!(suite, Harness::new());
tower_webhook::inbox_suite!(inbox_suite, Harness::new());
