use std::fmt;

/// A part of a request that nobody signed: a header that the signature does not cover.
///
/// Someone who captured one request can send it again with anything here, and the signature still
/// holds. It is good for a log and for asking the provider about a delivery; it is no reason to do
/// anything. The type says so where it is used:
///
/// ```
/// use tower_webhook::event::Unsigned;
///
/// let delivery = Unsigned::new("72d3162e-cc78-11e3-81ab-4c9367dc0958");
/// assert_eq!(*delivery.as_unsigned(), "72d3162e-cc78-11e3-81ab-4c9367dc0958");
/// assert_eq!(delivery.to_string(), "72d3162e-cc78-11e3-81ab-4c9367dc0958 (unsigned)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unsigned<T>(T);

impl<T> Unsigned<T> {
    /// Marks a value that no signature covers.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, as something that anybody may have written.
    pub const fn as_unsigned(&self) -> &T {
        &self.0
    }

    /// The value, as [`as_unsigned`](Self::as_unsigned), but by value.
    pub fn into_unsigned(self) -> T {
        self.0
    }
}

impl<T: fmt::Display> fmt::Display for Unsigned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (unsigned)", self.0)
    }
}
