//! Lists of tags, signed times and signed ids, beside a second statement of their rules and ring's
//! HMAC.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use tower_webhook::{
    paddle,
    signature::{
        Algorithm, Encoding, Scheme, Secrets, SignatureErrorKind as Kind, TimestampFormat, Verifier, verify_at,
    },
    slack, standard_webhooks, stripe,
};

use super::{Input, signature::Text};

const KEY: &[u8] = b"8f742231b10e8888abcd99yyyzzz85a5";
const NOW: u64 = 1_700_000_000;

/// A provider's rules, stated a second time.
struct Rules {
    scheme: fn() -> Scheme,
    secret: &'static str,
    tag: &'static str,
    /// Separator and label; without them the header is the label and the tag.
    list: Option<&'static [u8]>,
    label: &'static [u8],
    text: Text,
    time: FieldPath,
    form: TimeForm,
    id: Option<&'static str>,
    /// What is signed, for an id, a time and a body.
    content: Content,
    tolerance: u64,
}

type Content = fn(&[u8], &[u8], &[u8]) -> Vec<u8>;
/// Tags, id and time.
type Claims = (Vec<Vec<u8>>, Vec<u8>, Vec<u8>);

/// How a time is written, with how many digits at least and at most.
#[derive(Clone, Copy)]
enum TimeForm {
    Seconds(usize, usize),
    Milliseconds(usize, usize),
    Rfc3339,
}

impl TimeForm {
    fn write(self, seconds: u64, more: u8) -> Vec<u8> {
        match self {
            Self::Seconds(..) => seconds.to_string().into_bytes(),
            Self::Milliseconds(..) => format!("{seconds}{more:03}").into_bytes(),
            Self::Rfc3339 => {
                // NOW is 2023-11-14T22:13:20Z, and nothing here is farther from it than 255
                // seconds.
                let of_hour = 13 * 60 + 20 + seconds - NOW;
                let (minute, second) = (of_hour / 60, of_hour % 60);
                match more % 4 {
                    0 => format!("2023-11-14T22:{minute:02}:{second:02}Z"),
                    1 => format!("2023-11-14T22:{minute:02}:{second:02}.{more}Z"),
                    2 => format!("2023-11-15T00:{minute:02}:{second:02}.{more:03}+02:00"),
                    _ => format!("2023-11-14T21:{minute:02}:{second:02}-01:00"),
                }
                .into_bytes()
            }
        }
    }

    /// In seconds, if it is of the form.
    fn read(self, text: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(text).ok()?;
        let digits = |least, most| {
            let is_number = (least..=most).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && (text.len() == 1 || !text.starts_with('0'));
            is_number.then(|| text.parse::<u64>().unwrap())
        };
        match self {
            Self::Seconds(least, most) => digits(least, most),
            Self::Milliseconds(least, most) => digits(least, most).map(|number| number / 1000),
            Self::Rfc3339 => {
                let is_form = |text: &str, form: &str| {
                    text.len() == form.len()
                        && text.bytes().zip(form.bytes()).all(|(byte, place)| match place {
                            b'0' => byte.is_ascii_digit(),
                            _ => byte == place,
                        })
                };
                let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
                let rest = text.get(19..).filter(|_| is_form(&text[..19], "0000-00-00T00:00:00"))?;
                let [year, month, day] = [number(0..4), number(5..7), number(8..10)];
                let [hour, minute, second] = [number(11..13), number(14..16), number(17..19)];
                let offset = match rest.strip_prefix('.') {
                    Some(fraction) => fraction.trim_start_matches(|letter: char| letter.is_ascii_digit()),
                    None => rest,
                };
                if offset.len() + 1 == rest.len() && rest.starts_with('.') || text.len() > 35 {
                    return None;
                }
                let east = match offset {
                    "Z" => 0,
                    _ if is_form(offset, "+00:00") || is_form(offset, "-00:00") => {
                        let (hours, minutes): (i64, i64) =
                            (offset[1..3].parse().unwrap(), offset[4..].parse().unwrap());
                        if hours > 23 || minutes > 59 {
                            return None;
                        }
                        let minutes = hours * 60 + minutes;
                        if offset.starts_with('+') { minutes } else { -minutes }
                    }
                    _ => return None,
                };
                let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
                let lengths = [
                    31,
                    if is_leap { 29 } else { 28 },
                    31,
                    30,
                    31,
                    30,
                    31,
                    31,
                    30,
                    31,
                    30,
                    31,
                ];
                let is_date = (1..=12).contains(&month) && (1..=lengths[month as usize - 1]).contains(&day);
                if year < 1970 || !is_date || hour > 23 || minute > 59 || second > 60 {
                    return None;
                }
                let before = |year: i64| year * 365 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
                let days = before(year) - before(1970) + lengths[..month as usize - 1].iter().sum::<i64>() + day - 1;
                // A leap second counts as the one before it.
                let seconds = ((days * 24 + hour) * 60 + minute - east) * 60 + second.min(59);
                u64::try_from(seconds).ok()
            }
        }
    }
}

