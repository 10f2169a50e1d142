//! Requests as a provider signs them, and as nobody should.

use std::{fmt, time::SystemTime};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use tower_webhook::signature::{Scheme, Secrets};

use super::{Event, Key, Provider, Text, Time};
use crate::{failure::Failure, wire::Request};

/// A provider with a secret.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) provider: &'static Provider,
    pub(crate) scheme: Scheme,
    /// The address that the provider was given, which some sign.
    url: String,
    secret: String,
    secrets: Secrets,
    key: Vec<u8>,
}

/// Without the secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("provider", &self.provider.name)
            .finish_non_exhaustive()
    }
}

/// The signed parts of a request besides its body.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) id: String,
    pub(crate) time: String,
    pub(crate) body: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    /// How many bytes a MAC has.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Signer {
    pub(crate) fn new(provider: &'static Provider, url: &str, secret: &str) -> Result<Self, Failure> {
        let scheme = (provider.scheme)(url);
        let unusable = |error: &dyn fmt::Display| Failure::usage(format!("the secret is unusable: {error}"));
        let secrets = Secrets::new(secret).map_err(|error| unusable(&error))?;
        // A secret of another form is refused here, before anything is sent.
        scheme.sign(&secrets, b"").map_err(|error| unusable(&error))?;
        let key = match provider.shape.key {
            Key::AsIs => secret.as_bytes().to_vec(),
            Key::Base64 => {
                let text = secret.strip_prefix("whsec_").unwrap_or(secret).trim_end_matches('=');
                STANDARD_NO_PAD.decode(text).map_err(|error| unusable(&error))?
            }
        };
        Ok(Self {
            provider,
            scheme,
            url: url.to_owned(),
            secret: secret.to_owned(),
            secrets,
            key,
        })
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The header of the signature.
    pub(crate) fn header(&self) -> &str {
        self.scheme.headers().first().map_or("", |name| name.as_str())
    }

    /// The event as its provider posts it.
    pub(crate) fn request(&self, event: &Event) -> Result<Request, Failure> {
        let body = serde_json::to_vec(&(self.provider.event)(event))
            .map_err(|error| Failure::caused_by("the event cannot be written", &error))?;
        self.request_with(event, body.into())
    }

    /// A request for this event with another body.
    pub(crate) fn request_with(&self, event: &Event, body: Bytes) -> Result<Request, Failure> {
        let signed = self.signature(&event.id, event.sent, &body)?;
        let mut request = Request::post(body);
        request.append("content-type", "application/json");
        for (name, value) in (self.provider.headers)(event) {
            if !value.is_empty() {
                request.set(name, value);
            }
        }
        for (name, value) in &signed {
            request.append(name.as_str(), value.as_bytes());
        }
        Ok(request)
    }

    /// The headers of the signature.
    pub(crate) fn signature(&self, id: &str, time: SystemTime, body: &[u8]) -> Result<HeaderMap, Failure> {
        let signed = self.scheme.sign_at(&self.secrets, id, time, body);
        signed.map_err(|error| Failure::usage(error.to_string()))
    }

    /// Reads the claims from the headers and the body of a request.
    pub(crate) fn claims(&self, request: &Request) -> Claims {
        let text = |name: &str| {
            let value = request.header(name).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        let time = match self.provider.shape.time {
            Time::Unsigned => String::new(),
            Time::Header(name) => text(name),
            Time::Item(label) => {
                let list = text(self.header());
                let behind = list.split_once(label).map_or("", |(_, behind)| behind);
                behind.split([',', ';', ' ']).next().unwrap_or_default().to_owned()
            }
        };
        Claims {
            id: self.provider.shape.id.map(text).unwrap_or_default(),
            time,
            body: request.body.clone(),
        }
    }

    /// Puts these claims and this tag into a request, in the places that the provider has for them.
    pub(crate) fn put(&self, request: &mut Request, claims: &Claims, tag: &str) {
        let shape = &self.provider.shape;
        request.body = claims.body.clone();
        if let Some(name) = shape.id {
            request.set(name, claims.id.as_str());
        }
        if let Time::Header(name) = shape.time {
            request.set(name, claims.time.as_str());
        }
        let value = shape.value.replace("{time}", &claims.time).replace("{tag}", tag);
        request.set(self.header(), value);
    }

    /// The tag as the provider would write it.
    pub(crate) fn tag(&self, claims: &Claims) -> String {
        self.write(&self.mac(self.provider.shape.hash, &self.key, claims))
    }

    pub(crate) fn write(&self, mac: &[u8]) -> String {
        match self.provider.shape.text {
            Text::Hex => hex::encode(mac),
            Text::Base64 => STANDARD.encode(mac),
        }
    }

    /// The tag in a request, in the provider's own form.
    pub(crate) fn tag_in(&self, request: &Request) -> String {
        self.tag(&self.claims(request))
    }

    /// The MAC over these claims, with any key and any hash.
    pub(crate) fn mac(&self, hash: Hash, key: &[u8], claims: &Claims) -> Vec<u8> {
        mac(hash, key, &self.content(claims))
    }

    fn content(&self, claims: &Claims) -> Vec<u8> {
        let parts: [(&str, &[u8]); 4] = [
            ("{id}", claims.id.as_bytes()),
            ("{time}", claims.time.as_bytes()),
            ("{url}", self.url.as_bytes()),
            ("{body}", &claims.body),
        ];
        let (mut content, mut rest) = (Vec::new(), self.provider.shape.content);
        while let Some(letter) = rest.chars().next() {
            match parts.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, part)) => {
                    content.extend_from_slice(part);
                    rest = rest.strip_prefix(name).unwrap_or_default();
                }
                None => {
                    content.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = rest.strip_prefix(letter).unwrap_or_default();
                }
            }
        }
        content
    }

    /// The texts that no response to a request may hold: the secret, and the right tag in any
    /// writing.
    pub(crate) fn confidential(&self, request: &Request) -> Vec<(&'static str, String)> {
        let mac = self.mac(self.provider.shape.hash, &self.key, &self.claims(request));
        let mut texts = vec![
            ("the expected tag", hex::encode(&mac)),
            ("the expected tag", STANDARD_NO_PAD.encode(&mac)),
            ("the expected tag", URL_SAFE_NO_PAD.encode(&mac)),
        ];
        // A short one could be part of any text.
        if self.secret.len() >= 12 {
            texts.push(("the secret", self.secret.clone()));
            texts.push(("the secret", hex::encode(&self.key)));
        }
        texts
    }

    /// The bytes of an HMAC with the provider's key over other bytes than a body.
    pub(crate) fn mac_of(&self, bytes: &[u8]) -> Vec<u8> {
        mac(self.provider.shape.hash, &self.key, bytes)
    }
}

