//! The statements: each is a file beside this one.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use tower_webhook::store::{ClaimRequest, Key};

use super::pool::Statement;
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
        }
    }
}

pub(super) fn statement<'q>(sql: &Arc<str>) -> Statement<'q> {
    sqlx::query(AssertSqlSafe(Arc::clone(sql)))
}

pub(super) fn of_key<'q>(sql: &Arc<str>, key: &'q Key) -> Statement<'q> {
    statement(sql).bind(key.namespace()).bind(key.id().as_str())
}

pub(super) fn of_claim_request<'q>(sql: &Arc<str>, claim_request: &'q ClaimRequest) -> Statement<'q> {
    of_key(sql, &claim_request.key)
        .bind(claim_request.token.to_bytes().to_vec())
        .bind(claim_request.fingerprint.to_bytes().to_vec())
}
