//! Discards the rest of a body that a refusal leaves unread.
//!
//! Over HTTP/1 a server closes the connection when the response is out and nobody holds the body
//! any more (hyper does). The kernel resets a connection that is closed while its client is still
//! sending. Most clients send all before they read: they see `broken pipe` or `connection reset`,
//! and never the 413. So the rest is read and thrown away while the response goes out, in a task of
//! its own: the response waits for nothing, and no byte of the rest is kept. A body over HTTP/2
//! needs none of it: its stream ends by itself.
//!
//! Anybody can cause this, so it is bounded, and beyond the bounds the connection is closed as it
//! would be without it.

use std::{
    error::Error as StdError,
    future::poll_fn,
    pin::{Pin, pin},
    time::Duration,
};

use bytes::Buf;
use http::{Version, header::EXPECT, request::Parts};
use http_body::{Body, Frame};
use tokio::{runtime::Handle, task::coop::consume_budget, time::Instant};

use super::admission::Admission;
use crate::process::timeout::{deadline_after, timeout_at};

/// How many bytes, where the limit of bodies is not larger: the largest events that providers
/// document, GitHub's apart, have 5 MiB.
const BYTES: usize = 8 * 1024 * 1024;

/// How long: as long as a body may take by default. A connection that is kept alive is held for
/// longer.
const TIME: Duration = Duration::from_secs(5);

/// How many at once. Each holds a connection and a frame of at most some hundred kilobytes.
const AT_ONCE: usize = 64;

/// The least that a frame counts, so that frames without a byte end too.
const FRAME: usize = 64;

/// Reads what is left of a refused request's body and throws it away.
pub(super) fn discard<B>(mut body: Pin<Box<B>>, parts: &Parts, admission: &Admission, body_limit: usize)
where
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let most = BYTES.max(body_limit);
    let is_needed = parts.version <= Version::HTTP_11
        && !body.is_end_stream()
        // A client that sent `Expect` gets the response instead; reading would ask it for the
        // body.
        && !parts.headers.contains_key(EXPECT)
        && usize::try_from(body.size_hint().lower()).is_ok_and(|left| left <= most);
    if !is_needed {
        return;
    }
    let (Ok(runtime), Some(place)) = (Handle::try_current(), admission.discard(AT_ONCE)) else {
        return;
    };
    let until = deadline_after(Instant::now(), TIME);
    runtime.spawn(async move {
        let rest = pin!(async {
            let mut left = most;
            // The length alone leaves the poll: neither a frame nor an error is held while this
            // waits.
            let length = |frame: Frame<B::Data>| frame.into_data().map_or(0, |data| data.remaining());
            let mut next =
                async || poll_fn(|cx| body.as_mut().poll_frame(cx).map(|frame| frame?.ok().map(length))).await;
            while let Some(length) = next().await {
                match left.checked_sub(length.max(FRAME)) {
                    Some(rest) => left = rest,
                    None => return,
                }
                // A body whose frames are always ready would otherwise never let the deadline be
                // looked at.
                consume_budget().await;
            }
        });
        let _ = timeout_at(until, rest).await;
        drop(place);
    });
}
