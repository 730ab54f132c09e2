//! As much of HTTP/2 framing as it takes to see where frames end, and whether a peer leaves something unfinished. The h2 crate
//! does the rest.

/// Follows the bytes of one direction and knows whether they stop inside something.
///
/// The h2 crate waits for the rest of a frame for ever; this is what a timeout can look at.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Bytes of the connection preface that are still to come.
    preface: usize,
    head: [u8; HEAD],
    head_len: usize,
    payload: usize,
    /// Inside a header block: HEADERS came without END_HEADERS.
    in_headers: bool,
    frames: u64,
    pings: usize,
}

/// RFC 9113, 4.1: length (3), type, flags, stream id (4).
const HEAD: usize = 9;
const PREFACE: usize = 24;
const TYPE_HEADERS: u8 = 0x1;
const TYPE_PING: u8 = 0x6;
const TYPE_GOAWAY: u8 = 0x7;
const TYPE_CONTINUATION: u8 = 0x9;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

impl Progress {
    /// The client's direction: a preface, then frames.
    pub(crate) fn of_client() -> Self {
        Self { preface: PREFACE, ..Self::of_server() }
    }

    /// The server's direction: frames.
    pub(crate) fn of_server() -> Self {
        Self { preface: 0, head: [0; HEAD], head_len: 0, payload: 0, in_headers: false, frames: 0, pings: 0 }
    }

    /// Takes the bytes that came next, up to the end of the last frame that may end. Answers how many it has taken.
    pub(crate) fn feed(&mut self, bytes: &[u8], last: u64) -> usize {
        let skipped = self.preface.min(bytes.len());
        self.preface -= skipped;
        let mut input = bytes.get(skipped..).unwrap_or_default();
        while !input.is_empty() && self.frames < last {
            if self.payload > 0 {
                let skipped = self.payload.min(input.len());
                self.payload -= skipped;
                input = input.get(skipped..).unwrap_or_default();
                if self.payload == 0 {
                    self.end_frame();
                }
                continue;
            }
            let (head, rest) = input.split_at(input.len().min(HEAD - self.head_len));
            if let Some(free) = self.head.get_mut(self.head_len..self.head_len + head.len()) {
                free.copy_from_slice(head);
            }
            self.head_len += head.len();
            input = rest;
            if self.head_len == HEAD {
                let [a, b, c, ..] = self.head;
                self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
                if self.payload == 0 {
                    self.end_frame();
                }
            }
        }
        bytes.len() - input.len()
    }

    fn end_frame(&mut self) {
        let [_, _, _, kind, flags, ..] = self.head;
        if kind == TYPE_HEADERS || kind == TYPE_CONTINUATION {
            self.in_headers = flags & END_HEADERS == 0;
        }
        if kind == TYPE_PING && flags & ACK == 0 {
            self.pings += 1;
        }
        self.head_len = 0;
        self.frames += 1;
    }

    /// How many frames have ended.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// How many PINGs that ask for an answer have ended since this was asked last.
    pub(crate) fn take_pings(&mut self) -> usize {
        std::mem::take(&mut self.pings)
    }

    /// Whether the bytes so far stop inside the preface, a frame or a header block, or before the first frame (RFC 9113,
    /// 3.4: SETTINGS follows the preface at once).
    pub(crate) fn is_partial(&self) -> bool {
        self.frames == 0 || self.head_len > 0 || self.payload > 0 || self.in_headers
    }
}

