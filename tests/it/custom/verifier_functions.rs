//! A signature that is no HMAC: Ed25519, by a function.

#![cfg(test)] // for clippy

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use tower_webhook::{
    delivery_log::{DeliveryLogFilter, DeliveryLogReader as _, MemoryLog},
    event::{Event as _, EventError, from_json},
    provider::{Handshake, Provider},
    signature::{SecretErrorKind, SignatureError, SignatureErrorKind, Verified, Verifier, check_time},
};

use super::*;

const TAG: &str = "x-signature-ed25519";
const TIME: &str = "x-signature-timestamp";
const TOLERANCE: Duration = Duration::from_secs(300);

#[derive(Clone, Deserialize)]
struct Interaction {
    id: EventId,
    name: String,
}

impl tower_webhook::event::Event for Interaction {
    fn id(&self) -> Option<&EventId> {
        Some(&self.id)
    }
    fn topic(&self) -> &str {
        &self.name
    }
}

struct Chat(Verifier);

impl Provider for Chat {
    type Event = Interaction;

    fn name(&self) -> &str {
        "chat"
    }
    fn verifier(&self) -> &Verifier {
        &self.0
    }
    fn event(&self, _: &HeaderMap, body: &Bytes) -> Result<Interaction, EventError> {
        from_json(body)
    }
    fn signature_window(&self) -> Option<Duration> {
        Some(TOLERANCE)
    }
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(3), HOUR)
    }
}

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn verifier() -> Verifier {
    let public = UnparsedPublicKey::new(&ED25519, key().public_key().as_ref().to_owned());
    Verifier::from_fn([name(TAG), name(TIME)], move |headers, body, now| {
        let malformed = |what: &'static str| SignatureError::new(SignatureErrorKind::Malformed, what);
        let tag = hex::decode(headers[TAG].as_bytes()).map_err(|_| malformed("the tag is not hex"))?;
        let signed = [headers[TIME].as_bytes(), body].concat();
        public
            .verify(&signed, &tag)
            .map_err(|_| SignatureError::new(SignatureErrorKind::Mismatch, "the tag is of other bytes"))?;
        let seconds = headers[TIME].to_str().ok().and_then(|text| text.parse().ok());
        let time = seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        check_time(time, now, TOLERANCE)
    })
}

fn sent(body: &str, ago: u64) -> Request<Full<Bytes>> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let time = (now - ago).to_string();
    let tag = hex::encode(key().sign([time.as_bytes(), body.as_bytes()].concat().as_slice()));
    Request::post("/")
        .header(TAG, tag)
        .header(TIME, time)
        .body(Full::from(body.to_owned()))
        .unwrap()
}

/// A provider whose code panics on an event of this name.
struct Clumsy(Verifier);

impl Provider for Clumsy {
    type Event = Interaction;

    fn name(&self) -> &str {
        "clumsy"
    }
    fn verifier(&self) -> &Verifier {
        &self.0
    }
    fn event(&self, _: &HeaderMap, body: &Bytes) -> Result<Interaction, EventError> {
        let event: Interaction = from_json(body)?;
        assert_ne!(event.name, "read", "on purpose");
        Ok(event)
    }
    fn handshake(&self, event: &Interaction, _: Verified) -> Result<Option<Handshake>, EventError> {
        assert_ne!(event.name, "shake", "on purpose");
        Ok(None)
    }
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(3), HOUR)
    }
}

