//! The mistakes by name, for programs.

use std::fmt;

use super::{bodies::BodyChange, explanation::Finding, keys::KeyChange};

/// Which mistake explains a refused signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExplanationKind {
    /// The signature is right as it is: something else refused the request.
    NotRefused,
    /// There is whitespace around the secret, a newline say: here, or at the provider's.
    SecretWhitespace,
    /// There are quotes around the secret: here, or at the provider's.
    SecretQuotes,
    /// The secret's prefix is part of the key, or is not.
    SecretPrefix,
    /// The secret is base64 or hex and one side decodes it, the other does not.
    SecretEncoding,
    /// One of the other secrets that were given to [`Explain::also`](super::Explain::also) matches.
    OtherSecret,
    /// The request is one of another provider that was given to
    /// [`Explain::also`](super::Explain::also).
    OtherProvider,
    /// The body was parsed and printed again.
    BodyReserialized,
    /// A newline or other whitespace at the body's end was added or lost, or its line ends changed.
    BodyWhitespace,
    /// The body was decoded as text: a byte order mark was added or lost, or its letters changed.
    BodyText,
    /// The body lost its last byte, or has one more.
    BodyByte,
    /// The body was compressed after it was signed.
    BodyCompressed,
    /// The body was decompressed on its way.
    BodyDecompressed,
    /// The body has not the length that `Content-Length` says.
    BodyLength,
    /// The tag is in another header.
    Header,
    /// The tag is written in another encoding, or stands in its header in another form.
    Encoding,
    /// The tag is one of HMAC-SHA1, which is not accepted.
    Sha1,
    /// The tag is one of another algorithm.
    Algorithm,
    /// Something else is signed besides the body.
    SignedContent,
    /// The signed time is in another unit.
    TimeUnit,
    /// The signature is right, but its time is outside the window.
    Clock,
    /// No header of the request holds a tag.
    NoTag,
    /// None of the usual mistakes matches. The secret is another, or the body is.
    Unknown,
}

impl ExplanationKind {
    /// A name for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotRefused => "not-refused",
            Self::SecretWhitespace => "secret-whitespace",
            Self::SecretQuotes => "secret-quotes",
            Self::SecretPrefix => "secret-prefix",
            Self::SecretEncoding => "secret-encoding",
            Self::OtherSecret => "other-secret",
            Self::OtherProvider => "other-provider",
            Self::BodyReserialized => "body-reserialized",
            Self::BodyWhitespace => "body-whitespace",
            Self::BodyText => "body-text",
            Self::BodyByte => "body-byte",
            Self::BodyCompressed => "body-compressed",
            Self::BodyDecompressed => "body-decompressed",
            Self::BodyLength => "body-length",
            Self::Header => "header",
            Self::Encoding => "encoding",
            Self::Sha1 => "sha1",
            Self::Algorithm => "algorithm",
            Self::SignedContent => "signed-content",
            Self::TimeUnit => "time-unit",
            Self::Clock => "clock",
            Self::NoTag => "no-tag",
            Self::Unknown => "unknown",
        }
    }
}

/// The word of [`as_str`](ExplanationKind::as_str).
impl fmt::Display for ExplanationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Finding {
    pub(super) fn kind(&self) -> ExplanationKind {
        match self {
            Self::NotRefused => ExplanationKind::NotRefused,
            Self::Key(change) => match change {
                KeyChange::Trimmed | KeyChange::Newline | KeyChange::CrLf => ExplanationKind::SecretWhitespace,
                KeyChange::Unquoted | KeyChange::Quoted => ExplanationKind::SecretQuotes,
                KeyChange::NoPrefix | KeyChange::WithPrefix => ExplanationKind::SecretPrefix,
                KeyChange::Text
                | KeyChange::Base64
                | KeyChange::Hex
                | KeyChange::AsBase64
                | KeyChange::AsHex
                | KeyChange::NoPrefixBase64 => ExplanationKind::SecretEncoding,
            },
            Self::Body(change) => match change {
                BodyChange::Printed(..) | BodyChange::Escaped(_) => ExplanationKind::BodyReserialized,
                BodyChange::NewlineAdded
                | BodyChange::SpaceAdded
                | BodyChange::NewlineLost
                | BodyChange::CrLfLost
                | BodyChange::ToCrLf
                | BodyChange::ToLf => ExplanationKind::BodyWhitespace,
                BodyChange::BomAdded | BodyChange::BomLost | BodyChange::Recoded => ExplanationKind::BodyText,
                BodyChange::ByteAdded | BodyChange::ByteLost => ExplanationKind::BodyByte,
                BodyChange::Compressed => ExplanationKind::BodyCompressed,
                BodyChange::Decompressed(_) => ExplanationKind::BodyDecompressed,
            },
            Self::Content(_) => ExplanationKind::SignedContent,
            Self::OtherSecret(_) => ExplanationKind::OtherSecret,
            Self::OtherProvider(_) => ExplanationKind::OtherProvider,
            Self::Header { .. } => ExplanationKind::Header,
            Self::Writing { .. } | Self::Form(_) => ExplanationKind::Encoding,
            Self::Sha1(_) => ExplanationKind::Sha1,
            Self::Algorithm { .. } => ExplanationKind::Algorithm,
            Self::TimeUnit(_) => ExplanationKind::TimeUnit,
            Self::Clock { .. } => ExplanationKind::Clock,
        }
    }
}
