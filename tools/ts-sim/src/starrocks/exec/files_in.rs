//! Files that the cluster reads by itself: `FILES(…)` and LOAD LABEL, CSV and Parquet.

use std::io::{BufRead, BufReader};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::query::Columns;
use super::storage::Place;
use super::unload::unescaped;
use crate::starrocks::types::{LONGEST, STRING, Type};
use crate::starrocks::value::Value;

/// Files to read, and their columns.
#[derive(Debug)]
pub struct Files {
    places: Vec<Place>,
    /// Of all files.
    pub bytes: u64,
    pub columns: Columns,
    format: Format,
}

#[derive(Debug, Clone)]
enum Format {
    Parquet,
    Csv { separator: Vec<u8>, skip: usize },
}

impl Files {
    /// By the properties of `FILES()`.
    pub fn open(properties: &[(String, String)]) -> Result<Files, String> {
        let get = |name: &str| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let path = get("path").ok_or("path is a mandatory property.")?;
        let separator = unescaped(get("csv.column_separator").unwrap_or("\t"));
        let skip = get("csv.skip_header").and_then(|n| n.parse().ok()).unwrap_or(0);
        let format = get("format").ok_or("format is a mandatory property.")?;
        Files::at(&[path.to_string()], properties, format, separator, skip)
    }

    /// Files of these URLs, whose last parts may have `*`; `properties` say how buckets are reached.
    pub fn at(
        urls: &[String],
        properties: &[(String, String)],
        format: &str,
        separator: Vec<u8>,
        skip: usize,
    ) -> Result<Files, String> {
        let mut found = Vec::new();
        for url in urls {
            found.extend(Place::open(url, properties)?.matching()?);
        }
        let bytes = found.iter().map(|(_, size)| size).sum();
        let places: Vec<Place> = found.into_iter().map(|(place, _)| place).collect();
        let first = places
            .first()
            .ok_or_else(|| format!("No files were found matching the pattern(s) or path(s): '{}'", urls.join(",")))?;
        let (format, columns) = match format.to_ascii_lowercase().as_str() {
            "parquet" => (Format::Parquet, parquet_columns(first)?),
            "csv" => {
                let width = lines(first)?.nth(skip).transpose()?.map_or(0, |line| split(&line, &separator).count());
                let names = (1..=width).map(|n| (format!("${n}"), Type::Varchar(LONGEST)));
                (Format::Csv { separator, skip }, names.collect())
            }
            other => return Err(format!("Unsupported format {other}")),
        };
        Ok(Files { places, bytes, columns, format })
    }

    /// Visits every row until that returns false.
    pub fn each(&self, visit: &mut dyn FnMut(&[Value<'static>]) -> Result<bool, String>) -> Result<(), String> {
        for place in &self.places {
            match &self.format {
                Format::Parquet => {
                    let failed = |e: &dyn std::fmt::Display| format!("cannot read {}: {e}", place.shown());
                    let file = place.read()?;
                    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|b| b.build());
                    for batch in reader.map_err(|e| failed(&e))? {
                        if !self.batch(&batch.map_err(|e| failed(&e))?, visit)? {
                            return Ok(());
                        }
                    }
                }
                Format::Csv { separator, skip } => {
                    for line in lines(place)?.skip(*skip) {
                        let line = line?;
                        let row: Vec<Value<'static>> = split(&line, separator)
                            .map(|cell| if cell == b"\\N" { Value::Null } else { Value::Bytes(cell.to_vec().into()) })
                            .collect();
                        if !visit(&row)? {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn batch(
        &self,
        batch: &RecordBatch,
        visit: &mut dyn FnMut(&[Value<'static>]) -> Result<bool, String>,
    ) -> Result<bool, String> {
        let columns: Vec<Option<&dyn Array>> =
            self.columns.iter().map(|(name, _)| batch.column_by_name(name).map(|a| a.as_ref())).collect();
        for row in 0..batch.num_rows() {
            let values: Vec<Value<'static>> =
                columns.iter().map(|array| array.map_or(Value::Null, |array| cell(array, row))).collect();
            if !visit(&values)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn lines(place: &Place) -> Result<impl Iterator<Item = Result<Vec<u8>, String>>, String> {
    let (shown, file) = (place.shown(), place.read()?);
    Ok(BufReader::new(file).split(b'\n').map(move |line| line.map_err(|e| format!("cannot read {shown}: {e}"))))
}

fn split<'a>(line: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        match memchr::memmem::find(text, separator) {
            Some(at) => {
                rest = text.get(at + separator.len()..);
                text.get(..at)
            }
            None => rest.take(),
        }
    })
}

fn parquet_columns(place: &Place) -> Result<Columns, String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(place.read()?)
        .map_err(|e| format!("cannot read {}: {e}", place.shown()))?;
    let fields = builder.schema().fields().iter().map(|field| {
        let ty = match field.data_type() {
            DataType::Boolean => Type::Boolean,
            DataType::Int8 => Type::TinyInt,
            DataType::Int16 => Type::SmallInt,
            DataType::Int32 => Type::Int,
            DataType::Int64 => Type::BigInt,
            DataType::Float32 => Type::Float,
            DataType::Float64 => Type::Double,
            DataType::Decimal128(p, s) => Type::Decimal(*p, *s as u8),
            DataType::Date32 => Type::Date,
            DataType::Timestamp(TimeUnit::Microsecond, _) => Type::DateTime,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::Varchar(STRING),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Type::VarBinary(LONGEST),
            other => return Err(format!("the simulator does not read {other} of {}", field.name())),
        };
        Ok((field.name().clone(), ty))
    });
    fields.collect()
}

fn cell(array: &dyn Array, row: usize) -> Value<'static> {
    if array.is_null(row) {
        return Value::Null;
    }
    macro_rules! int {
        ($ty:ty) => {
            Value::Int(array.as_primitive::<$ty>().value(row).into())
        };
    }
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec().into());
    match array.data_type() {
        DataType::Boolean => Value::Int(array.as_boolean().value(row).into()),
        DataType::Int8 => int!(Int8Type),
        DataType::Int16 => int!(Int16Type),
        DataType::Int32 => int!(Int32Type),
        DataType::Int64 => int!(Int64Type),
        DataType::Date32 => int!(Date32Type),
        DataType::Timestamp(..) => int!(TimestampMicrosecondType),
        DataType::Decimal128(..) => int!(Decimal128Type),
        DataType::Float32 => Value::Float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => bytes(array.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => bytes(array.as_string::<i64>().value(row).as_bytes()),
        DataType::Utf8View => bytes(array.as_string_view().value(row).as_bytes()),
        DataType::Binary => bytes(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => bytes(array.as_binary_view().value(row)),
        _ => Value::Null,
    }
}
