//! Reading ahead: a thread reads, counts for the end mark and cuts into blocks of whole lines, while the lines before are
//! checked.

use fault::{Error, Kind, Result};
use lp::{Blocks, Dialect, LineError, Lines};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Bytes in a block, and blocks that may wait.
const BLOCK: usize = 256 << 10;
const WAITING: usize = 2;

/// What another thread reads from `R`, in its order. Errors come where they happened.
#[derive(Debug)]
pub struct Ahead<R> {
    blocks: Receiver<io::Result<Block>>,
    /// Buffers to be filled again.
    empty: SyncSender<Vec<u8>>,
    /// What the caller looks at.
    lines: Vec<u8>,
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

#[derive(Debug)]
enum Block {
    /// Whole lines, and where the first of them stands: byte and line number.
    Lines(Vec<u8>, u64, u64),
    TooLong(LineError),
}

impl<R: Read + Send + 'static> Ahead<R> {
    /// Begins to read. `longest`: bytes of the longest line that is read.
    pub fn start(reader: R, dialect: Dialect, longest: usize) -> Result<Ahead<R>> {
        let (send, blocks) = sync_channel(WAITING);
        let (empty, buffers) = sync_channel(WAITING + 2);
        let thread = std::thread::Builder::new()
            .name("read".into())
            .spawn(move || read(reader, dialect, longest, &send, &buffers))
            .map_err(|error| Error::io("cannot start a thread", error))?;
        Ok(Ahead { blocks, empty, lines: Vec::new(), dialect, longest, thread })
    }

    /// The next block of lines, or None at the end. Fails only if reading fails.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk<'_>>> {
        // The thread ends after the last block.
        let Ok(next) = self.blocks.recv() else { return Ok(None) };
        match next? {
            Block::TooLong(error) => Ok(Some(Chunk::TooLong(error))),
            Block::Lines(lines, offset, number) => {
                let before = std::mem::replace(&mut self.lines, lines);
                // The thread may have ended; then nobody needs the buffer.
                let _ = self.empty.try_send(before);
                let lines = Lines::at(&self.lines, self.dialect, offset, number).max_line(self.longest);
                Ok(Some(Chunk::Lines(lines)))
            }
        }
    }

    /// The reader, once it has ended (or its error was met).
    pub fn finish(self) -> Result<R> {
        drop(self.blocks);
        self.thread.join().map_err(|_| Error::new(Kind::Bug, "the reading thread panicked"))
    }
}

/// Reads until the end, an error, or until nobody wants it any more.
fn read<R: Read>(
    mut reader: R,
    dialect: Dialect,
    longest: usize,
    send: &SyncSender<io::Result<Block>>,
    empty: &Receiver<Vec<u8>>,
) -> R {
    let mut blocks = Blocks::with_sizes(&mut reader, dialect, BLOCK, longest);
    loop {
        let next = match blocks.next_chunk() {
            Ok(None) => break,
            Ok(Some(lp::Chunk::TooLong(error))) => Ok(Block::TooLong(error)),
            Ok(Some(lp::Chunk::Lines(lines))) => {
                let mut buffer = empty.try_recv().unwrap_or_default();
                buffer.clear();
                buffer.extend_from_slice(lines.as_bytes());
                Ok(Block::Lines(buffer, lines.offset(), lines.next_number()))
            }
            Err(error) => Err(error),
        };
        let failed = next.is_err();
        if send.send(next).is_err() || failed {
            break;
        }
    }
    drop(blocks);
    reader
}

#[cfg(test)]
mod tests {
    use super::*;

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
                Ok(Some(Chunk::Lines(lines))) => {
                    for line in lines {
                        count += 1;
                        assert_eq!((line.bytes.len() + 1, line.number, line.offset), (count, count as u64 - 1, offset));
                        offset += count as u64;
                    }
                }
                Ok(other) => panic!("{other:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!((count, error.to_string()), (300, "broken".to_owned()));
        assert_eq!(ahead.finish().unwrap().0, 301);
    }

    #[test]
    fn large_inputs_come_in_pieces_and_long_lines_are_told() {
        let long = "m f=1 1\n".repeat(100_000) + &"y".repeat(600_000) + "\nm f=2 2\n";
        let length = long.len();
        let mut ahead = Ahead::start(io::Cursor::new(long.into_bytes()), Dialect::V2, 4096).unwrap();
        let (mut lines, mut too_long, mut chunks) = (0, Vec::new(), 0);
        while let Some(chunk) = ahead.next_chunk().unwrap() {
            chunks += 1;
            match chunk {
                Chunk::Lines(some) => lines += some.count(),
                Chunk::TooLong(error) => too_long.push(error.line),
            }
        }
        assert!(chunks > 3);
        assert_eq!((lines, too_long), (100_001, vec![100_001]));
        assert!(ahead.next_chunk().unwrap().is_none());
        assert_eq!(ahead.finish().unwrap().position(), length as u64);
    }

    #[test]
    fn who_stops_early_ends_the_thread() {
        let mut ahead = Ahead::start(io::repeat(b'\n'), Dialect::V1, 1000).unwrap();
        ahead.next_chunk().unwrap();
        ahead.finish().unwrap();
    }
}