enum FieldPath {
    Header(&'static str),
    Item(&'static [u8]),
}

fn custom(header: &'static str, encoding: Encoding) -> Scheme {
    Scheme::new(HeaderName::from_static(header), Algorithm::HmacSha256, encoding)
}

const MINUTE: Duration = Duration::from_secs(60);

fn box_() -> Scheme {
    custom("box-signature-primary", Encoding::Base64)
        .timestamp_header(HeaderName::from_static("box-delivery-timestamp"), MINUTE)
        .timestamp_format(TimestampFormat::Rfc3339)
        .and_then(|scheme| scheme.signed_content("{body}{timestamp}"))
        .unwrap()
}

fn twitch() -> Scheme {
    custom("twitch-eventsub-message-signature", Encoding::Hex)
        .prefix(HeaderValue::from_static("sha256="))
        .id_header(HeaderName::from_static("twitch-eventsub-message-id"))
        .timestamp_header(HeaderName::from_static("twitch-eventsub-message-timestamp"), MINUTE)
        .timestamp_format(TimestampFormat::Rfc3339)
        .and_then(|scheme| scheme.signed_content("{id}{timestamp}{body}"))
        .unwrap()
}

fn ghost() -> Scheme {
    custom("x-ghost-signature", Encoding::HexUpper)
        .list(", ", "sha256=")
        .and_then(|scheme| scheme.timestamp_item("t=", MINUTE))
        .and_then(|scheme| scheme.timestamp_format(TimestampFormat::Milliseconds))
        .and_then(|scheme| scheme.signed_content("{body}{timestamp}"))
        .unwrap()
}

fn close() -> Scheme {
    custom("close-sig-hash", Encoding::Base64Url)
        .timestamp_header(HeaderName::from_static("close-sig-timestamp"), MINUTE)
        .signed_content("{timestamp}{body}")
        .unwrap()
}

const PROVIDERS: [Rules; 8] = [
    Rules {
        scheme: stripe::scheme,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        tag: "stripe-signature",
        list: Some(b","),
        label: b"v1=",
        text: Text::Hex,
        time: FieldPath::Item(b"t="),
        form: TimeForm::Seconds(1, 11),
        id: None,
        content: |_, time, body| [time, b".", body].concat(),
        tolerance: 300,
    },
    Rules {
        scheme: paddle::scheme,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        tag: "paddle-signature",
        list: Some(b";"),
        label: b"h1=",
        text: Text::Hex,
        time: FieldPath::Item(b"ts="),
        form: TimeForm::Seconds(1, 11),
        id: None,
        content: |_, time, body| [time, b":", body].concat(),
        tolerance: 4 * 24 * 3600,
    },
    Rules {
        scheme: slack::scheme,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        tag: "x-slack-signature",
        list: None,
        label: b"v0=",
        text: Text::Hex,
        time: FieldPath::Header("x-slack-request-timestamp"),
        form: TimeForm::Seconds(1, 11),
        id: None,
        content: |_, time, body| [b"v0:", time, b":", body].concat(),
        tolerance: 300,
    },
    Rules {
        scheme: standard_webhooks::scheme,
        secret: "whsec_OGY3NDIyMzFiMTBlODg4OGFiY2Q5OXl5eXp6ejg1YTU=",
        tag: "webhook-signature",
        list: Some(b" "),
        label: b"v1,",
        text: Text::Base64,
        time: FieldPath::Header("webhook-timestamp"),
        form: TimeForm::Seconds(1, 11),
        id: Some("webhook-id"),
        content: |id, time, body| [id, b".", time, b".", body].concat(),
        tolerance: 300,
    },
    Rules {
        scheme: box_,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        tag: "box-signature-primary",
        list: None,
        label: b"",
        text: Text::Base64,
        time: FieldPath::Header("box-delivery-timestamp"),
        form: TimeForm::Rfc3339,
        id: None,
        content: |_, time, body| [body, time].concat(),
        tolerance: 60,
    },
    Rules {
        scheme: twitch,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        tag: "twitch-eventsub-message-signature",
        list: None,
        label: b"sha256=",
        text: Text::Hex,
        time: FieldPath::Header("twitch-eventsub-message-timestamp"),
        form: TimeForm::Rfc3339,
        id: Some("twitch-eventsub-message-id"),
        content: |id, time, body| [id, time, body].concat(),
        tolerance: 60,
    },
    Rules {
        // But for the case of its digits, as Ghost signs.
        scheme: ghost,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        tag: "x-ghost-signature",
        list: Some(b", "),
        label: b"sha256=",
        text: Text::HexUpper,
        time: FieldPath::Item(b"t="),
        form: TimeForm::Milliseconds(13, 13),
        id: None,
        content: |_, time, body| [body, time].concat(),
        tolerance: 60,
    },
    Rules {
        // But for the encoding, as Close signs.
        scheme: close,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        tag: "close-sig-hash",
        list: None,
        label: b"",
        text: Text::Base64Url,
        time: FieldPath::Header("close-sig-timestamp"),
        form: TimeForm::Seconds(10, 10),
        id: None,
        content: |_, time, body| [time, body].concat(),
        tolerance: 60,
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
        let text = self.text.write(&self.tag_of(id, time, body));
        [self.label, &text].concat()
    }

    fn end_of_id(&self) -> u8 {
        if self.tag.starts_with("twitch") { b':' } else { b'.' }
    }

    /// `None` where the request is not even of the form.
    fn claims(&self, headers: &HeaderMap) -> Option<Claims> {
        let only = |name: &str| match headers.get_all(name).iter().collect::<Vec<_>>()[..] {
            [value, ref others @ ..] if others.iter().all(|other| *other == value) => Some(value.as_bytes().to_vec()),
            _ => None,
        };
        let value = only(self.tag)?;
        let items: Vec<&[u8]> = match self.list {
            Some([separator]) => value.split(|byte| byte == separator).collect(),
            Some(separator) => {
                let mut items: Vec<&[u8]> = value.split(|byte| *byte == separator[0]).collect();
                for item in items.iter_mut().skip(1) {
                    *item = item.strip_prefix(&separator[1..]).unwrap_or_default();
                }
                items
            }
            None => vec![&value],
        };
        let behind =
            |label: &[u8]| -> Vec<&[u8]> { items.iter().filter_map(|item| item.strip_prefix(label)).collect() };
        let tags: Vec<_> = behind(self.label)
            .into_iter()
            .filter_map(|text| self.text.read(text))
            .filter(|tag| tag.len() == 32)
            .collect();
        let time = match self.time {
            FieldPath::Header(name) => only(name)?,
            FieldPath::Item(label) => match behind(label)[..] {
                [time] => time.to_vec(),
                _ => return None,
            },
        };
        let id = match self.id {
            Some(name) => only(name)?,
            None => Vec::new(),
        };
        let is_id = self.id.is_none()
            || (1..=255).contains(&id.len())
                && id
                    .iter()
                    .all(|byte| (b'!'..=b'~').contains(byte) && *byte != self.end_of_id());
        let is_time = self.form.read(&time).is_some();
        (items.len() <= 16 && !tags.is_empty() && is_id && is_time).then_some((tags, id, time))
    }
}

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let rules = &PROVIDERS[input.below(PROVIDERS.len())];
    let mut recipe = Input::new(input.chunk());
    let off = u64::from(recipe.byte());
    let signed_at = if recipe.one_in(2) { NOW - off } else { NOW + off };
    let body = input.rest();

    // A right request, then changes.
    let mut time = rules.form.write(signed_at, recipe.byte());
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
    if let FieldPath::Item(label) = rules.time {
        items.insert(recipe.below(items.len() + 1), [label, &time].concat());
    }
    let mut value = items.join(rules.list.unwrap_or(b","));
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
    if let FieldPath::Header(name) = rules.time {
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
    let seconds = |text: &[u8]| rules.form.read(text).unwrap();
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
