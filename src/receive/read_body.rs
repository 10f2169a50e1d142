//! Step 1. Everything here is done for any client: nothing is authenticated yet.

use std::{
    error::Error as StdError,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
};

use bytes::{Buf, Bytes, BytesMut};
use http::{
    HeaderMap, Method,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
    request::Parts,
};
use http_body::Body;
use http_body_util::LengthLimitError;
use tokio::time::Instant;

use super::{
    admission::{Admission, Permit},
    tenants::{Directory, NamedTenant},
};
use crate::{
    error::{Refusal, RefusalKind},
    process::{Observation, timeout::timeout_at},
    signature::{SignatureError, Verification, Verifier},
};

/// Room for a first guess at a body's size. More is taken as bytes really arrive: declaring a
/// length costs the client nothing.
const FIRST_ROOM: usize = 16 * 1024;

/// Frames without a byte in them that a body may have. They cost nothing to send and never reach a
/// limit on bytes.
const EMPTY_FRAMES: usize = 64;

/// A whole body, read and fed to the MAC up to its last frame, but not yet believed.
pub(super) struct Received {
    pub(super) parts: Box<Parts>,
    pub(super) body: Bytes,
    pub(super) verification: Verification,
    /// The request's tenant, where the layer has tenants.
    pub(super) whose: Option<NamedTenant>,
}

/// The checks that a request has to pass before its body is read.
pub(super) struct Checks<'r> {
    pub(super) verifier: &'r Verifier,
    pub(super) tenants: Option<&'r Arc<Directory>>,
    pub(super) admission: &'r Admission,
}

/// The limits of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) until: Instant,
}

/// A request that was refused before it became an event.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) parts: Box<Parts>,
    /// How many bytes of the body were read.
    pub(super) read: usize,
    /// Whether nothing more comes of the body: it has ended, or failed.
    pub(super) is_over: bool,
}

pub(super) async fn read_body<B>(
    parts: Box<Parts>,
    body: Pin<&mut B>,
    checks: Checks<'_>,
    limits: Limits,
    observation: &mut Observation,
) -> Result<(Received, Permit), Refused>
where
    B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
{
    let mut progress = Progress::default();
    match read(&parts, body, checks, limits, observation, &mut progress).await {
        Ok((read, permit)) => Ok((
            Received {
                parts,
                body: read.body,
                verification: read.verification,
                whose: read.whose,
            },
            permit,
        )),
        Err(refusal) => Err(Refused {
            refusal,
            parts,
            read: progress.read,
            is_over: progress.is_over,
        }),
    }
}

/// How far a body was read, whatever comes of it.
#[derive(Debug, Default)]
struct Progress {
    read: usize,
    is_over: bool,
}

/// A body, with what decides about it.
struct Read {
    body: Bytes,
    verification: Verification,
    whose: Option<NamedTenant>,
}

async fn read<B>(
    parts: &Parts,
    mut body: Pin<&mut B>,
    checks: Checks<'_>,
    limits: Limits,
    observation: &mut Observation,
    progress: &mut Progress,
) -> Result<(Read, Permit), Refusal>
where
    B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
{
    if parts.method != Method::POST {
        return Err(Refusal::new(
            RefusalKind::Method,
            "the method is not POST; webhooks are posted",
        ));
    }
    refuse_encoding(&parts.headers)?;
    let mut verification = checks.verifier.begin_with(&parts.headers).map_err(signature)?;
    let expected = expected_length(&parts.headers, &*body, limits.bytes)?;
    let mut permit = checks.admission.enter(expected)?;
    let mut whose = None;
    // The secrets that decide are known before the first byte, unless the body names the tenant.
    let mut is_hashed = true;
    if let Some(tenants) = checks.tenants {
        is_hashed = !tenants.tenants.reads_body();
        if is_hashed {
            let tenant = tenants.tenants.in_head(parts);
            // Boxed, here and below: otherwise its room would be part of every request.
            let found = Box::pin(tenants.whose(tenant, &mut permit, limits.until, observation)).await?;
            whose = Some(found.decides(&mut verification));
        }
    }

    // Until here no byte of the body was read.
    let mut collected = Collected {
        first: Bytes::new(),
        rest: BytesMut::new(),
        expected,
    };
    let mut empty = 0;
    let in_time = {
        let read = pin!(async {
            loop {
                let frame = match poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                    None => {
                        progress.is_over = true;
                        return Ok(());
                    }
                    Some(Ok(frame)) => frame,
                    Some(Err(error)) => {
                        progress.is_over = true;
                        return Err(broken(error.into(), limits.bytes));
                    }
                };
                // Trailers are unsigned and nobody asks for them: a frame without a byte.
                let data = frame.into_data().ok();
                let length = data.as_ref().map_or(0, Buf::remaining);
                let Some(mut data) = data.filter(|_| length > 0) else {
                    empty += 1;
                    if empty > EMPTY_FRAMES {
                        return Err(Refusal::new(
                            RefusalKind::TooSlow,
                            "the body consists of empty frames; expected bytes",
                        ));
                    }
                    continue;
                };
                progress.read = progress.read.saturating_add(length);
                if length > limits.bytes.saturating_sub(collected.len()) {
                    return Err(too_large(limits.bytes));
                }
                permit.take(length)?;
                // No copy where the frame is `Bytes`, as hyper's frames are.
                let data = data.copy_to_bytes(length);
                // The MAC is one frame behind: a body of one frame, which is usual, is hashed in
                // one go with what is signed around it.
                if is_hashed {
                    verification.update_from(collected.so_far());
                }
                collected.push(data);
                // A body whose frames are always ready would otherwise never let the deadline be
                // looked at.
                tokio::task::coop::consume_budget().await;
            }
        });
        timeout_at(limits.until, read).await
    };
    match in_time {
        Some(result) => result?,
        None => {
            return Err(Refusal::new(
                RefusalKind::TooSlow,
                "the body did not arrive before its deadline",
            ));
        }
    }
    let body = collected.into_bytes();
    if let Some(tenants) = checks.tenants.filter(|_| !is_hashed) {
        if let Some(most) = tenants.tenants.max_bytes().filter(|most| body.len() > *most) {
            return Err(Refusal::new(
                RefusalKind::TooLarge,
                format!(
                    "the body has {} bytes, and the tenant is read from bodies of up to {most}; expected a shorter one: \
                     raise the `max_bytes` of `TenantOf::body_field`",
                    body.len()
                ),
            ));
        }
        let tenant = tenants.tenants.in_body(&body);
        let found = Box::pin(tenants.whose(tenant, &mut permit, limits.until, observation)).await?;
        whose = Some(found.decides(&mut verification));
    }
    let read = Read {
        body,
        verification,
        whose,
    };
    Ok((read, permit))
}

