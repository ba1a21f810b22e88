//! Arrow IPC in: the stream format, and the file format read as the stream that it contains.
//!
//! The messages are framed here, not by arrow-ipc: it takes an end of input between two messages for the end of the
//! stream, while ours is whole only with its 8 EOS bytes. What a message declares is checked before anything is
//! allocated or sliced, so that a damaged one is an error and not a panic.

use crate::batch::Cutter;
use crate::{Limits, Reader, RecordBatch, SchemaRef};
use arrow_array::ArrayRef;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::MessageHeader;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_schema::ArrowError;
use fault::{Error, Kind, Result, guard};
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

/// The file format's first bytes.
pub(crate) const FILE_MAGIC: &[u8] = b"ARROW1";
const CONTINUATION: [u8; 4] = [0xFF; 4];

/// A message of a foreign writer may be larger than our batches: this many times `limits.bytes`, and at least 64 MiB.
const MESSAGE_FACTOR: usize = 16;
const MESSAGE_LEAST: usize = 64 << 20;

/// A reader of Arrow IPC.
pub struct IpcReader {
    frames: Frames,
    /// The schema of the stream, before foreign types are converted.
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    cutter: Cutter,
    done: bool,
}

impl IpcReader {
    /// Reads the schema.
    pub fn open(name: &str, reader: Box<dyn Read + Send>, limits: Limits) -> Result<IpcReader> {
        let largest = limits.bytes.saturating_mul(MESSAGE_FACTOR).max(MESSAGE_LEAST).min(i32::MAX as usize);
        let mut frames =
            Frames { name: name.to_owned(), reader, largest, offset: 0, file: false, batches: 0, peeked: Vec::new() };
        frames.start()?;
        let Some(message) = frames.next()? else {
            return Err(frames.malformed("the stream ends before its schema"));
        };
        let parsed = frames.parse(&message)?;
        let Some(schema) = parsed.header_as_schema() else {
            return Err(frames.malformed("the stream does not begin with a schema"));
        };
        let schema = frames.guarded(|| arrow_ipc::convert::try_fb_to_schema(schema))?;
        let cutter = Cutter::new(&schema, limits).map_err(|error| error.context(name))?;
        Ok(IpcReader { frames, schema: Arc::new(schema), dictionaries: HashMap::new(), cutter, done: false })
    }

    /// A record batch; dictionaries are kept for the batches that follow.
    fn decode(&mut self, message: &Message) -> Result<Option<RecordBatch>> {
        let parsed = self.frames.parse(message)?;
        let version = parsed.version();
        let frames = &self.frames;
        if let Some(batch) = parsed.header_as_record_batch() {
            let (schema, dictionaries) = (self.schema.clone(), &self.dictionaries);
            let read = || read_record_batch(&message.body, batch, schema, dictionaries, None, &version);
            return frames.guarded(read).map(Some);
        }
        match parsed.header_as_dictionary_batch() {
            Some(batch) => {
                let (schema, dictionaries) = (&self.schema, &mut self.dictionaries);
                frames.guarded(|| read_dictionary(&message.body, batch, schema, dictionaries, &version))?;
                Ok(None)
            }
            None => Err(frames.malformed("a second schema within the stream")),
        }
    }
}

impl Reader for IpcReader {
    fn schema(&self) -> SchemaRef {
        self.cutter.schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.cutter.next().map_err(|error| error.context(&self.frames.name))? {
                return Ok(Some(batch));
            }
            if self.done {
                return Ok(None);
            }
            match self.frames.next()? {
                Some(message) => {
                    if let Some(batch) = self.decode(&message)? {
                        self.cutter.push(batch);
                    }
                }
                None => self.done = true,
            }
        }
    }
}

/// The messages of a stream.
struct Frames {
    name: String,
    reader: Box<dyn Read + Send>,
    /// Bytes of a message, at most.
    largest: usize,
    /// Bytes read, for messages.
    offset: u64,
    file: bool,
    /// Record batches seen.
    batches: usize,
    /// The first bytes of the first message (at most 8), read to look for the file format's magic.
    peeked: Vec<u8>,
}

