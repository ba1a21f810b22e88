//! Messages of the Arrow stream format for columns as rows have them: flat, without compression. The bytes are those of
//! the library's encoder, which describes every array anew and allocates what stands between two buffers: for a batch of
//! a few thousand rows that is more work than the rows are.

use crate::{RecordBatch, Schema};
use arrow_array::cast::AsArray;
use arrow_array::types::{ByteArrayType, Int32Type};
use arrow_array::{Array, ArrayRef, GenericByteArray, StringArray, downcast_primitive_array};
use arrow_buffer::Buffer;
use arrow_ipc::{
    DictionaryBatchBuilder, FieldNode, MessageBuilder, MessageHeader, MetadataVersion, RecordBatch as Table,
    RecordBatchBuilder,
};
use arrow_schema::DataType;
use fault::{Error, Kind, Result};
use flatbuffers::{FlatBufferBuilder, UnionWIPOffset, WIPOffset};
use std::ops::Range;

/// Every buffer and every message starts at a multiple of it.
const ALIGNMENT: usize = 64;
const PADDING: [u8; ALIGNMENT] = [0; ALIGNMENT];
/// Before the length of a message's description; of no length: the end of the stream.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The end of the stream.
pub(crate) const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// A part of a message.
enum Part<'a> {
    /// Of the descriptions.
    Described(Range<usize>),
    /// Of an array.
    Slice(&'a [u8]),
    /// What had to be moved: the beginning of a slice.
    Moved(Buffer),
    Padding(usize),
}

/// Makes messages.
pub(crate) struct Messages {
    builder: FlatBufferBuilder<'static>,
    /// The dictionary that was written last, for each column that has one.
    written: Vec<Option<ArrayRef>>,
    /// Descriptions, of one batch.
    described: Vec<u8>,
    nodes: Vec<FieldNode>,
    buffers: Vec<arrow_ipc::Buffer>,
}

impl Messages {
    /// For batches of this schema; `None` if there are columns of other types.
    pub fn of(schema: &Schema) -> Option<Messages> {
        let known = |data: &DataType| match data {
            DataType::Utf8 | DataType::Binary | DataType::Boolean => true,
            DataType::Dictionary(keys, values) => **keys == DataType::Int32 && **values == DataType::Utf8,
            DataType::Float16 | DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal256(..) => false,
            data => data.is_numeric() || matches!(data, DataType::Timestamp(..)),
        };
        let types = || schema.fields().iter().map(|field| field.data_type());
        let dictionaries = types().filter(|data| matches!(data, DataType::Dictionary(..))).count();
        types().all(known).then(|| Messages {
            builder: FlatBufferBuilder::new(),
            written: vec![None; dictionaries],
            described: Vec::new(),
            nodes: Vec::new(),
            buffers: Vec::new(),
        })
    }

    /// Gives the bytes of a batch, and of those of its dictionaries that are new, piece by piece to `write`.
    pub fn encode<T>(&mut self, batch: &RecordBatch, write: impl FnOnce(&[&[u8]]) -> T) -> Result<T> {
        let mut parts = Vec::with_capacity(8 * (batch.num_columns() + 1));
        self.described.clear();
        let dictionaries = batch.columns().iter().filter_map(|column| column.as_any_dictionary_opt());
        for (id, dictionary) in dictionaries.enumerate() {
            let values = dictionary.values();
            match self.written.get_mut(id) {
                Some(Some(written)) if same(written, values) => continue,
                Some(written) => *written = Some(values.clone()),
                None => return Err(Error::new(Kind::Bug, "a batch has more dictionaries than its schema")),
            }
            self.message(std::slice::from_ref(values), values.len(), Some(id), &mut parts)?;
        }
        self.message(batch.columns(), batch.num_rows(), None, &mut parts)?;
        let mut pieces: Vec<&[u8]> = Vec::with_capacity(parts.len());
        for part in &parts {
            pieces.push(match part {
                Part::Described(range) => self.described.get(range.clone()).unwrap_or_default(),
                Part::Slice(bytes) => bytes,
                Part::Moved(buffer) => buffer.as_slice(),
                Part::Padding(length) => PADDING.get(..*length).unwrap_or_default(),
            });
        }
        Ok(write(&pieces))
    }

