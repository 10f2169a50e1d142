//! Every text in a request's headers that may be a tag, in whatever form and under whatever name.

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderName};

use super::super::mac::{LegacyMac, Tag};

/// Headers that are looked at.
const MAX_HEADERS: usize = 128;

/// The longest value of a header that is looked at.
const LONGEST_VALUE: usize = 2048;

/// Tags that are compared.
const MAX_TAGS: usize = 32;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// How a tag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    Hex,
    UpperHex,
    Base64,
    Base64Unpadded,
    Base64Url,
}

impl Writing {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::UpperHex => "upper-case hex",
            Self::Base64 => "base64",
            Self::Base64Unpadded => "base64 without padding",
            Self::Base64Url => "base64url",
        }
    }
}

/// A text that may be a tag.
pub(super) struct Claimed<'h> {
    pub(super) header: &'h HeaderName,
    pub(super) text: &'h [u8],
    pub(super) writing: Writing,
    /// In bytes.
    pub(super) length: usize,
    pub(super) tag: Tag,
}

/// All of a request, those in the scheme's own headers first.
pub(super) fn of<'h>(headers: &'h HeaderMap, own: &[HeaderName]) -> Vec<Claimed<'h>> {
    let in_own = headers.iter().filter(|(name, _)| own.contains(name));
    let in_others = headers.iter().filter(|(name, _)| !own.contains(name));
    let mut found = Vec::new();
    for (header, value) in in_own.chain(in_others).take(MAX_HEADERS) {
        let value = value.as_bytes();
        if value.len() > LONGEST_VALUE {
            continue;
        }
        for text in pieces(value) {
            if let Some((writing, length, tag)) = read(text) {
                found.push(Claimed {
                    header,
                    text,
                    writing,
                    length,
                    tag,
                });
                if found.len() == MAX_TAGS {
                    return found;
                }
            }
        }
    }
    found
}

/// The items of a value, and what stands in each behind a label such as `sha256=`, `v1:` or `t=`.
fn pieces(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| matches!(byte, b',' | b' ' | b';'))
        .flat_map(|item| {
            let behind = item
                .iter()
                .position(|byte| matches!(byte, b'=' | b':'))
                .and_then(|label| item.get(label.saturating_add(1)..));
            [Some(item), behind].into_iter().flatten()
        })
        .map(|piece| {
            piece
                .strip_prefix(b"\"")
                .and_then(|piece| piece.strip_suffix(b"\""))
                .unwrap_or(piece)
        })
}

fn read(text: &[u8]) -> Option<(Writing, usize, Tag)> {
    const LENGTHS: [usize; 3] = [LegacyMac::TAG_LENGTH, 32, 64];
    let tag = |writing, bytes: Vec<u8>| {
        LENGTHS
            .contains(&bytes.len())
            .then(|| (writing, bytes.len(), Tag::new(&bytes)))
    };
    if let Some(found) = hex::decode(text).ok().and_then(|bytes| {
        let upper = text.iter().any(u8::is_ascii_uppercase);
        tag(if upper { Writing::UpperHex } else { Writing::Hex }, bytes)
    }) {
        return Some(found);
    }
    let decode = |alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(text).ok();
    if let Some(bytes) = decode(&STANDARD) {
        let padded = text.len().is_multiple_of(4);
        return tag(
            if padded {
                Writing::Base64
            } else {
                Writing::Base64Unpadded
            },
            bytes,
        );
    }
    tag(Writing::Base64Url, decode(&URL_SAFE)?)
}
