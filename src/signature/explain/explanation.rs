//! The findings in words. Nothing here could hold a secret, a tag or a body.

use std::{fmt, time::Duration};

use http::HeaderName;

use super::{
    super::{Algorithm, SignatureError},
    bodies::BodyChange,
    claimed::Writing,
    contents::ContentChange,
    keys::KeyChange,
    kind::ExplanationKind,
};

/// Which mistake explains a refused signature: what [`explain`](super::explain()) found.
///
/// `Display` is one sentence for an operator: which mistake it is, and what to do. It holds no
/// secret, no tag and nothing of the body. It is no proof that a request is authentic: that is
/// [`Verified`](crate::signature::Verified), which nothing here makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub(super) findings: Vec<Finding>,
    /// For the case that nothing was found.
    pub(super) known: Option<Known>,
}

/// A mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    NotRefused,
    Key(KeyChange),
    Body(BodyChange),
    Content(ContentChange),
    OtherSecret(String),
    OtherProvider(String),
    Header {
        found: HeaderName,
        expected: HeaderName,
    },
    Writing {
        header: HeaderName,
        found: Writing,
    },
    /// Refused for its form, as this error says.
    Form(SignatureError),
    Sha1(Algorithm),
    Algorithm {
        found: Algorithm,
        expected: Algorithm,
    },
    TimeUnit(&'static str),
    Clock {
        off: Duration,
        ahead: bool,
        tolerance: Duration,
    },
}

/// The known facts about a request that no mistake explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) kind: ExplanationKind,
    /// Why it was refused.
    pub(super) error: SignatureError,
    /// A header beside the scheme's own that holds something of a tag's form.
    pub(super) elsewhere: Option<HeaderName>,
    /// In bytes; none where the request was refused before its body was read.
    pub(super) body: Option<usize>,
    /// The value of `Content-Length`, where it says something else.
    pub(super) content_length: Option<u64>,
    pub(super) replaced_letters: bool,
    pub(super) forms: Tried,
    pub(super) stopped: bool,
}

/// How much was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) keys: usize,
    pub(super) bodies: usize,
    pub(super) tags: usize,
}

impl Explanation {
    pub(super) fn found(findings: Vec<Finding>) -> Self {
        Self { findings, known: None }
    }

    pub(super) fn unknown(known: Known) -> Self {
        Self {
            findings: Vec::new(),
            known: Some(known),
        }
    }

    /// The mistake. Where two were made at once, the first of [`kinds`](Self::kinds).
    #[must_use]
    pub fn kind(&self) -> ExplanationKind {
        match (self.findings.first(), &self.known) {
            (Some(finding), _) => finding.kind(),
            (None, Some(known)) => known.kind,
            (None, None) => ExplanationKind::Unknown,
        }
    }

    /// All the mistakes that were made at once.
    #[must_use]
    pub fn kinds(&self) -> Vec<ExplanationKind> {
        if self.findings.is_empty() {
            vec![self.kind()]
        } else {
            self.findings.iter().map(Finding::kind).collect()
        }
    }

    /// Whether the tag of the request was recomputed, so that the mistake is certain. Otherwise the
    /// explanation says what the request looks like.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        !self.findings.is_empty()
    }
}

