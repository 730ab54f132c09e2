//! Memory for what streams send: a buffer that was written serves the next one.
//!
//! Without it every frame would cost an allocation in the user's task and a release in the connection's, and a long one
//! its growth and the kernel's pages too.

use std::sync::Mutex;

use crate::context::lock;

/// What a connection keeps of it, in two sizes.
#[derive(Debug, Default)]
pub(super) struct Spares {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    short: Vec<Vec<u8>>,
    long: Vec<Vec<u8>>,
    /// The sum of the capacities in `long`.
    long_size: usize,
}

/// What is at most left with a stream that has nothing to send.
pub(super) const SHORT: usize = 2 << 10;
/// How many of them a connection keeps.
const SHORT_COUNT: usize = 256;
/// The longest that is kept: a full send buffer.
const LONG: usize = 128 << 10;
/// How much of long memory a connection keeps.
const LONG_SIZE: usize = 512 << 10;

impl Spares {
    /// Keeps memory whose bytes are written.
    pub(super) fn keep(&self, mut run: Vec<u8>) {
        let size = run.capacity();
        if size == 0 || size > LONG {
            return;
        }
        run.clear();
        let mut memory = lock(&self.memory);
        if size <= SHORT {
            if memory.short.len() < SHORT_COUNT {
                memory.short.push(run);
            }
        } else if memory.long_size + size <= LONG_SIZE {
            memory.long_size += size;
            memory.long.push(run);
        }
    }

    /// Memory for a stream that sends its first message; none where there is none.
    pub(super) fn short(&self) -> Vec<u8> {
        lock(&self.memory).short.pop().unwrap_or_default()
    }

    /// Memory for a stream that sends much at a time; none where there is none.
    pub(super) fn long(&self) -> Vec<u8> {
        let mut memory = lock(&self.memory);
        let run = memory.long.pop().unwrap_or_default();
        memory.long_size -= run.capacity();
        run
    }

    /// Moves what is kept of short memory to who hands it out, where that is nobody's any more.
    pub(super) fn refill(&self, short: &mut Vec<Vec<u8>>) {
        if short.is_empty() {
            std::mem::swap(&mut lock(&self.memory).short, short);
        }
    }

    /// Gives all memory away: no stream is open that could use it.
    pub(super) fn clear(&self) {
        *lock(&self.memory) = Memory::default();
    }
}
