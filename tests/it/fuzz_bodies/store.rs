//! The memory store beside the model that `store_suite!` has.

use std::time::Duration;

use tower_webhook::{
    store::MemoryStore,
    testing::{
        ManualClock,
        store_suite::{
            StoreHarness,
            model::{self, Act, EVENTS, Step, TOKENS},
        },
    },
};

use super::Input;

struct Harness {
    store: MemoryStore,
    clock: ManualClock,
}

impl StoreHarness for Harness {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let clock = ManualClock::new();
    // With no more room than the model's events need, every promise holds as it does with plenty.
    let capacity = usize::from(EVENTS) + input.below(64);
    let store = MemoryStore::builder().capacity(capacity).clock(clock.clone()).build();
    clock.advance(Duration::from_millis(input.pick(&[0, 1, 500, 999])));

    let steps = input.rest().chunks(2).map(|bytes| {
        let mut input = Input::new(bytes);
        let (act, who) = (input.byte(), input.byte());
        Step {
            act: match act {
                0..64 => Act::Claim,
                64..88 => Act::Renew,
                88..104 => Act::Handle,
                104..116 => Act::Reject,
                116..148 => Act::Release,
                148..156 => Act::Get,
                156..164 => Act::Forget,
                // up to 280 s, which is past a lease, and to 910 s, which is past a retention
                164..192 => Act::Wait(act - 163),
                192..=255 => Act::Wait(act - 164),
            },
            event: who % EVENTS,
            token: who / EVENTS % TOKENS,
            mistaken: who >= 232,
        }
    });
    let steps: Vec<_> = steps.take(400).collect();
    let harness = Harness { store, clock };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    if let Err(difference) = runtime.block_on(model::check(&harness, &steps)) {
        panic!("{difference}");
    }
}
