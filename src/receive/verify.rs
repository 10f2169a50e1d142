//! Step 2. What leaves here is authentic.

use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;

use super::read_body::{Received, Refused, signature};
use crate::signature::Verified;

/// An authentic request. Only this file makes one.
pub(super) struct Authentic {
    pub(super) parts: Box<Parts>,
    pub(super) body: Bytes,
    pub(super) verified: Verified,
}

impl Received {
    pub(super) fn verify(self, now: SystemTime) -> Result<Authentic, Refused> {
        let Self {
            parts,
            body,
            verification,
        } = self;
        match verification.finish_with(&parts.headers, &body, now) {
            Ok(verified) => Ok(Authentic { parts, body, verified }),
            Err(error) => Err(Refused {
                refusal: signature(error),
                parts,
                read: body.len(),
                is_over: true,
            }),
        }
    }
}
