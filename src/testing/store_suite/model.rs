//! The expected result of any sequence of operations: a second, simpler statement of the contract,
//! which shares no code with [`store::record`](crate::store::record).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a generator that breaks its own bounds fails the test"
)]

use std::{collections::HashMap, time::Duration};

use super::StoreHarness;
use crate::{
    event::{EventId, Fingerprint},
    store::{ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record, State, Token},
};

// In seconds. Steps of time are multiples of 10: they meet the end of a lease, and stay 5 seconds
// clear of the end of a retention, where a store may round and a server's own time counts.
const LEASE: u64 = 60;
const RETENTION: u64 = 605;
const TOLERANCE: u64 = 5;

/// One step of a sequence: an operation, on one of a few events, by one of a few tokens.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "generators build it")]
pub struct Step {
    pub act: Act,
    pub event: u8,
    pub token: u8,
    /// Whether the claim request is of another event under the same id.
    pub mistaken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "generators build it")]
pub enum Act {
    Claim,
    Renew,
    Handle,
    Reject,
    Release,
    Get,
    Forget,
    /// Tens of seconds.
    Wait(u8),
}

pub const EVENTS: u8 = 3;
pub const TOKENS: u8 = 3;

/// A sequence that is the same for the same seed.
#[must_use]
pub fn random_steps(seed: u64, length: usize) -> Vec<Step> {
    let mut state = seed;
    let mut next = |below: u64| {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    };
    let steps = (0..length).map(|_| Step {
        act: match next(20) {
            0..8 => Act::Claim,
            8..10 => Act::Renew,
            10 => Act::Handle,
            11 => Act::Reject,
            12..15 => Act::Release,
            15 => Act::Get,
            16 => Act::Forget,
            17 => Act::Wait(60 + next(10) as u8),
            _ => Act::Wait(1 + next(6) as u8),
        },
        event: next(EVENTS.into()) as u8,
        token: next(TOKENS.into()) as u8,
        mistaken: next(4) == 0,
    });
    steps.collect()
}

