//! What a transaction has yet to write, as the parameters of `write.sql`.

use std::{collections::BTreeMap, mem};

use serde::Serialize;
use tower_webhook::{
    inbox::{Attempt, StoredDelivery},
    store::Key,
};

use super::{connection::Statement, rows::of_micros};
use crate::row::Columns;

#[derive(Default)]
pub(super) struct Unwritten {
    /// As the last operation has left each.
    records: BTreeMap<Key, Unsaved>,
    deliveries: Rows,
    attempts: Rows,
    bytes: Bytes,
}

struct Unsaved {
    /// Whether there is a row of it already.
    is_known: bool,
    row: Columns,
}

impl Unwritten {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.deliveries.0.is_empty() && self.attempts.0.is_empty()
    }

    /// How many bytes it has of deliveries.
    pub(super) fn size(&self) -> usize {
        self.bytes.0.len()
    }

    pub(super) fn record(&mut self, key: &Key, is_known: bool, row: Columns) {
        match self.records.get_mut(key) {
            Some(unsaved) => unsaved.row = row,
            None => {
                self.records.insert(key.clone(), Unsaved { is_known, row });
            }
        }
    }

    pub(super) fn delivery(&mut self, key: &Key, delivery: &StoredDelivery, received_at: i64) {
        let headers = self.bytes.push(&delivery.headers_text());
        let body = self.bytes.push(&delivery.body);
        self.deliveries.push(&(
            key.namespace(),
            key.id().as_str(),
            received_at,
            &delivery.topic,
            delivery.secret_index.and_then(|index| i64::try_from(index).ok()),
            headers.0,
            headers.1,
            body.0,
            body.1,
        ));
    }

    pub(super) fn attempt(&mut self, key: &Key, attempt: &Attempt, ended_at: i64) {
        self.attempts.push(&(
            key.namespace(),
            key.id().as_str(),
            attempt.number,
            ended_at,
            &attempt.outcome,
            &attempt.error,
            &attempt.worker,
        ));
    }

    /// All of it as the parameters of the statement; nothing is left.
    pub(super) fn bound_to<'q>(&mut self, statement: Statement<'q>) -> Statement<'q> {
        let mut all = mem::take(self);
        let (mut new, mut changed) = (Rows::default(), Rows::default());
        for (key, Unsaved { is_known, row }) in &all.records {
            let (fingerprint, _) = all.bytes.push(&row.fingerprint);
            let token = row.token.as_ref().map(|token| all.bytes.push(token).0);
            let rows = if *is_known { &mut changed } else { &mut new };
            rows.push(&(
                key.namespace(),
                key.id().as_str(),
                &row.state,
                fingerprint,
                token,
                row.generation,
                row.attempts,
                of_micros(row.changed_at),
                row.lease_until.map(of_micros),
                of_micros(row.expires_at),
                u8::from(row.stored),
                row.due_at.map(of_micros),
                row.crashes,
            ));
        }
        statement
            .bind(all.bytes.0)
            .bind(new.json())
            .bind(changed.json())
            .bind(all.deliveries.json())
            .bind(all.attempts.json())
    }
}

/// A JSON array, without its last bracket.
#[derive(Default)]
struct Rows(String);

impl Rows {
    fn push(&mut self, row: &impl Serialize) {
        self.0.push(if self.0.is_empty() { '[' } else { ',' });
        // Texts and numbers: there is nothing that JSON has not.
        self.0.push_str(&serde_json::to_string(row).unwrap_or_default());
    }

    fn json(self) -> String {
        if self.0.is_empty() {
            "[]".to_owned()
        } else {
            self.0 + "]"
        }
    }
}

/// Bytes one after another. The first is nobody's: SQLite takes no bytes for NULL.
struct Bytes(Vec<u8>);

impl Default for Bytes {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Bytes {
    /// The place, as `substr` counts it, and the length.
    fn push(&mut self, bytes: &[u8]) -> (usize, usize) {
        let place = self.0.len().saturating_add(1);
        self.0.extend_from_slice(bytes);
        (place, bytes.len())
    }
}
