//! The one file that knows whether `tracing` is compiled in.

/// Something an operator should know, though nobody has to be woken for it.
#[cfg_attr(
    not(feature = "memory"),
    allow(dead_code, reason = "only the memory store warns so far")
)]
#[cfg(feature = "tracing")]
pub(crate) fn warn(message: std::fmt::Arguments<'_>) {
    tracing::warn!("{message}");
}

#[cfg_attr(
    not(feature = "memory"),
    allow(dead_code, reason = "only the memory store warns so far")
)]
#[cfg(not(feature = "tracing"))]
pub(crate) fn warn(_: std::fmt::Arguments<'_>) {}
