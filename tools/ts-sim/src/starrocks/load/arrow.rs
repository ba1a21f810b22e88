//! Arrow IPC streams (from version 4.2): columns by name, upper and lower case told apart, a missing one is NULL
//! without a word (dossier starrocks 1.4). How each type becomes text is our reading: 4.2's rules were not seen.

use std::io::Cursor;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{DataType, TimeUnit};
use chrono::DateTime;

use super::evaluate::float_text;

/// Reads every row of a stream: one cell for each name. The error is a reason to fail the load.
pub fn read(body: &[u8], names: &[String], take: &mut dyn FnMut(&[Option<&[u8]>])) -> Result<(), String> {
    let failed = |e| format!("failed to read the arrow stream: {e}");
    let reader = StreamReader::try_new(Cursor::new(body), None).map_err(failed)?;
    for batch in reader {
        rows(&batch.map_err(failed)?, names, take)?;
    }
    Ok(())
}

fn rows(batch: &RecordBatch, names: &[String], take: &mut dyn FnMut(&[Option<&[u8]>])) -> Result<(), String> {
    let columns: Vec<Option<&dyn Array>> =
        names.iter().map(|name| batch.column_by_name(name).map(AsRef::as_ref)).collect();
    let mut text = Vec::new();
    let mut ends: Vec<Option<(usize, usize)>> = Vec::new();
    for row in 0..batch.num_rows() {
        text.clear();
        ends.clear();
        for column in &columns {
            let start = text.len();
            let there = match column {
                Some(column) => write(*column, row, false, &mut text)?,
                None => false,
            };
            ends.push(there.then_some((start, text.len())));
        }
        let cells: Vec<Option<&[u8]>> = ends.iter().map(|end| end.and_then(|(from, to)| text.get(from..to))).collect();
        take(&cells);
    }
    Ok(())
}

/// Appends the text of a value, inside of nested ones as JSON; false for NULL.
fn write(array: &dyn Array, row: usize, json: bool, out: &mut Vec<u8>) -> Result<bool, String> {
    if array.is_null(row) {
        return Ok(false);
    }
    macro_rules! number {
        ($type:ty) => {
            out.extend_from_slice(array.as_primitive::<$type>().value(row).to_string().as_bytes())
        };
    }
    match array.data_type() {
        DataType::Null => return Ok(false),
        DataType::Boolean => {
            let value = array.as_boolean().value(row);
            out.extend_from_slice(match (value, json) {
                (true, true) => b"true",
                (false, true) => b"false",
                (true, false) => b"1",
                (false, false) => b"0",
            });
        }
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => {
            let mut buffer = zmij::Buffer::new();
            out.extend_from_slice(buffer.format(array.as_primitive::<Float32Type>().value(row)).as_bytes());
        }
        DataType::Float64 => {
            out.extend_from_slice(float_text(array.as_primitive::<Float64Type>().value(row)).as_bytes())
        }
        DataType::Decimal128(..) => {
            out.extend_from_slice(array.as_primitive::<Decimal128Type>().value_as_string(row).as_bytes());
        }
        DataType::Utf8 => bytes(array.as_string::<i32>().value(row).as_bytes(), json, out),
        DataType::LargeUtf8 => bytes(array.as_string::<i64>().value(row).as_bytes(), json, out),
        DataType::Utf8View => bytes(array.as_string_view().value(row).as_bytes(), json, out),
        DataType::Binary => bytes(array.as_binary::<i32>().value(row), json, out),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(row), json, out),
        DataType::Date32 => {
            let seconds = i64::from(array.as_primitive::<Date32Type>().value(row)) * 86_400;
            let date = DateTime::from_timestamp(seconds, 0).ok_or("a date is out of range")?;
            bytes(date.format("%Y-%m-%d").to_string().as_bytes(), json, out);
        }
        // The wall clock of the zone UTC, also without a zone.
        DataType::Timestamp(unit, _) => {
            let time = match unit {
                TimeUnit::Second => DateTime::from_timestamp(array.as_primitive::<TimestampSecondType>().value(row), 0),
                TimeUnit::Millisecond => {
                    DateTime::from_timestamp_millis(array.as_primitive::<TimestampMillisecondType>().value(row))
                }
                TimeUnit::Microsecond => {
                    DateTime::from_timestamp_micros(array.as_primitive::<TimestampMicrosecondType>().value(row))
                }
                TimeUnit::Nanosecond => {
                    let value = array.as_primitive::<TimestampNanosecondType>().value(row);
                    DateTime::from_timestamp_micros(value.div_euclid(1000))
                }
            };
            let time = time.ok_or("a time is out of range")?;
            bytes(time.format("%Y-%m-%d %H:%M:%S%.6f").to_string().as_bytes(), json, out);
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let key = dictionary.normalized_keys().get(row).copied().ok_or("a dictionary's key is out of range")?;
            return write(dictionary.values().as_ref(), key, json, out);
        }
        DataType::List(_) => elements(array.as_list::<i32>().value(row).as_ref(), out)?,
        DataType::LargeList(_) => elements(array.as_list::<i64>().value(row).as_ref(), out)?,
        other => return Err(format!("arrow type {other} is not supported")),
    }
    Ok(true)
}

