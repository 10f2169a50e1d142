//! GitHub's API for the deliveries of a webhook: of a repository, an organisation or an App.
//!
//! GitHub never sends a failed delivery again by itself, and keeps deliveries for 3 days.
//!
//! ```no_run
//! use tower_webhook_reconcile::github::{GitHubApi, Hook};
//!
//! # async fn run() -> Result<(), tower_webhook_reconcile::Error> {
//! let api = GitHubApi::new("a token that may read the hook")?;
//! let deliveries = api.deliveries(Hook::repository("octocat", "hello-world", 42));
//!
//! let mut failed = deliveries.clone().failed().list();
//! while let Some(delivery) = failed.next().await {
//!     deliveries.redeliver(&delivery?.id).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Ids
//! [`Delivery::id`] names one attempt, [`Delivery::guid`] the delivery that it belongs to: a
//! redelivery has a new id and the same guid, which the receiver sees as `X-GitHub-Delivery`.
//!
//! # Credentials
//! The hooks of a repository and an organisation are read with a token. An App's hook needs a JSON
//! Web Token that the App signs; GitHub accepts none that is valid for more than 10 minutes, so
//! pass a function that makes them ([`GitHubApi::with_tokens`]).
//!
//! # The payload's bytes
//! The API tells the payload as JSON, not as the bytes that were sent. A signature matches only if
//! the bytes are the same. [`DeliveryDetail::body`] is the payload as the API wrote it.

mod api;
mod source;
mod types;

pub use api::{Deliveries, GITHUB_COM, GitHubApi, Hook};
pub use types::{Delivery, DeliveryDetail};
