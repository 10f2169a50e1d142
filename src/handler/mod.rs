//! Handlers, which you write, and how they fail.
//!
//! A handler is an async function of the event, of the whole [`Delivery`] or of the event's
//! [`Payload`], or of several of them, alone or behind a state:
//!
//! ```
//! use std::time::Duration;
//! use tower_webhook::{Delivery, HandlerError, ResultExt, TopicRouter, dwolla::{self, Topic}};
//!
//! #[derive(Clone)]
//! struct Db;
//! # impl Db { async fn book(&self, _: u64) -> Result<(), std::io::Error> { Ok(()) } }
//!
//! // any error: the event is released and the provider retries
//! async fn verified(db: Db, event: dwolla::Event) -> Result<(), std::io::Error> {
//!     db.book(1).await
//! }
//!
//! // or say what should happen
//! async fn settled(db: Db, delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
//!     let amount: u64 = "100".parse().permanent()?; // never again
//!     db.book(amount).await.retry_after(Duration::from_secs(30))?; // again, but not at once
//!     Ok(())
//! }
//!
//! let topics = TopicRouter::with_state(Db)
//!     .on(Topic::CustomerVerified, verified)
//!     .on([Topic::TransferCompleted, Topic::TransferFailed], settled);
//! assert_eq!(topics.topics().count(), 3);
//! ```
//!
//! What all of them need, a timeout or a limit say, is middleware: [`TopicRouter::layer`].
//!
//! # Cancel safety
//! A handler runs in a task of its own: a provider that hangs up does not cancel it. It is
//! cancelled at an await point when the handler cap is reached, or when a drain runs out of time;
//! its claim is then released, so that the event comes again.

mod error;
mod arguments;
mod payload;
mod middleware;
mod router;

pub use error::{HandlerError, ResultExt};
pub use middleware::{Handlers, HandlersFuture};
pub use payload::Payload;
pub(crate) use router::Registered;
pub use router::{HandlerFuture, TopicRouter};

use std::future::Future;

use crate::{delivery::Delivery, event::Event};

/// An argument of a handler: the event, the whole [`Delivery`], its
/// [`Claim`](crate::delivery::Claim), or the event's [`Payload`]. It can take up to three of them:
///
/// ```
/// use tower_webhook::{Payload, TopicRouter, custom, delivery::Claim};
///
/// #[derive(serde::Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// async fn created(Payload(user): Payload<User>, claim: Claim) {
///     println!("{} joined, attempt {}", user.name, claim.attempt());
/// }
///
/// let topics = TopicRouter::<custom::Event>::new().on("user.created", created);
/// ```
///
/// A type of your own:
///
/// ```
/// use tower_webhook::{Delivery, HandlerError, dwolla, handler::FromDelivery};
///
/// struct Customer(String);
///
/// impl FromDelivery<dwolla::Event> for Customer {
///     fn from_delivery(delivery: Delivery<dwolla::Event>) -> Result<Self, HandlerError> {
///         let link = delivery
///             .event()
///             .customer_href()
///             .ok_or_else(|| HandlerError::permanent("no customer"))?;
///         Ok(Customer(link.to_owned()))
///     }
/// }
///
/// async fn verified(customer: Customer) {
///     println!("{} is verified", customer.0);
/// }
///
/// let topics =
///     tower_webhook::TopicRouter::new().on(dwolla::Topic::CustomerVerified, verified);
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler of `{E}` events cannot take `{Self}`",
    label = "not made from a delivery of `{E}`",
    note = "a handler takes `{E}`, `Delivery<{E}>`, its `Claim`, `Payload<T>` where the event has one and `T: DeserializeOwned`, or a type \
            that implements `FromDelivery<{E}>`; the state, if any, comes first"
)]
pub trait FromDelivery<E>: Sized + Send {
    /// Takes what the handler wants out of a delivery.
    ///
    /// # Errors
    /// The argument is not there: the delivery ends as if the handler had returned this error.
    fn from_delivery(delivery: Delivery<E>) -> Result<Self, HandlerError>;
}