/// A message: its framing (8 bytes) with its metadata, and its body.
struct Message {
    head: Vec<u8>,
    body: Buffer,
}

impl Frames {
    fn malformed(&self, what: &str) -> Error {
        Error::malformed(format!("{}: byte {}: {what}", self.name, self.offset))
    }

    fn cut(&self, within: &str) -> Error {
        Error::new(
            Kind::Incomplete,
            format!(
                "{}: the Arrow stream is cut after {} bytes, {within}: its end-of-stream mark is missing",
                self.name, self.offset
            ),
        )
    }

    fn damaged(&self, error: impl std::fmt::Display) -> Error {
        self.malformed(&format!("damaged message: {error}"))
    }

    /// Runs arrow-ipc on what [`Frames::check`] let through; it still asserts things that damaged data breaks.
    fn guarded<T>(&self, read: impl FnOnce() -> std::result::Result<T, ArrowError>) -> Result<T> {
        let result =
            guard(|| Ok(read())).map_err(|error| error.context(format!("{}: byte {}", self.name, self.offset)))?;
        result.map_err(|error| self.damaged(error))
    }

    fn parse<'a>(&self, message: &'a Message) -> Result<arrow_ipc::Message<'a>> {
        arrow_ipc::root_as_message(message.head.get(8..).unwrap_or_default()).map_err(|error| self.damaged(error))
    }

    /// Fills `buffer`, or gives the number of bytes that were left.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut at = 0;
        while at < buffer.len() {
            match self.reader.read(&mut buffer[at..]) {
                Ok(0) => break,
                Ok(n) => at += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(format!("cannot read {}", self.name), error)),
            }
        }
        self.offset += at as u64;
        Ok(at)
    }

    fn exact(&mut self, buffer: &mut [u8], within: &str) -> Result<()> {
        if self.fill(buffer)? < buffer.len() {
            return Err(self.cut(within));
        }
        Ok(())
    }

    /// Sees whether this is the file format, and skips its magic.
    fn start(&mut self) -> Result<()> {
        let mut head = [0; 4];
        self.exact(&mut head, "at its beginning")?;
        if head == FILE_MAGIC[..4] {
            let mut rest = [0; 4];
            self.exact(&mut rest, "within the file's magic bytes")?;
            if rest != [b'W', b'1', 0, 0] {
                return Err(self.malformed("neither an Arrow stream nor an Arrow file"));
            }
            self.file = true;
            // Writers pad the magic to their alignment: at most 64 bytes here and there 128.
            let mut word = [0; 8];
            for _ in 0..16 {
                self.exact(&mut word, "within the file's magic bytes")?;
                if word != [0; 8] {
                    break;
                }
            }
            self.peeked = word.to_vec();
        } else if head == CONTINUATION {
            self.peeked = head.to_vec();
        } else {
            return Err(self.malformed("neither an Arrow stream nor an Arrow file (is --from right?)"));
        }
        Ok(())
    }

    /// The next message; `None` after the EOS bytes, behind which a stream must end.
    fn next(&mut self) -> Result<Option<Message>> {
        let mut head = [0; 8];
        let peeked = std::mem::take(&mut self.peeked);
        head[..peeked.len()].copy_from_slice(&peeked);
        self.exact(&mut head[peeked.len()..], "between two messages")?;
        if head[..4] != CONTINUATION {
            return Err(self.malformed("no Arrow message begins here"));
        }
        let length = i32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if length == 0 {
            self.end()?;
            return Ok(None);
        }
        let length = self.bounded(i64::from(length), "message")?;
        let mut bytes = vec![0; 8 + length];
        bytes[..8].copy_from_slice(&head);
        self.exact(&mut bytes[8..], "within a message's metadata")?;
        let body_length = arrow_ipc::root_as_message(&bytes[8..]).map_err(|error| self.damaged(error))?.bodyLength();
        let body_length = self.bounded(body_length, "message body")?;
        let mut body = MutableBuffer::from_len_zeroed(body_length);
        self.exact(body.as_slice_mut(), "within a message's body")?;
        let message = Message { head: bytes, body: body.into() };
        self.check(&message)?;
        Ok(Some(message))
    }

    fn bounded(&self, length: i64, what: &str) -> Result<usize> {
        match usize::try_from(length) {
            Ok(length) if length <= self.largest => Ok(length),
            Ok(length) => Err(self
                .malformed(&format!("a {what} of {length} bytes, more than {} (raise --batch-bytes)", self.largest))),
            Err(_) => Err(self.malformed(&format!("a {what} of negative length"))),
        }
    }

    /// Checks everything that arrow-ipc would slice, allocate or unwrap on trust.
    fn check(&mut self, message: &Message) -> Result<()> {
        let parsed = self.parse(message)?;
        let batch = match parsed.header_type() {
            MessageHeader::Schema => {
                let schema =
                    parsed.header_as_schema().ok_or_else(|| self.malformed("a schema message without a schema"))?;
                if schema.endianness() != arrow_ipc::Endianness::Little {
                    return Err(self.malformed("big-endian Arrow data, which is not supported"));
                }
                return Ok(());
            }
            MessageHeader::RecordBatch => {
                self.batches += 1;
                parsed.header_as_record_batch()
            }
            MessageHeader::DictionaryBatch => parsed.header_as_dictionary_batch().and_then(|batch| batch.data()),
            _ => return Err(self.malformed("a message that is no schema, dictionary or record batch")),
        };
        let batch = batch.ok_or_else(|| self.malformed("a message without its content"))?;
        self.bounded(batch.length(), "row count")?;
        for node in batch.nodes().into_iter().flatten() {
            if node.length() < 0 || node.null_count() < 0 || node.null_count() > node.length() {
                return Err(self.malformed("a column with an impossible length"));
            }
            self.bounded(node.length(), "column length")?;
        }
        let mut total: i64 = 0;
        for buffer in batch.buffers().into_iter().flatten() {
            let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
            let bytes = range.and_then(|(offset, length)| message.body.get(offset..offset.checked_add(length)?));
            let bytes = bytes.ok_or_else(|| self.malformed("a buffer that reaches out of its message"))?;
            if batch.compression().is_some() && !bytes.is_empty() {
                let Some(prefix) = bytes.first_chunk::<8>() else {
                    return Err(self.malformed("a compressed buffer without its length"));
                };
                total = total.saturating_add(i64::from_le_bytes(*prefix).max(0));
            }
        }
        self.bounded(total, "decompressed message")?;
        Ok(())
    }

    /// After EOS: a stream has no more bytes, a file has its footer.
    fn end(&mut self) -> Result<()> {
        if !self.file {
            let mut one = [0];
            return match self.fill(&mut one)? {
                0 => Ok(()),
                _ => Err(self.malformed("more data follows the end of the stream (two streams in one?)")),
            };
        }
        let mut footer = Vec::new();
        let limit = self.largest as u64 + 1;
        (&mut self.reader)
            .take(limit)
            .read_to_end(&mut footer)
            .map_err(|error| Error::io(format!("cannot read {}", self.name), error))?;
        self.offset += footer.len() as u64;
        self.bounded(footer.len() as i64, "footer")?;
        let Some(body) = footer.strip_suffix(FILE_MAGIC) else { return Err(self.cut("within the file's footer")) };
        let Some((body, length)) = body.split_last_chunk::<4>() else {
            return Err(self.cut("within the file's footer"));
        };
        if usize::try_from(i32::from_le_bytes(*length)).ok() != Some(body.len()) {
            return Err(self.malformed("the file's footer has another length than it says"));
        }
        let parsed = arrow_ipc::root_as_footer(body).map_err(|error| self.damaged(error))?;
        let stated = parsed.recordBatches().map_or(0, |blocks| blocks.len());
        if stated != self.batches {
            return Err(Error::new(
                Kind::Incomplete,
                format!(
                    "{}: the footer names {stated} record batches, {} were found before it",
                    self.name, self.batches
                ),
            ));
        }
        Ok(())
    }
}
