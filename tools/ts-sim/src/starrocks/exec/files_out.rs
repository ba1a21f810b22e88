//! Files that the cluster writes by itself: CSV and Parquet.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int8Builder,
    Int16Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::query::Columns;
use super::storage::Place;
use crate::starrocks::types::Type;
use crate::starrocks::value::Value;

/// How files are written.
#[derive(Debug, Clone)]
pub enum Format {
    Csv { separator: Vec<u8>, delimiter: Vec<u8>, header: bool },
    Parquet(Compression),
}

impl Format {
    /// The end of a file's name.
    pub fn extension(&self) -> &'static str {
        match self {
            Format::Csv { .. } => "csv",
            Format::Parquet(_) => "parquet",
        }
    }

    /// By the words of `format` and `compression`.
    pub fn parquet(compression: &str) -> Result<Format, String> {
        Ok(Format::Parquet(match compression.to_ascii_lowercase().as_str() {
            "uncompressed" => Compression::UNCOMPRESSED,
            "snappy" => Compression::SNAPPY,
            "lz4" => Compression::LZ4_RAW,
            "zstd" => Compression::ZSTD(ZstdLevel::default()),
            other => return Err(format!("Unsupported compression type: {other}")),
        }))
    }
}

/// A file that is being written.
pub struct Out {
    place: Place,
    /// Another handle of the file.
    file: File,
    kind: Kind,
    columns: Columns,
    bytes: u64,
}

enum Kind {
    Csv { file: BufWriter<File>, separator: Vec<u8>, delimiter: Vec<u8> },
    Parquet { writer: Box<ArrowWriter<File>>, schema: SchemaRef, rows: Vec<Vec<Value<'static>>> },
}

/// Rows of a Parquet batch.
const BATCH: usize = 8192;

impl Out {
    /// Begins the file.
    pub fn create(place: Place, columns: &Columns, format: &Format) -> Result<Out, String> {
        let failed = |e: std::io::Error| format!("cannot write {}: {e}", place.shown());
        let other = place.create()?;
        let file = other.try_clone().map_err(failed)?;
        let kind = match format {
            Format::Csv { separator, delimiter, header } => {
                let mut file = BufWriter::new(file);
                if *header {
                    let names: Vec<&[u8]> = columns.iter().map(|(name, _)| name.as_bytes()).collect();
                    file.write_all(&names.join(&separator[..]))
                        .and_then(|()| file.write_all(delimiter))
                        .map_err(failed)?;
                }
                Kind::Csv { file, separator: separator.clone(), delimiter: delimiter.clone() }
            }
            Format::Parquet(compression) => {
                let schema = schema(columns)?;
                let properties = WriterProperties::builder().set_compression(*compression).build();
                let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))
                    .map_err(|e| format!("parquet: {e}"))?;
                Kind::Parquet { writer: Box::new(writer), schema, rows: Vec::new() }
            }
        };
        Ok(Out { place, file: other, kind, columns: columns.clone(), bytes: 0 })
    }

    /// Bytes written, about.
    pub fn bytes(&self) -> u64 {
        match &self.kind {
            Kind::Csv { .. } => self.bytes,
            Kind::Parquet { writer, .. } => (writer.bytes_written() + writer.in_progress_size()) as u64,
        }
    }

    /// One more row.
    pub fn row(&mut self, row: &[Value<'_>]) -> Result<(), String> {
        match &mut self.kind {
            Kind::Csv { file, separator, delimiter } => {
                let mut line = Vec::new();
                for (at, (value, (_, ty))) in row.iter().zip(&self.columns).enumerate() {
                    if at > 0 {
                        line.extend_from_slice(separator);
                    }
                    // NULL is `\N`, nothing is quoted (dossier starrocks 3.6, 3.7).
                    if ty.is_opaque() || !value.write(ty, &mut line) {
                        line.extend_from_slice(b"\\N");
                    }
                }
                line.extend_from_slice(delimiter);
                self.bytes += line.len() as u64;
                file.write_all(&line).map_err(|e| format!("cannot write: {e}"))
            }
            Kind::Parquet { writer, schema, rows } => {
                rows.push(row.iter().cloned().map(Value::owned).collect());
                if rows.len() >= BATCH {
                    flush(writer, schema, rows, &self.columns)?;
                }
                Ok(())
            }
        }
    }

    /// Ends the file.
    pub fn finish(self) -> Result<(), String> {
        match self.kind {
            Kind::Csv { mut file, .. } => file.flush().map_err(|e| format!("cannot write: {e}"))?,
            Kind::Parquet { mut writer, schema, mut rows } => {
                flush(&mut writer, &schema, &mut rows, &self.columns)?;
                writer.close().map(|_| ()).map_err(|e| format!("parquet: {e}"))?;
            }
        }
        self.place.keep(self.file)
    }
}

