//! Whether each server keeps what it is given.

use tower_webhook::store::StoreError;

use super::connection::{Connection, NodeSelection, ServerChoice};

/// Warnings about the servers' settings, each with its consequence. In a cluster the replicas are
/// checked, too: one of them is the primary after a failover.
pub(crate) async fn warnings(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut warnings = Vec::new();
    for at in connection.servers(NodeSelection::Reachable).await? {
        warnings.extend(warnings_of(connection, &at).await?);
    }
    Ok(warnings)
}

async fn warnings_of(connection: &Connection, at: &ServerChoice) -> Result<Vec<String>, StoreError> {
    let policy = setting(connection, at, "maxmemory-policy").await?;
    let appends = setting(connection, at, "appendonly").await?;
    let saves = setting(connection, at, "save").await?;
    let server = connection.server_at(at);
    let (policy, appends, saves) = match (policy, appends, saves) {
        (Ok(policy), Ok(appends), Ok(saves)) => (policy, appends, saves),
        // Hosted servers forbid CONFIG; some tell by INFO.
        (Err(refusal), ..) | (_, Err(refusal), _) | (.., Err(refusal)) => match info(connection, at).await? {
            Some((policy, appends)) => (policy, appends, None),
            None => {
                return Ok(vec![format!(
                    "redis at {}: maxmemory-policy and persistence could not be checked, since the server allows neither CONFIG GET \
                     nor INFO ({refusal}); expected noeviction and appendonly yes: what a server evicts, or loses in a restart, runs \
                     again when its provider sends it again",
                    server
                )]);
            }
        },
    };

    let mut warnings = Vec::new();
    if let Some(policy) = policy.filter(|policy| policy != "noeviction") {
        warnings.push(format!(
            "redis at {}: maxmemory-policy is {policy}, expected noeviction: when its memory is full the server drops claims and \
             finished events, which then run a second time; with noeviction it refuses new events instead, and their providers retry",
            server
        ));
    }
    if appends.as_deref() == Some("no") {
        match saves.as_deref() {
            Some("") => warnings.push(format!(
                "redis at {}: nothing is written to disk (appendonly no, save \"\"), expected appendonly yes: after a restart the \
                 server knows no event, and each that is sent again runs again",
                server
            )),
            Some(_) => warnings.push(format!(
                "redis at {}: appendonly is no, and snapshots are all that is written to disk; expected appendonly yes: after a restart \
                 the server knows nothing of what came after the last snapshot, and what is sent again of it runs again",
                server
            )),
            None => warnings.push(format!(
                "redis at {}: appendonly is no, and whether it saves snapshots could not be checked, since the server forbids \
                 CONFIG GET; expected appendonly yes: what is not on disk at a restart runs again when its provider sends it again",
                server
            )),
        }
    }
    Ok(warnings)
}

/// The value of a setting; the inner error is the server's refusal to say.
async fn setting(
    connection: &Connection,
    at: &ServerChoice,
    name: &str,
) -> Result<Result<Option<String>, String>, StoreError> {
    let reply = connection.ask_if_allowed(at, &["CONFIG", "GET", name]).await?;
    // The name, then the value.
    Ok(reply.map(|texts| texts.into_iter().nth(1).flatten()))
}

/// The policy, and whether the server appends, from what it tells of itself.
async fn info(
    connection: &Connection,
    at: &ServerChoice,
) -> Result<Option<(Option<String>, Option<String>)>, StoreError> {
    let Ok(texts) = connection.ask_if_allowed(at, &["INFO"]).await? else {
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
