//! gzip and zstd around a whole stream: found by their magic bytes, a cut stream is `Incomplete`, several members or
//! frames one after another are one stream.

use fault::{Error, Kind, Result};
use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::str::FromStr;

/// How an output is compressed. Text formats take `none`, `gzip` and `zstd` (around the whole stream), Arrow `none`,
/// `lz4` and `zstd` (inside its messages, so that the stream stays readable by any Arrow reader), Parquet all but gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    /// Level 1..=9.
    Gzip(u32),
    /// Level 1..=22.
    Zstd(i32),
    Lz4,
    Snappy,
}

impl Compression {
    /// What a file name asks for: `.gz` or `.zst` at its end.
    pub fn from_path(path: &Path) -> Option<Compression> {
        match path.extension()?.to_str()? {
            "gz" => Some(Compression::Gzip(1)),
            "zst" => Some(Compression::Zstd(1)),
            _ => None,
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    /// `none`, `gzip`, `gzip:6`, `zstd`, `zstd:3`, `lz4`, `snappy`. The default level is 1: measured, the higher ones
    /// cost far more than they save (dossier performance 5).
    fn from_str(text: &str) -> Result<Compression> {
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let bad =
            || Error::usage(format!("'{text}' is no compression: use none, gzip[:1-9], zstd[:1-22], lz4 or snappy"));
        let level = |most: u32| match level {
            None => Ok(1),
            Some(level) => level.parse().ok().filter(|level| (1..=most).contains(level)).ok_or_else(bad),
        };
        Ok(match name {
            "gzip" | "gz" => Compression::Gzip(level(9)?),
            "zstd" | "zst" => Compression::Zstd(level(22)? as i32),
            _ => match text {
                "none" => Compression::None,
                "lz4" => Compression::Lz4,
                "snappy" => Compression::Snappy,
                _ => return Err(bad()),
            },
        })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::None => f.write_str("none"),
            Compression::Gzip(level) => write!(f, "gzip:{level}"),
            Compression::Zstd(level) => write!(f, "zstd:{level}"),
            Compression::Lz4 => f.write_str("lz4"),
            Compression::Snappy => f.write_str("snappy"),
        }
    }
}

/// Gives every read error the kind `LocalIo` and the input's name, unless it carries a kind of its own.
pub(crate) struct Named<R> {
    pub name: String,
    pub inner: R,
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(format!("cannot read {}", self.name), error).into()),
                Ok(n) => return Ok(n),
            }
        }
    }
}

/// Which compression these first bytes are of.
pub(crate) fn magic(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(&[0x1F, 0x8B]) {
        Some("gzip")
    } else if head.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        Some("zstd")
    } else {
        None
    }
}

type Boxed = Box<dyn Read + Send>;

/// The plain bytes of `reader`, which begins with the magic bytes of `kind`.
pub(crate) fn decompress(kind: &'static str, name: &str, reader: Boxed) -> Result<Boxed> {
    let buffered = BufReader::with_capacity(128 << 10, reader);
    let inner: Boxed = if kind == "gzip" {
        Box::new(flate2::bufread::MultiGzDecoder::new(buffered))
    } else {
        let decoder = zstd::stream::read::Decoder::with_buffer(buffered)
            .map_err(|error| Error::caused(Kind::Bug, "cannot start zstd", error))?;
        Box::new(decoder)
    };
    Ok(Box::new(Plain { name: name.to_owned(), kind, inner }))
}

/// Errors that the input below did not state are the decoder's: cut or damaged data.
struct Plain {
    name: String,
    kind: &'static str,
    inner: Boxed,
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
                return error;
            }
            let (kind, what) = match error.kind() {
                io::ErrorKind::UnexpectedEof => (Kind::Incomplete, "stream is cut"),
                _ => (Kind::Malformed, "stream is damaged"),
            };
            Error::caused(kind, format!("{}: the {} {what}", self.name, self.kind), error).into()
        })
    }
}

/// An output stream, compressed or not. Dropped without [`Sink::finish`] it writes no trailer: a reader sees a cut
/// stream, as it should.
pub(crate) enum Sink<W: Write> {
    Plain(W),
    Gzip(GzSink<W>),
    Zstd(Box<zstd::stream::write::Encoder<'static, W>>),
}

/// A gzip encoder whose trailer is written by `finish` only (flate2 writes it on drop as well).
pub(crate) struct GzSink<W: Write>(Option<flate2::write::GzEncoder<Gate<W>>>);

/// Lets nothing through once it is shut.
pub(crate) struct Gate<W> {
    inner: W,
    shut: bool,
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shut { Err(io::Error::other("abandoned")) } else { self.inner.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.shut { Ok(()) } else { self.inner.flush() }
    }
}

impl<W: Write> Drop for GzSink<W> {
    fn drop(&mut self) {
        if let Some(encoder) = &mut self.0 {
            encoder.get_mut().shut = true;
        }
    }
}

impl<W: Write> Sink<W> {
    /// For text: `none`, `gzip` or `zstd`.
    pub fn new(inner: W, compression: Compression) -> Result<Sink<W>> {
        Ok(match compression {
            Compression::None => Sink::Plain(inner),
            Compression::Gzip(level) => {
                let gate = Gate { inner, shut: false };
                Sink::Gzip(GzSink(Some(flate2::write::GzEncoder::new(gate, flate2::Compression::new(level)))))
            }
            Compression::Zstd(level) => {
                let encoder = zstd::stream::write::Encoder::new(inner, level)
                    .map_err(|error| Error::caused(Kind::Bug, "cannot start zstd", error))?;
                Sink::Zstd(Box::new(encoder))
            }
            other => {
                return Err(Error::usage(format!("a text stream cannot be compressed with {other}: use gzip or zstd")));
            }
        })
    }

    /// Ends the compressed stream.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Sink::Plain(inner) => Ok(inner),
            Sink::Gzip(mut sink) => match sink.0.take() {
                Some(encoder) => Ok(encoder.finish()?.inner),
                None => Err(io::Error::other("finished twice")),
            },
            Sink::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// An output of text that its caller compresses as a whole, for streams that several writers write one after another.
/// Dropped without [`Compressed::finish`], it never looks complete.
pub struct Compressed<W: Write>(Sink<W>);

impl<W: Write> Compressed<W> {
    /// `none`, `gzip` or `zstd`; anything else is a usage error.
    pub fn new(inner: W, compression: Compression) -> Result<Compressed<W>> {
        Sink::new(inner, compression).map(Compressed)
    }

    /// Ends the compressed stream and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Compressed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Plain(inner) => inner.write(bytes),
            Sink::Gzip(sink) => match &mut sink.0 {
                Some(encoder) => encoder.write(bytes),
                None => Err(io::Error::other("finished already")),
            },
            Sink::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(inner) => inner.flush(),
            Sink::Gzip(sink) => sink.0.as_mut().map_or(Ok(()), |encoder| encoder.flush()),
            Sink::Zstd(encoder) => encoder.flush(),
        }
    }
}
