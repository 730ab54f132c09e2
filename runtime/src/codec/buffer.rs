//! Bytes to be written: one growing run, with long payloads linked in between instead of copied.

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::mem;

use bytes::{Buf, Bytes};

/// Bytes to be written, as they grow.
///
/// Short bytes are copied into one run; [`Bytes`] of [`LINK_MIN`] and more are linked in at their place. Nothing is
/// allocated until the first byte, and [`Buffer::take`] gives all memory away, so that an idle buffer costs 40 bytes.
#[derive(Default)]
pub struct Buffer {
    run: Vec<u8>,
    links: Option<Box<Links>>,
    /// The length of the run that was taken last: the next one is likely to be as long.
    last: u32,
}

/// What stands between the bytes of the run, in order.
#[derive(Default)]
struct Links {
    list: Vec<Link>,
    len: usize,
}

struct Link {
    /// The length of the run when the bytes were linked.
    at: usize,
    bytes: Bytes,
}

/// A place in a [`Buffer`] to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    run: usize,
    links: usize,
}

impl Buffer {
    /// An empty buffer, without memory of its own.
    #[must_use]
    pub const fn new() -> Self {
        Self { run: Vec::new(), links: None, last: 0 }
    }

    /// An empty buffer whose run has room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { run: Vec::with_capacity(capacity), ..Self::new() }
    }

    /// How many bytes there are, linked ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.run.len() + self.links.as_ref().map_or(0, |links| links.len)
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.run.is_empty() && self.links.is_none()
    }

    /// How many bytes were copied into the run: the offset that [`Buffer::patch`] takes for what comes next.
    #[must_use]
    pub fn run_len(&self) -> usize {
        self.run.len()
    }

    /// Makes room for `additional` bytes in the run.
    pub fn reserve(&mut self, additional: usize) {
        self.run.reserve(additional);
    }

    /// Appends by copying.
    pub fn put(&mut self, bytes: &[u8]) {
        self.warm();
        self.run.extend_from_slice(bytes);
    }

    /// Appends, copying what is shorter than [`LINK_MIN`] and linking what is not.
    pub fn link(&mut self, bytes: Bytes) {
        if bytes.len() < LINK_MIN {
            return self.put(&bytes);
        }
        let at = self.run.len();
        let links = self.links.get_or_insert_default();
        links.len += bytes.len();
        links.list.push(Link { at, bytes });
    }

    /// Appends another buffer. A long one is linked, not copied; offsets into it are void afterwards.
    pub fn append(&mut self, other: Self) {
        if self.is_empty() && self.run.capacity() <= other.run.capacity() {
            let last = self.last;
            *self = Self { last, ..other };
        } else if other.run.len() >= LINK_MIN {
            other.into_payload().into_iter().for_each(|bytes| self.link(bytes));
        } else {
            let mut from = 0;
            for Link { at, bytes } in other.links.into_iter().flat_map(|links| links.list) {
                self.put(other.run.get(from..at).unwrap_or_default());
                self.link(bytes);
                from = at;
            }
            self.put(other.run.get(from..).unwrap_or_default());
        }
    }

    /// Overwrites bytes of the run from the offset `at` that [`Buffer::run_len`] told: a length that was not known yet.
    ///
    /// What would reach beyond the run is a mistake of the caller and is not written.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        let slot = self.run.get_mut(at..).and_then(|run| run.get_mut(..bytes.len()));
        debug_assert!(slot.is_some(), "patch of {} bytes at {at} is beyond the run", bytes.len());
        if let Some(slot) = slot {
            slot.copy_from_slice(bytes);
        }
    }

    /// Remembers the end, for [`Buffer::rollback`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { run: self.run.len(), links: self.links.as_ref().map_or(0, |links| links.list.len()) }
    }

    /// Drops what was appended since `mark`, and nothing else: what a failed encode leaves behind.
    pub fn rollback(&mut self, mark: Mark) {
        self.run.truncate(mark.run);
        if let Some(links) = &mut self.links {
            let gone: usize = links.list.drain(mark.links..).map(|link| link.bytes.len()).sum();
            links.len -= gone;
            if links.list.is_empty() {
                self.links = None;
            }
        }
    }

    /// Drops all bytes and keeps the memory.
    pub fn clear(&mut self) {
        self.run.clear();
        self.links = None;
    }

    /// Takes all bytes, and the memory with them.
    #[must_use]
    pub fn take(&mut self) -> Payload {
        self.exchange(Vec::new())
    }

    /// Takes all bytes and the memory with them, and leaves other memory for what comes next.
    #[must_use]
    pub(crate) fn exchange(&mut self, memory: Vec<u8>) -> Payload {
        let last = self.run.len().min(LAST_MAX) as u32;
        mem::replace(self, Self { run: memory, links: None, last }).into_payload()
    }

    /// Where the run is about to need its first memory: how long the last one was.
    #[inline]
    pub(crate) fn wants_memory(&self) -> Option<usize> {
        (self.run.capacity() == 0).then_some(self.last as usize)
    }

    /// Gives an empty run its memory.
    pub(crate) fn give_memory(&mut self, memory: Vec<u8>) {
        debug_assert!(self.run.is_empty() && memory.is_empty(), "bytes would be lost");
        self.run = memory;
    }

    /// Gives an empty run its first memory, so that it does not start with 8 bytes and double from there.
    #[inline]
    pub(super) fn warm(&mut self) {
        if self.run.capacity() == 0 {
            self.run.reserve_exact((self.last as usize).max(RUN_MIN));
        }
    }

    /// Appends what has a fixed size.
    #[inline]
    pub(super) fn put_array<const N: usize>(&mut self, bytes: [u8; N]) {
        self.run.extend_from_slice(&bytes);
    }

    /// Appends a head and what it is the head of.
    #[inline]
    pub(super) fn put_with_head<const N: usize>(&mut self, head: [u8; N], bytes: &[u8]) {
        self.run.reserve(N + bytes.len());
        self.run.extend_from_slice(&head);
        self.run.extend_from_slice(bytes);
    }

    /// Appends numbers of one width.
    #[inline]
    pub(super) fn put_arrays<T: Copy, const N: usize>(&mut self, values: &[T], to_be: impl Fn(T) -> [u8; N]) {
        self.run.reserve(values.len() * N);
        let mut blocks = values.chunks_exact(BLOCK);
        for block in &mut blocks {
            let mut bytes = [[0; N]; BLOCK];
            for (bytes, value) in bytes.iter_mut().zip(block) {
                *bytes = to_be(*value);
            }
            self.run.extend_from_slice(bytes.as_flattened());
        }
        for value in blocks.remainder() {
            self.run.extend_from_slice(&to_be(*value));
        }
    }

    fn into_payload(self) -> Payload {
        let Some(links) = self.links else { return self.run.into() };
        let run = Bytes::from(self.run);
        let mut segments = VecDeque::with_capacity(2 * links.list.len() + 1);
        let mut from = 0;
        let len = run.len() + links.len;
        for Link { at, bytes } in links.list {
            if from < at {
                segments.push_back(run.slice(from..at));
            }
            segments.push_back(bytes);
            from = at;
        }
        if from < run.len() {
            segments.push_back(run.slice(from..));
        }
        Payload::of_segments(segments, len)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.links.as_ref().map_or(0, |links| links.list.len());
        f.debug_struct("Buffer").field("len", &self.len()).field("links", &links).finish_non_exhaustive()
    }
}

