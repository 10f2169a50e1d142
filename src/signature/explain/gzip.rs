//! The one place that knows whether the feature `gzip` is on.

/// The decompressed bytes, if they are no longer than `most`: a small body can stand for a very
/// large one.
#[cfg(feature = "gzip")]
pub(super) fn decompress(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut plain = Vec::new();
    let longest = u64::try_from(most).ok()?.saturating_add(1);
    flate2::read::MultiGzDecoder::new(bytes)
        .take(longest)
        .read_to_end(&mut plain)
        .ok()?;
    (plain.len() <= most).then_some(plain)
}

#[cfg(not(feature = "gzip"))]
pub(super) fn decompress(_: &[u8], _: usize) -> Option<Vec<u8>> {
    None
}

/// The bytes compressed at this level. Other libraries write other bytes for the same text, so this
/// finds a provider that has the same library.
#[cfg(feature = "gzip")]
pub(super) fn compress(bytes: &[u8], level: u32) -> Option<Vec<u8>> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

#[cfg(not(feature = "gzip"))]
pub(super) fn compress(_: &[u8], _: u32) -> Option<Vec<u8>> {
    None
}

/// Whether bytes begin as gzip does.
pub(super) fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}
