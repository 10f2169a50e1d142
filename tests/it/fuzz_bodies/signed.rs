//! Lists of tags, signed times and signed ids, beside a second statement of their rules and ring's HMAC.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use tower_webhook::{
    paddle,
    signature::{Scheme, Secrets, SignatureErrorKind as Kind, Verifier, verify_at},
    slack, standard_webhooks, stripe,
};

use super::{
    Input,
    signature::{from_base64, from_hex, to_base64, to_hex},
};

const KEY: &[u8] = b"8f742231b10e8888abcd99yyyzzz85a5";
const NOW: u64 = 1_700_000_000;

/// A sender's rules, stated a second time.
struct Rules {
    scheme: fn() -> Scheme,
    secret: &'static str,
    tag: &'static str,
    /// Separator and label; without them the header is the label and the tag.
    list: Option<u8>,
    label: &'static [u8],
    base64: bool,
    time: Place,
    id: Option<&'static str>,
    /// What is signed, for an id, a time and a body.
    content: Content,
    tolerance: u64,
}

type Content = fn(&[u8], &[u8], &[u8]) -> Vec<u8>;
/// Tags, id and time.
type Claims = (Vec<Vec<u8>>, Vec<u8>, Vec<u8>);

enum Place {
    Header(&'static str),
    Item(&'static [u8]),
}

const SENDERS: [Rules; 4] = [
    Rules {
        scheme: stripe::scheme,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        tag: "stripe-signature",
        list: Some(b','),
        label: b"v1=",
        base64: false,
        time: Place::Item(b"t="),
        id: None,
        content: |_, time, body| [time, b".", body].concat(),
        tolerance: 300,
    },
    Rules {
        scheme: paddle::scheme,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        tag: "paddle-signature",
        list: Some(b';'),
        label: b"h1=",
        base64: false,
        time: Place::Item(b"ts="),
        id: None,
        content: |_, time, body| [time, b":", body].concat(),
        tolerance: 5,
    },
    Rules {
        scheme: slack::scheme,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        tag: "x-slack-signature",
        list: None,
        label: b"v0=",
        base64: false,
        time: Place::Header("x-slack-request-timestamp"),
        id: None,
        content: |_, time, body| [b"v0:", time, b":", body].concat(),
        tolerance: 300,
    },
    Rules {
        scheme: standard_webhooks::scheme,
        secret: "whsec_OGY3NDIyMzFiMTBlODg4OGFiY2Q5OXl5eXp6ejg1YTU=",
        tag: "webhook-signature",
        list: Some(b' '),
        label: b"v1,",
        base64: true,
        time: Place::Header("webhook-timestamp"),
        id: Some("webhook-id"),
        content: |id, time, body| [id, b".", time, b".", body].concat(),
        tolerance: 300,
    },
];

impl Rules {
    fn tag_of(&self, id: &[u8], time: &[u8], body: &[u8]) -> Vec<u8> {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, KEY);
        let tag = ring::hmac::sign(&key, &(self.content)(id, time, body));
        tag.as_ref().to_vec()
    }

    /// The text of a tag in its header, with its label.
    fn text(&self, id: &[u8], time: &[u8], body: &[u8]) -> Vec<u8> {
        let tag = self.tag_of(id, time, body);
        let text = if self.base64 { to_base64(&tag) } else { to_hex(&tag) };
        [self.label, &text].concat()
    }

    /// `None` where the request is not even of the form.
    fn claims(&self, headers: &HeaderMap) -> Option<Claims> {
        let only = |name: &str| match headers.get_all(name).iter().collect::<Vec<_>>()[..] {
            [value, ref others @ ..] if others.iter().all(|other| *other == value) => Some(value.as_bytes().to_vec()),
            _ => None,
        };
        let value = only(self.tag)?;
        let items: Vec<&[u8]> = match self.list {
            Some(separator) => value.split(|byte| *byte == separator).collect(),
            None => vec![&value],
        };
        let behind =
            |label: &[u8]| -> Vec<&[u8]> { items.iter().filter_map(|item| item.strip_prefix(label)).collect() };
        let tags: Vec<_> = behind(self.label)
            .into_iter()
            .filter_map(|text| if self.base64 { from_base64(text) } else { from_hex(text) })
            .filter(|tag| tag.len() == 32)
            .collect();
        let time = match self.time {
            Place::Header(name) => only(name)?,
            Place::Item(label) => match behind(label)[..] {
                [time] => time.to_vec(),
                _ => return None,
            },
        };
        let id = match self.id {
            Some(name) => only(name)?,
            None => Vec::new(),
        };
        let is_id = self.id.is_none()
            || (1..=255).contains(&id.len()) && id.iter().all(|byte| (b'!'..=b'~').contains(byte) && *byte != b'.');
        let is_time = (1..=11).contains(&time.len())
            && time.iter().all(u8::is_ascii_digit)
            && (time.len() == 1 || time[0] != b'0');
        (items.len() <= 16 && !tags.is_empty() && is_id && is_time).then_some((tags, id, time))
    }
}

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let rules = &SENDERS[input.below(SENDERS.len())];
    let mut recipe = Input::new(input.chunk());
    let off = u64::from(recipe.byte());
    let signed_at = if recipe.one_in(2) { NOW - off } else { NOW + off };
    let body = input.rest();

