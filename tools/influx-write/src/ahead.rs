//! Reading ahead: a thread reads and hashes for the end mark, while what it read before is cut into lines and checked.
//!
//! Who checks the lines finds their ends anyway, so nobody looks for them before: blocks end where a read ended, and what
//! is left of a line moves in front of the next block.

use fault::{Error, Kind, Result};
use lp::{Dialect, LineError, Lines, Reason};
use memchr::memchr;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Bytes in a block, and blocks that may wait.
const BLOCK: usize = 512 << 10;
const WAITING: usize = 2;

/// Room in front of a block, for the begin of its first line. A longer one is put together in a longer buffer.
const FRONT: usize = 16 << 10;

/// What another thread reads from `R`, in its order. Errors come where they happened.
#[derive(Debug)]
pub struct Ahead<R> {
    blocks: Receiver<io::Result<Block>>,
    /// Buffers to be filled again.
    empty: SyncSender<Vec<u8>>,
    /// What the caller looks at stands in `from..to`.
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    /// Where `from` is in the stream: byte, and number of the line.
    offset: u64,
    number: u64,
    /// A line that is too long and has not ended yet.
    skipped: Option<LineError>,
    /// How reading ended while a line was skipped.
    failed: Option<io::Error>,
    /// Something is in the buffer that was not looked at yet.
    unseen: bool,
    ended: bool,
    dialect: Dialect,
    longest: usize,
    thread: JoinHandle<R>,
}

/// What [`Ahead::next_chunk`] gives: as [`lp::Chunk`].
#[derive(Debug)]
pub enum Chunk<'a> {
    Lines(Lines<'a>),
    TooLong(LineError),
}

/// What was read at once: from [`FRONT`] to `to`.
#[derive(Debug)]
struct Block {
    buffer: Vec<u8>,
    to: usize,
}

