//! Stored deliveries, as they come back.

use sqlx::{Row as _, postgres::PgRow};

use tower_webhook::{
    event::{EventId, Fingerprint},
    inbox::{Attempt, Entry, Letter, PastAttempt, StoredDelivery, TakeRequest, Taken},
    store::{Key, StoreError},
};

use super::error;
use crate::row::{counted, sixteen, small, stage, time};

/// What was claimed, and when it was due, in microseconds since 1970.
pub(super) fn taken(row: &PgRow, request: &TakeRequest) -> Result<(Taken, i64), StoreError> {
    let read = || {
        Ok((
            row.try_get("fingerprint")?,
            delivery(row)?,
            row.try_get("generation")?,
            row.try_get("received_at")?,
            row.try_get("was_due")?,
        ))
    };
    let (fingerprint, delivery, generation, received_at, was_due): (Vec<u8>, _, _, _, _) =
        read().map_err(|failed: sqlx::Error| error(&failed))?;
    let bytes = sixteen(&fingerprint, "fingerprint")?;
    let (attempts, crashes) = counts(row)?;
    let key = Key::new(request.namespace.clone(), id(row)?);
    let taken = Taken::new(request, key, Fingerprint::from_bytes(bytes), delivery)
        .with_counts(counted(generation), attempts, crashes)
        .with_received_at(time(received_at));
    Ok((taken, was_due))
}

pub(super) fn entry(row: &PgRow, namespace: &str) -> Result<Entry, StoreError> {
    let read = || {
        Ok((
            row.try_get("topic")?,
            row.try_get("state")?,
            row.try_get("received_at")?,
            row.try_get::<Option<i64>, _>("due_at")?,
        ))
    };
    let (topic, state, received_at, due_at): (&str, _, _, _) = read().map_err(|failed: sqlx::Error| error(&failed))?;
    let stage = stage(state);
    let (attempts, crashes) = counts(row)?;
    let key = Key::new(namespace, id(row)?);
    Ok(Entry::new(key, topic, stage, time(received_at))
        .with_attempts(attempts, crashes)
        .with_due_at(due_at.map(time)))
}

pub(super) fn letter(row: &PgRow, namespace: &str) -> Result<Letter, StoreError> {
    let entry = entry(row, namespace)?;
    let read = || Ok((delivery(row)?, history(row)?));
    let (delivery, attempts) = read().map_err(|failed: sqlx::Error| error(&failed))?;
    Ok(Letter::new(entry, delivery, attempts))
}

fn id(row: &PgRow) -> Result<EventId, StoreError> {
    let id: &str = row.try_get("id").map_err(|failed| error(&failed))?;
    EventId::new(id).map_err(StoreError::unavailable)
}

/// Attempts and crashes.
fn counts(row: &PgRow) -> Result<(u32, u32), StoreError> {
    let count = |column| {
        let number: i64 = row.try_get(column).map_err(|failed| error(&failed))?;
        Ok(small(number))
    };
    Ok((count("attempts")?, count("crashes")?))
}

fn delivery(row: &PgRow) -> Result<StoredDelivery, sqlx::Error> {
    let (topic, index, headers): (String, Option<i64>, Vec<u8>) = (
        row.try_get("topic")?,
        row.try_get("secret_index")?,
        row.try_get("headers")?,
    );
    let body: Vec<u8> = row.try_get("body")?;
    let index = index.and_then(|index| usize::try_from(index).ok());
    Ok(StoredDelivery::from_text(topic, index, &headers, body))
}

fn history(row: &PgRow) -> Result<Vec<PastAttempt>, sqlx::Error> {
    let numbers: Vec<i64> = row.try_get("numbers")?;
    let ends: Vec<i64> = row.try_get("ends")?;
    let (outcomes, errors, workers) = (texts(row, "outcomes")?, texts(row, "errors")?, texts(row, "workers")?);
    let texts = outcomes.into_iter().zip(errors).zip(workers);
    Ok(numbers
        .into_iter()
        .zip(ends)
        .zip(texts)
        .map(|((number, ended_at), ((outcome, error), worker))| {
            PastAttempt::new(Attempt::new(small(number), outcome, error, worker), time(ended_at))
        })
        .collect())
}

/// An array of texts, each of which has a point before it.
fn texts(row: &PgRow, column: &str) -> Result<Vec<String>, sqlx::Error> {
    let texts: Vec<String> = row.try_get(column)?;
    Ok(texts
        .into_iter()
        .map(|text| text.strip_prefix('.').unwrap_or(&text).to_owned())
        .collect())
}
