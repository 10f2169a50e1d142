use std::{error::Error, fmt, sync::Arc};

/// Why a store operation failed. The layer then fails closed: no handler runs without a claim.
///
/// ```
/// use tower_webhook::store::{StoreError, StoreErrorKind};
///
/// let error = StoreError::unavailable(std::io::Error::other("connection refused"));
/// assert_eq!(error.kind(), StoreErrorKind::Unavailable);
/// assert_eq!(error.to_string(), "the store is unavailable: connection refused");
/// ```
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Arc<dyn Error + Send + Sync>,
}

/// The kind of a [`StoreError`]: whether the failed operation may have been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store did not respond, or not with success: the operation *may* have been applied.
    Unavailable,
    /// The store has no room for another id: the operation was not applied.
    Full,
    /// The store is set up wrongly (its URL, its table, its file): retrying cannot mend it, and the
    /// operation was not applied.
    Config,
    /// The claim is not this run's any more: the operation was not applied, and the transaction it
    /// is part of has to be rolled back.
    NotHeld,
}

impl StoreError {
    /// The operation failed, and whether it was applied is not known.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: StoreErrorKind::Unavailable,
            source: Arc::from(source.into()),
        }
    }

    /// There is no room, and the operation was not applied.
    pub fn full(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: StoreErrorKind::Full,
            source: Arc::from(source.into()),
        }
    }

    /// The store's settings are wrong, and no retry will mend it.
    pub fn config(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: StoreErrorKind::Config,
            source: Arc::from(source.into()),
        }
    }

    /// The claim is not the caller's, and the operation was not applied.
    pub fn not_held(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: StoreErrorKind::NotHeld,
            source: Arc::from(source.into()),
        }
    }

    /// The error's kind.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// The error of the store's driver, which is part of this error's text.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            StoreErrorKind::Unavailable => "the store is unavailable",
            StoreErrorKind::Full => "the store is full",
            StoreErrorKind::Config => "the store's settings are wrong",
            StoreErrorKind::NotHeld => "the claim is not held",
        };
        write!(f, "{what}: {}", self.source)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}