impl<R: Read + Send + 'static> Ahead<R> {
    /// Begins to read. `longest`: bytes of the longest line that is read.
    pub fn start(reader: R, dialect: Dialect, longest: usize) -> Result<Ahead<R>> {
        let (send, blocks) = sync_channel(WAITING);
        let (empty, buffers) = sync_channel(WAITING + 2);
        let thread = std::thread::Builder::new()
            .name("read".into())
            .spawn(move || read(reader, &send, &buffers))
            .map_err(|error| Error::io("cannot start a thread", error))?;
        let (buffer, from, to, skipped, failed) = (Vec::new(), 0, 0, None, None);
        let (unseen, ended, offset, number) = (false, false, 0, 1);
        Ok(Ahead {
            blocks,
            empty,
            buffer,
            from,
            to,
            offset,
            number,
            skipped,
            failed,
            unseen,
            ended,
            dialect,
            longest,
            thread,
        })
    }

    /// The next lines, or None at the end. Fails only if reading fails. What the caller has taken of the lines is to be
    /// told to [`Ahead::passed`]; the rest comes again, with more behind it.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk<'_>>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        loop {
            if !std::mem::take(&mut self.unseen) && !self.ended {
                // The thread ends after the last block.
                match self.blocks.recv() {
                    Ok(Ok(block)) => self.add(block),
                    Ok(Err(error)) => {
                        // What is known of a line comes first.
                        let Some(long) = self.skipped.take() else { return Err(error) };
                        self.failed = Some(error);
                        return Ok(Some(Chunk::TooLong(long)));
                    }
                    Err(_) => self.ended = true,
                }
            }
            let have = self.buffer.get(self.from..self.to).unwrap_or_default();
            if have.is_empty() && self.skipped.is_none() {
                if self.ended {
                    return Ok(None);
                }
                continue;
            }
            if let Some(error) = self.skipped {
                let line_feed = memchr(b'\n', have);
                let bytes = line_feed.map_or(have.len(), |at| at + 1);
                self.passed(bytes, self.number + u64::from(line_feed.is_some()));
                if line_feed.is_none() && !self.ended {
                    continue;
                }
                self.skipped = None;
                self.unseen = true;
                return Ok(Some(Chunk::TooLong(error)));
            }
            if have.len() > self.longest && memchr(b'\n', have).is_none() {
                let reason = Reason::LineTooLong;
                self.skipped = Some(LineError { offset: self.offset, line: self.number, at: 0, reason });
                self.unseen = true;
                continue;
            }
            // Borrowed again: the borrow above may not leave the loop.
            let have = self.buffer.get(self.from..self.to).unwrap_or_default();
            let lines = Lines::at(have, self.dialect, self.offset, self.number).max_line(self.longest);
            return Ok(Some(Chunk::Lines(if self.ended { lines } else { lines.goes_on() })));
        }
    }

    /// So many bytes of the last lines are done with ([`Lines::passed`]), and the line after them has this number
    /// ([`Lines::next_number`]).
    pub fn passed(&mut self, bytes: usize, number: u64) {
        self.from += bytes;
        self.offset += bytes as u64;
        self.number = number;
    }

    /// The reader, once it has ended (or its error was met).
    pub fn finish(self) -> Result<R> {
        drop(self.blocks);
        self.thread.join().map_err(|_| Error::new(Kind::Bug, "the reading thread panicked"))
    }

    /// Puts a block behind what is left of the one before.
    fn add(&mut self, mut block: Block) {
        let left = self.buffer.get(self.from..self.to).unwrap_or_default();
        let front = FRONT.checked_sub(left.len());
        if let Some(from) = front
            && let Some(room) = block.buffer.get_mut(from..FRONT)
        {
            room.copy_from_slice(left);
            (self.from, self.to) = (from, block.to);
            std::mem::swap(&mut self.buffer, &mut block.buffer);
        } else {
            self.buffer.truncate(self.to);
            self.buffer.drain(..self.from);
            self.buffer.extend_from_slice(block.buffer.get(FRONT..block.to).unwrap_or_default());
            (self.from, self.to) = (0, self.buffer.len());
        }
        if block.buffer.len() == FRONT + BLOCK {
            // The thread may have ended; then nobody needs the buffer.
            let _ = self.empty.try_send(block.buffer);
        }
    }
}

