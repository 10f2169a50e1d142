//! What a tenant may be called, and where a request names it.

use http::Request;
use proptest::prelude::*;
use tower_webhook::{
    event::{EventId, Tenant},
    provider::tenant::TenantOf,
};

use super::TENANT;

#[test]
fn a_name_is_visible_ascii_without_a_slash_and_not_too_long() {
    for good in ["a", "acme", "Acme-1.eu_west", "!~", &"x".repeat(64)] {
        assert_eq!(Tenant::new(good).unwrap().as_str(), good);
    }
    for (bad, says) in [
        ("", "is empty"),
        ("a/b", "position 1"),
        ("a b", "position 1"),
        ("a\n", "position 1"),
        ("é", "position 0"),
        (&"x".repeat(65), "has 65 bytes"),
    ] {
        let error = Tenant::new(bad).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("; expected 1 to 64"), "{error}");
        assert!(bad.len() < 4 || !error.contains(bad), "{error}");
    }
}

/// An id as events have them, often long, often with slashes.
fn ids() -> impl Strategy<Value = EventId> {
    prop_oneof![
        "[a/]{1,6}",
        "[a-c/]{180,255}",
        Just("/".repeat(255)),
        Just("sha256:0".to_owned())
    ]
    .prop_map(|id| EventId::new(&id).unwrap())
}

proptest! {
    #[test]
    fn no_two_events_have_one_key(a in "[ab]{1,3}|[ab]{60,64}", b in "[ab]{1,3}|[ab]{60,64}", x in ids(), y in ids()) {
        let (a, b) = (Tenant::new(a).unwrap(), Tenant::new(b).unwrap());
        let (kept_a, kept_b) = (a.id_of(&x), b.id_of(&y));
        prop_assert_eq!(kept_a == kept_b, (&a, &x) == (&b, &y));
        prop_assert_eq!(Tenant::of_id(&kept_a), Some(a));
        prop_assert!(EventId::new(kept_a.as_str()).is_ok());
    }
}

#[test]
fn the_digest_of_a_long_id_is_no_other_id() {
    let acme = Tenant::new("acme").unwrap();
    let long = acme.id_of(&EventId::new(&"x".repeat(255)).unwrap());
    let (_, rest) = long.as_str().split_once('/').unwrap();
    assert!(rest.starts_with('/') && rest.len() == 65, "{rest}");
    // An event whose id is that text is another one.
    let posing = EventId::new(rest).unwrap();
    assert_ne!(acme.id_of(&posing), long);
    // The longest that is kept as it is.
    let whole = EventId::new(&"x".repeat(250)).unwrap();
    assert_eq!(acme.id_of(&whole).as_str(), format!("acme/{whole}"));
}

fn named(tenant_of: &TenantOf, request: http::request::Builder) -> Option<String> {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    tenant_of.in_head(&parts).map(|tenant| tenant.to_string())
}

#[test]
fn a_header_names_one_tenant_or_none() {
    let of = TenantOf::header(TENANT);
    let request = || Request::post("/");
    assert_eq!(named(&of, request().header(TENANT, "acme")).as_deref(), Some("acme"));
    let twice = request().header(TENANT, "acme").header(TENANT, "acme");
    assert_eq!(named(&of, twice).as_deref(), Some("acme"));
    let differing = request().header(TENANT, "acme").header(TENANT, "umbrella");
    assert_eq!(named(&of, differing), None);
    for bad in ["", "a/b", "a b", "\u{e9}"] {
        let value = http::HeaderValue::from_bytes(bad.as_bytes()).unwrap();
        assert_eq!(named(&of, request().header(TENANT, value)), None, "{bad}");
    }
    assert_eq!(named(&of, request()), None);
}

#[test]
fn a_segment_of_the_path_names_the_tenant() {
    let at = |position, path: &str| named(&TenantOf::path_segment(position), Request::post(path));
    assert_eq!(at(0, "/acme/stripe?x=y").as_deref(), Some("acme"));
    assert_eq!(at(1, "/webhooks/acme").as_deref(), Some("acme"));
    assert_eq!(at(2, "/webhooks/acme"), None);
    assert_eq!(at(1, "/webhooks/"), None, "an empty segment");
    // Not decoded: whoever gives out the addresses gives out names that need no escapes.
    assert_eq!(at(0, "/a%2Fb").as_deref(), Some("a%2Fb"));
    let last = |path: &str| named(&TenantOf::last_path_segment(), Request::post(path));
    assert_eq!(last("/webhooks/acme?a/b").as_deref(), Some("acme"));
    assert_eq!(last("/"), None);
}