fn elements(values: &dyn Array, out: &mut Vec<u8>) -> Result<(), String> {
    out.push(b'[');
    for at in 0..values.len() {
        if at > 0 {
            out.push(b',');
        }
        if !write(values, at, true, out)? {
            out.extend_from_slice(b"null");
        }
    }
    out.push(b']');
    Ok(())
}

fn bytes(text: &[u8], json: bool, out: &mut Vec<u8>) {
    if json {
        let quoted = serde_json::Value::String(String::from_utf8_lossy(text).into_owned());
        out.extend_from_slice(quoted.to_string().as_bytes());
    } else {
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{
        BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray,
        TimestampMicrosecondArray,
    };
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
    use std::sync::Arc;

    #[test]
    fn columns_by_name_and_null_for_what_is_missing() {
        let batch = RecordBatch::try_from_iter([
            ("i", Arc::new(Int64Array::from(vec![Some(-5), None])) as Arc<dyn Array>),
            ("f", Arc::new(Float64Array::from(vec![2.0, 0.1]))),
            ("b", Arc::new(BooleanArray::from(vec![true, false]))),
            ("s", Arc::new(StringArray::from(vec!["é", ""]))),
            ("d", Arc::new(Date32Array::from(vec![0, 19_723]))),
            ("t", Arc::new(TimestampMicrosecondArray::from(vec![1_704_067_200_000_001, -1]).with_timezone("UTC"))),
            ("n", Arc::new(Decimal128Array::from(vec![12_345, -1]).with_precision_and_scale(10, 2).unwrap())),
            ("l", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]))),
        ])
        .unwrap();
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME)).unwrap();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        let body = writer.into_inner().unwrap();
        let names: Vec<String> = ["t", "i", "I", "f", "b", "s", "d", "n", "l"].map(str::to_owned).to_vec();
        let mut got = Vec::new();
        read(&body, &names, &mut |cells| {
            let text =
                |cell: &Option<&[u8]>| cell.map_or("NULL".to_owned(), |c| String::from_utf8_lossy(c).into_owned());
            got.push(cells.iter().map(text).collect::<Vec<_>>().join("|"));
        })
        .unwrap();
        assert_eq!(
            got,
            [
                "2024-01-01 00:00:00.000001|-5|NULL|2|1|é|1970-01-01|123.45|[1,null]",
                "1969-12-31 23:59:59.999999|NULL|NULL|0.1|0||2024-01-01|-0.01|NULL"
            ]
        );
        assert!(read(&body[..body.len() / 2], &names, &mut |_| ()).is_err());
        assert!(read(b"id,ts\n", &names, &mut |_| ()).is_err());
    }
}
