//! Tries the usual mistakes: one at a time, then in pairs, until the work it may do is used up.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use subtle::ConstantTimeEq as _;

use super::{
    super::{Scheme, Secrets, SignatureError, SignatureErrorKind, mac::Tag, tag::decode},
    Explain, Explanation, ExplanationKind, WORK,
    bodies::{BodyChange, CHANGES, undo},
    claimed::{self, Claimed},
    contents::{Content, read_time},
    explanation::{Finding, Known, Tried},
    gzip,
    target::{AnyMac, Hash, Key, Target},
};

/// A key schedule and a tag's comparison, in bytes of a body.
const WORK_PER_TAG: usize = 256;

pub(super) struct Search<'a> {
    headers: &'a HeaderMap,
    now: SystemTime,
    claimed: Vec<Claimed<'a>>,
    targets: Vec<Target<'a>>,
    work: usize,
    stopped: bool,
    tried: Tried,
}

/// The search ends: something was found, or the work is used up.
struct End(Option<Box<Explanation>>);

impl<'a> Search<'a> {
    pub(super) fn new(explain: &'a Explain, headers: &'a HeaderMap, now: SystemTime) -> Self {
        let claimed = claimed::of(headers, explain.scheme.headers());
        let mut search = Self {
            headers,
            now,
            claimed,
            targets: Vec::new(),
            work: WORK,
            stopped: false,
            tried: Tried::default(),
        };
        search.tried.tags = search.claimed.len();
        search.target(None, &explain.scheme, &explain.secrets);
        for (name, scheme, secrets) in &explain.also {
            // The other scheme first: what it signs can look like less of what this one signs.
            if *scheme != explain.scheme {
                search.target(Some(Finding::OtherProvider(name.clone())), scheme, secrets);
            }
            search.target(Some(Finding::OtherSecret(name.clone())), &explain.scheme, secrets);
        }
        search
    }

    fn target(&mut self, whose: Option<Finding>, scheme: &'a Scheme, secrets: &Secrets) {
        let target = Target::new(whose, scheme, secrets, self.headers, &self.claimed);
        self.tried.keys = self.tried.keys.saturating_add(target.keys.len());
        self.targets.push(target);
    }

    /// Which mistake it is; `error` is why the request was refused.
    pub(super) fn run(mut self, error: SignatureError, body: &[u8]) -> Explanation {
        if !self.claimed.is_empty()
            && let Err(End(Some(explanation))) = self.try_all(body)
        {
            return *explanation;
        }
        self.nothing(error, Some(body))
    }

    fn try_all(&mut self, body: &[u8]) -> Result<(), End> {
        self.tried.bodies = 1;
        self.try_body(None, body, |_, _| true)?;
        for change in CHANGES {
            let form = self.form(*change, body)?;
            if let Some(form) = form {
                self.tried.bodies = self.tried.bodies.saturating_add(1);
                self.try_body(Some(*change), &form, |key, content| {
                    key.change.is_none() && content.change.is_none()
                })?;
            }
        }
        self.try_last_bytes(body)?;
        for change in CHANGES {
            // That is slow, and was tried with the secrets as they are.
            if matches!(change, BodyChange::Decompressed(_)) {
                continue;
            }
            if let Some(form) = self.form(*change, body)? {
                self.try_body(Some(*change), &form, |key, content| {
                    key.change.is_some() != content.change.is_some()
                })?;
            }
        }
        Ok(())
    }