#[tokio::test]
async fn a_provider_that_panics_gets_a_response_that_asks_for_a_retry() {
    let verifier = Verifier::from_fn([], |_, body, _| {
        assert!(!body.ends_with(b"verify\"}"), "on purpose");
        Ok(())
    });
    let log = MemoryLog::new(10);
    let layer = WebhookLayer::builder(Clumsy(verifier), MemoryStore::new())
        .delivery_log(log.clone())
        .build()
        .unwrap();
    let service = layer.topics(TopicRouter::new().on("fine", async |_: Interaction| ()));
    for (name, status) in [("verify", 500), ("read", 500), ("shake", 500), ("fine", 200)] {
        let body = Bytes::from(format!(r#"{{"id":"1","name":"{name}"}}"#));
        let request = Request::post("/").body(Full::new(body));
        let response = service.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        let refusal = response.extensions().get::<Refusal>();
        let kind = refusal.map(Refusal::kind);
        assert_eq!(kind, (status == 500).then_some(RefusalKind::ProviderPanicked), "{name}");
        if let Some(refusal) = refusal {
            assert!(refusal.reason().contains("on purpose"), "{refusal}");
        }
    }
    let logged = log.list(&DeliveryLogFilter::new(), None, 10).await.unwrap();
    assert_eq!(logged.len(), 4);
}

#[test]
fn explaining_is_refused_where_there_is_no_scheme_to_explain_by() {
    let secrets = tower_webhook::signature::Secrets::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
    let builder = WebhookLayer::builder(Chat(verifier()), MemoryStore::new());
    let error = builder.explain_refusals(secrets, 10).build().unwrap_err().to_string();
    assert!(
        error.starts_with("explain_refusals is set, and chat verifies with a function of its own"),
        "{error}"
    );
}

#[tokio::test]
async fn a_provider_that_signs_with_ed25519_is_received_as_any_other() {
    let seen = Seen::default();
    let topics = TopicRouter::with_state(seen.clone()).on("deploy", async |seen: Seen, event: Interaction| {
        seen.note(event.id().unwrap().as_str());
    });
    let layer = WebhookLayer::new(Chat(verifier()), MemoryStore::new());
    let service = layer.topics(topics);
    let body = r#"{"id":"1","name":"deploy"}"#;
    let good = sent(body, 0);
    let edited = |edit: fn(&mut HeaderMap)| {
        let mut request = sent(body, 0);
        edit(request.headers_mut());
        request
    };
    let hex = HeaderValue::from_static("00");
    let other = edited(|headers| {
        headers.append(TAG, HeaderValue::from_static("00"));
    });
    let mut short = sent(body, 0);
    short.headers_mut().insert(TAG, hex);
    for (request, status, reason) in [
        (good.clone(), 200, None),
        (good.clone(), 200, None),
        (
            good.map(|_| Full::from(body.replace("deploy", "delete"))),
            401,
            Some("mismatch"),
        ),
        (short, 401, Some("mismatch")),
        (
            edited(|headers| {
                headers.remove(TAG);
            }),
            401,
            Some("missing"),
        ),
        (
            edited(|headers| {
                headers.insert(TIME, HeaderValue::from_static(""));
            }),
            401,
            Some("empty"),
        ),
        (other, 401, Some("repeated")),
        (
            edited(|headers| {
                headers.insert(TAG, HeaderValue::from_static("xyz"));
            }),
            401,
            Some("malformed"),
        ),
        (sent(body, 400), 401, Some("timestamp")),
    ] {
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{reason:?}");
    }
    assert_eq!(seen.0.lock().unwrap().clone(), ["1"]);
    let error = layer.secrets_handle().rotate("a secret of the wrong kind").unwrap_err();
    assert_eq!(error.kind(), SecretErrorKind::NoScheme);
}

#[test]
fn a_function_sees_the_headers_and_the_whole_body_however_it_arrives() {
    let verifier = verifier();
    let request = sent("one body, two frames", 0);
    let now = SystemTime::now();
    let mut verification = verifier.begin(request.headers()).unwrap();
    verification.update(b"one body, ");
    verification.update(b"two frames");
    let _ = verification.finish(now).unwrap();
    let verification = verifier.begin(request.headers()).unwrap();
    assert_eq!(
        verification.finish(now).unwrap_err().kind(),
        SignatureErrorKind::Mismatch
    );
    let _ = verifier
        .verify_at(request.headers(), b"one body, two frames", now)
        .unwrap();
    let kinds = |edit: fn(&mut HeaderMap)| {
        let mut headers = request.headers().clone();
        edit(&mut headers);
        verifier.begin(&headers).unwrap_err().kind()
    };
    let missing = kinds(|headers| {
        headers.remove(TIME);
    });
    let repeated = kinds(|headers| {
        headers.append(TIME, HeaderValue::from_static("1"));
    });
    assert_eq!(
        (missing, repeated),
        (SignatureErrorKind::Missing, SignatureErrorKind::Repeated)
    );
    assert!(verifier.scheme().is_none() && verifier.shortest_secret().is_none());
    let refused = verifier.sign(b"{}").unwrap_err().to_string();
    assert_eq!(
        refused,
        "the verifier is a function; expected one that is keyed with a scheme's secrets"
    );
    assert!(format!("{verifier:?}").contains(TAG));
}
