//! How Dwolla signs: the published vector, the two headers, and tags of another form.

#![cfg(test)] // for clippy

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use tower_webhook::{
    dwolla,
    signature::{Secrets, SignatureError, SignatureErrorKind, Verified, verify},
};

const NEWER: &str = "x-request-signature-sha-256";
const OLDER: &str = "x-request-signature";

const SHA1: &str = "0123456789abcdef0123456789abcdef01234567";

#[derive(serde::Deserialize)]
struct Vector {
    secret: String,
    body: String,
    headers: BTreeMap<String, String>,
}

fn vector() -> Vector {
    serde_json::from_slice(include_bytes!("../../fixtures/dwolla/signature.json")).unwrap()
}

fn tag() -> String {
    vector().headers[NEWER].clone()
}

/// Verifies the vector's body under these headers.
fn verified(headers: &[(&'static str, &str)]) -> Result<Verified, SignatureError> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect();
    let vector = vector();
    verify(
        &dwolla::scheme(),
        &Secrets::new(vector.secret).unwrap(),
        &headers,
        vector.body.as_bytes(),
    )
}

#[track_caller]
fn assert_unsigned(headers: &[(&'static str, &str)], kind: SignatureErrorKind, message: &str) {
    let error = verified(headers).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
}

#[test]
fn the_signature_that_other_tools_compute_is_taken_and_made() {
    let vector = vector();
    assert_eq!(verified(&[(NEWER, &tag())]).unwrap().secret_index(), 0);
    let made = dwolla::scheme()
        .sign(&Secrets::new(vector.secret).unwrap(), vector.body.as_bytes())
        .unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(made[NEWER], tag());
}

#[test]
fn the_older_header_is_read_where_the_newer_is_absent() {
    assert!(verified(&[(OLDER, &tag())]).is_ok());
}

#[test]
fn the_older_header_is_ignored_where_the_newer_is_present() {
    assert!(verified(&[(NEWER, &tag()), (OLDER, SHA1)]).is_ok());
    let wrong = "0".repeat(64);
    assert_eq!(
        verified(&[(NEWER, &wrong), (OLDER, &tag())]).unwrap_err().kind(),
        SignatureErrorKind::Mismatch
    );
    assert_eq!(
        verified(&[(NEWER, ""), (OLDER, &tag())]).unwrap_err().kind(),
        SignatureErrorKind::Empty
    );
}

#[test]
fn a_sha_1_tag_is_refused_and_named() {
    assert_unsigned(
        &[(OLDER, SHA1)],
        SignatureErrorKind::Sha1,
        "the tag in x-request-signature has 40 hex digits, the length of a SHA-1 tag; expected HMAC-SHA256: \
         SHA-1 is not accepted, have the provider sign with HMAC-SHA256",
    );
}

#[test]
fn an_empty_header_is_refused() {
    assert_unsigned(
        &[(NEWER, "")],
        SignatureErrorKind::Empty,
        "x-request-signature-sha-256 is empty; expected a tag",
    );
}

#[test]
fn a_signature_of_another_form_is_refused() {
    let tag = tag();
    let prefixed = format!("sha256={tag}");
    for value in [
        tag.to_uppercase().as_str(),
        &prefixed,
        &tag[1..],
        &format!("{tag}0"),
        &"g".repeat(64),
    ] {
        assert_eq!(
            verified(&[(NEWER, value)]).unwrap_err().kind(),
            SignatureErrorKind::Malformed,
            "{value}"
        );
    }
}