/// Reads until the end, an error, or until nobody wants it any more.
fn read<R: Read>(mut reader: R, send: &SyncSender<io::Result<Block>>, empty: &Receiver<Vec<u8>>) -> R {
    let mut buffer = Vec::new();
    loop {
        if buffer.is_empty() {
            buffer = empty.try_recv().unwrap_or_else(|_| vec![0; FRONT + BLOCK]);
        }
        match reader.read(buffer.get_mut(FRONT..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(bytes) => {
                let block = Block { buffer: std::mem::take(&mut buffer), to: FRONT + bytes };
                if send.send(Ok(block)).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // If nobody wants it any more, nobody wants the error.
                let _ = send.send(Err(error));
                break;
            }
        }
    }
    reader
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    /// Gives a line at a time, then an error.
    struct Growing(usize);

    impl Read for Growing {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 300 {
                return Err(io::Error::other("broken"));
            }
            out[..self.0].fill(b'x');
            out[self.0 - 1] = b'\n';
            Ok(self.0)
        }
    }

    #[test]
    fn every_line_comes_with_its_place_and_then_the_error() {
        let mut ahead = Ahead::start(Growing(1), Dialect::V1, 1000).unwrap();
        let (mut count, mut offset) = (1, 0);
        let error = loop {
            match ahead.next_chunk() {
                Ok(Some(Chunk::Lines(mut lines))) => {
                    for line in lines.by_ref() {
                        count += 1;
                        assert_eq!((line.bytes.len() + 1, line.number, line.offset), (count, count as u64 - 1, offset));
                        offset += count as u64;
                    }
                    let (passed, number) = (lines.passed(), lines.next_number());
                    ahead.passed(passed, number);
                }
                Ok(other) => panic!("{other:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!((count, error.to_string()), (300, "broken".to_owned()));
        assert_eq!(ahead.finish().unwrap().0, 301);
    }

    #[test]
    fn a_long_line_is_told_before_the_error_that_ends_it() {
        let broken = io::Cursor::new(vec![b'x'; 3 * BLOCK]).chain(Growing(300));
        let mut ahead = Ahead::start(broken, Dialect::V1, 1000).unwrap();
        assert!(matches!(ahead.next_chunk(), Ok(Some(Chunk::TooLong(LineError { line: 1, .. })))));
        assert_eq!(ahead.next_chunk().unwrap_err().to_string(), "broken");
    }

    #[test]
    fn large_inputs_come_in_pieces_and_long_lines_are_told() {
        // However blocks begin, one of them has nothing of it but the long line.
        let long = "m f=1 1\n".repeat(100_000) + &"y".repeat(2 * BLOCK) + "\nm f=2 2\n" + &"z".repeat(300_000);
        let length = long.len();
        let mut ahead = Ahead::start(io::Cursor::new(long.into_bytes()), Dialect::V2, 4096).unwrap();
        let (mut lines, mut too_long, mut chunks) = (0, Vec::new(), 0);
        while let Some(chunk) = ahead.next_chunk().unwrap() {
            chunks += 1;
            match chunk {
                Chunk::Lines(mut some) => {
                    lines += some.by_ref().count();
                    let (passed, number) = (some.passed(), some.next_number());
                    ahead.passed(passed, number);
                }
                Chunk::TooLong(error) => too_long.push(error.line),
            }
        }
        assert!(chunks > 3);
        assert_eq!((lines, too_long), (100_001, vec![100_001, 100_003]));
        assert!(ahead.next_chunk().unwrap().is_none());
        assert_eq!(ahead.finish().unwrap().position(), length as u64);
    }

    /// Gives random texts in pieces of random sizes.
    struct Pieces(Vec<u8>, usize, Vec<usize>);

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let size = self.2.get(self.1 % self.2.len()).copied().unwrap_or(1).min(self.0.len()).min(out.len());
            self.1 += 1;
            out[..size].copy_from_slice(&self.0[..size]);
            self.0.drain(..size);
            Ok(size)
        }
    }

    type Seen = (Vec<u8>, u64, u64, bool);

    fn seen(line: lp::RawLine<'_>) -> Seen {
        (line.bytes.to_vec(), line.offset, line.number, line.comment)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Lines are the same wherever reads ended.
        #[test]
        fn pieces_make_no_difference(
            parts in prop::collection::vec("[mtf=, ]{0,6}([a-c=, \\\\\"#\n\t]|=\"|\",|=1){0,40}\n|m,t=a f=1 1\r?\n", 0..20),
            long in 0usize..40_000,
            sizes in prop::collection::vec(prop_oneof![1usize..40, 1usize..30_000], 1..5),
        ) {
            let text = parts.concat() + "m s=\"" + &"x\n".repeat(long / 2) + "\" 1\n" + &parts.concat();
            let whole: Vec<Seen> = Lines::new(text.as_bytes(), Dialect::V2).with_comments().map(seen).collect();
            let mut ahead = Ahead::start(Pieces(text.into_bytes(), 0, sizes), Dialect::V2, 4 << 20).unwrap();
            let mut pieces = Vec::new();
            while let Some(chunk) = ahead.next_chunk().unwrap() {
                let Chunk::Lines(lines) = chunk else { panic!("{chunk:?}") };
                let mut lines = lines.with_comments();
                pieces.extend(lines.by_ref().map(seen));
                let (passed, number) = (lines.passed(), lines.next_number());
                ahead.passed(passed, number);
            }
            prop_assert_eq!(pieces, whole);
        }
    }

    #[test]
    fn who_stops_early_ends_the_thread() {
        let mut ahead = Ahead::start(io::repeat(b'\n'), Dialect::V1, 1000).unwrap();
        ahead.next_chunk().unwrap();
        ahead.finish().unwrap();
    }
}
