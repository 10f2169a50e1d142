use std::fmt;

/// How an event came here.
///
/// ```
/// use tower_webhook::event::Source;
///
/// assert_eq!(Source::Delivered.to_string(), "delivered");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The provider delivered it: an HTTP request with a valid signature.
    Delivered,
    /// The application fetched it, from the provider's API for example.
    Fetched,
    /// It was delivered and stored earlier, and is handled now.
    Stored,
}

impl Source {
    /// A name for programs, as in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Fetched => "fetched",
            Self::Stored => "stored",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
