//! The statements: each is a file beside this one.

use std::sync::Arc;

use sqlx::AssertSqlSafe;
use tower_webhook::store::Key;

use super::connection::Statement;
use crate::row::Table;

const DEPOSIT: &str = concat!(include_str!("write.sql"), ";\n", include_str!("store_body.sql"));

macro_rules! statements {
    ($($name:ident)*) => {
        /// The statements, for the table that was chosen.
        pub(super) struct Statements {
            $(pub(super) $name: Arc<str>,)*
            /// Two statements, which cost one trip to the connection's thread.
            pub(super) deposit: Arc<str>,
        }

        impl Statements {
            pub(super) fn of(table: &Table) -> Self {
                Self {
                    $($name: table.in_statement(include_str!(concat!(stringify!($name), ".sql"))).into(),)*
                    deposit: table.in_statement(DEPOSIT).into(),
                }
            }
        }
    };
}

statements!(
    read read_many write write_many complete_in forget forget_body forget_attempts
    note_attempt due_fresh due_suspects due_one hold
    count backlog expired_claims list letter history expired kept drop_body
);

pub(super) fn statement<'q>(sql: &Arc<str>) -> Statement<'q> {
    sqlx::query(AssertSqlSafe(Arc::clone(sql)))
}

pub(super) fn of_key<'q>(sql: &Arc<str>, key: &'q Key) -> Statement<'q> {
    statement(sql).bind(key.namespace()).bind(key.id().as_str())
}
