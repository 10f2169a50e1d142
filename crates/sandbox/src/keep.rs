//! Notes each change of the sandbox's state in something that outlives it.
//!
//! Each kind of thing has a name, and each entry a place among its kind. A change is noted as it is
//! made; what was noted between [`Keeper::together`] and the end of its guard is kept as a whole or
//! not at all. Without a state file nothing is noted, and nothing is written out.

use std::{collections::HashMap, fmt, future::Future, path::PathBuf, pin::Pin, sync::Arc, time::SystemTime};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, ErrorKind, clock::Clock};

/// Something that changes are noted in. [`state_file`](crate::state_file) has the only one.
pub(crate) trait Book: Send + Sync {
    /// Notes what is at a place from now on; `None`: nothing any more.
    fn note(&self, kind: &'static str, place: u64, entry: Option<String>);

    /// From here on, what is noted belongs together, up to the matching [`end`](Self::end).
    fn begin(&self);

    fn end(&self);

    /// Returns when everything that was noted so far is kept, or with the reason why it is not.
    fn kept(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;

    /// Nothing will be noted any more.
    fn close(&self);
}

/// Notes changes, if there is something to note them in. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Keeper(Option<Arc<dyn Book>>);

impl Keeper {
    #[cfg(feature = "sqlite")]
    pub(crate) fn new(book: Arc<dyn Book>) -> Self {
        Self(Some(book))
    }

    pub(crate) fn put(&self, kind: &'static str, place: u64, entry: &impl Serialize) {
        if let Some(book) = &self.0 {
            // Texts, numbers, lists and objects with names: JSON can write them all.
            book.note(kind, place, serde_json::to_string(entry).ok());
        }
    }

    pub(crate) fn remove(&self, kind: &'static str, place: u64) {
        if let Some(book) = &self.0 {
            book.note(kind, place, None);
        }
    }

    /// Keeps all changes until the guard is dropped as one. No task may wait meanwhile.
    pub(crate) fn together(&self) -> Together<'_> {
        if let Some(book) = &self.0 {
            book.begin();
        }
        Together(self)
    }

    /// Returns when everything that was noted so far is kept.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn kept(&self) -> Result<(), String> {
        match &self.0 {
            Some(book) => book.kept().await,
            None => Ok(()),
        }
    }

    pub(crate) fn close(&self) {
        if let Some(book) = &self.0 {
            book.close();
        }
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keeper").field(&self.0.is_some()).finish()
    }
}

pub(crate) struct Together<'a>(&'a Keeper);

impl Drop for Together<'_> {
    fn drop(&mut self) {
        if let Some(book) = &self.0.0 {
            book.end();
        }
    }
}

/// Entries by their kinds, in the order of their places.
pub(crate) type Entries = HashMap<String, Vec<(u64, String)>>;

/// The kept state of an earlier sandbox, and where changes to it are noted.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) keeper: Keeper,
    pub(crate) entries: Entries,
}

impl Kept {
    /// The entries of a kind, which nobody else asks for.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, kind: &'static str) -> Result<Vec<(u64, T)>, Error> {
        let entries = self.entries.remove(kind).unwrap_or_default().into_iter();
        let read = |(place, entry): (u64, String)| match serde_json::from_str(&entry) {
            Ok(value) => Ok((place, value)),
            Err(error) => {
                let message = format!(
                    "entry {place} of {kind} in the state file cannot be read; expected what a sandbox of this version \
                     wrote: begin with another file"
                );
                Err(Error::caused_by(ErrorKind::State, message, error))
            }
        };
        entries.map(read).collect()
    }
}

/// The task that writes the noted changes, until the keeper is closed.
pub(crate) type Write = Box<dyn FnOnce(Clock) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The state that a sandbox begins with.
#[derive(Default)]
pub(crate) struct Opened {
    pub(crate) kept: Kept,
    /// The time at which it goes on.
    pub(crate) now: Option<SystemTime>,
    pub(crate) write: Option<Write>,
}

/// Opens the state file, if there is to be one.
pub(crate) async fn open(file: Option<PathBuf>) -> Result<Opened, Error> {
    #[cfg(feature = "sqlite")]
    if let Some(file) = file {
        return crate::state_file::open(&file).await;
    }
    // Nobody can name one without the feature.
    drop(file);
    Ok(Opened::default())
}

/// How bytes are kept: as the text that they nearly always are, or in base64 behind a NUL, which no
/// JSON and no header can begin with.
pub(crate) mod bytes {
    use std::borrow::Cow;

    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    const MARK: char = '\0';

    pub(crate) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.starts_with(MARK) => serializer.serialize_str(text),
            _ => serializer.serialize_str(&format!("{MARK}{}", BASE64_STANDARD.encode(bytes))),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        match text.strip_prefix(MARK) {
            Some(coded) => BASE64_STANDARD.decode(coded).map(Bytes::from).map_err(D::Error::custom),
            None => Ok(text.into_owned().into()),
        }
    }
}