/// Bytes ready to be written: what [`Buffer::take`] takes, or any [`Bytes`].
///
/// Read it as a [`Buf`]; [`Buf::chunks_vectored`] gives all segments to one system call.
#[derive(Clone)]
pub struct Payload(Parts);

#[derive(Clone)]
enum Parts {
    /// Short messages: the run as it was written, of which the bytes before `at` are read. Making it [`Bytes`] would
    /// allocate once more.
    Run { run: Vec<u8>, at: usize },
    /// What has links. `head` is empty only where all is.
    Segments { head: Bytes, tail: Option<Box<Tail>> },
}

#[derive(Clone)]
struct Tail {
    /// None of them is empty.
    segments: VecDeque<Bytes>,
    len: usize,
}

impl Payload {
    fn of_segments(mut segments: VecDeque<Bytes>, len: usize) -> Self {
        let head = segments.pop_front().unwrap_or_default();
        let len = len - head.len();
        let tail = (!segments.is_empty()).then(|| Box::new(Tail { segments, len }));
        Self(Parts::Segments { head, tail })
    }

    /// The memory of bytes that were read, for another use; none where it is shared.
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        match &mut self.0 {
            Parts::Run { run, at } => {
                *at = 0;
                mem::take(run)
            }
            Parts::Segments { .. } => Vec::new(),
        }
    }

    /// The payload's bytes; shared, not copied, where they are one segment.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Parts::Run { run, at: 0 } => run.into(),
            parts => {
                let mut payload = Self(parts);
                payload.copy_to_bytes(payload.remaining())
            }
        }
    }
}

/// Makes the next segment the head, where the head is used up.
fn settle(head: &mut Bytes, tail: &mut Option<Box<Tail>>) {
    let Some(rest) = tail.as_mut().filter(|_| head.is_empty()) else { return };
    if let Some(next) = rest.segments.pop_front() {
        rest.len -= next.len();
        *head = next;
    }
    if rest.segments.is_empty() {
        *tail = None;
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self(Parts::Run { run: Vec::new(), at: 0 })
    }
}

