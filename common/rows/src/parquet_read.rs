//! Parquet in: row group by row group, in batches whose size follows from the row group's own.

use crate::batch::Cutter;
use crate::parquet_texts::as_dictionaries;
use crate::{Limits, Reader, RecordBatch, SchemaRef};
use fault::{Error, Kind, Result, guard};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

const MAGIC: &[u8; 4] = b"PAR1";

/// A Parquet reader. It needs a file: a stream is spooled before.
pub struct ParquetReader {
    name: String,
    file: File,
    metadata: ArrowReaderMetadata,
    cutter: Cutter,
    limits: Limits,
    /// The row group in progress and the rows that it still owes.
    current: Option<(ParquetRecordBatchReader, i64)>,
    next_group: usize,
}

impl ParquetReader {
    /// Reads the footer. `dictionaries`: texts come as the file holds them, where that is by dictionary.
    pub fn open(name: &str, file: File, limits: Limits, dictionaries: bool) -> Result<ParquetReader> {
        let length = check_ends(name, &file)?;
        let mut metadata = guarded(name, || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()))?;
        check_ranges(name, metadata.metadata(), length)?;
        if dictionaries && let Some(schema) = as_dictionaries(metadata.schema(), metadata.metadata(), limits.bytes / 4)
        {
            let (file, options) = (Arc::clone(metadata.metadata()), ArrowReaderOptions::new().with_schema(schema));
            // A schema that does not suit the file after all is no reason not to read it.
            if let Ok(with) = guarded(name, || ArrowReaderMetadata::try_new(file, options)) {
                metadata = with;
            }
        }
        let cutter = Cutter::new(metadata.schema(), limits).map_err(|error| error.context(name))?;
        Ok(ParquetReader { name: name.to_owned(), file, metadata, cutter, limits, current: None, next_group: 0 })
    }

    /// Opens the next row group; `None` after the last.
    fn group(&mut self) -> Result<Option<(ParquetRecordBatchReader, i64)>> {
        let groups = self.metadata.metadata().row_groups();
        let Some(group) = groups.get(self.next_group) else { return Ok(None) };
        let (rows, batch) = (group.num_rows(), batch_rows(group, self.limits));
        let file = self.file.try_clone().map_err(|error| Error::io(format!("cannot read {}", self.name), error))?;
        let (metadata, at) = (self.metadata.clone(), self.next_group);
        let reader = guarded(&self.name, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
                .with_row_groups(vec![at])
                .with_batch_size(batch)
                .build()
        })?;
        self.next_group += 1;
        Ok(Some((reader, rows)))
    }
}

impl Reader for ParquetReader {
    fn schema(&self) -> SchemaRef {
        self.cutter.schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.cutter.next().map_err(|error| error.context(&self.name))? {
                return Ok(Some(batch));
            }
            let Some((reader, owed)) = &mut self.current else {
                self.current = self.group()?;
                if self.current.is_none() {
                    return Ok(None);
                }
                continue;
            };
            match guarded(&self.name, || reader.next().transpose())? {
                Some(batch) => {
                    *owed -= batch.num_rows() as i64;
                    self.cutter.push(batch);
                }
                None if *owed != 0 => {
                    let what = format!(
                        "row group {} has not the number of rows that the footer says ({owed} off)",
                        self.next_group
                    );
                    return Err(Error::new(Kind::Incomplete, format!("{}: {what}", self.name)));
                }
                None => self.current = None,
            }
        }
    }
}

/// Rows of this row group that fit into a batch, on average. Where the writer recorded how long the texts are when the
/// dictionary is unpacked, that counts and not their encoded size.
fn batch_rows(group: &RowGroupMetaData, limits: Limits) -> usize {
    let rows = u64::try_from(group.num_rows()).unwrap_or(0).max(1);
    let bytes: u64 = group
        .columns()
        .iter()
        .map(|column| {
            let encoded = u64::try_from(column.uncompressed_size()).unwrap_or(0);
            let texts =
                column.unencoded_byte_array_data_bytes().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
            encoded.max(texts).max(rows)
        })
        .fold(0, u64::saturating_add);
    let fitting = (u128::from(rows) * limits.bytes as u128 / u128::from(bytes.max(1))) as usize;
    fitting.clamp(1, limits.rows)
}

/// A file that begins as Parquet does but does not end so was cut.
fn check_ends(name: &str, file: &File) -> Result<u64> {
    let failed = |error| Error::io(format!("cannot read {name}"), error);
    let length = file.metadata().map_err(failed)?.len();
    let mut reader = file;
    let mut head = Vec::new();
    reader.seek(SeekFrom::Start(0)).map_err(failed)?;
    reader.take(4).read_to_end(&mut head).map_err(failed)?;
    let mut tail = Vec::new();
    reader.seek(SeekFrom::Start(length.saturating_sub(4))).map_err(failed)?;
    reader.take(4).read_to_end(&mut tail).map_err(failed)?;
    if head == b"PARE" || tail == b"PARE" {
        return Err(Error::malformed(format!("{name}: an encrypted Parquet file, which is not supported")));
    }
    if !MAGIC.starts_with(&head) {
        return Err(Error::malformed(format!("{name}: no Parquet file (it does not begin with PAR1)")));
    }
    if length < 12 || tail != MAGIC {
        return Err(Error::new(
            Kind::Incomplete,
            format!("{name}: the Parquet file is cut after {length} bytes: its footer is missing"),
        ));
    }
    Ok(length)
}

/// Every column must lie within the file: the decoder allocates and reads what the footer says.
fn check_ranges(name: &str, metadata: &ParquetMetaData, length: u64) -> Result<()> {
    for (at, group) in metadata.row_groups().iter().enumerate() {
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let end = start.checked_add(column.compressed_size()).and_then(|end| u64::try_from(end).ok());
            let positive = start >= 0 && column.compressed_size() >= 0 && column.data_page_offset() >= 0;
            if !positive || group.num_rows() < 0 || column.num_values() < 0 || end.is_none_or(|end| end > length) {
                let column = column.column_path();
                return Err(Error::malformed(format!(
                    "{name}: damaged Parquet file: column {column} of row group {at} lies outside the file"
                )));
            }
        }
    }
    Ok(())
}

/// Runs the decoder, which asserts things that damaged data breaks. An I/O error anywhere in its error keeps its kind.
fn guarded<T, E: std::error::Error + Send + Sync + 'static>(
    name: &str,
    read: impl FnOnce() -> std::result::Result<T, E>,
) -> Result<T> {
    let error = match guard(|| Ok(read())).map_err(|error| error.context(name))? {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && io.kind() != std::io::ErrorKind::UnexpectedEof
        {
            return Err(Error::caused(Kind::LocalIo, format!("cannot read {name}"), error));
        }
        cause = inner.source();
    }
    Err(Error::caused(Kind::Malformed, format!("{name}: cannot decode the Parquet file"), error))
}
