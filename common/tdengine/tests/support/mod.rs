//! Replies of REST: generated ones, and readers that give them slowly.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::Read;
use testkit::proptest::collection::vec;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::select;
use testkit::proptest::string::string_regex;

/// `cases` of a property, or as many as `PROPTEST_CASES` says for a longer search.
pub fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(asked.unwrap_or(cases)) }
}

/// At most `step` bytes at a time.
pub struct Slow<'a>(pub &'a [u8], pub usize);

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.1.min(out.len()).min(self.0.len());
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// A message without the excerpt of what follows, which depends on how much had come.
pub fn said(error: fault::Error) -> String {
    let text = error.to_string();
    text.split_inclusive("sends: ").next().unwrap_or_default().to_owned()
}

/// A type's name, and JSON of its values: usual, unusual and wrong ones.
pub fn column() -> impl Strategy<Value = (&'static str, BoxedStrategy<String>)> {
    let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?(e[-+][0-9]{1,3})?";
    let int = |bits: u32| any::<i64>().prop_map(move |n| (n >> (64 - bits)).to_string()).boxed();
    let uint = |bits: u32| any::<u64>().prop_map(move |n| (n >> (64 - bits)).to_string()).boxed();
    let float = || prop_oneof![any::<f32>().prop_map(|f| f.to_string()), number.prop_map(String::from)].boxed();
    let json = |text: String| serde_json::Value::from(text).to_string();
    let text = move || prop_oneof![3 => "[a-c]{0,3}".prop_map(json), 1 => ".{0,20}".prop_map(json)].boxed();
    let time = |digits: usize| {
        let text = format!("20[0-9]{{2}}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{{{digits}}}");
        (string_regex(&text).unwrap(), select(vec!["Z", "Z", "Z", "+08:00", "z", ""]))
            .prop_map(|(text, zone)| format!("\"{text}{zone}\""))
            .boxed()
    };
    select(vec![
        ("BOOL", select(vec!["true", "false", "0", "1", "tru"]).prop_map(String::from).boxed()),
        ("TINYINT", int(8)),
        ("SMALLINT", int(16)),
        ("INT", int(32)),
        ("BIGINT", int(64)),
        ("TINYINT UNSIGNED", uint(8)),
        ("SMALLINT UNSIGNED", uint(16)),
        ("INT UNSIGNED", uint(32)),
        ("BIGINT UNSIGNED", uint(64)),
        ("INT", number.prop_map(String::from).boxed()),
        ("FLOAT", float()),
        ("DOUBLE", float()),
        ("DOUBLE", any::<f64>().prop_map(|f| f.to_string()).boxed()),
        ("VARCHAR", text()),
        ("NCHAR", text()),
        ("VARBINARY", "([0-9a-f]{2}){0,4}".prop_map(json).boxed()),
        ("JSON", select(vec!["{\"a\":[1,\"]\"]}", "\"x\"", "7"]).prop_map(String::from).boxed()),
        ("DECIMAL(12, 3)", "\"-?[0-9]{1,9}(\\.[0-9]{0,4})?\"".prop_map(String::from).boxed()),
        ("TIMESTAMP", time(3)),
        ("TIMESTAMP", any::<i32>().prop_map(|n| n.to_string()).boxed()),
    ])
}

/// A reply: some columns, some rows, NULLs anywhere; `spaced` as no adapter writes it.
pub fn reply() -> impl Strategy<Value = Vec<u8>> {
    (vec(column(), 1..6), any::<bool>()).prop_flat_map(|(columns, spaced)| {
        let kinds: Vec<&str> = columns.iter().map(|(kind, _)| *kind).collect();
        let cells: Vec<_> =
            columns.into_iter().map(|(_, cell)| prop_oneof![4 => cell, 1 => Just("null".to_owned())]).collect();
        vec(cells, 0..12).prop_map(move |rows| {
            let meta: Vec<String> =
                kinds.iter().enumerate().map(|(at, kind)| format!("[\"c{at}\",\"{kind}\",8]")).collect();
            let (comma, row) = if spaced { (" , ", " ") } else { (",", "") };
            let data: Vec<String> = rows.iter().map(|cells| format!("[{row}{}{row}]", cells.join(comma))).collect();
            let count = rows.len();
            format!(
                "{{\"code\":0,\"column_meta\":[{}],\"data\":[{}],\"rows\":{count}}}",
                meta.join(","),
                data.join(",")
            )
            .into_bytes()
        })
    })
}

/// The body of a recorded HTTP reply.
pub fn body(reply: &[u8]) -> Vec<u8> {
    let split = reply.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&reply[..split]).to_lowercase();
    let mut rest = &reply[split + 4..];
    if !head.contains("transfer-encoding: chunked") {
        return rest.to_vec();
    }
    if rest.starts_with(b"{") {
        // Saved by curl, which had undone the chunks.
        return rest.to_vec();
    }
    let mut out = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
}
