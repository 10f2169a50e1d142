//! The durable inbox.

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use sqlx::Row as _;
use tokio::time::Instant;

use tower_webhook::{
    inbox::{Action, Backlog, Deposit, Inbox, Settlement, TakeRequest, Taken},
    store::{Deposited, Effect, IdempotencyStore as _, Key, StoreError},
};

use super::{
    PostgresStore, deposits, error, first, letters::taken, number, parameters::Statement, settle::Told, statement,
};
use crate::row::{ATTEMPTS, counted, millis, overtaken};

impl PostgresStore {
    fn take_statement<'q>(&self, request: &'q TakeRequest, floor: i64) -> Statement<'q> {
        let (sql, offset) = (&self.shared.sql, self.shared.offset.millis());
        let limit = i64::try_from(request.limit).unwrap_or(i64::MAX);
        let of = |sql| {
            statement(sql)
                .bind(&*request.namespace)
                .bind(request.token.to_bytes().to_vec())
                .bind(limit)
                .bind(millis(request.lease))
                .bind(offset)
        };
        match &request.id {
            Some(id) => of(&sql.take_event).bind(id.as_str()),
            None if request.suspects => of(&sql.take_suspects),
            None => of(&sql.take).bind(floor),
        }
    }

    /// How runs of different events ended, in one statement.
    async fn settle_at_once(&self, settlements: &[Settlement], which: &[usize]) -> Result<HashSet<i64>, StoreError> {
        let shared = &self.shared;
        let told = Told::of(settlements, which);
        let rows = shared
            .pool
            .rows(|| {
                told.bound_to(&shared.sql.settle)
                    .bind(shared.offset.millis())
                    .bind(i64::try_from(which.len()).unwrap_or(i64::MAX))
            })
            .await?;
        rows.iter()
            .map(|row| row.try_get("settlement").map_err(|failed| error(&failed)))
            .collect()
    }
}

impl Inbox for PostgresStore {
    async fn deposit(&self, deposit: &Deposit) -> Result<Deposited, StoreError> {
        for _ in 0..ATTEMPTS {
            match deposits::store(&self.shared, deposit).await? {
                Some(Deposited::Stored) => {
                    self.shared.changed.notify_waiters();
                    return Ok(Deposited::Stored);
                }
                Some(response) => return Ok(response),
                // What the other wrote is seen by the next.
                None => {}
            }
        }
        Err(overtaken())
    }

    async fn take(&self, request: &TakeRequest) -> Result<Vec<Taken>, StoreError> {
        let shared = &self.shared;
        if request.limit == 0 {
            return Ok(Vec::new());
        }
        let floor = shared.floors.of(&request.namespace, Instant::now());
        let rows = shared.pool.rows(|| self.take_statement(request, floor.due_at)).await?;
        // What cannot be read is claimed, too, and takes no other with it.
        let mut nothing_at = None;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: Option<&str> = row.try_get("id").map_err(|failed| error(&failed))?;
            match id {
                Some(_) => found.push(row),
                None => nothing_at = Some(row.try_get("now").map_err(|failed| error(&failed))?),
            }
        }
        let (read, failed): (Vec<_>, Vec<_>) = found
            .into_iter()
            .map(|row| taken(row, request))
            .partition(Result::is_ok);
        let due: Vec<_> = read.into_iter().flatten().collect();
        if let Some(failed) = failed.into_iter().find_map(Result::err).filter(|_| due.is_empty()) {
            return Err(failed);
        }
        let is_of_all = request.id.is_none() && !request.suspects;
        if let Some((_, lowest)) = due.first().filter(|_| is_of_all) {
            shared.floors.raise(&request.namespace, floor, *lowest);
        }
        if let Some(now) = nothing_at.filter(|_| is_of_all) {
            shared.floors.raise_idle(&request.namespace, floor, now);
        }
        Ok(due.into_iter().map(|(taken, _)| taken).collect())
    }

    /// One statement for all, unless several are of one event: these are told one after another.
    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Effect>, StoreError> {
        let mut effects = vec![Effect::NotHeld; settlements.len()];
        let mut rest: Vec<usize> = (0..settlements.len()).collect();
        // In an order that all agree on, so that two batches do not wait for each other.
        rest.sort_by_key(|index| settlements.get(*index).map(|settlement| &settlement.claim_request.key));
        while !rest.is_empty() {
            let mut last: Option<&Key> = None;
            let (now, later): (Vec<usize>, _) = rest.into_iter().partition(|index| {
                let key = settlements.get(*index).map(|settlement| &settlement.claim_request.key);
                let is_first = key != last;
                last = key;
                is_first
            });
            let told = self.settle_at_once(settlements, &now).await?;
            for (settlement, index) in now.iter().filter_map(|index| Some((settlements.get(*index)?, *index))) {
                let effect = match settlement.action {
                    _ if i64::try_from(index).is_ok_and(|number| told.contains(&number)) => Effect::Applied,
                    // It may be DONE already, or not be there.
                    Action::Complete(completion) => self.complete(&settlement.claim_request, completion).await?,
                    // For the holder alone, which this is not.
                    _ => Effect::NotHeld,
                };
                if let Some(place) = effects.get_mut(index) {
                    *place = effect;
                }
            }
            rest = later;
        }
        let is_put_back = |settlement: &Settlement| matches!(settlement.action, Action::PutBack { .. });
        if settlements.iter().any(is_put_back) {
            self.shared.changed.notify_waiters();
        }
        Ok(effects)
    }

    async fn backlog(&self, namespace: &str, up_to: u64) -> Result<Backlog, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| {
                statement(&shared.sql.backlog)
                    .bind(namespace)
                    .bind(i64::try_from(up_to).unwrap_or(i64::MAX))
                    .bind(shared.offset.millis())
            })
            .await?;
        let row = first(&rows)?;
        let oldest: Option<i64> = row.try_get("oldest_due").map_err(|failed| error(&failed))?;
        Ok(Backlog::new(
            number(row, "due")?,
            number(row, "scheduled")?,
            number(row, "running")?,
            number(row, "dead")?,
        )
        .with_oldest_due(oldest.map(|micros| Duration::from_micros(counted(micros)))))
    }

    /// By deposits, and whatever else makes a delivery due, through this value and its clones.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        Arc::clone(&self.shared.changed).notified_owned()
    }
}