/// Adds a text to the GOAWAY without one that ends `out` (RFC 9113, 6.8: debug data). Does nothing where there is none.
pub(crate) fn explain_goaway(out: &mut Vec<u8>, text: &[u8]) {
    // The last stream and the code.
    const BARE: usize = 8;
    let Some(at) = out.len().checked_sub(HEAD + BARE) else { return };
    let (Some(head), Some(len)) = (out.get_mut(at..at + HEAD), u8::try_from(BARE + text.len()).ok()) else { return };
    if *head == [0, 0, BARE as u8, TYPE_GOAWAY, 0, 0, 0, 0, 0] {
        head.copy_from_slice(&[0, 0, len, TYPE_GOAWAY, 0, 0, 0, 0, 0]);
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, len: u8) -> Vec<u8> {
        [&[0, 0, len, kind, flags, 0, 0, 0, 1][..], &vec![0; usize::from(len)]].concat()
    }

    #[test]
    fn what_is_unfinished_is_seen_at_every_byte() {
        let preface = vec![b'P'; PREFACE];
        let rows: &[(Vec<Vec<u8>>, bool, u64)] = &[
            (vec![preface.clone()], true, 0),
            (vec![preface.clone(), frame(4, 0, 0)], false, 1),
            (vec![preface.clone(), frame(4, 0, 6), frame(TYPE_HEADERS, END_HEADERS, 20)], false, 2),
            (vec![preface.clone(), frame(4, 0, 6), frame(TYPE_HEADERS, 0, 20)], true, 2),
            (vec![preface.clone(), frame(TYPE_HEADERS, 0, 5), frame(TYPE_CONTINUATION, 0, 5)], true, 2),
            (vec![preface, frame(TYPE_HEADERS, 0, 5), frame(TYPE_CONTINUATION, END_HEADERS, 0)], false, 2),
        ];
        for (parts, partial, frames) in rows {
            let bytes = parts.concat();
            for step in 1..=bytes.len() {
                let mut progress = Progress::of_client();
                bytes.chunks(step).for_each(|chunk| assert_eq!(progress.feed(chunk, u64::MAX), chunk.len()));
                assert_eq!((progress.is_partial(), progress.frames()), (*partial, *frames), "steps of {step}");
            }
            let mut cut = Progress::of_client();
            cut.feed(&bytes[..bytes.len() - 1], u64::MAX);
            assert!(cut.is_partial());
        }
    }

    #[test]
    fn no_more_frames_are_taken_than_may_end() {
        let frames = [frame(4, 0, 0), frame(0, 0, 20), frame(0, 0, 0), frame(0, 0, 3)];
        let bytes = frames.concat();
        for step in 1..=bytes.len() {
            let mut progress = Progress::of_server();
            let (mut rest, mut ends) = (&bytes[..], Vec::new());
            for last in 1..=frames.len() as u64 {
                while progress.frames() < last {
                    let taken = progress.feed(&rest[..step.min(rest.len())], last);
                    rest = &rest[taken..];
                }
                assert_eq!(progress.feed(rest, last), 0, "steps of {step}");
                ends.push(bytes.len() - rest.len());
            }
            assert_eq!(ends, [9, 38, 47, 59], "steps of {step}");
        }
    }

    #[test]
    fn pings_are_counted_and_their_answers_are_not() {
        let bytes = [vec![b'P'; PREFACE], frame(4, 0, 0), frame(6, 0, 8), frame(6, ACK, 8), frame(6, 0, 8)].concat();
        let mut progress = Progress::of_client();
        let counts = bytes.chunks(40).map(|chunk| {
            progress.feed(chunk, u64::MAX);
            progress.take_pings()
        });
        assert_eq!(counts.collect::<Vec<_>>(), [0, 1, 1]);
    }

    #[test]
    fn only_a_bare_goaway_at_the_end_is_given_a_text() {
        let goaway = |len: u8| [&[0, 0, len, 7, 0, 0, 0, 0, 0][..], &[0, 0, 0, 5, 0, 0, 0, 11]].concat();
        let rows: &[(Vec<u8>, Vec<u8>)] = &[
            (goaway(8), [goaway(10), b"hi".to_vec()].concat()),
            ([frame(6, 0, 8), goaway(8)].concat(), [frame(6, 0, 8), goaway(10), b"hi".to_vec()].concat()),
            ([goaway(8), frame(6, 0, 8)].concat(), [goaway(8), frame(6, 0, 8)].concat()),
            (goaway(8)[1..].to_vec(), goaway(8)[1..].to_vec()),
            (frame(6, 0, 8), frame(6, 0, 8)),
            (vec![], vec![]),
        ];
        for (before, after) in rows {
            let mut out = before.clone();
            explain_goaway(&mut out, b"hi");
            assert_eq!(out, *after);
        }
    }
}
