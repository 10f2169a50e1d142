//! The statements: each is a file beside this one.

use std::sync::Arc;

use tower_webhook::store::{ClaimRequest, Key, Stage};

use super::parameters::Statement;
use crate::row::Table;

/// The statements, for the table that was chosen.
pub(super) struct Statements {
    pub(super) claim: Arc<str>,
    pub(super) renew: Arc<str>,
    pub(super) release: Arc<str>,
    pub(super) complete: Arc<str>,
    pub(super) complete_in: Arc<str>,
    pub(super) reject: Arc<str>,
    pub(super) read: Arc<str>,
    pub(super) forget: Arc<str>,
    pub(super) purge: Arc<str>,
    pub(super) count: Arc<str>,
    pub(super) expired_claims: Arc<str>,
    pub(super) deposit: Arc<str>,
    pub(super) take: Arc<str>,
    pub(super) take_suspects: Arc<str>,
    pub(super) take_event: Arc<str>,
    pub(super) settle: Arc<str>,
    pub(super) backlog: Arc<str>,
    pub(super) list: Filtered,
    pub(super) letter: Arc<str>,
    pub(super) replay: Arc<str>,
    pub(super) replay_all: Filtered,
    pub(super) count_filtered: Filtered,
    pub(super) bury: Arc<str>,
}

/// A statement with a filter by state.
pub(super) struct Filtered {
    any: Arc<str>,
    dead: Arc<str>,
}

impl Filtered {
    /// For any states, as it is written, and for what is dead alone: with a parameter, the planner
    /// would not see that the index of those few is enough. Then no index of bodies by their times
    /// is to be walked for each of them, which is what expressions see to.
    fn of(table: &Table, sql: &str) -> Self {
        let dead = sql
            .replace(
                "event.state = ANY ($2)",
                "event.state = 'dead' AND $2::text[] IS NOT NULL",
            )
            .replace(
                "(body.received_at, body.id) >",
                "(body.received_at + interval '0', body.id) >",
            )
            .replace("body.received_at <", "body.received_at + interval '0' <");
        Self {
            any: table.in_statement(sql).into(),
            dead: table.in_statement(&dead).into(),
        }
    }

    /// The one for this stage.
    pub(super) fn by(&self, stage: Option<Stage>) -> &Arc<str> {
        match stage {
            Some(Stage::Dead) => &self.dead,
            _ => &self.any,
        }
    }
}

impl Statements {
    pub(super) fn of(table: &Table) -> Self {
        let of = |sql| table.in_statement(sql).into();
        Self {
            claim: of(include_str!("claim.sql")),
            renew: of(include_str!("renew.sql")),
            release: of(include_str!("release.sql")),
            complete: of(include_str!("complete.sql")),
            complete_in: of(include_str!("complete_in.sql")),
            reject: of(include_str!("reject.sql")),
            read: of(include_str!("read.sql")),
            forget: of(include_str!("forget.sql")),
            purge: of(include_str!("purge.sql")),
            count: of(include_str!("count.sql")),
            expired_claims: of(include_str!("expired_claims.sql")),
            deposit: of(include_str!("deposit.sql")),
            take: of(concat!(include_str!("due.sql"), include_str!("taken.sql"))),
            take_suspects: of(concat!(include_str!("due_suspects.sql"), include_str!("taken.sql"))),
            take_event: of(concat!(include_str!("due_event.sql"), include_str!("taken.sql"))),
            settle: of(include_str!("settle.sql")),
            backlog: of(include_str!("backlog.sql")),
            list: Filtered::of(table, include_str!("list.sql")),
            letter: of(include_str!("letter.sql")),
            replay: of(include_str!("replay.sql")),
            replay_all: Filtered::of(table, include_str!("replay_all.sql")),
            count_filtered: Filtered::of(table, include_str!("count_filtered.sql")),
            bury: of(include_str!("bury.sql")),
        }
    }
}

pub(super) fn statement<'q>(sql: &Arc<str>) -> Statement<'q> {
    Statement::new(sql)
}

pub(super) fn of_key<'q>(sql: &Arc<str>, key: &'q Key) -> Statement<'q> {
    statement(sql).bind(key.namespace()).bind(key.id().as_str())
}

pub(super) fn of_claim_request<'q>(sql: &Arc<str>, claim_request: &'q ClaimRequest) -> Statement<'q> {
    of_key(sql, &claim_request.key)
        .bind(claim_request.token.to_bytes().to_vec())
        .bind(claim_request.fingerprint.to_bytes().to_vec())
}

/// A text as Postgres takes it: without NUL, which a topic or the text of an error may hold.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
