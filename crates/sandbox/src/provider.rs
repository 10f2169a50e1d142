use std::fmt;

use serde::{Deserialize, Serialize};

/// A provider that the sandbox stands in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provider {
    /// [Dwolla](https://developers.dwolla.com).
    Dwolla,
    /// A provider by the book.
    Example,
    /// [GitHub](https://docs.github.com/webhooks).
    GitHub,
    /// [Stripe](https://docs.stripe.com/webhooks).
    Stripe,
}

impl Provider {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Dwolla, Self::Example, Self::GitHub, Self::Stripe];

    /// Its name, as in the sandbox's paths.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dwolla => "dwolla",
            Self::Example => "example",
            Self::GitHub => "github",
            Self::Stripe => "stripe",
        }
    }

    /// The path at which its API begins.
    pub(crate) fn path(self) -> &'static [&'static str] {
        match self {
            Self::Dwolla => &["dwolla"],
            Self::Example => &["example", "v1"],
            Self::GitHub => &["github"],
            Self::Stripe => &["stripe"],
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|provider| provider.as_str() == name)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
