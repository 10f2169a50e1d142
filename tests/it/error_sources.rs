//! An error's text says its cause, so that one line of a log is enough. `source` then goes on
//! behind the cause: a reporter that prints the whole chain says nothing twice.

#![cfg(test)] // for clippy

use std::{error::Error, time::Duration};

use http::{HeaderMap, HeaderName};
use tower_webhook::{
    custom::{Custom, CustomError, FieldPath},
    event::{EventErrorKind, PayloadError, Tenant, read_payload},
    provider::{
        DeliveryPolicy, Provider as _,
        tenant::{BoxError, TenantOf},
    },
    signature::{Algorithm, Encoding, Scheme, SecretErrorKind, Secrets, SignatureErrorKind, verify},
    square::Square,
    standard_webhooks,
};

/// The texts of an error and of what caused it, as a reporter prints them.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts
}

/// The chain says the cause, and says it once.
#[track_caller]
fn assert_says_once(error: &dyn Error, cause: &dyn Error) {
    let texts = chain(error);
    let all = texts.join("\n");
    assert_eq!(all.matches(&cause.to_string()).count(), 1, "{all}");
    for (position, text) in texts.iter().enumerate() {
        assert!(!texts[..position].iter().any(|before| before.contains(text)), "{all}");
    }
}

fn scheme() -> Scheme {
    Scheme::new(
        HeaderName::from_static("x-signature"),
        Algorithm::HmacSha256,
        Encoding::Hex,
    )
}

fn described(secret: &str) -> Result<Custom, CustomError> {
    Custom::builder("example", scheme())
        .id(FieldPath::body("id"))
        .topic(FieldPath::body("type"))
        .policy(DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(3600)))
        .secrets(secret)
        .build()
}

#[test]
fn a_description_with_a_refused_secret_gives_the_error_of_the_secret() {
    let cause = Secrets::new(" ").unwrap_err();
    let error = described(" ").unwrap_err();
    assert_eq!(error.secret_error(), Some(&cause));
    assert_says_once(&error, &cause);
}

#[test]
fn a_description_that_lacks_something_has_no_cause() {
    let error = Custom::builder("example", scheme()).build().unwrap_err();
    assert_eq!(error.secret_error(), None);
    assert!(error.source().is_none());
}

#[test]
fn a_payload_that_does_not_fit_gives_the_error_of_the_body() {
    let kind_of = |error: &PayloadError| {
        assert_says_once(error, error.get_ref());
        error.get_ref().kind()
    };
    for (body, path, kind) in [
        (
            &br#"{"data":{"amount":"ten"}}"#[..],
            &["data", "amount"][..],
            EventErrorKind::Field,
        ),
        (br#"{"data":{}}"#, &["data", "amount"], EventErrorKind::Field),
        (br#"{"data":"#, &["data"], EventErrorKind::Syntax),
        (b"[]", &["data"], EventErrorKind::NotAnObject),
    ] {
        let error = read_payload::<u64>(body, path).unwrap_err();
        assert_eq!(kind_of(&error), kind, "{error}");
    }
}

/// serde's own error quotes the value, which is body.
#[test]
fn neither_a_payloads_error_nor_its_cause_repeats_the_body() {
    let error = read_payload::<u64>(br#"{"data":"hunter2"}"#, &["data"]).unwrap_err();
    let all = format!("{:?} {error:?}", chain(&error));
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn secrets_that_do_not_fit_a_scheme_are_said_once() {
    let scheme = standard_webhooks::scheme();
    let secrets = Secrets::new("not base64!").unwrap();
    let error = verify(&scheme, &secrets, &HeaderMap::new(), b"{}").unwrap_err();
    assert_eq!(error.kind(), SignatureErrorKind::Secret);
    let cause = error.secret_error().unwrap();
    assert_eq!(cause.kind(), SecretErrorKind::Encoding);
    assert_says_once(&error, cause);

    let error = scheme.sign(&secrets, b"{}").unwrap_err();
    assert_says_once(&error, error.secret_error().unwrap());

    let error = Square::new("https://example.com/webhooks", "").unwrap_err();
    assert_says_once(&error, error.secret_error().unwrap());
}

#[test]
fn a_wrong_signature_has_no_cause() {
    let secrets = Secrets::new("sshhhhhh").unwrap();
    let error = verify(&scheme(), &secrets, &HeaderMap::new(), b"{}").unwrap_err();
    assert_eq!((error.secret_error(), chain(&error).len()), (None, 1));
}

#[test]
fn a_provider_that_cannot_have_tenants_has_no_cause() {
    let no_secrets = |_: Tenant| std::future::ready(Ok::<_, BoxError>(None));
    let error = described("sshhhhhh")
        .unwrap()
        .per_tenant(TenantOf::body_field("a..b", 100), no_secrets)
        .unwrap_err();
    assert_eq!(chain(&error), [error.to_string()]);
}
