//! The store that a URL names.

use std::path::Path;

use tower_webhook::{
    inbox::AnyInbox,
    store::{AnyStore, StoreError},
};

use crate::failure::Failure;

/// The store's URL, from the argument `--store` or from the variable STORE.
pub(crate) fn url(given: Option<String>) -> Result<String, Failure> {
    given.ok_or_else(|| {
        Failure::usage("--store is missing; expected sqlite:<path>, postgres://…, redis://…, redis+cluster://… or redis+sentinel://…, here or in STORE")
    })
}

pub(crate) fn failed(error: StoreError) -> Failure {
    Failure::caused_by("the store", &error)
}

/// An open store, and what it can do.
pub(crate) enum Opened {
    /// Keeps deliveries.
    Inbox { inbox: AnyInbox, store: AnyStore },
    /// Keeps records alone.
    Records(AnyStore),
}

pub(crate) async fn open(url: &str) -> Result<Opened, Failure> {
    match url.split_once(':') {
        Some((scheme, _)) if is_redis(scheme) => {
            // TLS to a cluster takes its cryptography from the process.
            let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
            let store = tower_webhook_redis::connect(url).await.map_err(failed)?;
            Ok(Opened::Records(store))
        }
        Some(("sqlite", rest)) => {
            // Opening would make an empty file of a mistyped name.
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if !Path::new(path).exists() {
                return Err(Failure::usage(format!(
                    "--store is a SQLite file that is not there ({path}); expected the one that the receiver has"
                )));
            }
            inbox(url).await
        }
        Some(("postgres" | "postgresql", _)) => inbox(url).await,
        // Not repeated: there may be a password in it.
        _ => Err(Failure::usage(
            "--store has another scheme; expected sqlite:<path>, postgres://…, redis://…, redis+cluster://… or \
             redis+sentinel://…",
        )),
    }
}

async fn inbox(url: &str) -> Result<Opened, Failure> {
    let inbox = tower_webhook_sqlx::connect_inbox(url).await.map_err(failed)?;
    let store = AnyStore::from(inbox.clone());
    Ok(Opened::Inbox { inbox, store })
}

impl Opened {
    pub(crate) fn store(&self) -> &AnyStore {
        match self {
            Self::Inbox { store, .. } | Self::Records(store) => store,
        }
    }

    /// The inbox, for a verb that needs one.
    pub(crate) fn inbox(&self, verb: &str) -> Result<&AnyInbox, Failure> {
        match self {
            Self::Inbox { inbox, .. } => Ok(inbox),
            Self::Records(_) => Err(no_deliveries(verb)),
        }
    }
}

/// Refuses a store without deliveries before it is asked anything.
pub(crate) fn refuse_records(url: &str, verb: &str) -> Result<(), Failure> {
    match url.split_once(':') {
        Some((scheme, _)) if is_redis(scheme) => Err(no_deliveries(verb)),
        _ => Ok(()),
    }
}

fn is_redis(scheme: &str) -> bool {
    matches!(
        scheme,
        "redis" | "rediss" | "valkey" | "valkeys" | "redis+cluster" | "rediss+cluster" | "redis+sentinel"
    )
}

fn no_deliveries(verb: &str) -> Failure {
    Failure::usage(format!(
        "--store is Redis, which keeps records and no deliveries; expected sqlite:<path> or postgres://… for {verb}: in \
         Redis, events can be counted, shown and forgotten by their ids"
    ))
}
