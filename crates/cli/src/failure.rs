use std::{error::Error, fmt};

/// Why the command could not do what it was asked for: exit code 2. The text says what is wrong,
/// what was expected and what to do, and holds no secret.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// The arguments are wrong, or something that they name.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// An error and what caused it, behind what was tried.
    pub(crate) fn caused_by(tried: impl fmt::Display, error: &(dyn Error + 'static)) -> Self {
        let mut text = tried.to_string();
        let mut cause = Some(error);
        while let Some(error) = cause {
            let own = error.to_string();
            // Some errors repeat their cause.
            if !text.ends_with(&own) {
                text = format!("{text}: {own}");
            }
            cause = error.source();
        }
        Self(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}
