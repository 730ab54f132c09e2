//! What a peer may make a decoder do: how deep it recurses, how much it reserves.

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
    fn the_outermost_level_is_free() {
        let mut depth = Depth::new();
        for _ in 0..=MAX_DEPTH {
            depth = depth.enter().unwrap();
        }
        assert!(depth.enter().is_none());
        assert!(depth.leave().enter().is_some());
    }
}
