//! A batch of settlements, as the arrays of one statement.

use std::sync::Arc;

use tower_webhook::inbox::{Action, Settlement};

use super::{
    parameters::Statement,
    statements::{statement, text},
};
use crate::row::millis;

/// A column for each parameter; a settlement has the same place in all of them.
#[derive(Default)]
pub(super) struct Told<'s> {
    numbers: Vec<i64>,
    namespaces: Vec<&'s str>,
    ids: Vec<&'s str>,
    tokens: Vec<Vec<u8>>,
    fingerprints: Vec<Vec<u8>>,
    becomes: Vec<&'static str>,
    pauses: Vec<i64>,
    counts: Vec<bool>,
    retentions: Vec<i64>,
    attempts: Vec<Option<i64>>,
    outcomes: Vec<Option<String>>,
    errors: Vec<Option<String>>,
    workers: Vec<Option<String>>,
}

impl<'s> Told<'s> {
    /// Those of these settlements that are meant, by their numbers.
    pub(super) fn of(settlements: &'s [Settlement], which: &[usize]) -> Self {
        let mut told = Self::default();
        for index in which {
            if let (Some(settlement), Ok(number)) = (settlements.get(*index), i64::try_from(*index)) {
                told.push(number, settlement);
            }
        }
        told
    }

    fn push(&mut self, number: i64, settlement: &'s Settlement) {
        let request = &settlement.claim_request;
        let (becomes, pause, is_counted) = match settlement.action {
            Action::PutBack { after, is_counted } => ("free", millis(after), is_counted),
            Action::Complete(completion) => (completion.as_str(), 0, true),
            // What an attempt becomes that this version does not know waits for an operator.
            _ => ("dead", 0, true),
        };
        self.numbers.push(number);
        self.namespaces.push(request.key.namespace());
        self.ids.push(request.key.id().as_str());
        self.tokens.push(request.token.to_bytes().to_vec());
        self.fingerprints.push(request.fingerprint.to_bytes().to_vec());
        self.becomes.push(becomes);
        self.pauses.push(pause);
        self.counts.push(is_counted);
        self.retentions.push(millis(request.retention));
        let attempt = settlement.attempt.as_ref();
        self.attempts.push(attempt.map(|attempt| attempt.number.into()));
        self.outcomes.push(attempt.map(|attempt| text(&attempt.outcome)));
        self.errors.push(attempt.map(|attempt| text(&attempt.error)));
        self.workers.push(attempt.map(|attempt| text(&attempt.worker)));
    }

    pub(super) fn bound_to<'q>(&'q self, sql: &Arc<str>) -> Statement<'q> {
        statement(sql)
            .bind(&self.numbers[..])
            .bind(&self.namespaces[..])
            .bind(&self.ids[..])
            .bind(&self.tokens[..])
            .bind(&self.fingerprints[..])
            .bind(&self.becomes[..])
            .bind(&self.pauses[..])
            .bind(&self.counts[..])
            .bind(&self.retentions[..])
            .bind(&self.attempts[..])
            .bind(&self.outcomes[..])
            .bind(&self.errors[..])
            .bind(&self.workers[..])
    }
}