fn mac(hash: Hash, key: &[u8], content: &[u8]) -> Vec<u8> {
    fn over<M: Mac + KeyInit>(key: &[u8], content: &[u8]) -> Vec<u8> {
        // HMAC takes keys of any length.
        let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
            return Vec::new();
        };
        mac.update(content);
        mac.finalize().into_bytes().to_vec()
    }
    match hash {
        Hash::Sha1 => over::<Hmac<sha1::Sha1>>(key, content),
        Hash::Sha256 => over::<Hmac<sha2::Sha256>>(key, content),
        Hash::Sha512 => over::<Hmac<sha2::Sha512>>(key, content),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn signer(name: &str) -> Signer {
        let provider = Provider::named(name).unwrap();
        let secret = match provider.shape.key {
            Key::AsIs => "a secret for the tests of this machine",
            Key::Base64 => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        };
        Signer::new(provider, "https://example.com/hooks", secret).unwrap()
    }

    #[test]
    fn the_table_signs_as_the_crate_does() {
        for name in Provider::names() {
            let signer = signer(name);
            let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            let event = Event {
                id: "msg_1".to_owned(),
                topic: signer.provider.usual_topic.to_owned(),
                created: time,
                sent: time,
            };
            let request = signer.request(&event).unwrap();
            let claims = signer.claims(&request);
            let mut again = request.clone();
            signer.put(&mut again, &claims, &signer.tag(&claims));
            assert_eq!(again.headers, request.headers, "{name}");
            if signer.scheme.signs_timestamp() {
                assert_eq!(claims.time, "1700000000", "{name}");
            }
            assert_eq!(signer.scheme.signs_id(), claims.id == "msg_1", "{name}");
        }
    }

    #[test]
    fn a_secret_is_in_no_error_and_in_no_debug_output() {
        let provider = Provider::named("svix").unwrap();
        let error = Signer::new(provider, "", "whsec_hunter2!").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(!format!("{:?}", signer("svix")).contains("MfKQ9"));
    }
}
