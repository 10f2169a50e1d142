//! The signature header, beside ring's HMAC and decoders that share nothing with ours but the RFCs.

use http::{HeaderMap, HeaderName, HeaderValue};
use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets, SignatureErrorKind as Kind, Verifier, verify_at};

use super::Input;

const NAMES: [&str; 3] = ["x-signature", "x-old-signature", "x-other"];

/// How a tag is written, stated a second time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Text {
    Hex,
    HexUpper,
    Base64,
    Base64Url,
}

impl Text {
    const ALL: [Self; 4] = [Self::Hex, Self::HexUpper, Self::Base64, Self::Base64Url];

    fn encoding(self) -> Encoding {
        match self {
            Self::Hex => Encoding::Hex,
            Self::HexUpper => Encoding::HexUpper,
            Self::Base64 => Encoding::Base64,
            Self::Base64Url => Encoding::Base64Url,
        }
    }

    pub(crate) fn write(self, tag: &[u8]) -> Vec<u8> {
        match self {
            Self::Hex => to_hex(tag),
            Self::HexUpper => to_hex(tag).to_ascii_uppercase(),
            Self::Base64 => to_base64(tag),
            Self::Base64Url => {
                let text = to_base64(tag);
                let letters = text.into_iter().filter(|letter| *letter != b'=');
                letters.map(|letter| swap(letter, b"+/", b"-_")).collect()
            }
        }
    }

    pub(crate) fn read(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hex => from_hex(text),
            Self::HexUpper if text.iter().any(u8::is_ascii_lowercase) => None,
            Self::HexUpper => from_hex(&text.to_ascii_lowercase()),
            Self::Base64 => from_base64(text),
            Self::Base64Url if text.iter().any(|letter| b"+/=".contains(letter)) => None,
            Self::Base64Url => {
                let mut text: Vec<_> = text.iter().map(|letter| swap(*letter, b"-_", b"+/")).collect();
                text.extend(b"===".iter().take(text.len().next_multiple_of(4) - text.len()));
                from_base64(&text)
            }
        }
    }
}

fn swap(letter: u8, from: &[u8; 2], to: &[u8; 2]) -> u8 {
    let position = from.iter().position(|known| *known == letter);
    position.map_or(letter, |position| to[position])
}

/// A scheme, stated a second time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) names: &'static [&'static str],
    pub(crate) sha512: bool,
    pub(crate) text: Text,
    pub(crate) prefix: &'static str,
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

impl Form {
    fn scheme(&self) -> Scheme {
        let algorithm = if self.sha512 {
            Algorithm::HmacSha512
        } else {
            Algorithm::HmacSha256
        };
        let encoding = self.text.encoding();
        let mut names = self.names.iter().map(|name| HeaderName::from_static(name));
        let scheme = Scheme::new(names.next().unwrap(), algorithm, encoding)
            .prefix(HeaderValue::from_static(self.prefix))
            .signed_content(&format!("{}{{body}}{}", self.before, self.after))
            .unwrap();
        names.fold(scheme, Scheme::or_header)
    }

    fn tag(&self, secret: &[u8], body: &[u8]) -> Vec<u8> {
        let algorithm = if self.sha512 {
            ring::hmac::HMAC_SHA512
        } else {
            ring::hmac::HMAC_SHA256
        };
        let signed = [self.before.as_bytes(), body, self.after.as_bytes()].concat();
        ring::hmac::sign(&ring::hmac::Key::new(algorithm, secret), &signed)
            .as_ref()
            .to_vec()
    }

    /// The right tag as a text, without the prefix.
    fn text(&self, secret: &[u8], body: &[u8]) -> Vec<u8> {
        self.text.write(&self.tag(secret, body))
    }

    /// The tag that the headers claim, or what is wrong with them: all that is known before the
    /// body.
    pub(crate) fn claimed(&self, headers: &HeaderMap) -> Result<Vec<u8>, Kind> {
        let values = self
            .names
            .iter()
            .map(|name| headers.get_all(*name).iter().collect::<Vec<_>>());
        let values = values
            .into_iter()
            .find(|values| !values.is_empty())
            .ok_or(Kind::Missing)?;
        let value = values[0];
        if values.iter().any(|other| *other != value) {
            return Err(Kind::Repeated);
        }
        if value.as_bytes() == b"" {
            return Err(Kind::Empty);
        }
        let text = value
            .as_bytes()
            .strip_prefix(self.prefix.as_bytes())
            .ok_or(Kind::Malformed)?;
        let length = if self.sha512 { 64 } else { 32 };
        match self.text.read(text) {
            Some(tag) if tag.len() == length => Ok(tag),
            _ if text.len() == 40 && text.iter().all(|byte| byte.is_ascii_hexdigit()) => Err(Kind::Sha1),
            _ => Err(Kind::Malformed),
        }
    }

    /// Which secret signed, or what is wrong.
    pub(crate) fn verdict(&self, secrets: &[&[u8]], headers: &HeaderMap, body: &[u8]) -> Result<usize, Kind> {
        let claimed = self.claimed(headers)?;
        let signer = secrets.iter().position(|secret| self.tag(secret, body) == claimed);
        signer.ok_or(Kind::Mismatch)
    }

