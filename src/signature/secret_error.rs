use std::{convert::Infallible, fmt};

/// Why secrets were refused. Its text repeats none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretError {
    pub(super) kind: SecretErrorKind,
    /// Which of a list, from 0.
    pub(super) position: Option<usize>,
}

/// The kind of a [`SecretError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecretErrorKind {
    /// There is no secret at all.
    None,
    /// A secret of no bytes: everyone could sign with it.
    Empty,
    /// A secret of whitespace.
    Blank,
    /// Whitespace before the secret.
    LeadingWhitespace,
    /// Whitespace behind the secret, such as a file's last newline.
    TrailingWhitespace,
    /// A character at an end that cannot be seen, such as a byte order mark or a zero-width space.
    Invisible,
    /// Quotes around the secret.
    Quoted,
    /// `whsec_` with nothing behind it.
    PrefixAlone,
    /// The scheme's secrets are base64, and this is not.
    Encoding,
    /// The secret stands for fewer than 24 or more than 75 bytes.
    Length,
    /// Secrets were given to a verifier that is a function.
    NoScheme,
    /// Secrets were given to a scheme that signs the name of a tenant, and of no tenant.
    NoTenant,
}

/// For a verifier that is a function, where one with a scheme is needed.
pub(super) const NO_SCHEME: &str = "the verifier is a function; expected one that is keyed with a scheme's secrets";

const NO_TENANT: &str = "the scheme signs the tenant's name, which is not known; expected `Provider::per_tenant`, or \
                         `Scheme::of_tenant` for one tenant";

impl SecretError {
    pub(super) fn none() -> Self {
        Self {
            kind: SecretErrorKind::None,
            position: None,
        }
    }

    pub(super) fn no_scheme() -> Self {
        Self {
            kind: SecretErrorKind::NoScheme,
            position: None,
        }
    }

    pub(super) fn no_tenant() -> Self {
        Self {
            kind: SecretErrorKind::NoTenant,
            position: None,
        }
    }

    /// The error's kind.
    #[must_use]
    pub fn kind(&self) -> SecretErrorKind {
        self.kind
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == SecretErrorKind::None {
            return f.write_str("there is no secret; expected at least one");
        }
        if self.kind == SecretErrorKind::NoScheme {
            return f.write_str(NO_SCHEME);
        }
        if self.kind == SecretErrorKind::NoTenant {
            return f.write_str(NO_TENANT);
        }
        match self.position {
            None => f.write_str("the secret ")?,
            Some(position) => write!(f, "secret {} of the list ", position.saturating_add(1))?,
        }
        f.write_str(match self.kind {
            SecretErrorKind::None
            | SecretErrorKind::NoScheme
            | SecretErrorKind::NoTenant
            | SecretErrorKind::Empty => {
                "is empty; expected the provider's: check the variable or file it is read from"
            }
            SecretErrorKind::Blank => "is blank; expected the provider's: check the variable or file it is read from",
            SecretErrorKind::LeadingWhitespace => {
                "begins with whitespace; expected none around it: trim it where it is read"
            }
            SecretErrorKind::TrailingWhitespace => {
                "ends with whitespace; expected none around it: trim it where it is read"
            }
            SecretErrorKind::Invisible => {
                "begins or ends with a character that cannot be seen, such as a byte order mark or a zero-width space; expected none \
                 around it: remove it where it is read"
            }
            SecretErrorKind::Quoted => {
                "stands in quotes; expected none around it: remove them where it is read, or use `Secrets::raw_key` if they belong to it"
            }
            SecretErrorKind::PrefixAlone => {
                "is a prefix with nothing behind it; expected the whole of the provider's secret"
            }
            SecretErrorKind::Encoding => {
                "is not base64; expected the provider's, as it stands there: with its prefix or without it"
            }
            SecretErrorKind::Length => {
                "is base64 of fewer than 24 or more than 75 bytes; expected the whole of the provider's, and nothing else"
            }
        })
    }
}

/// With the message: a `main` that returns this error prints it by `Debug`.
impl fmt::Debug for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretError({:?}: {self})", self.kind)
    }
}

impl std::error::Error for SecretError {}

/// So that a constructor can take `impl TryInto<Secrets>` and be given `Secrets` themselves.
impl From<Infallible> for SecretError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
