//! Reading an object as a stream: ranges of one version of it, several on their way at once, given in order.

use crate::client::{Client, Store};
use crate::file;
use crate::object::Object;
use fault::{Error, Kind, Result};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::sync::mpsc::{Receiver, sync_channel};

/// An object's bytes. Errors carry a [`fault::Error`]; the end comes only after the last byte.
pub struct Reader {
    from: From,
    left: u64,
}

enum From {
    File(std::fs::File),
    /// One channel for each thread; the next piece comes from the one at `turn`.
    Pieces {
        channels: Vec<Receiver<Result<Vec<u8>>>>,
        turn: usize,
        piece: Vec<u8>,
        at: usize,
    },
}

impl Client {
    /// A reader of this version of an object, from byte `from` on.
    pub fn reader(&self, object: &Object, from: u64) -> Result<Reader> {
        let left = object.size.saturating_sub(from);
        if let Store::File = self.store {
            let location = self.at(&object.key);
            let mut file = file::open(&location)?;
            file.seek(SeekFrom::Start(from)).map_err(|error| file::failed(&location, "cannot read", error))?;
            return Ok(Reader { from: From::File(file), left });
        }
        let part = self.options.part_bytes as u64;
        let threads = left.div_ceil(part).min(self.options.parts.max(1) as u64);
        let mut channels = Vec::new();
        for first in 0..threads {
            let (give, take) = sync_channel(0);
            let (client, object) = (self.clone(), object.clone());
            let work = move || {
                let mut at = from + first * part;
                while at < object.size {
                    let end = (at + part).min(object.size);
                    let mut piece = Vec::new();
                    let read = (client.options.moving)(end - at)
                        .and_then(|()| client.read(&object.key, at..end, object.etag.as_deref(), &mut piece));
                    let failed = read.is_err();
                    // A reader that is gone wants no more.
                    if give.send(read.map(|()| piece)).is_err() || failed {
                        return;
                    }
                    at += threads * part;
                }
            };
            let started = std::thread::Builder::new().name("download".into()).spawn(work);
            started.map_err(|error| Error::io("cannot start a thread", error))?;
            channels.push(take);
        }
        Ok(Reader { from: From::Pieces { channels, turn: 0, piece: Vec::new(), at: 0 }, left })
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let got = match &mut self.from {
            From::File(file) => match file.read(buffer)? {
                0 => return Err(Error::new(Kind::LocalIo, "the file became shorter while it was read").into()),
                got => got,
            },
            From::Pieces { channels, turn, piece, at } => {
                if *at == piece.len() {
                    let next = channels.get(*turn).map(Receiver::recv);
                    *piece = match next {
                        Some(Ok(next)) => next?,
                        _ => return Err(Error::new(Kind::Bug, "a download ended without its end").into()),
                    };
                    *at = 0;
                    *turn = (*turn + 1) % channels.len();
                }
                let rest = piece.get(*at..).unwrap_or_default();
                let got = rest.len().min(buffer.len());
                if let (Some(to), Some(from)) = (buffer.get_mut(..got), rest.get(..got)) {
                    to.copy_from_slice(from);
                }
                *at += got;
                got
            }
        };
        self.left -= got as u64;
        Ok(got)
    }
}
