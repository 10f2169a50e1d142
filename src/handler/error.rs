use std::{error::Error, fmt, time::Duration};

/// How a handler failed, and what should become of the event.
///
/// Any error turns into one that means *retry*: the provider gets 500 and sends the event again, or
/// a [worker](crate::inbox::Worker) runs it again as its [`Retries`](crate::inbox::Retries) say.
/// The error is logged, never sent to the provider.
///
/// # An error type of your own
/// An error type that implements `Error` cannot have a `From` of its own for `HandlerError`,
/// because every error has one that means *retry*. Say what it means in a function, and map with
/// it:
///
/// ```
/// use std::{fmt, time::Duration};
/// use tower_webhook::HandlerError;
///
/// #[derive(Debug)]
/// enum BookingError {
///     LedgerBusy,
///     NoSuchAccount,
/// }
/// # impl fmt::Display for BookingError {
/// #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("not booked") }
/// # }
/// # impl std::error::Error for BookingError {}
/// # fn book() -> Result<(), BookingError> { Err(BookingError::NoSuchAccount) }
///
/// fn classify(error: BookingError) -> HandlerError {
///     match error {
///         BookingError::LedgerBusy => HandlerError::retry_after(Duration::from_secs(30), error),
///         BookingError::NoSuchAccount => HandlerError::permanent(error),
///     }
/// }
///
/// async fn transferred() -> Result<(), HandlerError> {
///     book().map_err(classify)?;
///     Ok(())
/// }
/// # assert!(book().map_err(classify).unwrap_err().is_permanent());
/// ```
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use tower_webhook::HandlerError;
///
/// let retry: HandlerError = std::io::Error::other("the ledger is down").into();
/// assert!(!retry.is_permanent());
///
/// let later = HandlerError::retry_after(Duration::from_secs(30), "the ledger is being moved");
/// assert_eq!(later.retry_delay(), Some(Duration::from_secs(30)));
///
/// let never = HandlerError::permanent("no such customer");
/// assert!(never.is_permanent());
/// assert_eq!(never.to_string(), "no such customer");
/// ```
#[derive(Debug)]
#[must_use = "return it from the handler: dropped, it changes nothing"]
pub struct HandlerError {
    kind: Kind,
    source: Box<dyn Error + Send + Sync>,
}

/// A longer chain of causes is a loop, or of no use to a reader.
const MOST_CAUSES: usize = 8;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Retry(Option<Duration>),
    Permanent,
}

impl HandlerError {
    /// The event should come again whenever the provider retries: the response is 500.
    pub fn retry(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Retry(None),
            source: error.into(),
        }
    }

    /// The event should come again, but not before this time has passed: the response is 503
    /// with `Retry-After`, rounded up to whole seconds. Not every provider heeds it.
    pub fn retry_after(delay: Duration, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Retry(Some(delay)),
            source: error.into(),
        }
    }

    /// The event must never come again: it is finished as rejected and the response is 200.
    pub fn permanent(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Permanent,
            source: error.into(),
        }
    }

    /// Whether the event is refused for good.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self.kind, Kind::Permanent)
    }

    /// How long the provider is asked to wait, if it is.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        match self.kind {
            Kind::Retry(delay) => delay,
            Kind::Permanent => None,
        }
    }

    /// As one of the errors that tower's middleware passes on. What it says of the event stays:
    /// converted back, by `?` in a handler for example, it is this error again.
    ///
    /// ```
    /// use tower_webhook::HandlerError;
    ///
    /// let boxed = HandlerError::permanent("no such customer").into_boxed();
    /// assert_eq!(boxed.to_string(), "no such customer");
    /// assert!(HandlerError::from(boxed).is_permanent());
    /// ```
    #[must_use]
    pub fn into_boxed(self) -> Box<dyn Error + Send + Sync> {
        Box::new(Boxed(self))
    }

    /// The error that the handler ran into.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }
}

/// The error and what caused it, joined by colons: an outer context alone rarely says what went
/// wrong.
impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)?;
        let mut cause = self.source.source();
        for _ in 0..MOST_CAUSES {
            let Some(error) = cause else { break };
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// An error that [`into_boxed`](HandlerError::into_boxed) has made, or that is caused by such a
/// one, keeps what it says of the event. Any other means *retry*.
///
/// This conversion, which `?` uses, is why `HandlerError` is no `Error` itself: every type converts
/// into itself, and the two conversions would collide.
impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let error = match error.into().downcast::<Boxed>() {
            Ok(boxed) => return boxed.0,
            Err(error) => error,
        };
        let mut kind = Kind::Retry(None);
        let mut cause = error.source();
        for _ in 0..MOST_CAUSES {
            let Some(found) = cause else { break };
            if let Some(Boxed(handlers)) = found.downcast_ref() {
                kind = handlers.kind;
                break;
            }
            cause = found.source();
        }
        Self { kind, source: error }
    }
}

/// A handler's error among other errors.
#[derive(Debug)]
struct Boxed(HandlerError);

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.source.fmt(f)
    }
}

impl Error for Boxed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.source()
    }
}

/// Says what should become of the event when this result is an error.
///
/// ```
/// use std::time::Duration;
/// use tower_webhook::{HandlerError, ResultExt};
///
/// fn amount(text: &str) -> Result<u64, HandlerError> {
///     text.parse::<u64>().permanent()
/// }
/// assert!(amount("ten").unwrap_err().is_permanent());
///
/// let refused = Err::<(), _>("the ledger is down").retry_after(Duration::from_secs(30));
/// assert_eq!(refused.unwrap_err().retry_delay(), Some(Duration::from_secs(30)));
/// ```
pub trait ResultExt<T> {
    /// On an error: never again. See [`HandlerError::permanent`].
    ///
    /// # Errors
    /// This result's own, as a [`HandlerError`].
    fn permanent(self) -> Result<T, HandlerError>;

    /// On an error: again, but not before this time has passed. See [`HandlerError::retry_after`].
    ///
    /// # Errors
    /// This result's own, as a [`HandlerError`].
    fn retry_after(self, delay: Duration) -> Result<T, HandlerError>;
}

impl<T, E: Into<HandlerError>> ResultExt<T> for Result<T, E> {
    fn permanent(self) -> Result<T, HandlerError> {
        self.map_err(|error| HandlerError {
            kind: Kind::Permanent,
            ..error.into()
        })
    }

    fn retry_after(self, delay: Duration) -> Result<T, HandlerError> {
        self.map_err(|error| HandlerError {
            kind: Kind::Retry(Some(delay)),
            ..error.into()
        })
    }
}
