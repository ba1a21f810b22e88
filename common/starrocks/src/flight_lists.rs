//! ARRAY as JSON text, as it comes over the MySQL protocol: `[1,2,null]`, texts and times in quotes, BOOLEAN as 1 and 0.
//! Inside of texts what JSON wants escaped is escaped, which the server leaves to chance.

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use rows::instant::Printer;
use rows::time::Unit;
use std::sync::Arc;

/// A column of lists.
pub(crate) struct Lists<'a>(&'a ArrayRef);

impl<'a> Lists<'a> {
    /// `None` where elements are of a type that has no text here (MAP, STRUCT).
    pub fn new(column: &'a ArrayRef) -> Option<Lists<'a>> {
        is_plain(column.data_type()).then_some(Lists(column))
    }

    /// The texts of all.
    pub fn texts(&self) -> ArrayRef {
        let mut texts = StringBuilder::with_capacity(self.0.len(), 16 * self.0.len());
        let (mut text, mut printer) = (Vec::new(), Printer::default());
        for row in 0..self.0.len() {
            if self.0.is_null(row) {
                texts.append_null();
                continue;
            }
            text.clear();
            write(self.0, row, &mut printer, &mut text);
            texts.append_value(String::from_utf8_lossy(&text));
        }
        Arc::new(texts.finish())
    }
}

fn is_plain(data: &DataType) -> bool {
    match data {
        DataType::List(element) => is_plain(element.data_type()),
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Utf8
        | DataType::Date32
        | DataType::Timestamp(TimeUnit::Microsecond, _) => true,
        _ => false,
    }
}

/// Appends a value; what [`is_plain`] does not know is `null`.
fn write(array: &ArrayRef, row: usize, printer: &mut Printer, out: &mut Vec<u8>) {
    macro_rules! number {
        ($ty:ty) => {
            out.extend_from_slice(array.as_primitive::<$ty>().value(row).to_string().as_bytes())
        };
    }
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    match array.data_type() {
        DataType::List(_) => {
            let elements = array.as_list::<i32>().value(row);
            out.push(b'[');
            for element in 0..elements.len() {
                if element > 0 {
                    out.push(b',');
                }
                write(&elements, element, printer, out);
            }
            out.push(b']');
        }
        DataType::Boolean => out.push(if array.as_boolean().value(row) { b'1' } else { b'0' }),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::Float32 => float(serde_json::to_vec(&array.as_primitive::<Float32Type>().value(row)), out),
        DataType::Float64 => float(serde_json::to_vec(&array.as_primitive::<Float64Type>().value(row)), out),
        // LARGEINT: with its 39th digit.
        DataType::Decimal128(_, 0) => number!(Decimal128Type),
        DataType::Decimal128(..) => {
            out.extend_from_slice(array.as_primitive::<Decimal128Type>().value_as_string(row).as_bytes());
        }
        DataType::Utf8 => {
            // A text always has its JSON form.
            let quoted = serde_json::to_vec(array.as_string::<i32>().value(row)).unwrap_or_default();
            out.extend_from_slice(&quoted);
        }
        DataType::Date32 => {
            let seconds = i64::from(array.as_primitive::<Date32Type>().value(row)) * 86_400;
            time(seconds, Unit::S, 10, printer, out);
        }
        DataType::Timestamp(..) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            match micros % 1_000_000 {
                0 => time(micros / 1_000_000, Unit::S, 19, printer, out),
                _ => time(micros, Unit::Us, 26, printer, out),
            }
        }
        _ => out.extend_from_slice(b"null"),
    }
}

/// `2`, not `2.0`.
fn float(text: serde_json::Result<Vec<u8>>, out: &mut Vec<u8>) {
    let text = text.unwrap_or_else(|_| b"null".to_vec());
    out.extend_from_slice(text.strip_suffix(b".0").unwrap_or(&text));
}

/// The first `length` bytes of the instant's text, in quotes, without the `T`.
fn time(value: i64, unit: Unit, length: usize, printer: &mut Printer, out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    printer.print(value, unit, out);
    out.truncate(start + length);
    if let Some(between) = out.get_mut(start + 10) {
        *between = b' ';
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::{BooleanBuilder, ListBuilder};
    use arrow_array::types::ArrowPrimitiveType;
    use arrow_array::{ListArray, PrimitiveArray, StringArray, StructArray};
    use arrow_buffer::OffsetBuffer;
    use arrow_schema::Field;

    fn list(values: ArrayRef) -> ArrayRef {
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([values.len()]), values, None))
    }

    fn text(column: &ArrayRef) -> String {
        Lists::new(column).expect("plain").texts().as_string::<i32>().value(0).to_owned()
    }

    fn numbers<T: ArrowPrimitiveType>(values: Vec<Option<T::Native>>) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::from_iter(values))
    }

    #[test]
    fn every_type_has_its_text() {
        let ints = numbers::<Int32Type>(vec![Some(1), None, Some(-2)]);
        assert_eq!(text(&list(ints.clone())), "[1,null,-2]");
        assert_eq!(text(&list(list(ints))), "[[1,null,-2]]");
        assert_eq!(text(&list(numbers::<Float64Type>(vec![Some(0.5), Some(2.0)]))), "[0.5,2]");
        assert_eq!(text(&list(Arc::new(StringArray::from(vec!["a\"b\\", "ł\n"])))), r#"["a\"b\\","ł\n"]"#);
        assert_eq!(text(&list(numbers::<Date32Type>(vec![Some(0), Some(-1)]))), r#"["1970-01-01","1969-12-31"]"#);
        let times = numbers::<TimestampMicrosecondType>(vec![Some(1_000_000), Some(-1)]);
        assert_eq!(text(&list(times)), r#"["1970-01-01 00:00:01","1969-12-31 23:59:59.999999"]"#);
        let mut flags = ListBuilder::new(BooleanBuilder::new());
        flags.append_value([Some(true), Some(false), None]);
        let flags: ArrayRef = Arc::new(flags.finish());
        assert_eq!(text(&flags), "[1,0,null]");
        let structs: ArrayRef = Arc::new(StructArray::new_empty_fields(1, None));
        assert!(Lists::new(&list(structs)).is_none());
    }
}