    /// A header's value: usually the right one, often nearly. `None` where no server hands it on.
    pub(crate) fn value(&self, input: &mut Input<'_>, secrets: &[&[u8]], body: &[u8]) -> Option<HeaderValue> {
        let secret = secrets[input.below(secrets.len())];
        let prefix = self.prefix.as_bytes();
        let mut value = match input.below(16) {
            // one bit of one digit
            12..15 => {
                let mut text = self.text(secret, body);
                let at = input.below(text.len());
                text[at] ^= 1 << input.below(7);
                [prefix, &text].concat()
            }
            5 => {
                let mut text = self.text(secret, body);
                let lower = text.iter().any(u8::is_ascii_lowercase);
                if lower {
                    text.make_ascii_uppercase()
                } else {
                    text.make_ascii_lowercase()
                }
                [prefix, &text].concat()
            }
            6 => [prefix, &self.text(secret, &[body, b" "].concat())].concat(),
            7 => input.chunk().to_vec(),
            8 => [
                prefix,
                &Self {
                    text: input.pick(&Text::ALL),
                    ..*self
                }
                .text(secret, body),
            ]
            .concat(),
            9 => [
                prefix,
                &Self {
                    sha512: !self.sha512,
                    ..*self
                }
                .text(secret, body),
            ]
            .concat(),
            10 => self.text(secret, body),
            // as long as a SHA-1 tag
            11 => [prefix, &to_hex(&self.tag(secret, body)[..20])].concat(),
            _ => [prefix, &self.text(secret, body)].concat(),
        };
        input.edit(&mut value);
        HeaderValue::from_bytes(&value).ok()
    }
}

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let form = Form {
        names: &NAMES[..1 + input.below(2)],
        sha512: input.one_in(2),
        text: input.pick(&Text::ALL),
        prefix: input.pick(&["", "sha256=", "v0=", "v1,", "a"]),
        before: input.pick(&["", "v0:", "https://receiver.example/hook"]),
        after: input.pick(&["", ".", ":after"]),
    };
    let secrets: Vec<_> = (0..=input.below(3))
        .map(|index| match input.below(24) {
            0 => ["the first secret", "the second secret", "the third secret"][index].as_bytes(),
            1..5 => b"the first secret",
            length => input.bytes(length),
        })
        .collect();
    // What is no secret as a text is a key as bytes, unless it is empty.
    let known = Secrets::several(secrets.iter().copied());
    let Ok(known) = known.or_else(|_| Secrets::raw_keys(secrets.iter().copied())) else {
        assert!(secrets.iter().any(|secret| secret.is_empty()), "{secrets:?}");
        return;
    };
    let mut recipe = Input::new(input.chunk());
    let mut cuts = Input::new(input.chunk());
    let body = input.rest();

    let mut headers = HeaderMap::new();
    for _ in 0..=recipe.below(4).saturating_sub(1) {
        let name = NAMES[recipe.pick(&[0, 0, 0, 1, 2])];
        if let Some(value) = form.value(&mut recipe, &secrets, body) {
            headers.append(name, value);
        }
    }
    let (scheme, now) = (form.scheme(), std::time::SystemTime::UNIX_EPOCH);
    let verdict = verify_at(&scheme, &known, &headers, body, now);
    let found = verdict
        .as_ref()
        .map(|verified| verified.secret_index())
        .map_err(|error| error.kind());
    let expected = form.verdict(&secrets, &headers, body);
    assert_eq!(found, expected, "{form:?} {headers:?}");

    // However the body is cut, and no later than the headers can tell.
    let pieces = match Verifier::new(&scheme, &known).unwrap().begin(&headers) {
        Err(error) => Err(error),
        Ok(mut verification) => {
            assert!(form.claimed(&headers).is_ok(), "{form:?} {headers:?}");
            let mut rest = body;
            while !rest.is_empty() {
                let length = match cuts.byte() {
                    0 => rest.len(),
                    length => rest.len().min(length.into()),
                };
                verification.update(&rest[..length]);
                rest = &rest[length..];
            }
            verification.finish(now)
        }
    };
    assert_eq!(pieces, verdict, "{form:?} {headers:?}");

    let ours = scheme.sign(&known, body).unwrap();
    let right = [form.prefix.as_bytes(), &form.text(secrets[0], body)].concat();
    assert_eq!(ours[form.names[0]].as_bytes(), right, "{form:?}");
    assert_eq!(form.verdict(&secrets, &ours, body), Ok(0), "{form:?}");

    // A refusal that tells the right tag would let its reader forge.
    if let Err(error) = verdict {
        let told = format!("{error} {error:?}");
        for secret in &secrets {
            let tag = form.tag(secret, body);
            for text in [to_hex(&tag), to_base64(&tag), format!("{tag:?}").into()] {
                assert!(!told.contains(std::str::from_utf8(&text).unwrap()), "{told}");
            }
        }
    }
}

pub(crate) fn to_hex(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect()
}

pub(crate) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| b"0123456789abcdef".iter().position(|digit| *digit == byte);
    let pair = |pair: &[u8]| match *pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    text.chunks(2).map(pair).collect()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn to_base64(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | usize::from(three.get(at).copied().unwrap_or_default())
        });
        for place in 0..4 {
            let letter = BASE64[bits >> (18 - 6 * place) & 63];
            text.push(if place <= three.len() { letter } else { b'=' });
        }
    }
    text
}

/// RFC 4648, section 4, with the checks that section 3.5 leaves open: padding, and zeros in the
/// bits that no byte uses.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let letters = text.split(|byte| *byte == b'=').next()?;
    let padding = text.len() - letters.len();
    if !text.len().is_multiple_of(4) || padding > 2 || text[letters.len()..].iter().any(|byte| *byte != b'=') {
        return None;
    }
    let mut bits = Vec::new();
    for letter in letters {
        let value = BASE64.iter().position(|known| known == letter)?;
        bits.extend((0..6).rev().map(|at| value >> at & 1));
    }
    let (whole, spare) = bits.split_at(bits.len() / 8 * 8);
    let bytes = whole
        .chunks(8)
        .map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | *bit as u8));
    spare.iter().all(|bit| *bit == 0).then(|| bytes.collect())
}
