//! Each provider with tenants, and what cannot have them.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName};
use tower::ServiceExt as _;
use tower_webhook::{
    MemoryStore, Provider, TopicRouter, WebhookLayer,
    custom::{Custom, FieldPath},
    dwolla::Dwolla,
    event::{EventError, EventId, Tenant},
    github::GitHub,
    linear::Linear,
    paddle::Paddle,
    provider::{
        DeliveryPolicy,
        tenant::{PerTenant, TenantOf},
    },
    shopify::Shopify,
    signature::{Algorithm, Encoding, Scheme, SecretErrorKind, Secrets, Verifier},
    slack::Slack,
    square::Square,
    standard_webhooks::StandardWebhooks,
    stripe::Stripe,
    svix::Svix,
    testing::SignedRequest,
    zoom::Zoom,
};

use super::{Source, TENANT, secret};
use crate::endpoint::{Answer, BoxService, Event};

fn by_header<P: Provider>(reader: P, source: &Source) -> BoxService {
    let provider = reader.per_tenant(TenantOf::header(TENANT), source.clone()).unwrap();
    let service = WebhookLayer::new(provider, MemoryStore::new()).topics(TopicRouter::new());
    BoxService::new(service)
}

/// The status of a request that this provider's tenant signs, and of one that names another.
async fn statuses<P: Provider>(reader: P, signer: &impl Provider, secret: &str) -> (u16, u16) {
    let source = Source::of(&["umbrella"]);
    source.set("acme", &[secret]);
    source.set("umbrella", &["C2FVsBQIhrscChlQIMV+b5sSYspob7oE"]);
    let service = by_header(reader, &source);
    let mut statuses = Vec::new();
    for tenant in ["acme", "umbrella"] {
        let request = SignedRequest::of(signer, "{}")
            .unsigned_header(TENANT.as_str(), tenant)
            .build();
        let (parts, body) = request.into_parts();
        let mut request = crate::endpoint::with_body(parts.headers, body);
        *request.uri_mut() = parts.uri;
        let answer = Answer::of(service.clone().oneshot(request).await.unwrap()).await;
        statuses.push(answer.status.as_u16());
    }
    (statuses[0], statuses[1])
}

fn custom() -> tower_webhook::custom::CustomBuilder {
    let header = HeaderName::from_static("x-signature");
    custom_of(Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex))
}

fn custom_of(scheme: Scheme) -> tower_webhook::custom::CustomBuilder {
    Custom::builder("example", scheme)
        .id(FieldPath::body("id"))
        .topic(FieldPath::body("type"))
        .policy(DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(3600)))
}

#[tokio::test(start_paused = true)]
async fn each_provider_can_have_tenants() {
    const SECRET: &str = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"; // base64, too
    const URL: &str = "https://example.com/square";
    let mut seen = Vec::new();
    macro_rules! check {
        ($($reader:expr, $keyed:expr;)+) => {
            $(
                let keyed = $keyed.unwrap();
                // Authentic; `{}` is an event to some, and none to others.
                let (own, other) = statuses($reader, &keyed, SECRET).await;
                assert!([200, 400].contains(&own), "{}: {own}", keyed.name());
                assert_eq!(other, 401, "{}", keyed.name());
                seen.push(keyed.name().to_owned());
            )+
        };
    }
    check! {
        Dwolla::reader(), Dwolla::new(SECRET);
        StandardWebhooks::reader(), StandardWebhooks::new(SECRET);
        Svix::reader(), Svix::new(SECRET);
        Stripe::reader(), Stripe::new(SECRET);
        GitHub::reader(), GitHub::new(SECRET);
        Slack::reader(), Slack::new(SECRET);
        Shopify::reader(), Shopify::new(SECRET);
        Square::reader_at(URL).unwrap(), Square::new(URL, SECRET);
        Square::reader_at("https://example.com/{tenant}/square").unwrap(),
            Square::new("https://example.com/acme/square", SECRET);
        Paddle::reader(), Paddle::new(SECRET);
        Linear::reader(), Linear::new(SECRET);
        Zoom::reader(), Zoom::new(SECRET);
        custom().build_reader().unwrap(), custom().secrets(SECRET).build();
        std::sync::Arc::new(Stripe::reader()), Stripe::new(SECRET);
    }
    assert_eq!(seen.len(), 14);
}