/// Does the steps to a store and to the model. `Err` says where they differ.
///
/// # Errors
/// They differ.
pub async fn check<H: StoreHarness>(harness: &H, steps: &[Step]) -> Result<(), String> {
    let run = hex::encode(Token::random().to_bytes());
    let tokens: Vec<Token> = (0..TOKENS).map(|_| Token::random()).collect();
    let mut model = Model::default();
    for (number, step) in steps.iter().enumerate() {
        let claim_request = ClaimRequest::new(
            Key::new(
                format!("model {run}"),
                EventId::new(&format!("event {}", step.event)).unwrap(),
            ),
            tokens[usize::from(step.token)],
            Fingerprint::of([if step.mistaken { "another event" } else { "event" }]),
        )
        .with_lease(Duration::from_secs(LEASE))
        .with_retention(Duration::from_secs(RETENTION))
        .with_retry_window(Duration::from_secs(RETENTION / 2));
        let store = harness.store();
        let response = match step.act {
            Act::Claim => store.claim(&claim_request).await.map(Response::Claim),
            Act::Renew => store.renew(&claim_request).await.map(Response::Effect),
            Act::Handle => store
                .complete(&claim_request, Completion::Handled)
                .await
                .map(Response::Effect),
            Act::Reject => store
                .complete(&claim_request, Completion::Rejected)
                .await
                .map(Response::Effect),
            Act::Release => store.release(&claim_request).await.map(Response::Effect),
            Act::Forget => store.forget(&claim_request.key).await.map(Response::Effect),
            Act::Get => Ok(Response::Nothing),
            Act::Wait(tens) => {
                harness.advance(Duration::from_secs(u64::from(tens) * 10)).await;
                Ok(Response::Nothing)
            }
        };
        let expected = model.step(*step);
        let so_far = || format!("after {:#?}", &steps[..=number]);
        match response {
            Ok(response) if expected.allows(&response) => {}
            other => return Err(format!("expected {expected:?}, got {other:?} {}", so_far())),
        }
        let record = store.get(&claim_request.key).await;
        let expected = model.get(step.event);
        let shown = match &record {
            Ok(record) => record.as_ref().map(|record| Row::of(record, &tokens)),
            Err(error) => return Err(format!("get: {error} {}", so_far())),
        };
        if shown != expected.map(Row::shown) {
            return Err(format!(
                "expected {expected:?} to be recorded, got {record:?} {}",
                so_far()
            ));
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
enum Response {
    Nothing,
    Claim(Claimed),
    Effect(Effect),
}

impl Response {
    fn allows(&self, response: &Self) -> bool {
        match (self, response) {
            (Self::Claim(Claimed::InFlight { remaining: expected }), Self::Claim(Claimed::InFlight { remaining })) => {
                *remaining <= *expected + Duration::from_secs(1)
                    && *remaining + Duration::from_secs(TOLERANCE) >= *expected
            }
            _ => self == response,
        }
    }
}

#[derive(Default)]
struct Model {
    now: u64,
    rows: HashMap<u8, Row>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    mistaken: bool,
    phase: Phase,
    expires: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Held { by: Option<u8>, claims: u32, until: u64 },
    Free { claims: u32 },
    Done(Completion),
}

impl Row {
    /// The observable part of a store's record, without its times, which are by a clock unknown
    /// here.
    fn of(record: &Record, tokens: &[Token]) -> Self {
        let phase = match record.state {
            State::Claimed {
                token,
                generation,
                attempts,
                ..
            } => Phase::Held {
                by: tokens
                    .iter()
                    .position(|known| *known == token)
                    .map(|position| position as u8),
                // As long as nothing is lost, each claim raises both.
                claims: if generation == u64::from(attempts) { attempts } else { 0 },
                until: 0,
            },
            State::Free { generation, attempts } => Phase::Free {
                claims: if generation == u64::from(attempts) { attempts } else { 0 },
            },
            State::Done { completion, .. } => Phase::Done(completion),
            // Nothing that the suite asks for makes one.
            State::Dead { .. } => Phase::Free { claims: 0 },
        };
        Self {
            mistaken: record.fingerprint != Fingerprint::of(["event"]),
            phase,
            expires: 0,
        }
    }

    fn shown(self) -> Self {
        let phase = match self.phase {
            Phase::Held { by, claims, .. } => Phase::Held { by, claims, until: 0 },
            phase => phase,
        };
        Self {
            phase,
            expires: 0,
            ..self
        }
    }
}

impl Model {
    fn get(&self, event: u8) -> Option<Row> {
        self.rows.get(&event).copied().filter(|row| self.now < row.expires)
    }

    fn step(&mut self, step: Step) -> Response {
        let row = self.get(step.event);
        let is_other = row.is_some_and(|row| row.mistaken != step.mistaken);
        // The claims so far, if this step's token holds the claim.
        let held = match row.map(|row| row.phase) {
            Some(Phase::Held { by, claims, .. }) if by == Some(step.token) && !is_other => Some(claims),
            _ => None,
        };
        match step.act {
            Act::Get => Response::Nothing,
            Act::Wait(tens) => {
                self.now += u64::from(tens) * 10;
                Response::Nothing
            }
            Act::Forget => {
                self.rows.remove(&step.event);
                effect(row.is_some())
            }
            Act::Claim => Response::Claim(self.claim(step, row, is_other)),
            Act::Renew => {
                if let Some(claims) = held {
                    self.set_claimed(step, claims);
                }
                effect(held.is_some())
            }
            Act::Release => {
                if let Some(claims) = held {
                    self.write(step, Phase::Free { claims }, RETENTION);
                }
                effect(held.is_some())
            }
            Act::Handle if is_other => effect(false),
            Act::Handle => {
                if !matches!(row.map(|row| row.phase), Some(Phase::Done(_))) {
                    self.write(step, Phase::Done(Completion::Handled), RETENTION);
                }
                effect(true)
            }
            Act::Reject => {
                if held.is_some() {
                    self.write(step, Phase::Done(Completion::Rejected), RETENTION);
                }
                let was_rejected = row.is_some_and(|row| row.phase == Phase::Done(Completion::Rejected));
                effect(held.is_some() || (was_rejected && !is_other))
            }
        }
    }

    fn claim(&mut self, step: Step, row: Option<Row>, is_other: bool) -> Claimed {
        let claims = match row.map(|row| row.phase) {
            None => 1,
            Some(Phase::Done(_)) if is_other => return Claimed::Conflict,
            Some(Phase::Done(completion)) => return Claimed::Done(completion),
            Some(Phase::Free { claims }) => claims + 1,
            Some(Phase::Held { by, claims, .. }) if by == Some(step.token) && !is_other => claims,
            Some(Phase::Held { until, .. }) if self.now < until => {
                let remaining = Duration::from_secs(until - self.now);
                return Claimed::InFlight { remaining };
            }
            Some(Phase::Held { claims, .. }) => claims + 1,
        };
        self.set_claimed(step, claims);
        Claimed::Acquired {
            generation: claims.into(),
            attempts: claims,
        }
    }

    fn set_claimed(&mut self, step: Step, claims: u32) {
        let phase = Phase::Held {
            by: Some(step.token),
            claims,
            until: self.now + LEASE,
        };
        self.write(step, phase, LEASE + RETENTION);
    }

    fn write(&mut self, step: Step, phase: Phase, keep: u64) {
        let row = Row {
            mistaken: step.mistaken,
            phase,
            expires: self.now + keep,
        };
        self.rows.insert(step.event, row);
    }
}

fn effect(applied: bool) -> Response {
    Response::Effect(if applied { Effect::Applied } else { Effect::NotHeld })
}
