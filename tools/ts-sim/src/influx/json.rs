//! JSON and numbers as Go prints them: `<`, `>` and `&` escaped, bytes that are no UTF-8 as U+FFFD, `1e+300`.

use super::points::Value;

/// Appends a JSON string.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\x08' => out.extend_from_slice(b"\\b"),
                '\x0c' => out.extend_from_slice(b"\\f"),
                '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        // one U+FFFD for every byte, as Go does
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}

/// A JSON string of its own.
pub fn quoted(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    string(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends a float: shortest text, exponent below 1e-6 and from 1e21 on (`encoding/json`).
pub fn float(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                out.extend_from_slice(format!("{digits}e+{exponent}").as_bytes());
            }
            _ => out.extend_from_slice(text.as_bytes()),
        }
    } else {
        float_plain(out, value);
    }
}

/// Appends a float without exponent, as CSV has it (1e300 has 301 digits).
pub fn float_plain(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(format!("{value}").as_bytes());
}

/// Appends a field's value.
pub fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Float(x) => float(out, *x),
        Value::Int(x) => out.extend_from_slice(x.to_string().as_bytes()),
        Value::Uint(x) => out.extend_from_slice(x.to_string().as_bytes()),
        Value::Bool(x) => out.extend_from_slice(if *x { b"true" } else { b"false" }),
        Value::Str(s) => string(out, s),
    }
}
