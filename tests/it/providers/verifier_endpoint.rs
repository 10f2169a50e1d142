//! A provider's real verifier behind the whole layer, with a parser that accepts any body.

#![cfg(test)] // for clippy

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use tower::ServiceExt as _;
use tower_webhook::{
    MemoryStore, RefusalKind, TopicRouter, WebhookLayer,
    event::{Event, EventError, EventId},
    layer::WebhookService,
    provider::Provider,
    signature::{SignatureError, SignatureErrorKind},
    testing::{FaultyStore, ManualClock, Operation},
};

use super::*;
use crate::endpoint::Answer;

pub(super) type Store = FaultyStore<MemoryStore>;

pub(super) fn store() -> Store {
    FaultyStore::new(MemoryStore::builder().capacity(10_000).build())
}

/// How often the store was called.
pub(super) fn calls(store: &Store) -> usize {
    use Operation::{Claim, Complete, Forget, Get, Release, Renew};
    let all = [Claim, Renew, Complete, Release, Get, Forget];
    all.into_iter().map(|operation| store.calls(operation)).sum()
}

/// A body of whatever bytes, without an id: its digest is the deduplication key.
#[derive(Clone, Debug)]
pub(super) struct AnyBody;

impl Event for AnyBody {
    fn id(&self) -> Option<&EventId> {
        None
    }
    fn topic(&self) -> &str {
        "any"
    }
}

/// A provider's verifier, and any body.
pub(super) struct Any {
    name: &'static str,
    verifier: Verifier,
    parsed: Arc<AtomicUsize>,
}

impl Provider for Any {
    type Event = AnyBody;

    fn name(&self) -> &str {
        self.name
    }
    fn verifier(&self) -> &Verifier {
        &self.verifier
    }
    fn event(&self, _: &HeaderMap, _: &Bytes) -> Result<AnyBody, EventError> {
        self.parsed.fetch_add(1, Ordering::SeqCst);
        Ok(AnyBody)
    }
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(3600))
    }
}

/// A provider's requests, and everything that may judge them.
pub(super) struct VerifierEndpoint {
    pub(super) provider: Described,
    pub(super) verifier: Verifier,
    pub(super) clock: ManualClock,
    pub(super) store: Store,
    parsed: Arc<AtomicUsize>,
    runs: Arc<AtomicUsize>,
    service: WebhookService<Any, Store, TopicRouter<AnyBody>>,
    /// The secret of the tags that are searched for.
    secret: String,
}

impl VerifierEndpoint {
    /// Now, with the secret number 1.
    pub(super) fn of(provider: Described) -> Self {
        Self::with(provider, &provider.secret(1), at(NOW))
    }

    pub(super) fn with(provider: Described, secret: &str, now: SystemTime) -> Self {
        let verifier = (provider.keyed)(secret).unwrap();
        let (store, clock) = (store(), ManualClock::at(now));
        let (parsed, runs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let any = Any {
            name: provider.name,
            verifier: verifier.clone(),
            parsed: Arc::clone(&parsed),
        };
        let counted = Arc::clone(&runs);
        let topics = TopicRouter::new().fallback(move |_: AnyBody| {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(())
        });
        let layer = WebhookLayer::builder(any, store.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        Self {
            provider,
            verifier,
            clock,
            store,
            parsed,
            runs,
            service: layer.topics(topics),
            secret: secret.to_owned(),
        }
    }

    pub(super) async fn send(&self, headers: &HeaderMap, body: &[u8]) -> Answer {
        let request = request(headers.clone(), body);
        Answer::of(self.service.clone().oneshot(request).await.unwrap()).await
    }

    /// The decisions of the function, of the one for bodies in pieces and of the layer must agree.
    fn decide(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), SignatureError> {
        let now = tower_webhook::clock::Clock::now(&self.clock);
        let at_once = self.verifier.verify_at(headers, body, now);
        let in_pieces = self.verifier.begin(headers).and_then(|mut verification| {
            let (one, other) = body.split_at(body.len() / 2);
            verification.update(one);
            verification.update(other);
            verification.finish(now)
        });
        assert_eq!(at_once, in_pieces);
        at_once.map(drop)
    }

    /// The request is authentic, and its handler runs.
    pub(super) async fn accept(&self, what: &str, headers: &HeaderMap, body: &[u8]) {
        let name = self.provider.name;
        let before = self.runs();
        assert_eq!(self.decide(headers, body), Ok(()), "{name}: {what}");
        let answer = self.send(headers, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (200, ""),
            "{name}: {what}"
        );
        assert_eq!(self.runs() - before, 1, "{name}: {what}: runs");
        // The next one may have the same body.
        let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, body));
        let key = tower_webhook::store::Key::new(name, EventId::new(&format!("sha256:{digest}")).unwrap());
        let gone = tower_webhook::store::IdempotencyStore::forget(&self.store, &key).await;
        assert_eq!(gone.unwrap(), tower_webhook::store::Effect::Applied, "{name}: {what}");
    }