impl Finding {
    /// Writes the words that follow "the signature matches".
    fn matches(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRefused => f.write_str("this scheme and secret as they are"),
            Self::Key(change) => f.write_str(change.matches()),
            Self::Body(change) => f.write_str(change.matches()),
            Self::Content(change) => f.write_str(change.matches()),
            Self::OtherSecret(name) => write!(f, "the secret of {name:?}"),
            Self::OtherProvider(name) => write!(f, "the scheme and the secret of {name:?}"),
            Self::Header { found, .. } => write!(f, "the tag in the header {}", Brief(found)),
            Self::Writing { header, found } => write!(f, "the tag in {} read as {}", Brief(header), found.name()),
            Self::Form(_) => f.write_str("a tag that stands in its header in another form"),
            Self::Sha1(_) => f.write_str("HMAC-SHA1"),
            Self::Algorithm { found, .. } => write!(f, "{found}"),
            Self::TimeUnit(unit) => write!(f, "a signed time that is {}{unit}", in_unit(unit)),
            Self::Clock { off, ahead, .. } => {
                let direction = if *ahead { "ahead" } else { "ago" };
                write!(f, "a time {} s {direction} by this receiver's clock", off.as_secs())
            }
        }
    }

    /// Writes advice on how to mend it.
    fn advice(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRefused => f.write_str(
                "look for what else refused the request (secrets that were rotated since, a time in the body)",
            ),
            Self::Key(change) => f.write_str(change.advice()),
            Self::Body(change) => f.write_str(change.advice()),
            Self::Content(change) => f.write_str(change.advice()),
            Self::OtherSecret(name) => write!(f, "give this receiver the secret that {name:?} has, or send it there"),
            Self::OtherProvider(name) => write!(
                f,
                "the request belongs to {name:?}; correct the address at the provider, or the route here"
            ),
            Self::Header { found, expected } => write!(
                f,
                "use a scheme that reads {}, or have the provider use {expected}",
                Brief(found)
            ),
            Self::Writing { found, .. } => write!(
                f,
                "use a scheme whose tags are {}, and look for a proxy that rewrites the header",
                found.name()
            ),
            Self::Form(error) => write!(f, "{error}"),
            Self::Sha1(expected) => write!(
                f,
                "SHA-1 is the provider's legacy signature and not accepted; configure the provider to sign with {expected} \
                 (a newer signature version, or the header beside it)"
            ),
            Self::Algorithm { found, expected } => write!(
                f,
                "the scheme here has {expected}; use a scheme with {found}, or have the provider sign with {expected}"
            ),
            Self::TimeUnit(unit) => write!(
                f,
                "the scheme here has whole seconds since 1970; use a scheme whose time is {}{unit}",
                in_unit(unit)
            ),
            Self::Clock { ahead, tolerance, .. } => {
                write!(f, "at most {} s are accepted; ", tolerance.as_secs())?;
                f.write_str(if *ahead {
                    "set the clocks of both sides by NTP"
                } else {
                    "set this machine's clock by NTP; if it is right, the request is an old one that was sent again, or \
                     waited in a queue, which a longer tolerance lets in"
                })
            }
        }
    }
}

/// A date is no unit that a time is in.
fn in_unit(unit: &str) -> &'static str {
    if unit == "a date" { "" } else { "in " }
}

/// The name of a header as a request has it, cut at 60 characters.
struct Brief<'a>(&'a HeaderName);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.60}", self.0.as_str())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(known) = &self.known {
            return write!(f, "{known}");
        }
        f.write_str("the signature matches ")?;
        for (index, finding) in self.findings.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " and " })?;
            finding.matches(f)?;
        }
        for (index, finding) in self.findings.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { "; and " })?;
            finding.advice(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ExplanationKind::BodyDecompressed => f.write_str(
                "the headers say that the body is compressed, and it is not: something decompressed it before this receiver, \
                 and the provider may have signed it compressed; switch that off (a decompression layer, gunzip in a proxy)",
            )?,
            ExplanationKind::BodyLength => f.write_str(
                "the body has another length than the provider announced: something before this receiver rewrites it; pass \
                 the bytes as they came",
            )?,
            ExplanationKind::BodyText => f.write_str(
                "the body holds U+FFFD, which stands where bytes that are no UTF-8 were decoded as text: pass the bytes as \
                 they came",
            )?,
            ExplanationKind::BodyCompressed => f.write_str(
                "the body is compressed, and neither its bytes nor what they stand for match: have the provider send it plain",
            )?,
            ExplanationKind::NoTag | ExplanationKind::Header | ExplanationKind::Encoding | ExplanationKind::Sha1 => {
                write!(f, "{}", self.error)?;
            }
            _ => f.write_str(
                "none of the usual mistakes matches: the secret is another one than the provider's, or the body was changed in \
                 another way; compare the secret with the provider's first",
            )?,
        }
        f.write_str(" (known: ")?;
        if let Some(header) = &self.elsewhere {
            write!(f, "{} holds what looks like a tag; ", Brief(header))?;
        }
        match (self.body, self.content_length) {
            (None, _) => f.write_str("the body was not read")?,
            (Some(length), None) => write!(f, "the body has {length} bytes")?,
            (Some(length), Some(content_length)) => {
                write!(
                    f,
                    "the body has {length} bytes, of which Content-Length says {content_length}"
                )?;
            }
        }
        if self.kind == ExplanationKind::Unknown {
            write!(f, "; {}", self.error)?;
        }
        let Tried { keys, bodies, tags } = self.forms;
        if keys > 0 && tags > 0 {
            write!(
                f,
                "; {tags} tag(s) in its headers compared with {keys} form(s) of the secrets and {bodies} of the body"
            )?;
        }
        if self.stopped {
            f.write_str("; the search stopped at its limit")?;
        }
        if self.replaced_letters && self.kind != ExplanationKind::BodyText {
            f.write_str("; the body holds U+FFFD, as text does that was decoded from other bytes")?;
        }
        f.write_str(")")
    }
}
