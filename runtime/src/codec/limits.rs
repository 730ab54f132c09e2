//! What a peer may make a decoder do: how deep it recurses, how much it reserves, how much memory a message may become.

use super::DecodeError;

/// How many levels of structs and containers may stand inside the outermost one, known or unknown, read or written.
///
/// Kitex draws the line for unknown fields at the same place: 64 nested structs pass, 65 do not. Scalars and strings
/// are no level.
pub const MAX_DEPTH: usize = 64;

/// The levels that are left to a reader or writer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth(u8);

impl Depth {
    /// The budget of one message.
    pub(super) const fn new() -> Self {
        // One more for the outermost struct, which is inside none.
        Self(MAX_DEPTH as u8 + 1)
    }

    /// Goes one level down; `None` is the limit.
    #[inline]
    #[must_use]
    pub(super) fn enter(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }

    /// Goes one level up.
    #[inline]
    #[must_use]
    pub(super) fn leave(self) -> Self {
        // Saturates, since a hand-written `Thrift` may end what it did not begin.
        Self(self.0.saturating_add(1))
    }
}

/// How much memory the elements and boxes of a message's values may take: 16 times its own size, or 256 MiB where that is more.
///
/// A struct of hundreds of bytes may be a single one on the wire, so that the limit of a message's size alone would let 16 MiB
/// become gigabytes. Counted is what values take by their types, before anything is reserved for them; while a list grows, the
/// allocator has up to three times as much.
pub const MAX_GROWTH: usize = 16;

const SMALLEST_BUDGET: usize = 256 << 20;

/// The memory that is left to the values of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget(usize);

impl Budget {
    /// The budget of a message of so many bytes.
    #[inline]
    pub(super) fn of_message(len: usize) -> Self {
        Self(len.saturating_mul(MAX_GROWTH).max(SMALLEST_BUDGET))
    }

    /// Takes the memory of `count` values of a type off the budget.
    #[inline]
    pub(super) fn charge(&mut self, count: usize, size: usize) -> Result<(), DecodeError> {
        match self.0.checked_sub(count.saturating_mul(size)) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(DecodeError::memory(count, size)),
        }
    }
}

/// How many elements to reserve for at once, where a peer claims `count`.
///
/// The rest is allocated as elements arrive, so that memory follows the bytes received and not a number in them.
#[inline]
pub(super) fn capacity<T>(count: usize) -> usize {
    let most = RESERVE_MAX / size_of::<T>().max(1);
    count.min(most)
}

const RESERVE_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_never_reserves_more_than_64_kib() {
        let claims = [0, 1, 100, 65_536, i32::MAX as usize, usize::MAX];
        for count in claims {
            assert_eq!(capacity::<u8>(count), count.min(65_536));
            assert_eq!(capacity::<u64>(count), count.min(8_192));
            assert_eq!(capacity::<[u8; 100_000]>(count), 0);
            // The reservation of a type without size is free; `Vec` ignores it.
            assert_eq!(capacity::<()>(count), count.min(65_536));
        }
    }

    #[test]
    fn a_message_becomes_16_times_its_size_or_256_mib_at_most() {
        const MIB: usize = 1 << 20;
        for (len, most) in [(0, 256 * MIB), (16 * MIB, 256 * MIB), (17 * MIB, 272 * MIB), (usize::MAX, usize::MAX)] {
            let mut budget = Budget::of_message(len);
            budget.charge(1, most).unwrap();
            budget.charge(usize::MAX, 0).unwrap();
            assert!(budget.charge(1, 1).is_err(), "{len}");
        }
        let err = Budget::of_message(1).charge(usize::MAX, 500).unwrap_err().to_string();
        assert!(err.contains("values of 500 bytes each") && err.contains("256 MiB"), "{err}");
    }

    #[test]
    fn the_outermost_level_is_free() {
        let mut depth = Depth::new();
        for _ in 0..=MAX_DEPTH {
            depth = depth.enter().unwrap();
        }
        assert!(depth.enter().is_none());
        assert!(depth.leave().enter().is_some());
    }
}
