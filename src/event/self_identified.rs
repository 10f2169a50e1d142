use super::Event;

/// An event that carries its whole deduplication key: [`Event::id`] is never `None`, and
/// [`Event::identity`] is that id alone. [`Event::fingerprint`] is never `None` either.
///
/// Such an event can be handled without the request that delivered it, because nothing of the key
/// comes from a header or from the digest of a body: an event fetched from the provider's API gets
/// the same key as its webhook. The events of Dwolla, Stripe, Square and Paddle implement this
/// trait. Those of GitHub, Shopify, Linear, Zoom, Slack, Standard Webhooks, Svix and `custom` do
/// not, because some or all of their keys need the request.
///
/// ```
/// use tower_webhook::{event::{Event, SelfIdentified}, dwolla, stripe};
///
/// fn key<E: SelfIdentified>(event: &E) -> Option<&str> {
///     event.id().map(|id| id.as_str())
/// }
///
/// let event = dwolla::Event::from_json(
///     br#"{"id":"1","topic":"customer_created","created":"2026-07-01T12:00:00Z"}"#,
/// )?;
/// assert_eq!(key(&event), Some("1"));
/// # Ok::<(), tower_webhook::event::EventError>(())
/// ```
///
/// GitHub names its events in a header, so this does not compile:
///
/// ```compile_fail,E0277
/// use tower_webhook::{event::SelfIdentified, github};
///
/// fn needs_no_request<E: SelfIdentified>() {}
/// needs_no_request::<github::Event>();
/// ```
///
/// # Security
/// Implement it for an event of your own only where both promises hold. Otherwise two events can
/// get one key, and the second is never handled.
#[diagnostic::on_unimplemented(
    message = "the deduplication key of `{Self}` is not within the event alone",
    note = "its key needs the request that delivered it: a header, or the digest of the body",
    note = "for an event of your own whose id is always there, implement `tower_webhook::event::SelfIdentified`"
)]
pub trait SelfIdentified: Event {}