/// An async function that handles events. It takes up to three arguments that are [`FromDelivery`],
/// and before them, if it likes, the router's state.
///
/// Implemented for functions and closures; `M` only tells their shapes apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of `{E}` events with the state `{S}`",
    label = "not a handler",
    note = "a handler is `async fn(event: {E})` or `async fn(state: {S}, event: {E})`, with `Delivery<{E}>` in place of the event if you \
            like, and up to three such arguments; it returns `()` or `Result<(), any error>`, and its future is `Send`",
    note = "to see which of these does not hold in a handler of one argument, write \
            `tower_webhook::handler::check::<{E}, _, _>(your_handler)`, or `check_with_state::<{E}, {S}, _, _>(your_handler)` if it takes \
            the router's state before"
)]
pub trait Handler<E, S, M>: Clone + Send + Sync + 'static {
    /// Handles one delivery.
    fn call(&self, state: S, delivery: Delivery<E>) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Says why a function is not a handler: the compiler's message is about the argument, the result
/// or the future that does not fit. It does nothing when the program runs. For handlers of one
/// argument without state; see [`check_with_state`] for those with the state before it.
///
/// ```
/// use tower_webhook::{dwolla, handler};
///
/// async fn verified(event: dwolla::Event) {}
///
/// handler::check::<dwolla::Event, _, _>(verified);
/// ```
pub fn check<E, A, Fut>(_handler: impl Fn(A) -> Fut + Clone + Send + Sync + 'static)
where
    E: Event,
    A: FromDelivery<E>,
    Fut: Future<Output: HandlerResult> + Send,
{
}

/// As [`check`], for a handler that takes the router's state first.
///
/// ```
/// use tower_webhook::{Delivery, dwolla, handler};
///
/// async fn settled(ledger: String, delivery: Delivery<dwolla::Event>) {}
///
/// handler::check_with_state::<dwolla::Event, String, _, _>(settled);
/// ```
pub fn check_with_state<E, S, A, Fut>(_handler: impl Fn(S, A) -> Fut + Clone + Send + Sync + 'static)
where
    E: Event,
    S: Clone + Send + Sync + 'static,
    A: FromDelivery<E>,
    Fut: Future<Output: HandlerResult> + Send,
{
}

impl<F, E, S, A, Fut> Handler<E, S, (A,)> for F
where
    F: Fn(A) -> Fut + Clone + Send + Sync + 'static,
    E: Event,
    S: Send,
    A: FromDelivery<E>,
    Fut: Future<Output: HandlerResult> + Send,
{
    async fn call(&self, _: S, delivery: Delivery<E>) -> Result<(), HandlerError> {
        self(A::from_delivery(delivery)?).await.into_result()
    }
}

impl<F, E, S, A, Fut> Handler<E, S, (S, A)> for F
where
    F: Fn(S, A) -> Fut + Clone + Send + Sync + 'static,
    E: Event,
    S: Send,
    A: FromDelivery<E>,
    Fut: Future<Output: HandlerResult> + Send,
{
    async fn call(&self, state: S, delivery: Delivery<E>) -> Result<(), HandlerError> {
        self(state, A::from_delivery(delivery)?).await.into_result()
    }
}

/// The result of a handler: `()`, or `Result<(), E>` with any error.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "neither `()` nor `Result<(), error>`",
    note = "return `()` or `Result<(), E>` where `E` is any error type; for control over what the provider does, `HandlerError`"
)]
pub trait HandlerResult {
    /// As one type.
    ///
    /// # Errors
    /// The handler's own.
    fn into_result(self) -> Result<(), HandlerError>;
}

impl HandlerResult for () {
    fn into_result(self) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl<E: Into<HandlerError>> HandlerResult for Result<(), E> {
    fn into_result(self) -> Result<(), HandlerError> {
        self.map_err(Into::into)
    }
}
