//! Tags as text.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

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
    /// The standard base64 alphabet with padding.
    Base64,
}

impl Encoding {
    pub(super) fn length(self, algorithm: Algorithm) -> usize {
        match self {
            Self::Hex => algorithm.tag_length() * 2,
            Self::Base64 => algorithm.tag_length().div_ceil(3) * 4,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hex => "lower-case hex",
            Self::Base64 => "standard base64 with padding",
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
    // base64 wants room for what the padding could have been.
    let mut bytes = [0; MAX_TAG + 2];
    let decoded = match encoding {
        Encoding::Hex => bytes.get_mut(..length).and_then(|bytes| decode_hex(text, bytes)),
        // The strict alphabet with padding; trailing bits must be zero.
        Encoding::Base64 => STANDARD
            .decode_slice(text, &mut bytes)
            .ok()
            .filter(|read| *read == length)
            .map(drop),
    };
    match decoded {
        Some(()) => Ok(Tag::new(bytes.get(..length).unwrap_or_default())),
        None => Err(NoTag::Encoding),
    }
}

pub(super) fn encode(tag: &Tag, algorithm: Algorithm, encoding: Encoding) -> String {
    let bytes = tag.to_bytes(algorithm.tag_length());
    match encoding {
        Encoding::Hex => hex::encode(bytes),
        Encoding::Base64 => STANDARD.encode(bytes),
    }
}

/// Lower-case digits alone: were capitals taken too, a changed header would still verify. Without a branch on a digit, as two of five
/// would be guessed wrong: that would take a fifth of the time of a usual body's MAC.
fn decode_hex(text: &[u8], bytes: &mut [u8]) -> Option<()> {
    const WRONG: u8 = 0x10;
    let digit = |letter: u8| match letter {
        b'0'..=b'9' => letter - b'0',
        b'a'..=b'f' => letter - b'a' + 10,
        _ => WRONG,
    };
    let mut all = 0;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        if let [high, low] = *pair {
            let (high, low) = (digit(high), digit(low));
            all |= high | low;
            *byte = high << 4 | low;
        }
    }
    (all & WRONG == 0).then_some(())
}
