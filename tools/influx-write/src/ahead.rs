//! Reading ahead: a thread reads, and counts for the end mark, while the lines before are checked.

use fault::{Error, Kind, Result};
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
    block: Block,
    used: usize,
    thread: JoinHandle<R>,
}

#[derive(Debug, Default)]
struct Block {
    buffer: Vec<u8>,
    len: usize,
}

impl<R: Read + Send + 'static> Ahead<R> {
    /// Begins to read.
    pub fn start(reader: R) -> Result<Ahead<R>> {
        let (send, blocks) = sync_channel(WAITING);
        let (empty, buffers) = sync_channel(WAITING + 2);
        let thread = std::thread::Builder::new()
            .name("read".into())
            .spawn(move || read(reader, &send, &buffers))
            .map_err(|error| Error::io("cannot start a thread", error))?;
        Ok(Ahead { blocks, empty, block: Block::default(), used: 0, thread })
    }

    /// The reader, once it has ended (or its error was met).
    pub fn finish(self) -> Result<R> {
        drop(self.blocks);
        self.thread.join().map_err(|_| Error::new(Kind::Bug, "the reading thread panicked"))
    }
}

impl<R> Read for Ahead<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.used == self.block.len {
            // The thread ends after the last block.
            let Ok(next) = self.blocks.recv() else { return Ok(0) };
            let before = std::mem::replace(&mut self.block, next?);
            self.used = 0;
            if !before.buffer.is_empty() {
                // It may be gone already; then nobody needs the buffer.
                let _ = self.empty.try_send(before.buffer);
            }
        }
        let rest = self.block.buffer.get(self.used..self.block.len).unwrap_or_default();
        let size = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..size), rest.get(..size)) {
            to.copy_from_slice(from);
        }
        self.used += size;
        Ok(size)
    }
}

/// Reads until the end, an error, or until nobody wants it any more.
fn read<R: Read>(mut reader: R, blocks: &SyncSender<io::Result<Block>>, empty: &Receiver<Vec<u8>>) -> R {
    loop {
        let mut buffer = empty.try_recv().unwrap_or_else(|_| vec![0; BLOCK]);
        let next = match reader.read(&mut buffer) {
            Ok(0) => return reader,
            Ok(len) => Ok(Block { buffer, len }),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = next.is_err();
        if blocks.send(next).is_err() || failed {
            return reader;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives pieces of growing size, then an error.
    struct Pieces(usize);

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 300 {
                return Err(io::Error::other("broken"));
            }
            out[..self.0].fill(self.0 as u8);
            Ok(self.0)
        }
    }

    #[test]
    fn every_byte_comes_in_order_and_then_the_error() {
        let mut ahead = Ahead::start(Pieces(0)).unwrap();
        let mut all = Vec::new();
        let error = ahead.read_to_end(&mut all).unwrap_err();
        assert_eq!(error.to_string(), "broken");
        let expected: Vec<u8> = (1..=300_usize).flat_map(|n| vec![n as u8; n]).collect();
        assert_eq!(all, expected);
        assert_eq!(ahead.finish().unwrap().0, 301);
    }

    #[test]
    fn the_end_comes_once_and_again() {
        let mut ahead = Ahead::start(io::Cursor::new(vec![7; 1_000_000])).unwrap();
        let mut all = Vec::new();
        ahead.read_to_end(&mut all).unwrap();
        assert_eq!((all.len(), ahead.read(&mut [0; 8]).unwrap()), (1_000_000, 0));
        assert_eq!(ahead.finish().unwrap().position(), 1_000_000);
    }

    #[test]
    fn who_stops_early_ends_the_thread() {
        let mut ahead = Ahead::start(io::repeat(1)).unwrap();
        ahead.read_exact(&mut [0; 100_000]).unwrap();
        ahead.finish().unwrap();
    }
}
