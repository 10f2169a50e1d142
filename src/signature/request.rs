//! The claims of a request: its tags, and its other signed parts. Everything here is read before
//! anything is known of the provider.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Scheme, SignatureError,
    content::Values,
    mac::Tag,
    scheme::{Form, TimePlace},
    tag::{NoTag, decode},
};

/// Items that a list may have. Providers put a tag there for each secret that is valid, two or
/// three.
const MAX_ITEMS: usize = 16;

/// The longest id in a header, in bytes.
const MAX_ID: usize = 255;

/// The signature that a request claims to have.
pub(super) struct Claims<'h> {
    pub(super) tags: Tags,
    pub(super) values: Values<'h>,
    /// In seconds since 1970, where the scheme signs a time.
    pub(super) time: Option<u64>,
}

/// One tag or several. One is usual: it needs no allocation.
pub(super) struct Tags {
    pub(super) first: Tag,
    pub(super) rest: Vec<Tag>,
}

impl Scheme {
    /// The claims of a request, if they are of exactly this scheme's form.
    pub(super) fn claims<'h>(&self, headers: &'h HeaderMap) -> Result<Claims<'h>, SignatureError> {
        let (index, name, value) = self.tag_header(headers)?;
        let (tags, item) = match self.form() {
            Form::Alone(prefix) => {
                let text = without_prefix(name, value, prefix)?;
                let first = decode(text, self.algorithm(), self.encoding())
                    .map_err(|wrong| self.no_tag(wrong, name, text.len()))?;
                (
                    Tags {
                        first,
                        rest: Vec::new(),
                    },
                    None,
                )
            }
            Form::List {
                prefix,
                separator,
                label,
            } => self.items(name, without_prefix(name, value, prefix)?, separator, label)?,
        };
        let mut claims = Claims {
            tags,
            values: Values::default(),
            time: None,
        };
        if let Some(name) = self.id_name(index) {
            claims.values.id = self.signed_id_in(headers, name)?;
        }
        if let Some(signed) = self.timestamp_place() {
            let (name, text) = match &signed.place {
                TimePlace::Item(_) => (name, item.unwrap_or_default()),
                TimePlace::Headers(names) => {
                    let name = names.get(index).or(names.first()).unwrap_or(name);
                    (name, only(headers, name, "time")?)
                }
            };
            let (format, exact) = (signed.format, self.content().exact_time());
            let time = format.read(text, exact);
            claims.time = Some(time.map_err(|wrong| SignatureError::no_time(name, wrong, format, exact))?);
            claims.values.timestamp = text;
        }
        Ok(claims)
    }

    /// The id that this scheme signs, as it stands in the headers of a request. Trust it where
    /// [`verify`](super::verify) has said that the request is authentic; `None` where the scheme
    /// signs none.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets};
    ///
    /// let scheme = Scheme::new(
    ///     HeaderName::from_static("x-signature"),
    ///     Algorithm::HmacSha256,
    ///     Encoding::Hex,
    /// )
    /// .id_header(HeaderName::from_static("x-id"));
    /// let headers = scheme.sign_at(
    ///     &Secrets::new("a secret")?,
    ///     "msg_1",
    ///     std::time::UNIX_EPOCH,
    ///     b"{}",
    /// )?; // over `msg_1.{}`
    /// assert_eq!(scheme.signed_id(&headers), Some("msg_1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn signed_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let (index, ..) = self.tag_header(headers).ok()?;
        let id = self.signed_id_in(headers, self.id_name(index)?).ok()?;
        std::str::from_utf8(id).ok()
    }

    fn signed_id_in<'h>(&self, headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h [u8], SignatureError> {
        let id = only(headers, name, "id")?;
        if self.takes_id(id) {
            Ok(id)
        } else {
            Err(SignatureError::no_id(name, self.content().after_id()))
        }
    }

    /// Whether an id can be signed, so that what is signed can only be cut in one way.
    pub(super) fn takes_id(&self, id: &[u8]) -> bool {
        let end = self.content().after_id();
        (1..=MAX_ID).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_graphic() && Some(*byte) != end)
    }

    /// The first of the scheme's headers that is there, with its position, if it has one value.
    fn tag_header<'s, 'h>(
        &'s self,
        headers: &'h HeaderMap,
    ) -> Result<(usize, &'s HeaderName, &'h [u8]), SignatureError> {
        for (index, name) in self.headers().iter().enumerate() {
            match one(headers, name)? {
                Some([]) => return Err(SignatureError::empty(name)),
                Some(value) => return Ok((index, name, value)),
                None => {}
            }
        }
        Err(SignatureError::missing(self.headers()))
    }

    /// The tags of a list, and its time's text. An item that is no tag spoils none of the others.
    fn items<'h>(
        &self,
        name: &HeaderName,
        value: &'h [u8],
        separator: &str,
        label: &str,
    ) -> Result<(Tags, Option<&'h [u8]>), SignatureError> {
        let (first, blanks) = match separator.as_bytes() {
            [first, blanks @ ..] => (*first, blanks),
            [] => return Err(SignatureError::no_item(name, label)),
        };
        let time_label = match self.timestamp_place().map(|timestamp| &timestamp.place) {
            Some(TimePlace::Item(label)) => Some(label.as_bytes()),
            _ => None,
        };
        let mut tags: Option<Tags> = None;
        let (mut time, mut wrong) = (None, None);
        for (count, item) in value.split(|byte| *byte == first).enumerate() {
            if count >= MAX_ITEMS {
                return Err(SignatureError::items(name, MAX_ITEMS));
            }
            let item = match count {
                0 => item,
                _ => item.strip_prefix(blanks).unwrap_or_default(),
            };
            if let Some(text) = time_label.and_then(|label| item.strip_prefix(label)) {
                if time.replace(text).is_some() {
                    return Err(SignatureError::two_times(name));
                }
            } else if let Some(text) = item.strip_prefix(label.as_bytes()) {
                match (decode(text, self.algorithm(), self.encoding()), &mut tags) {
                    (Ok(tag), Some(tags)) => tags.rest.push(tag),
                    (Ok(first), None) => {
                        tags = Some(Tags {
                            first,
                            rest: Vec::new(),
                        })
                    }
                    (Err(why), _) => wrong = Some((why, text.len())),
                }
            }
        }
        match (tags, wrong) {
            (Some(tags), _) => Ok((tags, time)),
            (None, Some((why, length))) => Err(self.no_tag(why, name, length)),
            (None, None) => Err(SignatureError::no_item(name, label)),
        }
    }

    fn no_tag(&self, wrong: NoTag, name: &HeaderName, length: usize) -> SignatureError {
        match wrong {
            NoTag::Sha1 => SignatureError::sha1(name, self.algorithm()),
            NoTag::Length => SignatureError::length(name, length, self.algorithm(), self.encoding()),
            NoTag::Encoding => SignatureError::encoding(name, self.encoding()),
        }
    }
}

fn without_prefix<'h>(name: &HeaderName, value: &'h [u8], prefix: &HeaderValue) -> Result<&'h [u8], SignatureError> {
    // Most schemes have none, and to compare no bytes is a call of `memcmp` all the same.
    if prefix.is_empty() {
        return Ok(value);
    }
    value
        .strip_prefix(prefix.as_bytes())
        .ok_or_else(|| SignatureError::prefix(name, prefix))
}

/// The only value of a header. Gateways repeat a header: equal values are one value, and no choice
/// between two.
pub(super) fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    what: &'static str,
) -> Result<&'h [u8], SignatureError> {
    one(headers, name)?.ok_or_else(|| SignatureError::absent(name, what))
}

/// [`only`], or `None` if the header is absent. It is looked up once: to hash a name takes as long
/// as to compare a tag.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h [u8]>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.all(|value| value == first) {
        Ok(Some(first.as_bytes()))
    } else {
        let times = headers.get_all(name).iter().count();
        Err(SignatureError::repeated(name, times))
    }
}
