//! Step 2. What leaves here is authentic.

use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;

use super::{
    read_body::{Received, Refused, signature},
    tenants::NamedTenant,
};
use crate::{
    error::Refusal,
    event::Tenant,
    signature::{KeySet, SignatureError, Verified},
};

/// An authentic request. Only this file makes one.
pub(super) struct Authentic {
    pub(super) parts: Box<Parts>,
    pub(super) body: Bytes,
    pub(super) signed: Signed,
}

/// The outcome of a verification that succeeded, and the tenant.
pub(crate) struct Signed {
    pub(super) verified: Verified,
    /// The tenant whose secrets they are, where the layer has tenants.
    pub(super) tenant: Option<Tenant>,
    pub(super) keys: Option<KeySet>,
}

impl Signed {
    /// The verified request, if a tenant's secrets decided. The timestamp is checked last, so an
    /// unknown tenant is refused for the same reason whatever the timestamp.
    pub(super) fn of(verified: Result<Verified, SignatureError>, whose: Option<NamedTenant>) -> Result<Self, Refusal> {
        let (tenant, keys) = match whose {
            Some(whose) if whose.keys.is_none() => return Err(whose.unknown()),
            Some(NamedTenant { tenant, keys }) => (tenant, keys),
            None => (None, None),
        };
        Ok(Self {
            verified: verified.map_err(signature)?,
            tenant,
            keys,
        })
    }
}

impl Received {
    pub(super) fn verify(self, now: SystemTime) -> Result<Authentic, Refused> {
        let Self {
            parts,
            body,
            verification,
            whose,
        } = self;
        let verified = verification.finish_with(&parts.headers, &body, now);
        match Signed::of(verified, whose) {
            Ok(signed) => Ok(Authentic { parts, body, signed }),
            Err(refusal) => Err(Refused {
                refusal,
                parts,
                read: body.len(),
                is_over: true,
            }),
        }
    }
}
