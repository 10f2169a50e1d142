//! What is fuzzed: plain functions from bytes, for which a panic is a finding. `fuzz.rs` beside
//! this folder drives them with random bytes in every test run, the targets under `fuzz/` with
//! libFuzzer's.

pub(crate) mod json;
pub(crate) mod signature;
pub(crate) mod signed;
pub(crate) mod event;
#[cfg(all(feature = "memory", feature = "test-util"))]
pub(crate) mod service;
#[cfg(all(feature = "memory", feature = "test-util"))]
pub(crate) mod store;

/// Decisions read from bytes. Where the bytes end, every further decision is the first or usual
/// one.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    /// A number below this one, which is at most 256.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// A number of at most this, which may exceed a byte.
    pub(crate) fn up_to(&mut self, most: usize) -> usize {
        (usize::from(self.byte()) * 256 + usize::from(self.byte())) % (most + 1)
    }

    /// Something rare.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// As many bytes as there are, at most so many.
    pub(crate) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (now, later) = self.0.split_at(most.min(self.0.len()));
        self.0 = later;
        now
    }

    /// A run of bytes, its length in front.
    pub(crate) fn chunk(&mut self) -> &'a [u8] {
        let length = self.byte();
        self.bytes(length.into())
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }

    /// Changes to a text, in half of all cases none.
    pub(crate) fn edit(&mut self, text: &mut Vec<u8>) {
        for _ in 0..self.below(8).saturating_sub(4) {
            let at = self.up_to(text.len());
            let byte = self.byte();
            match self.below(7) {
                0 => text.insert(at, byte),
                1 => text.truncate(at),
                2 => text.make_ascii_uppercase(),
                3 => {
                    let again = text.clone();
                    text.push(byte);
                    text.extend(again);
                }
                what if at < text.len() => match what {
                    4 => text[at] = byte,
                    5 => text[at] ^= 1 << (byte % 8),
                    _ => drop(text.remove(at)),
                },
                _ => text.push(byte),
            }
        }
    }
}
