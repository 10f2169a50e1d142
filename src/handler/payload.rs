use serde::de::DeserializeOwned;

use super::{FromDelivery, HandlerError};
use crate::{delivery::Delivery, event::WithPayload};

/// An event's payload as a type of yours, taken by a handler.
///
/// The provider decides what the payload is: the whole body, or a part of it such as `data`.
///
/// ```
/// use tower_webhook::{Payload, TopicRouter, custom};
///
/// #[derive(serde::Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// async fn created(Payload(user): Payload<User>) {
///     println!("{} joined", user.name);
/// }
///
/// let topics = TopicRouter::<custom::Event>::new().on("user.created", created);
/// ```
///
/// # Errors
/// A payload that does not fit the type fails the handler before it runs, and the event is retried:
/// a handler that was written or deployed too early must not cost the event. The response is 500
/// until the type fits, and the reason is logged without the body. Where such events should never
/// come again, take the [`Delivery`] and say so: `let user: User =
/// delivery.event().payload().permanent()?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<T>(pub T);

impl<E: WithPayload, T: DeserializeOwned + Send> FromDelivery<E> for Payload<T> {
    fn from_delivery(delivery: Delivery<E>) -> Result<Self, HandlerError> {
        delivery.event().payload().map(Self).map_err(HandlerError::retry)
    }
}