fn schema(columns: &Columns) -> Result<SchemaRef, String> {
    let fields = columns.iter().map(|(name, ty)| Ok(Field::new(name, arrow_type(ty)?, true)));
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>, String>>()?)))
}

/// DATETIME is microseconds without a zone (dossier starrocks 3.6); JSON and nested types are texts here, LARGEINT a
/// decimal of 38 digits ([memory]).
fn arrow_type(ty: &Type) -> Result<DataType, String> {
    Ok(match ty {
        Type::Boolean => DataType::Boolean,
        Type::TinyInt => DataType::Int8,
        Type::SmallInt => DataType::Int16,
        Type::Int => DataType::Int32,
        Type::BigInt => DataType::Int64,
        Type::LargeInt => DataType::Decimal128(38, 0),
        Type::Decimal(p, s) => DataType::Decimal128(*p, *s as i8),
        Type::Float => DataType::Float32,
        Type::Double => DataType::Float64,
        Type::Date => DataType::Date32,
        Type::DateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::VarBinary(_) => DataType::Binary,
        Type::Bitmap | Type::Hll | Type::Percentile => return Err(format!("Unsupported type {ty} for parquet file")),
        _ => DataType::Utf8,
    })
}

fn flush(
    writer: &mut ArrowWriter<File>,
    schema: &SchemaRef,
    rows: &mut Vec<Vec<Value<'static>>>,
    columns: &Columns,
) -> Result<(), String> {
    if rows.is_empty() {
        return Ok(());
    }
    let arrays: Vec<ArrayRef> =
        columns.iter().enumerate().map(|(at, (_, ty))| array(rows, at, ty)).collect::<Result<_, _>>()?;
    rows.clear();
    let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(|e| format!("parquet: {e}"))?;
    writer.write(&batch).map_err(|e| format!("parquet: {e}"))
}

fn array(rows: &[Vec<Value<'static>>], at: usize, ty: &Type) -> Result<ArrayRef, String> {
    let ints = || rows.iter().map(|row| if let Some(Value::Int(n)) = row.get(at) { Some(*n) } else { None });
    let floats = || rows.iter().map(|row| if let Some(Value::Float(f)) = row.get(at) { Some(*f) } else { None });
    let bytes = || rows.iter().map(|row| if let Some(Value::Bytes(b)) = row.get(at) { Some(b.as_ref()) } else { None });
    macro_rules! build {
        ($builder:ty, $values:expr) => {{
            let mut builder = <$builder>::new();
            $values.for_each(|value| builder.append_option(value));
            Arc::new(builder.finish())
        }};
    }
    Ok(match ty {
        Type::Boolean => build!(BooleanBuilder, ints().map(|n| n.map(|n| n != 0))),
        Type::TinyInt => build!(Int8Builder, ints().map(|n| n.map(|n| n as i8))),
        Type::SmallInt => build!(Int16Builder, ints().map(|n| n.map(|n| n as i16))),
        Type::Int => build!(Int32Builder, ints().map(|n| n.map(|n| n as i32))),
        Type::BigInt => build!(Int64Builder, ints().map(|n| n.map(|n| n as i64))),
        Type::Date => build!(Date32Builder, ints().map(|n| n.map(|n| n as i32))),
        Type::DateTime => build!(TimestampMicrosecondBuilder, ints().map(|n| n.map(|n| n as i64))),
        Type::Float => build!(Float32Builder, floats().map(|f| f.map(|f| f as f32))),
        Type::Double => build!(Float64Builder, floats()),
        Type::VarBinary(_) => build!(BinaryBuilder, bytes()),
        Type::LargeInt | Type::Decimal(..) => {
            let (p, s) = if let Type::Decimal(p, s) = ty { (*p, *s as i8) } else { (38, 0) };
            if ints().flatten().any(|n| n.unsigned_abs() >= 10u128.pow(38)) {
                return Err("a LARGEINT has more than 38 digits".to_string());
            }
            let mut builder = Decimal128Builder::new();
            ints().for_each(|n| builder.append_option(n));
            Arc::new(builder.finish().with_precision_and_scale(p, s).map_err(|e| format!("parquet: {e}"))?)
        }
        _ => {
            let mut builder = StringBuilder::new();
            for value in bytes() {
                builder.append_option(value.map(String::from_utf8_lossy));
            }
            Arc::new(builder.finish())
        }
    })
}
