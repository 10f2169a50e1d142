//! Dwolla
use crate::signature::{Algorithm, Encoding, Scheme};
use http::HeaderName;
/// scheme
#[must_use]
pub fn scheme() -> Scheme {
    Scheme::new(
        HeaderName::from_static("x-request-signature-sha-256"),
        Algorithm::HmacSha256,
        Encoding::Hex,
    )
    .or_header(HeaderName::from_static("x-request-signature"))
}