    // A right request, then changes.
    let mut time = signed_at.to_string().into_bytes();
    let mut id = b"msg_1".to_vec();
    if recipe.one_in(4) {
        recipe.edit(&mut time);
        recipe.edit(&mut id);
    }
    let right = rules.text(&id, &time, body);
    let mut items = Vec::new();
    for _ in 0..recipe.below(20).saturating_sub(15) {
        let mut item = match recipe.below(4) {
            0 => recipe.chunk().to_vec(),
            1 => rules.text(b"another", &time, body),
            2 => [b"v0=".as_slice(), &right].concat(),
            _ => right.clone(),
        };
        recipe.edit(&mut item);
        items.push(item);
    }
    items.push(right);
    if let Place::Item(label) = rules.time {
        items.insert(recipe.below(items.len() + 1), [label, &time].concat());
    }
    let separator = [rules.list.unwrap_or(b',')];
    let mut value = items.join(&separator[..]);
    if recipe.one_in(3) {
        recipe.edit(&mut value);
    }
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &[u8], times: usize| {
        // Three is two that differ.
        for place in 0..times.min(2) {
            let value = [value, if times == 3 && place == 1 { b"0" } else { b"" }].concat();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
    };
    put(rules.tag, &value, recipe.pick(&[1, 1, 1, 1, 1, 0, 2, 3]));
    if let Place::Header(name) = rules.time {
        put(name, &time, recipe.pick(&[1, 1, 1, 1, 1, 0, 2, 3]));
    }
    if let Some(name) = rules.id {
        put(name, &id, recipe.pick(&[1, 1, 1, 1, 1, 0, 2, 3]));
    }

    let scheme = (rules.scheme)();
    let secrets = Secrets::new(rules.secret).unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    let found = verify_at(&scheme, &secrets, &headers, body, now);
    let claims = rules.claims(&headers);
    let is_signed = claims
        .as_ref()
        .is_some_and(|(tags, id, time)| tags.contains(&rules.tag_of(id, time, body)));
    let seconds = |text: &[u8]| std::str::from_utf8(text).unwrap().parse::<u64>().unwrap();
    let is_fresh = claims
        .as_ref()
        .is_some_and(|(_, _, time)| seconds(time).abs_diff(NOW) <= rules.tolerance);
    match &found {
        Ok(_) => assert!(is_signed && is_fresh, "{headers:?}"),
        // What is known of its time is known after its MAC alone.
        Err(error) if error.kind() == Kind::Timestamp => assert!(is_signed && !is_fresh, "{headers:?}"),
        Err(error) if error.kind() == Kind::Mismatch => assert!(claims.is_some() && !is_signed, "{headers:?}"),
        Err(error) => assert!(claims.is_none(), "{error} {headers:?}"),
    }

    // In pieces, and in no other way than at once.
    let pieces = Verifier::new(&scheme, &secrets)
        .unwrap()
        .begin(&headers)
        .and_then(|mut verification| {
            let (one, other) = body.split_at(recipe.up_to(body.len()));
            verification.update(one);
            verification.update(other);
            verification.finish(now)
        });
    assert_eq!(pieces, found, "{headers:?}");
    if let (Some((_, id, _)), Some(_)) = (&claims, rules.id) {
        assert_eq!(scheme.signed_id(&headers).map(str::as_bytes), Some(&**id));
    }
}
