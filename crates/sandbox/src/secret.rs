use std::fmt;

use serde::{Deserialize, Serialize};
use tower_webhook::signature::{SecretError, Secrets};

/// An endpoint's secret: its text as it was given, which is what a state file keeps, and its key.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Secret {
    text: String,
    key: Secrets,
}

impl Secret {
    /// Its bytes are the key as they are, whatever a careful receiver would say about blanks around
    /// them.
    pub(crate) fn new(text: impl Into<String>) -> Result<Self, SecretError> {
        let text = text.into();
        let key = Secrets::raw_key(text.as_str())?;
        Ok(Self { text, key })
    }

    pub(crate) fn key(&self) -> &Secrets {
        &self.key
    }
}

impl TryFrom<String> for Secret {
    type Error = SecretError;

    fn try_from(text: String) -> Result<Self, SecretError> {
        Self::new(text)
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
