//! Keys that the provider may sign with, where this receiver has its secret in another form.

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use zeroize::Zeroizing;

/// Copied by hand, by any library: padding or not, the last digit's spare bits whatever they are.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// How the provider's key differs from the secret here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyChange {
    /// The text's own bytes, where the scheme decodes it.
    Text,
    Trimmed,
    Unquoted,
    Quoted,
    Newline,
    CrLf,
    Base64,
    Hex,
    /// The text of the bytes in base64, where the secret here is those bytes.
    AsBase64,
    AsHex,
    /// Without what stands before its first `_`, or the next ones.
    NoPrefix,
    NoPrefixBase64,
    WithPrefix,
}

use KeyChange::{
    AsBase64, AsHex, Base64, CrLf, Hex, Newline, NoPrefix, NoPrefixBase64, Quoted, Text, Trimmed, Unquoted, WithPrefix,
};

type Key = Zeroizing<Vec<u8>>;

/// How many beginnings up to a `_` are taken for a prefix.
const PREFIXES: usize = 3;

/// The keys that this secret may stand for at the provider. At most 17.
pub(super) fn forms(secret: &[u8]) -> Vec<(KeyChange, Key)> {
    let mut forms = vec![(Text, copy(secret))];
    let mut add = |change, key: Option<Key>| {
        // An empty key would match for everybody.
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            forms.push((change, key));
        }
    };
    let trimmed = trim(secret);
    let unquoted = unquote(trimmed);
    add(Trimmed, (trimmed.len() < secret.len()).then(|| copy(trimmed)));
    add(Unquoted, unquoted.map(copy));
    let bare = unquoted.unwrap_or(trimmed);
    add(Newline, Some(joined(&[secret, b"\n"])));
    add(CrLf, Some(joined(&[secret, b"\r\n"])));
    add(Quoted, Some(joined(&[b"\"", bare, b"\""])));
    add(Base64, from_base64(bare));
    add(Hex, from_hex(bare));
    let mut rest = bare;
    for _ in 0..PREFIXES {
        let Some(end) = rest.iter().position(|byte| *byte == b'_') else {
            break;
        };
        rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        // What is left of a prefix alone is no secret.
        if rest.len() >= 8 {
            add(NoPrefix, Some(copy(rest)));
            add(NoPrefixBase64, from_base64(rest));
        }
    }
    if !bare.starts_with(b"whsec_") {
        add(WithPrefix, Some(joined(&[b"whsec_", bare])));
    }
    add(AsBase64, Some(text(general_purpose::STANDARD.encode(secret))));
    add(AsHex, Some(text(hex::encode(secret))));
    forms
}

fn copy(bytes: &[u8]) -> Key {
    Zeroizing::new(bytes.to_vec())
}

fn joined(parts: &[&[u8]]) -> Key {
    Zeroizing::new(parts.concat())
}

fn text(text: String) -> Key {
    Zeroizing::new(text.into_bytes())
}

/// Without whitespace around it, a no-break space included.
fn trim(secret: &[u8]) -> &[u8] {
    match std::str::from_utf8(secret) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => secret.trim_ascii(),
    }
}

fn unquote(text: &[u8]) -> Option<&[u8]> {
    [b'"', b'\'', b'`']
        .into_iter()
        .find_map(|quote| text.strip_prefix(&[quote])?.strip_suffix(&[quote]))
}

fn from_base64(text: &[u8]) -> Option<Key> {
    [&STANDARD, &URL_SAFE].into_iter().find_map(|alphabet| {
        // Room that is wiped, also where it turns out to be no base64.
        let mut key = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
        let length = GeneralPurpose::new(alphabet, LENIENT)
            .decode_slice(text, &mut key)
            .ok()?;
        key.truncate(length);
        Some(key)
    })
}

fn from_hex(text: &[u8]) -> Option<Key> {
    hex::decode(text).ok().map(Zeroizing::new)
}

impl KeyChange {
    /// The words that follow "the signature matches".
    pub(super) fn matches(self) -> &'static str {
        match self {
            Text => "the secret's own text as the key",
            Trimmed => "the secret without the whitespace around it",
            Unquoted => "the secret without the quotes around it",
            Quoted => "the secret with quotes around it",
            Newline => "the secret with a newline behind it",
            CrLf => "the secret with CRLF behind it",
            Base64 => "the bytes that the secret is base64 of",
            Hex => "the bytes that the secret is hex of",
            AsBase64 => "the base64 text of the secret",
            AsHex => "the hex text of the secret",
            NoPrefix => "the secret without its prefix",
            NoPrefixBase64 => "the bytes that the secret is base64 of behind its prefix",
            WithPrefix => "the secret with `whsec_` before it",
        }
    }

    /// Advice on how to mend it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Text => "the provider does not decode its secret; use a scheme without `base64_secrets`",
            Trimmed => "trim the secret where it is read",
            Unquoted => "take the quotes away where the secret is set (an env file keeps them)",
            Quoted => "the provider was given the quotes, too; set the secret there again without them",
            Newline | CrLf => {
                "the provider was given a line end, too (`echo` without -n, say); set the secret there again without it, \
                 and make sure that it has none here"
            }
            Base64 => "the provider decodes its secret; use a scheme with `base64_secrets`, or the decoded bytes",
            Hex => "the provider decodes its secret; use the bytes that it stands for as the secret here",
            AsBase64 => "the provider's key is the text; use the secret here as the provider shows it, not decoded",
            AsHex => "the provider's key is the text; use the secret here as the provider shows it, not decoded",
            NoPrefix => "leave the prefix out of the secret here",
            NoPrefixBase64 => {
                "the provider decodes its secret behind the prefix; use a scheme with `base64_secrets` and that prefix"
            }
            WithPrefix => "use the whole of the secret here, as the provider shows it, with its prefix",
        }
    }
}