impl Buf for Payload {
    #[inline]
    fn remaining(&self) -> usize {
        match &self.0 {
            Parts::Run { run, at } => run.len() - at,
            Parts::Segments { head, tail } => head.len() + tail.as_ref().map_or(0, |tail| tail.len),
        }
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match &self.0 {
            Parts::Run { run, at } => run.get(*at..).unwrap_or_default(),
            Parts::Segments { head, .. } => head,
        }
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let tail = match &self.0 {
            Parts::Run { .. } => None,
            Parts::Segments { tail, .. } => tail.as_ref(),
        };
        let tail = tail.into_iter().flat_map(|tail| &tail.segments).map(|segment| &**segment);
        let segments = std::iter::once(self.chunk()).filter(|head| !head.is_empty()).chain(tail);
        dst.iter_mut().zip(segments).map(|(slot, segment)| *slot = IoSlice::new(segment)).count()
    }

    /// # Panics
    /// There are fewer than `count` bytes.
    #[inline]
    fn advance(&mut self, mut count: usize) {
        match &mut self.0 {
            Parts::Run { run, at } => {
                assert!(count <= run.len() - *at, "{count} bytes advanced of {}", run.len() - *at);
                *at += count;
            }
            Parts::Segments { head, tail } => {
                while tail.is_some() && count >= head.len() {
                    count -= head.len();
                    head.clear();
                    settle(head, tail);
                }
                head.advance(count);
            }
        }
    }

    /// Shares the memory where the bytes are in one segment of several, and copies where they are not.
    ///
    /// # Panics
    /// There are fewer than `len` bytes.
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        if let Parts::Segments { head, tail } = &mut self.0 {
            if len <= head.len() {
                let bytes = head.split_to(len);
                settle(head, tail);
                return bytes;
            }
        }
        assert!(len <= self.remaining(), "{len} bytes wanted of {}", self.remaining());
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let chunk = self.chunk();
            let count = chunk.len().min(len - bytes.len());
            bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
            self.advance(count);
        }
        bytes.into()
    }
}

/// The segments in order.
impl IntoIterator for Payload {
    type Item = Bytes;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Bytes>, std::collections::vec_deque::IntoIter<Bytes>>;

    fn into_iter(self) -> Self::IntoIter {
        let (head, tail) = match self.0 {
            Parts::Run { .. } => (self.into_bytes(), None),
            Parts::Segments { head, tail } => (head, tail),
        };
        let head = (!head.is_empty()).then_some(head);
        head.into_iter().chain(tail.map(|tail| tail.segments).unwrap_or_default())
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(Parts::Segments { head: bytes, tail: None })
    }
}

impl From<Vec<u8>> for Payload {
    fn from(run: Vec<u8>) -> Self {
        Self(Parts::Run { run, at: 0 })
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = match &self.0 {
            Parts::Segments { tail: Some(tail), .. } => tail.segments.len(),
            _ => 0,
        };
        f.debug_struct("Payload").field("len", &self.remaining()).field("segments", &(tail + 1)).finish()
    }
}

/// From this length on, bytes are linked instead of copied: here a link, with its segment of the system call, begins
/// to cost less than a copy.
pub const LINK_MIN: usize = 4 << 10;

/// How many numbers are turned into bytes at once. More of them no longer stay in registers.
const BLOCK: usize = 8;

/// The first allocation of a run, in bytes.
const RUN_MIN: usize = 128;