    /// The request is refused for this, in a way that helps no forger: 401 with the one body there
    /// is, no parser, no store, no handler, and no tag in anything that is said about it.
    pub(super) async fn refuse(&self, what: &str, headers: &HeaderMap, body: &[u8], kind: SignatureErrorKind) {
        let name = self.provider.name;
        let error = self.refuse_for_any(what, headers, body).await;
        assert_eq!(error.kind(), kind, "{name}: {what}: {error}");
    }

    pub(super) async fn refuse_for_any(&self, what: &str, headers: &HeaderMap, body: &[u8]) -> SignatureError {
        let name = self.provider.name;
        let error = match self.decide(headers, body) {
            Err(error) => error,
            Ok(()) => panic!("{name}: {what}: accepted"),
        };
        let before = (self.parsed(), calls(&self.store), self.runs());
        let answer = self.send(headers, body).await;
        let after = (self.parsed(), calls(&self.store), self.runs());
        assert_eq!(before, after, "{name}: {what}: parsed, store calls, runs");
        answer.assert_refused(401, RefusalKind::Signature);
        assert_eq!(answer.body, UNIFORM, "{name}: {what}");
        let rejection = answer.rejection.clone().unwrap();
        assert_eq!(rejection.reason(), error.to_string(), "{name}: {what}");
        let said = [
            format!("{error} {error:?} {error:#?}"),
            format!("{rejection} {rejection:?}"),
            format!("{} {:?}", answer.body, answer.headers),
        ];
        for said in said {
            self.assert_tells_no_tag(what, &said, headers, body);
        }
        error
    }

    /// No tag that this body could have with the headers' id and time, in any usual form.
    pub(super) fn assert_tells_no_tag(&self, what: &str, said: &str, headers: &HeaderMap, body: &[u8]) {
        let provider = &self.provider;
        let header = |name: &str| headers.get(name).map(|value| value.as_bytes().to_vec());
        let id = provider.id.and_then(header).unwrap_or_default();
        let now = NOW.to_string().into_bytes();
        let time = match provider.time {
            Time::Header(name, _) => header(name).unwrap_or(now),
            Time::Item(label, _) => header(provider.header)
                .and_then(|value| {
                    let text = String::from_utf8(value).ok()?;
                    let from = text.find(label)? + label.len();
                    Some(text[from..].split([',', ';']).next()?.as_bytes().to_vec())
                })
                .unwrap_or(now),
            Time::Unsigned => now,
        };
        let mac = provider.mac(&self.secret, &id, &time, body);
        let lower = said.to_lowercase();
        for tag in [hex::encode(&mac), STANDARD.encode(&mac), URL_SAFE_NO_PAD.encode(&mac)] {
            // A part of it would be as bad.
            let part = &tag[..16];
            assert!(!said.contains(part), "{}: {what}: {said}", provider.name);
            assert!(
                !lower.contains(&part.to_lowercase()),
                "{}: {what}: {said}",
                provider.name
            );
        }
        let bytes = format!("{:?}", &mac[..6]);
        let bytes = bytes.trim_matches(['[', ']']);
        assert!(!said.contains(bytes), "{}: {what}: {said}", provider.name);
        assert!(!said.contains(&self.secret), "{}: {what}: {said}", provider.name);
    }

    pub(super) fn service(&self) -> WebhookService<Any, Store, TopicRouter<AnyBody>> {
        self.service.clone()
    }

    pub(super) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    fn parsed(&self) -> usize {
        self.parsed.load(Ordering::SeqCst)
    }

    /// Neither parser nor store nor handler has heard of anything.
    #[track_caller]
    pub(super) fn assert_untouched(&self) {
        let touched = (self.parsed(), calls(&self.store), self.runs());
        assert_eq!(
            touched,
            (0, 0, 0),
            "{}: (parsed, store calls, handler runs)",
            self.provider.name
        );
    }
}

/// The response to anything that is wrong with a signature.
pub(super) const UNIFORM: &str = r#"{"title":"Unauthorized","status":401,"code":"signature","detail":"The signature could not be verified. The receiver's log says why."}"#;