/// The same secret for each, so that nothing but the address tells them apart.
#[tokio::test(start_paused = true)]
async fn a_request_that_was_signed_for_another_tenants_address_is_refused() {
    let secret = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let source = Source::of(&[]);
    source.set("acme", &[secret]);
    source.set("umbrella", &[secret]);
    let timed = |content| {
        let scheme = Scheme::new(
            HeaderName::from_static("x-signature"),
            Algorithm::HmacSha256,
            Encoding::Hex,
        )
        .id_header(HeaderName::from_static("x-id"))
        .timestamp_header(HeaderName::from_static("x-time"), Duration::from_secs(300))
        .signed_content(content)
        .unwrap();
        (custom_of(scheme.clone()).build_reader().unwrap(), scheme)
    };
    let (in_front, in_front_scheme) = timed("https://{tenant}.example.com/hook:{id}.{timestamp}.{body}");
    let (between, between_scheme) = timed("{id}.https://example.com/{tenant}?at={timestamp}:{body}");
    let square = |name: &str| Square::new(&format!("https://example.com/{name}?a={{b}}"), secret).unwrap();
    let custom = |scheme: &Scheme, name: &str| custom_of(scheme.of_tenant(name)).secrets(secret).build().unwrap();
    let (acme, umbrella) = (square("acme"), square("umbrella"));
    let service = by_header(
        Square::reader_at("https://example.com/{tenant}?a={b}").unwrap(),
        &source,
    );
    check_addresses(&service, &acme, &umbrella).await;
    for (reader, scheme) in [(in_front, in_front_scheme), (between, between_scheme)] {
        let (acme, umbrella) = (custom(&scheme, "acme"), custom(&scheme, "umbrella"));
        check_addresses(&by_header(reader, &source), &acme, &umbrella).await;
    }
}

async fn check_addresses(service: &BoxService, acme: &impl Provider, umbrella: &impl Provider) {
    let body = r#"{"id":"1","event_id":"1","type":"payment.created"}"#;
    let status = async |request: SignedRequest, tenant: &str| {
        let (parts, body) = request.unsigned_header(TENANT.as_str(), tenant).build().into_parts();
        let request = crate::endpoint::with_body(parts.headers, body);
        Answer::of(service.clone().oneshot(request).await.unwrap()).await.status
    };
    assert_eq!(status(SignedRequest::of(acme, body), "acme").await, 200);
    assert_eq!(status(SignedRequest::of(umbrella, body), "umbrella").await, 200);
    assert_eq!(status(SignedRequest::of(acme, body), "umbrella").await, 401);
    assert_eq!(status(SignedRequest::of(umbrella, body), "acme").await, 401);
    assert_eq!(status(SignedRequest::of(acme, body), "nobody").await, 401);
}

