//! From a URL to a session of the server that may be used.

use std::{future::Future, str::FromStr as _, time::Duration};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use tokio::time::{sleep, timeout};

use tower_webhook::store::StoreError;

use super::{
    meaning::{has_code, is_standby, may_come_up, meaning, server, standby},
    parameters::Way,
    pool::{CONNECT, PAUSE, QUEUE},
};

/// What a session of ours is set to, whatever the server's or the role's defaults. The statements
/// are single rows': what takes longer than this waits for a lock that nobody should hold for so
/// long, and its caller has given up. They are written for READ COMMITTED.
const SESSION: &str = "SET statement_timeout = '5s'; SET default_transaction_isolation = 'read committed'; ";
/// A standby refuses every write: a balancer, or a name, leads there after a failover.
const STANDING: &str = "SELECT pg_is_in_recovery()";

/// Reads a URL: where to connect, and whether sessions are shared there.
pub(super) fn read(url: &str) -> Result<(PgConnectOptions, Way), StoreError> {
    let (url, way) = without_pooler(url)?;
    // What is wrong with a URL is not said with its words: it has the password.
    let options = PgConnectOptions::from_str(&url).map_err(|_| {
        StoreError::config("the URL is not understood; expected postgres://user:password@host:port/database?options")
    })?;
    // Nothing here is a float, and PgBouncer refuses the parameter by default.
    let options = options.extra_float_digits(None).disable_statement_logging();
    Ok((options, way))
}

/// The URL without the parameter that sqlx does not know, and what it says.
fn without_pooler(url: &str) -> Result<(String, Way), StoreError> {
    let mut way = Way::Prepared;
    let Some((before, parameters)) = url.split_once('?') else {
        return Ok((url.to_owned(), way));
    };
    let mut others = Vec::new();
    for parameter in parameters.split('&') {
        match parameter.split_once('=') {
            Some(("pgbouncer", "true")) => way = Way::Written,
            Some(("pgbouncer", "false")) => way = Way::Prepared,
            Some(("pgbouncer", _)) => {
                return Err(StoreError::config(
                    "the URL's parameter pgbouncer has another value; expected true or false",
                ));
            }
            _ => others.push(parameter),
        }
    }
    Ok((format!("{before}?{}", others.join("&")), way))
}

/// A session that takes writes.
pub(super) async fn connect(options: &PgConnectOptions, way: Way) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    let first = match way {
        Way::Prepared => format!("{SESSION}{STANDING}"),
        // The session is everybody's: it keeps its settings.
        Way::Written => STANDING.to_owned(),
    };
    let row = sqlx::raw_sql(AssertSqlSafe(first)).fetch_one(&mut connection).await?;
    if row.try_get(0)? {
        return Err(standby());
    }
    Ok(connection)
}

/// Makes a connection to hear what is wrong with it: the pool would only say that it has waited. A
/// server that is starting has time for it.
pub(super) async fn responds(options: &PgConnectOptions, way: Way) -> Result<(), StoreError> {
    let mut last = "it does not respond".to_owned();
    let attempts = async {
        loop {
            let failed = match options.connect().await {
                Ok(mut connection) => match stands_by(&mut connection).await {
                    Ok(false) => break Ok(connection),
                    Ok(true) => standby(),
                    Err(failed) => failed,
                },
                Err(failed) => failed,
            };
            last = meaning(&failed);
            if !may_come_up(&failed) && !is_standby(&failed) {
                break Err(());
            }
            sleep(PAUSE).await;
        }
    };
    let connected = timeout(CONNECT, attempts).await;
    let Ok(Ok(mut connection)) = connected else {
        let server = server(options);
        if last.contains("unsupported startup parameter") {
            return Err(StoreError::config(format!(
                "{server}: {last}; expected a pooler that lets it pass (`ignore_startup_parameters` of PgBouncer), or a \
                 URL without `options`"
            )));
        }
        return Err(StoreError::unavailable(format!(
            "{server}: {last}; expected a server that lets this user into this database within {CONNECT:?}"
        )));
    };
    let is_shared = way == Way::Prepared && is_shared(&mut connection, options).await;
    close(connection).await;
    if is_shared { Err(shared()) } else { Ok(()) }
}

async fn stands_by(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql(STANDING).fetch_one(connection).await?.try_get(0)
}

/// Whether the server's sessions go from hand to hand: two connections that are open at once are
/// one session, or one of them is not always the same.
pub(super) async fn is_shared(one: &mut PgConnection, options: &PgConnectOptions) -> bool {
    let ask = async {
        let mut other = options.connect().await?;
        let (first, second) = (session(one).await?, session(&mut other).await?);
        let (third, fourth) = (session(one).await?, session(&mut other).await?);
        close(other).await;
        Ok::<_, sqlx::Error>(first == second || first != third || second != fourth)
    };
    // A server that has no room for another connection does not tell.
    matches!(timeout(QUEUE, ask).await, Ok(Ok(true)))
}

/// Which session it is, of all that ever were.
async fn session(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    const SESSION: &str = "SELECT pg_backend_pid() || ' ' || pg_postmaster_start_time()";
    sqlx::raw_sql(SESSION).fetch_one(connection).await?.try_get(0)
}

/// The error where sessions are shared, and the URL does not say so.
pub(super) fn shared() -> StoreError {
    StoreError::config(SHARED)
}

pub(super) const SHARED: &str = "a pooler hands its connections from client to client, where no prepared statement \
                                 stays; expected ?pgbouncer=true in the URL that the store connects to, or a pooler \
                                 in session mode";

/// Whether a statement that was prepared is not what was prepared: somebody shares the session.
pub(super) fn tells_of_sharing(error: &sqlx::Error) -> bool {
    const DUPLICATE: &str = "42P05";
    const MISSING: &str = "26000";
    has_code(error, |code| code == DUPLICATE || code == MISSING)
}

/// Whether the goodbye arrives is nobody's business.
pub(super) fn close(connection: PgConnection) -> impl Future<Output = ()> {
    const GOODBYE: Duration = PAUSE;
    async { drop(timeout(GOODBYE, connection.close()).await) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_for_poolers_is_read_and_taken_away() {
        let read = |url| without_pooler(url).unwrap();
        let both = "postgres://u:p@h/d?sslmode=disable&pgbouncer=true&user=x";
        let one = "postgres://u:p@h/d?pgbouncer=true";
        let without = "postgres://u:p@h/d";
        assert_eq!(
            read(both),
            ("postgres://u:p@h/d?sslmode=disable&user=x".to_owned(), Way::Written)
        );
        assert_eq!(read(one), (format!("{without}?"), Way::Written));
        assert_eq!(read(without), (without.to_owned(), Way::Prepared));
        assert_eq!(read(&one.replace("true", "false")).1, Way::Prepared);
        let refused = without_pooler(&one.replace("true", "yes")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the store's settings are wrong: the URL's parameter pgbouncer has another value; expected true or false"
        );
    }
}
