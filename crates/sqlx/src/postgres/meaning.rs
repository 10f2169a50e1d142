//! The meaning of the driver's errors.

use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgSeverity};

use tower_webhook::store::StoreError;

use super::{
    pool::{CONNECT, QUEUE},
    session::{SHARED, tells_of_sharing},
};

/// Which server: no user, no password.
pub(super) fn server(options: &PgConnectOptions) -> String {
    format!("Postgres at {}:{}", options.get_host(), options.get_port())
}

/// Whether it is worth while to ask again: nobody listens there (yet), or it is starting.
pub(super) fn may_come_up(error: &sqlx::Error) -> bool {
    const STARTING: &str = "57P03";
    let is_refused = matches!(error, sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused);
    is_refused || has_code(error, |code| code == STARTING)
}

/// The error for a server that is alive, but not a primary.
pub(super) fn standby() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::ReadOnlyFilesystem, STANDBY))
}

const STANDBY: &str = "it is a standby, which takes no writes; expected the primary";

/// Whether it is worth while to ask again: the standby may become the primary, or the way lead to
/// another server.
pub(super) fn is_standby(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ReadOnlyFilesystem)
}

pub(super) fn has_code(error: &sqlx::Error, matches: impl Fn(&str) -> bool) -> bool {
    error
        .as_database_error()
        .and_then(|said| said.code())
        .is_some_and(|code| matches(&code))
}

/// Whether the connection is of no use any more: it was cut, the server goes down, or it is no
/// primary (any longer).
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    const SHUTDOWN: [&str; 3] = ["57P01", "57P02", "57P03"];
    const READ_ONLY: &str = "25006";
    // Of a session that was idle for too long, for one: the server has said its last word.
    let is_fatal = error
        .as_database_error()
        .and_then(|said| said.try_downcast_ref::<PgDatabaseError>())
        .is_some_and(|said| matches!(said.severity(), PgSeverity::Fatal | PgSeverity::Panic));
    is_fatal
        || matches!(error, sqlx::Error::Io(_))
        || has_code(error, |code| {
            SHUTDOWN.contains(&code) || code == READ_ONLY || code.starts_with("08")
        })
}

/// Whether another transaction got ahead, where the isolation is stricter than ours.
pub(super) fn is_overtaken(error: &sqlx::Error) -> bool {
    has_code(error, |code| matches!(code, "40001" | "40P01"))
}

/// An error of the driver as the layer sees it. Its text only: the driver's types are nobody's
/// business outside.
pub(super) fn error(error: &sqlx::Error) -> StoreError {
    const DISK_FULL: &str = "53100";
    if has_code(error, |code| code == DISK_FULL) {
        StoreError::full(meaning(error))
    } else if tells_of_sharing(error) {
        StoreError::config(format!("{}: {SHARED}", meaning(error)))
    } else {
        StoreError::unavailable(meaning(error))
    }
}

pub(super) fn meaning(error: &sqlx::Error) -> String {
    match (error, error.as_database_error()) {
        _ if is_standby(error) => STANDBY.to_owned(),
        (_, Some(said)) => format!(
            "Postgres says {:?} (code {})",
            said.message(),
            said.code().unwrap_or_default()
        ),
        (sqlx::Error::PoolTimedOut, _) => format!(
            "no connection to Postgres within {CONNECT:?} (or the time that a pool of yours gives), or all were in use for {QUEUE:?}: the server is \
             down, does not respond, or has more to do than it can"
        ),
        (sqlx::Error::Configuration(_), _) => {
            "the connection's settings are not understood; expected those that sqlx documents for Postgres".to_owned()
        }
        _ => error.to_string(),
    }
}
