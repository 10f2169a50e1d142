//! Tags as text.

use std::fmt;

use base64::{
    Engine as _,
    engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD},
};

use super::mac::{MAX_TAG, Tag};

/// The MAC of a scheme: one, fixed by the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256: a tag of 32 bytes.
    HmacSha256,
    /// HMAC with SHA-512: a tag of 64 bytes.
    HmacSha512,
}

impl Algorithm {
    pub(super) fn tag_length(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacSha256 => "HMAC-SHA256",
            Self::HmacSha512 => "HMAC-SHA512",
        })
    }
}

/// How a tag is written as text. Each tag has exactly one accepted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Lower-case hex digits.
    Hex,
    /// Upper-case hex digits.
    HexUpper,
    /// The standard base64 alphabet with padding.
    Base64,
    /// The URL-safe base64 alphabet (`-` and `_` for `+` and `/`) without padding.
    Base64Url,
}

impl Encoding {
    pub(super) fn length(self, algorithm: Algorithm) -> usize {
        match self {
            Self::Hex | Self::HexUpper => algorithm.tag_length() * 2,
            Self::Base64 => algorithm.tag_length().div_ceil(3) * 4,
            Self::Base64Url => (algorithm.tag_length() * 8).div_ceil(6),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hex => "lower-case hex",
            Self::HexUpper => "upper-case hex",
            Self::Base64 => "standard base64 with padding",
            Self::Base64Url => "URL-safe base64 without padding",
        })
    }
}

/// Why a text is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTag {
    Sha1,
    Length,
    Encoding,
}

/// Reads a tag from exactly its text.
pub(super) fn decode(text: &[u8], algorithm: Algorithm, encoding: Encoding) -> Result<Tag, NoTag> {
    let length = algorithm.tag_length();
    if text.len() != encoding.length(algorithm) {
        let sha1 = text.len() == 40 && text.iter().all(u8::is_ascii_hexdigit);
        return Err(if sha1 { NoTag::Sha1 } else { NoTag::Length });
    }
    match encoding {
        Encoding::Hex => decode_hex::<b'a'>(text),
        Encoding::HexUpper => decode_hex::<b'A'>(text),
        Encoding::Base64 => decode_base64(&STANDARD, text, length),
        Encoding::Base64Url => decode_base64(&URL_SAFE_NO_PAD, text, length),
    }
    .ok_or(NoTag::Encoding)
}

/// Strict: the padding must be there or not, as the engine says, and trailing bits must be zero.
fn decode_base64(engine: &GeneralPurpose, text: &[u8], length: usize) -> Option<Tag> {
    // base64 wants room for what the padding could have been.
    let mut bytes = [0; MAX_TAG + 2];
    let read = engine.decode_slice(text, &mut bytes).ok();
    read.filter(|read| *read == length)
        .map(|length| Tag::new(bytes.get(..length).unwrap_or_default()))
}

pub(super) fn encode(tag: &Tag, algorithm: Algorithm, encoding: Encoding) -> String {
    let bytes = tag.to_bytes(algorithm.tag_length());
    match encoding {
        Encoding::Hex => hex::encode(bytes),
        Encoding::HexUpper => hex::encode_upper(bytes),
        Encoding::Base64 => STANDARD.encode(bytes),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
    }
}

/// Digits of one case alone, that of `TEN`, the letter for ten: were both taken, a changed header
/// would still verify. Eight digits at a time, without a branch on one: digit by digit this took a
/// fifth of the time of a usual body's MAC.
fn decode_hex<const TEN: u8>(text: &[u8]) -> Option<Tag> {
    /// This byte eight times.
    const fn each(byte: u8) -> u64 {
        u64::from_be_bytes([byte; 8])
    }
    let mut words = [0; MAX_TAG / 8];
    let mut wrong = 0;
    for (word, pair) in words.iter_mut().zip(text.as_chunks::<16>().0) {
        for half in pair.as_chunks::<8>().0 {
            let letters = u64::from_be_bytes(*half);
            // A digit's value is in its low half, that of a letter (which has 0x40) nine below.
            let values = (letters & each(0x0f)) + ((letters & each(0x40)) >> 6) * 9;
            // Each value has one text, which must be what was read.
            let above_nine = ((values + each(6)) >> 4) & each(1);
            wrong |= (values + each(b'0') + above_nine * u64::from(TEN - b'0' - 10)) ^ letters | values & each(0xf0);
            // Eight values of half a byte: together four bytes.
            let bytes = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
            let bytes = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
            *word = *word << 32 | (bytes | bytes >> 16) & 0xffff_ffff;
        }
    }
    (wrong == 0).then(|| Tag::from_words(words))
}

#[cfg(test)]
mod tests {
    use subtle::ConstantTimeEq as _;

    use super::*;

    /// Every byte at every place of two digits: 16 are digits, all others are refused.
    #[test]
    fn a_digit_is_one_of_sixteen_and_stands_for_its_value() {
        for (digits, encoding) in [
            ("0123456789abcdef", Encoding::Hex),
            ("0123456789ABCDEF", Encoding::HexUpper),
        ] {
            let text = digits.repeat(4).into_bytes();
            for place in [0, 7, 8, 31, 62, 63] {
                for byte in 0..=u8::MAX {
                    let mut text = text.clone();
                    text[place] = byte;
                    let expected = hex::decode(&text).ok().filter(|_| digits.as_bytes().contains(&byte));
                    let found = decode(&text, Algorithm::HmacSha256, encoding);
                    match (expected, found) {
                        (Some(bytes), Ok(tag)) => assert!(bool::from(tag.ct_eq(&Tag::new(&bytes)))),
                        (None, Err(NoTag::Encoding)) => {}
                        (expected, found) => panic!("{byte:#x} at {place}: {expected:?}, {}", found.is_ok()),
                    }
                }
            }
        }
    }
}