    fn form<'b>(&mut self, change: BodyChange, body: &'b [u8]) -> Result<Option<Cow<'b, [u8]>>, End> {
        self.spend(body.len())?;
        Ok(undo(change, body))
    }

    /// This form of the body with the keys and contents that are wanted, of every target.
    fn try_body(
        &mut self,
        change: Option<BodyChange>,
        body: &[u8],
        wanted: impl Fn(&Key, &Content) -> bool,
    ) -> Result<(), End> {
        for index in 0..self.targets.len() {
            let spent = {
                let Some(target) = self.targets.get(index) else { break };
                let mut spent = 0_usize;
                for key in &target.keys {
                    for content in target.contents.iter().filter(|content| wanted(key, content)) {
                        for (hash, mac) in &key.macs {
                            let length = content.before.len().saturating_add(content.after.len());
                            spent = spent
                                .saturating_add(length)
                                .saturating_add(body.len())
                                .saturating_add(WORK_PER_TAG);
                            if spent > self.work {
                                self.stopped = true;
                                return Err(End(None));
                            }
                            let parts = [content.before.as_slice(), body, content.after.as_slice()];
                            let tag = mac.tag_over(parts.into_iter());
                            if let Some(claimed) = self.claims(*hash, &tag) {
                                return Err(End(Some(Box::new(
                                    self.found(target, key, change, content, *hash, claimed),
                                ))));
                            }
                        }
                    }
                }
                spent
            };
            self.spend(spent)?;
        }
        Ok(())
    }

    /// Each of the 256 bytes that the body may have lost at its end, with the receiver's own scheme
    /// and secrets.
    fn try_last_bytes(&mut self, body: &[u8]) -> Result<(), End> {
        self.spend(body.len().saturating_add(256 * WORK_PER_TAG))?;
        let Some(target) = self.targets.first() else {
            return Ok(());
        };
        let Some(content) = target.contents.first() else {
            return Ok(());
        };
        for key in target.keys.iter().filter(|key| key.change.is_none()) {
            for (hash, mac) in &key.macs {
                let AnyMac::Accepted(mac) = mac else { continue };
                let mut mac = mac.clone();
                mac.update(&content.before);
                mac.update(body);
                for byte in 0..=u8::MAX {
                    let tag = mac.tag_over([[byte].as_slice(), content.after.as_slice()].into_iter());
                    if let Some(claimed) = self.claims(*hash, &tag) {
                        let change = Some(BodyChange::ByteLost);
                        return Err(End(Some(Box::new(
                            self.found(target, key, change, content, *hash, claimed),
                        ))));
                    }
                }
            }
        }
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), End> {
        match self.work.checked_sub(bytes) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => {
                self.stopped = true;
                Err(End(None))
            }
        }
    }

    fn claims(&self, hash: Hash, tag: &Tag) -> Option<&Claimed<'a>> {
        self.claimed
            .iter()
            .find(|claimed| claimed.length == hash.tag_length() && bool::from(claimed.tag.ct_eq(tag)))
    }

    fn found(
        &self,
        target: &Target<'_>,
        key: &Key,
        body: Option<BodyChange>,
        content: &Content,
        hash: Hash,
        claimed: &Claimed<'_>,
    ) -> Explanation {
        let scheme = target.scheme;
        let mut findings: Vec<Finding> = target.whose.clone().into_iter().collect();
        findings.extend(key.change.map(Finding::Key));
        findings.extend(body.map(Finding::Body));
        findings.extend(content.change.map(Finding::Content));
        let is_own_hash = hash == Hash::Accepted(scheme.algorithm());
        match hash {
            Hash::Sha1 => findings.push(Finding::Sha1(scheme.algorithm())),
            Hash::Accepted(found) if !is_own_hash => findings.push(Finding::Algorithm {
                found,
                expected: scheme.algorithm(),
            }),
            Hash::Accepted(_) => {}
        }
        findings.extend(self.form_of(scheme, content, is_own_hash, claimed));
        findings.extend(self.clock(scheme, content));
        if findings.is_empty() {
            findings.push(Finding::NotRefused);
        }
        Explanation::found(findings)
    }

    /// Searches for mistakes in the form of the tag.
    fn form_of(&self, scheme: &Scheme, content: &Content, is_own_hash: bool, claimed: &Claimed<'_>) -> Option<Finding> {
        let read = scheme
            .headers()
            .iter()
            .find(|name| self.headers.contains_key(*name))
            .or(scheme.headers().first());
        if let Some(expected) = read.filter(|name| *name != claimed.header) {
            return Some(Finding::Header {
                found: claimed.header.clone(),
                expected: expected.clone(),
            });
        }
        if !is_own_hash {
            return None;
        }
        if decode(claimed.text, scheme.algorithm(), scheme.encoding()).is_err() {
            return Some(Finding::Writing {
                header: claimed.header.clone(),
                found: claimed.writing,
            });
        }
        let error = scheme.claims(self.headers).err()?;
        let unit = content.time.as_deref().and_then(read_time).and_then(|(unit, _)| unit);
        Some(unit.map_or(Finding::Form(error), Finding::TimeUnit))
    }

    fn clock(&self, scheme: &Scheme, content: &Content) -> Option<Finding> {
        let tolerance = scheme.timestamp_place()?.tolerance;
        let (_, time) = content.time.as_deref().and_then(read_time)?;
        let (off, ahead) = match self.now.duration_since(time) {
            Ok(past) => (past, false),
            Err(future) => (future.duration(), true),
        };
        let off = Duration::from_secs(off.as_secs());
        (off > tolerance).then_some(Finding::Clock { off, ahead, tolerance })
    }

    /// The explanation where nothing matches, or where there is no body to compare with.
    pub(super) fn nothing(self, error: SignatureError, body: Option<&[u8]>) -> Explanation {
        let own = self
            .targets
            .first()
            .map(|target| target.scheme.headers())
            .unwrap_or_default();
        let elsewhere = self
            .claimed
            .iter()
            .find(|claimed| !own.contains(claimed.header))
            .map(|claimed| claimed.header.clone())
            .filter(|_| {
                error.kind() == SignatureErrorKind::Missing && !own.iter().any(|name| self.headers.contains_key(name))
            });
        let content_length = self.headers.get(CONTENT_LENGTH).and_then(|value| {
            let content_length: u64 = value.to_str().ok()?.trim().parse().ok()?;
            let length = u64::try_from(body?.len()).ok()?;
            (content_length != length).then_some(content_length)
        });
        let replaced_letters = body.is_some_and(|body| {
            const REPLACED: &[u8] = "\u{fffd}".as_bytes();
            body.windows(REPLACED.len()).any(|bytes| bytes == REPLACED)
        });
        let kind = match error.kind() {
            SignatureErrorKind::Missing if elsewhere.is_some() => ExplanationKind::Header,
            SignatureErrorKind::Missing | SignatureErrorKind::Empty => ExplanationKind::NoTag,
            SignatureErrorKind::Sha1 => ExplanationKind::Sha1,
            SignatureErrorKind::Malformed | SignatureErrorKind::Repeated => ExplanationKind::Encoding,
            _ => match body {
                Some(body) if self.was_decompressed(body) => ExplanationKind::BodyDecompressed,
                Some(body) if gzip::is_compressed(body) => ExplanationKind::BodyCompressed,
                _ if content_length.is_some() => ExplanationKind::BodyLength,
                _ if replaced_letters => ExplanationKind::BodyText,
                _ => ExplanationKind::Unknown,
            },
        };
        Explanation::unknown(Known {
            kind,
            error,
            elsewhere,
            body: body.map(<[u8]>::len),
            content_length,
            replaced_letters,
            forms: self.tried,
            stopped: self.stopped,
        })
    }

    /// Whether the headers say that the body is compressed, and it is plain JSON.
    fn was_decompressed(&self, body: &[u8]) -> bool {
        let is_plain = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
        let codings = [b"gzip".as_slice(), b"x-gzip", b"deflate", b"br", b"zstd"];
        is_plain
            && self.headers.get_all(CONTENT_ENCODING).iter().any(|value| {
                value.as_bytes().split(|byte| *byte == b',').any(|coding| {
                    codings
                        .iter()
                        .any(|known| coding.trim_ascii().eq_ignore_ascii_case(known))
                })
            })
    }
}
