use std::{fmt, str::FromStr};

/// How an event was finished.
///
/// ```
/// use tower_webhook::store::Completion;
///
/// assert_eq!(Completion::Handled.to_string(), "handled");
/// assert_eq!("rejected".parse(), Ok(Completion::Rejected));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Completion {
    /// The handler succeeded.
    Handled,
    /// The handler refused it for good.
    Rejected,
}

impl Completion {
    /// The word that stores keep: `handled` or `rejected`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The words of [`Completion::as_str`].
impl FromStr for Completion {
    type Err = UnknownCompletion;

    fn from_str(word: &str) -> Result<Self, UnknownCompletion> {
        [Self::Handled, Self::Rejected]
            .into_iter()
            .find(|completion| completion.as_str() == word)
            .ok_or(UnknownCompletion)
    }
}

/// A word that names no [`Completion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownCompletion;

impl fmt::Display for UnknownCompletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the completion is unknown; expected handled or rejected")
    }
}

impl std::error::Error for UnknownCompletion {}
