//! Whether the server keeps what it is given.

use tower_webhook::store::StoreError;

use super::connection::Connection;

/// What an operator should know of this server's settings, with the consequence.
pub(crate) async fn warnings(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let policy = setting(connection, "maxmemory-policy").await?;
    let appends = setting(connection, "appendonly").await?;
    let saves = setting(connection, "save").await?;
    let (policy, appends, saves) = match (policy, appends, saves) {
        (Ok(policy), Ok(appends), Ok(saves)) => (policy, appends, saves),
        // Hosted servers forbid CONFIG; some tell by INFO.
        (Err(refusal), ..) | (_, Err(refusal), _) | (.., Err(refusal)) => match info(connection).await? {
            Some((policy, appends)) => (policy, appends, None),
            None => {
                return Ok(vec![format!(
                    "redis at {}: maxmemory-policy and persistence could not be checked, since the server allows neither CONFIG GET \
                     nor INFO ({refusal}); expected noeviction and appendonly yes: what a server evicts, or loses in a restart, runs \
                     again when its provider sends it again",
                    connection.server()
                )]);
            }
        },
    };

    let mut warnings = Vec::new();
    if let Some(policy) = policy.filter(|policy| policy != "noeviction") {
        warnings.push(format!(
            "redis at {}: maxmemory-policy is {policy}, expected noeviction: when its memory is full the server drops claims and \
             finished events, which then run a second time; with noeviction it refuses new events instead, and their providers retry",
            connection.server()
        ));
    }
    if appends.as_deref() == Some("no") {
        match saves.as_deref() {
            Some("") => warnings.push(format!(
                "redis at {}: nothing is written to disk (appendonly no, save \"\"), expected appendonly yes: after a restart the \
                 server knows no event, and each that is sent again runs again",
                connection.server()
            )),
            Some(_) => warnings.push(format!(
                "redis at {}: appendonly is no, and snapshots are all that is written to disk; expected appendonly yes: after a restart \
                 the server knows nothing of what came after the last snapshot, and what is sent again of it runs again",
                connection.server()
            )),
            None => warnings.push(format!(
                "redis at {}: appendonly is no, and whether it saves snapshots could not be checked, since the server forbids \
                 CONFIG GET; expected appendonly yes: what is not on disk at a restart runs again when its provider sends it again",
                connection.server()
            )),
        }
    }
    Ok(warnings)
}

/// The value of a setting; the inner error is the server's refusal to say.
async fn setting(connection: &Connection, name: &str) -> Result<Result<Option<String>, String>, StoreError> {
    let reply = connection.ask_if_allowed(&["CONFIG", "GET", name]).await?;
    // The name, then the value.
    Ok(reply.map(|texts| texts.into_iter().nth(1).flatten()))
}

/// The policy, and whether the server appends, from what it tells of itself.
async fn info(connection: &Connection) -> Result<Option<(Option<String>, Option<String>)>, StoreError> {
    let Ok(texts) = connection.ask_if_allowed(&["INFO"]).await? else {
        return Ok(None);
    };
    let text = texts.into_iter().flatten().next().unwrap_or_default();
    let find = |name: &str| {
        text.lines()
            .find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
            .map(ToOwned::to_owned)
    };
    let appends = find("aof_enabled").map(|enabled| if enabled == "1" { "yes" } else { "no" }.to_owned());
    Ok(Some((find("maxmemory_policy"), appends)))
}
