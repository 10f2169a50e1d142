use std::fmt;

use crate::Access;

/// Why the page could not be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    ShortToken(usize),
    SameNamespace(String),
    NoRandomNumbers,
}

impl BuildError {
    pub(crate) fn short_token(length: usize) -> Self {
        Self(Wrong::ShortToken(length))
    }

    pub(crate) fn same_namespace(namespace: &str) -> Self {
        Self(Wrong::SameNamespace(namespace.to_owned()))
    }

    pub(crate) fn no_random_numbers() -> Self {
        Self(Wrong::NoRandomNumbers)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wrong::ShortToken(length) => write!(
                f,
                "the token has {length} bytes; expected at least {}, at random: make one by `openssl rand -hex 32`",
                Access::SHORTEST_TOKEN
            ),
            Wrong::SameNamespace(namespace) => write!(
                f,
                "two endpoints have the namespace {namespace:?}; expected one for each: set the layer's by \
                 `Endpoint::namespace`"
            ),
            Wrong::NoRandomNumbers => f.write_str("the system has no random numbers; expected some for sessions"),
        }
    }
}

impl std::error::Error for BuildError {}
