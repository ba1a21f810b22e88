//! Single cells of CSV, for those who have values and no columns.

use crate::cells::{hexadecimal, integer};
use crate::csv_write::quote_if_needed;
use crate::instant::Printer;
use crate::number;
use crate::time::Unit;

/// The value of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Boolean(bool),
    Signed(i64),
    Unsigned(u64),
    Single(f32),
    Double(f64),
    /// Since the epoch.
    Time(i64, Unit),
    /// Without its point, and the digits behind it.
    Decimal(i128, i8),
    /// UTF-8.
    Text(&'a [u8]),
    Binary(&'a [u8]),
}

/// Appends the cell that a writer with a comma between cells and nothing for NULL makes of the value.
pub fn append(value: Value<'_>, printer: &mut Printer, out: &mut Vec<u8>) {
    match value {
        Value::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Signed(value) => integer(value, out),
        Value::Unsigned(value) => integer(value, out),
        Value::Single(value) => out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes()),
        Value::Double(value) => out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes()),
        Value::Time(value, unit) => printer.print(value, unit, out),
        Value::Decimal(value, scale) => number::print_decimal(value, scale, out),
        Value::Text(text) => quote_if_needed(text, b',', None, out),
        Value::Binary([]) => out.extend_from_slice(b"\"\""),
        Value::Binary(bytes) => hexadecimal(bytes, out),
    }
}

/// Where the first `rows` rows of a CSV without header end: line ends between quotes are part of a cell.
pub fn rows_end(text: &[u8], rows: u64) -> usize {
    let (mut quoted, mut left) = (false, rows);
    if left == 0 {
        return 0;
    }
    for at in memchr::memchr2_iter(b'"', b'\n', text) {
        if text.get(at) == Some(&b'"') {
            quoted = !quoted;
        } else if !quoted {
            left -= 1;
            if left == 0 {
                return at + 1;
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_end_at_line_ends_outside_of_quotes() {
        let text = b"a,\"b\n\"\"\n\",c\n\n\"\"\nlast\n";
        let ends: Vec<usize> = (0..6).map(|rows| rows_end(text, rows)).collect();
        assert_eq!(ends, [0, 12, 13, 16, 21, 21]);
    }
}