/// The reason is for the log and for metrics; the response is the same for every reason.
pub(super) fn signature(error: SignatureError) -> Refusal {
    use std::fmt::Write as _;
    // Strangers cause this one at will: room for the text, which `to_string` would take in several
    // steps.
    let mut reason = String::with_capacity(192);
    let _ = write!(reason, "{error}"); // a `String` takes everything
    Refusal::new(RefusalKind::Signature, reason).because(error.kind().as_str())
}

/// A layer that decodes bodies would change what was signed, and decoding before the signature is
/// checked invites bombs. An empty header, or an empty item in its list, names no encoding (RFC
/// 9110, 5.6.1.2).
fn refuse_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let identity = |value: &http::HeaderValue| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
    };
    if headers.get_all(CONTENT_ENCODING).iter().all(identity) {
        Ok(())
    } else {
        Err(Refusal::new(
            RefusalKind::Encoding,
            "the body has a Content-Encoding; expected none: the signature is over plain bytes",
        ))
    }
}

/// How long the body says it is, if within the limit; what it says is never relied upon.
fn expected_length<B: Body>(headers: &HeaderMap, body: &B, limit: usize) -> Result<usize, Refusal> {
    let mut expected = body.size_hint().lower();
    for value in headers.get_all(CONTENT_LENGTH) {
        let digits = value.as_bytes().trim_ascii();
        if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
            // Digits that overflow are a length too: a large one.
            let length = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(u64::MAX);
            expected = expected.max(length);
        }
    }
    match usize::try_from(expected) {
        Ok(expected) if expected <= limit => Ok(expected),
        _ => Err(too_large(limit)),
    }
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(
        RefusalKind::TooLarge,
        format!("the body is larger than the limit of {limit} bytes"),
    )
}

/// A limit further out (tower-http's, say) shows as an error of the body.
fn broken(error: Box<dyn StdError + Send + Sync>, limit: usize) -> Refusal {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&*error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return too_large(limit);
        }
        cause = error.source();
    }
    Refusal::new(RefusalKind::BrokenBody, "the body broke off before its end")
}

/// A body as it arrives. One frame, which is usual, is kept as it is.
struct Collected {
    first: Bytes,
    rest: BytesMut,
    expected: usize,
}

impl Collected {
    fn len(&self) -> usize {
        self.first.len().saturating_add(self.rest.len())
    }

    fn so_far(&self) -> &[u8] {
        if self.rest.is_empty() { &self.first } else { &self.rest }
    }

    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = data;
            return;
        }
        if self.rest.is_empty() {
            let first = std::mem::take(&mut self.first);
            self.rest.reserve(
                self.expected
                    .min(FIRST_ROOM)
                    .max(first.len().saturating_add(data.len())),
            );
            self.rest.extend_from_slice(&first);
        }
        self.rest.extend_from_slice(&data);
    }

    fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() {
            self.first
        } else {
            self.rest.freeze()
        }
    }
}
