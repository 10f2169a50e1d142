//! The statements: each is a file beside this one.

use std::sync::Arc;

use sqlx::AssertSqlSafe;
use tower_webhook::store::Key;

use super::connection::Statement;
use crate::row::Table;

const BEGIN: &str = concat!("BEGIN IMMEDIATE;\n", include_str!("read.sql"));
const COMMIT: &str = concat!(include_str!("write.sql"), ";\n", "COMMIT;\nSELECT 1");

macro_rules! statements {
    ($($name:ident)*) => {
        /// The statements, for the table that was chosen.
        pub(super) struct Statements {
            $(pub(super) $name: Arc<str>,)*
            /// A transaction's first statement with `read`, and its last with `write`: two
            /// statements cost one trip to the connection's thread.
            pub(super) begin: Arc<str>,
            pub(super) commit: Arc<str>,
        }

        impl Statements {
            pub(super) fn of(table: &Table) -> Self {
                Self {
                    $($name: table.in_statement(include_str!(concat!(stringify!($name), ".sql"))).into(),)*
                    begin: table.in_statement(BEGIN).into(),
                    commit: table.in_statement(COMMIT).into(),
                }
            }
        }
    };
}

statements!(
    read write complete_in forget forget_body forget_attempts due_fresh due_suspects due_one hold
    count backlog expired_claims list letter history expired kept drop_body
);

pub(super) fn statement<'q>(sql: &Arc<str>) -> Statement<'q> {
    sqlx::query(AssertSqlSafe(Arc::clone(sql)))
}

pub(super) fn of_key<'q>(sql: &Arc<str>, key: &'q Key) -> Statement<'q> {
    statement(sql).bind(key.namespace()).bind(key.id().as_str())
}