/// What a run reserves at most because the one before was that long.
const LAST_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn long(byte: u8) -> Bytes {
        vec![byte; LINK_MIN].into()
    }

    fn drain(mut payload: Payload) -> Vec<u8> {
        payload.copy_to_bytes(payload.remaining()).into()
    }

    /// `ab`, a long payload, `c`, two long payloads, `d`.
    fn mixed() -> (Buffer, Vec<u8>) {
        let mut buffer = Buffer::new();
        buffer.put(b"ab");
        buffer.link(long(1));
        buffer.put(b"c");
        buffer.link(long(2));
        buffer.link(long(3));
        buffer.put(b"d");
        (buffer, [b"ab", &long(1)[..], b"c", &long(2), &long(3), b"d"].concat())
    }

    #[test]
    fn bytes_come_out_in_the_order_they_went_in() {
        let (mut buffer, want) = mixed();
        assert_eq!((buffer.len(), buffer.run_len()), (want.len(), 4));
        let payload = buffer.take();
        assert!(buffer.is_empty());
        assert_eq!(payload.remaining(), want.len());
        assert_eq!(drain(payload.clone()), want);
        assert_eq!(payload.into_iter().collect::<Vec<_>>().concat(), want);
    }

    #[test]
    fn a_long_payload_is_not_copied() {
        let (mut buffer, payload) = (Buffer::new(), long(1));
        buffer.put(b"a");
        buffer.link(payload.clone());
        assert_eq!(buffer.take().into_iter().nth(1).unwrap().as_ptr(), payload.as_ptr());
        buffer.link(payload.slice(1..));
        assert_eq!(buffer.run_len(), LINK_MIN - 1, "a shorter one is");
    }

    #[test]
    fn a_payload_is_read_in_steps_of_any_size() {
        let (mut buffer, want) = mixed();
        let payload = buffer.take();
        for step in [1, 2, 3, LINK_MIN, LINK_MIN + 1, 2 * LINK_MIN + 3, want.len()] {
            let (mut by_advance, mut by_copy, mut read) = (payload.clone(), payload.clone(), Vec::new());
            while by_advance.has_remaining() {
                assert!(!by_advance.chunk().is_empty());
                let count = step.min(by_advance.remaining());
                by_advance.advance(count);
                read.extend_from_slice(&by_copy.copy_to_bytes(count));
                assert_eq!(by_advance.remaining(), by_copy.remaining());
                assert_eq!(by_advance.chunk(), by_copy.chunk());
            }
            assert_eq!(read, want);
        }
    }

    #[test]
    fn one_vectored_write_takes_all_segments() {
        let (mut buffer, want) = mixed();
        let mut payload = buffer.take();
        let mut slices = [IoSlice::new(&[]); 8];
        let count = payload.chunks_vectored(&mut slices);
        assert_eq!(count, 6);
        assert_eq!(slices[..count].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<_>>(), want);
        assert_eq!(payload.chunks_vectored(&mut [IoSlice::new(&[]); 2]), 2);
        payload.advance(want.len());
        assert_eq!(payload.chunks_vectored(&mut [IoSlice::new(&[]); 2]), 0);
        assert_eq!(Payload::default().chunks_vectored(&mut [IoSlice::new(&[]); 2]), 0);
    }

    #[test]
    fn a_rollback_leaves_what_was_there_before() {
        let (mut buffer, mut want) = mixed();
        let mark = buffer.mark();
        buffer.put(b"lost");
        buffer.link(long(9));
        buffer.put(b"lost");
        buffer.rollback(mark);
        assert_eq!(buffer.len(), want.len());
        buffer.put(b"kept");
        want.extend_from_slice(b"kept");
        assert_eq!(drain(buffer.take()), want);

        let mark = buffer.mark();
        buffer.link(long(9));
        buffer.rollback(mark);
        assert!(buffer.is_empty());
        assert_eq!(buffer.take().remaining(), 0);
    }

    #[test]
    fn a_length_is_patched_in_when_it_is_known() {
        let mut buffer = Buffer::new();
        buffer.link(long(1));
        let at = buffer.run_len();
        buffer.put(&[0; 4]);
        buffer.put(b"body");
        buffer.patch(at, &4_u32.to_be_bytes());
        assert_eq!(drain(buffer.take())[LINK_MIN..], *b"\0\0\0\x04body");
    }

    #[test]
    fn an_appended_buffer_follows() {
        let short = || {
            let mut buffer = Buffer::new();
            buffer.put(b"xyz");
            (buffer, b"xyz".to_vec())
        };
        let run = || {
            let mut buffer = Buffer::new();
            buffer.put(&[7; LINK_MIN + 1]);
            (buffer, vec![7; LINK_MIN + 1])
        };
        let none = || (Buffer::new(), Vec::new());
        let makers: [&dyn Fn() -> (Buffer, Vec<u8>); 4] = [&none, &short, &run, &mixed];
        for first in makers {
            for second in makers {
                let ((mut buffer, mut want), (other, more)) = (first(), second());
                buffer.append(other);
                buffer.put(b"end");
                want.extend_from_slice(&more);
                want.extend_from_slice(b"end");
                assert_eq!(buffer.len(), want.len());
                assert_eq!(drain(buffer.take()), want);
            }
        }
    }

    #[test]
    fn memory_is_allocated_late_and_given_away() {
        let mut buffer = Buffer::new();
        assert_eq!(buffer.run.capacity(), 0);
        buffer.put(&[1; 1000]);
        let _ = buffer.take();
        assert_eq!(buffer.run.capacity(), 0);
        buffer.put(&[1]);
        assert_eq!(buffer.run.capacity(), 1000, "as long as the last");
        buffer.put(&vec![1; 1 << 20]);
        let _ = buffer.take();
        buffer.put(&[1]);
        assert_eq!(buffer.run.capacity(), LAST_MAX);
        assert!(size_of::<Buffer>() <= 40 && size_of::<Payload>() <= 40);
    }
}