#[test]
fn a_scheme_that_signs_a_tenants_name_has_no_secrets_without_one() {
    let scheme = Scheme::new(
        HeaderName::from_static("x-signature"),
        Algorithm::HmacSha256,
        Encoding::Hex,
    );
    let named = scheme.clone().signed_content("{tenant}:{body}").unwrap();
    let secrets = Secrets::new("sshhhhhh").unwrap();
    let refused = Verifier::new(&named, &secrets).unwrap_err();
    assert_eq!(refused.kind(), SecretErrorKind::NoTenant);
    assert!(custom_of(named.clone()).secrets("sshhhhhh").build().is_err());
    let of_acme = named.of_tenant("acme");
    let headers = of_acme.sign(&secrets, b"{}").unwrap();
    let as_text = scheme.clone().signed_content("acme:{body}").unwrap();
    assert!(tower_webhook::verify(&as_text, &secrets, &headers, b"{}").is_ok());
    assert_eq!(scheme.of_tenant("acme"), scheme);
    for (content, said) in [
        ("{tenant}{tenant}{body}", "names {tenant} 2 times"),
        ("{body}{tenant}", "{tenant} behind {body}"),
    ] {
        let refused = scheme.clone().signed_content(content).unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
    }
    // Where an id ends is told by text alone: a name is another for each tenant.
    let with_id = scheme.id_header(HeaderName::from_static("x-id"));
    assert!(with_id.signed_content("{id}{tenant}{body}").is_err());
    let refused = Square::reader_at("https://{tenant}.example.com/{tenant}").unwrap_err();
    assert!(refused.to_string().contains("more than once"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn the_secrets_of_a_provider_that_is_no_reader_verify_nothing() {
    let own = Stripe::new("whsec_of_nobody_in_particular").unwrap();
    assert_eq!(statuses(own.clone(), &own, "another secret of acme").await, (401, 401));
}

#[tokio::test(start_paused = true)]
async fn the_readers_tolerance_is_each_tenants() {
    let source = Source::of(&["acme"]);
    let service = by_header(Stripe::reader().with_tolerance(Duration::from_secs(60)), &source);
    let signer = Stripe::new(secret("acme")).unwrap();
    for (ago, status) in [(50, 400), (70, 401)] {
        let request = SignedRequest::of(&signer, "{}")
            .at(SystemTime::now() - Duration::from_secs(ago))
            .unsigned_header(TENANT.as_str(), "acme")
            .build();
        let (parts, body) = request.into_parts();
        let request = crate::endpoint::with_body(parts.headers, body);
        let answer = Answer::of(service.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(answer.status, status, "{ago}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_is_signed_with_the_tenants_secret() {
    let source = Source::of(&["acme", "umbrella"]);
    let service = by_header(Zoom::reader(), &source);
    let body = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    for tenant in ["acme", "umbrella"] {
        let request = SignedRequest::of(&Zoom::new(secret(tenant)).unwrap(), body)
            .unsigned_header(TENANT.as_str(), tenant)
            .build();
        let (parts, body) = request.into_parts();
        let request = crate::endpoint::with_body(parts.headers, body);
        let answer = Answer::of(service.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret(tenant).as_bytes()).unwrap();
        mac.update(b"qgg8vlvZRS6UYooatFL8Aw");
        let tag = hex::encode(mac.finalize().into_bytes());
        assert!(answer.body.contains(&tag), "{tenant}: {}", answer.body);
    }
}

/// Whatever it is signed by is a function.
struct Own(Verifier);

impl Provider for Own {
    type Event = Event;

    fn name(&self) -> &str {
        "own"
    }
    fn verifier(&self) -> &Verifier {
        &self.0
    }
    fn event(&self, _: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        tower_webhook::event::from_json(body)
    }
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(3600))
    }
}

#[test]
fn a_verifier_that_is_a_function_has_no_tenants() {
    let own = Own(Verifier::from_fn([], |_, _, _| Ok(())));
    let error = own.per_tenant(TenantOf::header(TENANT), Source::of(&[])).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the provider's verifier is a function; expected one with a scheme"),
        "{error}"
    );
    let error = Stripe::reader()
        .per_tenant(TenantOf::body_field("", 100), Source::of(&[]))
        .unwrap_err();
    assert!(error.to_string().contains("empty key; expected"), "{error}");
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let provider = || {
        Stripe::reader()
            .per_tenant(TenantOf::header(TENANT), Source::of(&[]))
            .unwrap()
    };
    let says = |provider: PerTenant<Stripe>| {
        WebhookLayer::builder(provider, MemoryStore::new())
            .build()
            .unwrap_err()
            .to_string()
    };
    assert!(says(provider().lookup_timeout(Duration::ZERO)).starts_with("lookup_timeout is zero"));
    assert!(says(provider().lookup_rate(0, 1)).starts_with("lookup_rate is 0 a second"));
    assert!(says(provider().lookup_rate(1, 0)).starts_with("lookup_rate is 1 a second and 0 at once"));
    assert!(says(provider().max_tenants(0)).starts_with("max_tenants is 0"));
    let builder = || WebhookLayer::builder(provider(), MemoryStore::new());
    let error = builder().max_in_flight_per_tenant(0).build().unwrap_err().to_string();
    assert!(error.starts_with("max_in_flight_per_tenant is 0"), "{error}");
    let secrets = tower_webhook::signature::Secrets::new("a secret").unwrap();
    let error = builder().explain_refusals(secrets, 6).build().unwrap_err().to_string();
    assert!(
        error.starts_with("explain_refusals is set, and the provider has tenants"),
        "{error}"
    );
    let plain = || WebhookLayer::builder(Stripe::new("a secret of an endpoint").unwrap(), MemoryStore::new());
    for builder in [plain().max_in_flight_per_tenant(1), plain().count_by_tenant()] {
        let error = builder.build().unwrap_err().to_string();
        assert!(
            error.contains("the provider has no tenants; expected one made with `per_tenant`"),
            "{error}"
        );
    }
    assert!(plain().build().unwrap().tenants_handle().is_none());
    // Nothing of the source's or of a secret's is shown.
    let shown = format!("{:?} {:?}", provider(), builder().build().unwrap().tenants_handle());
    assert!(
        shown.contains("the header `x-tenant`") && !shown.contains("secret"),
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_with_tenants_refuses_every_request() {
    let provider = PerTenant::reader(Stripe::reader()).unwrap();
    let service = WebhookLayer::new(provider, MemoryStore::new()).topics(TopicRouter::new());
    let request = SignedRequest::of(&Stripe::new("a secret of acme").unwrap(), "{}").build();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 401);
    assert_eq!(Tenant::of_id(&EventId::new("evt_1").unwrap()), None);
}