    /// A message with these columns; with the number of a dictionary, its values.
    fn message<'a>(
        &mut self,
        columns: &'a [ArrayRef],
        rows: usize,
        dictionary: Option<usize>,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<()> {
        self.nodes.clear();
        self.buffers.clear();
        let place = parts.len();
        parts.push(Part::Padding(0));
        let mut body = Body { parts, buffers: &mut self.buffers, length: 0 };
        for column in columns {
            self.nodes.push(FieldNode::new(column.len() as i64, column.null_count() as i64));
            body.column(column)?;
        }
        let length = body.length;
        self.builder.reset();
        let builder = &mut self.builder;
        let buffers = builder.create_vector(&self.buffers);
        let nodes = builder.create_vector(&self.nodes);
        let mut table = RecordBatchBuilder::new(builder);
        table.add_length(rows as i64);
        table.add_nodes(nodes);
        table.add_buffers(buffers);
        let table = table.finish();
        let (kind, header) = match dictionary {
            None => (MessageHeader::RecordBatch, table.as_union_value()),
            Some(id) => (MessageHeader::DictionaryBatch, dictionary_batch(builder, id, table)),
        };
        let mut message = MessageBuilder::new(builder);
        message.add_version(MetadataVersion::V5);
        message.add_header_type(kind);
        message.add_bodyLength(length as i64);
        message.add_header(header);
        let message = message.finish();
        builder.finish(message, None);
        let (start, metadata) = (self.described.len(), builder.finished_data());
        let padded = (metadata.len() + 8).next_multiple_of(ALIGNMENT);
        let announced = i32::try_from(padded - 8).map_err(|_| too_large())?;
        self.described.extend_from_slice(&CONTINUATION);
        self.described.extend_from_slice(&announced.to_le_bytes());
        self.described.extend_from_slice(metadata);
        self.described.resize(start + padded, 0);
        if let Some(part) = parts.get_mut(place) {
            *part = Part::Described(start..start + padded);
        }
        Ok(())
    }
}

fn dictionary_batch(
    builder: &mut FlatBufferBuilder<'static>,
    id: usize,
    table: WIPOffset<Table<'static>>,
) -> WIPOffset<UnionWIPOffset> {
    let mut dictionary = DictionaryBatchBuilder::new(builder);
    dictionary.add_id(id as i64);
    dictionary.add_data(table);
    dictionary.add_isDelta(false);
    dictionary.finish().as_union_value()
}

fn too_large() -> Error {
    Error::new(Kind::Bug, "a batch with too many columns for an Arrow message")
}

/// The buffers of a message.
struct Body<'a, 'b> {
    parts: &'b mut Vec<Part<'a>>,
    buffers: &'b mut Vec<arrow_ipc::Buffer>,
    length: usize,
}

impl<'a> Body<'a, '_> {
    fn add(&mut self, part: Part<'a>) {
        let bytes = match &part {
            Part::Slice(bytes) => bytes.len(),
            Part::Moved(buffer) => buffer.len(),
            Part::Described(_) | Part::Padding(_) => 0,
        };
        self.buffers.push(arrow_ipc::Buffer::new(self.length as i64, bytes as i64));
        let padded = bytes.next_multiple_of(ALIGNMENT);
        self.length += padded;
        if bytes > 0 {
            self.parts.push(part);
        }
        if padded > bytes {
            self.parts.push(Part::Padding(padded - bytes));
        }
    }

    fn column(&mut self, column: &'a ArrayRef) -> Result<()> {
        let array = column.as_ref();
        self.add(match array.nulls() {
            Some(nulls) if nulls.null_count() > 0 => Part::Moved(nulls.inner().sliced()),
            _ => Part::Slice(&[]),
        });
        downcast_primitive_array! {
            array => self.add(Part::Slice(array.values().inner().as_slice())),
            DataType::Boolean => self.add(Part::Moved(array.as_boolean().values().sliced())),
            DataType::Utf8 => self.texts(array.as_string::<i32>()),
            DataType::Binary => self.texts(array.as_binary::<i32>()),
            DataType::Dictionary(_, _) => {
                let keys = array.as_dictionary_opt::<Int32Type>().map(|dictionary| dictionary.keys().values());
                let keys = keys.ok_or_else(|| Error::new(Kind::Bug, "a dictionary with keys of another type"))?;
                self.add(Part::Slice(keys.inner().as_slice()));
            }
            data => return Err(Error::new(Kind::Bug, format!("{data} is no type of rows"))),
        }
        Ok(())
    }

    fn texts<T: ByteArrayType<Offset = i32>>(&mut self, array: &'a GenericByteArray<T>) {
        let offsets = array.value_offsets();
        let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
        self.add(match first {
            0 => Part::Slice(array.offsets().inner().inner().as_slice()),
            _ => Part::Moved(offsets.iter().map(|offset| offset - first).collect::<Vec<i32>>().into()),
        });
        // Never negative, and within the values: the array has checked it.
        self.add(Part::Slice(array.value_data().get(first as usize..last as usize).unwrap_or_default()));
    }
}

/// Do two dictionaries hold the same texts?
fn same(one: &ArrayRef, other: &ArrayRef) -> bool {
    fn texts(array: &StringArray) -> Option<(&[u8], impl Iterator<Item = i32>)> {
        let offsets = array.value_offsets();
        let (first, last) = (*offsets.first()?, *offsets.last()?);
        Some((array.value_data().get(first as usize..last as usize)?, offsets.iter().map(move |offset| offset - first)))
    }
    if std::sync::Arc::ptr_eq(one, other) {
        return true;
    }
    match (one.as_string_opt::<i32>(), other.as_string_opt::<i32>()) {
        (Some(one), Some(other)) if one.nulls().is_none() && other.nulls().is_none() => {
            match (texts(one), texts(other)) {
                (Some((bytes, ends)), Some((others, other_ends))) => bytes == others && ends.eq(other_ends),
                _ => false,
            }
        }
        _ => one.as_ref() == other.as_ref(),
    }
}
