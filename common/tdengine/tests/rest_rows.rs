//! The scanner of REST rows against the careful way: whatever a reply holds, both give the same columns or the same
//! error. A reader that gives one byte at a time leaves nothing to the scanner, which wants whole rows.

use rows::time::Unit;
use std::io::Read;
use tdengine::json::Body;
use tdengine::rest::Stream;
use testkit::proptest::collection::vec;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::select;
use testkit::proptest::string::string_regex;

/// At most `step` bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.1.min(out.len()).min(self.0.len());
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// A message without the excerpt of what follows, which depends on how much had come.
fn said(error: fault::Error) -> String {
    let text = error.to_string();
    text.split_inclusive("sends: ").next().unwrap_or_default().to_owned()
}

/// Everything that a reply says: the rows as text (NaN and all), or the error.
fn read(reply: &[u8], step: usize, unit: Option<Unit>, dictionary: bool) -> Result<Vec<String>, String> {
    let mut stream = Stream::open(Body::open(Slow(reply, step)).map_err(said)?, unit).map_err(said)?;
    stream.columns.iter_mut().for_each(|column| column.dictionary = dictionary);
    let mut out = Vec::new();
    while let Some(rows) = stream.next_rows().map_err(|failure| said(failure.error))? {
        for row in 0..rows.len {
            let values: Vec<_> = rows.columns.iter().map(|c| tdengine::value::at(c.as_ref(), row)).collect();
            out.push(format!("{values:?}"));
        }
    }
    Ok(out)
}

/// A type's name, and JSON of its values: usual, unusual and wrong ones.
fn column() -> impl Strategy<Value = (&'static str, BoxedStrategy<String>)> {
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
fn reply() -> impl Strategy<Value = Vec<u8>> {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_scanner_reads_what_the_careful_way_reads(
        reply in reply(), step in 2usize..200, dictionary in any::<bool>(), units in select(vec![None, Some(Unit::Ms)]),
    ) {
        let careful = read(&reply, 1, units, dictionary);
        prop_assert_eq!(&read(&reply, usize::MAX, units, dictionary), &careful);
        prop_assert_eq!(&read(&reply, step, units, dictionary), &careful);
    }

    #[test]
    fn damaged_replies_fail_alike(reply in reply(), at in any::<prop::sample::Index>(), byte in any::<u8>(), dictionary in any::<bool>()) {
        let mut reply = reply;
        let at = at.index(reply.len());
        for byte in [byte, b"\"\\,[]{}.-e09 n"[usize::from(byte) % 14]] {
            reply[at] = byte;
            prop_assert_eq!(read(&reply, usize::MAX, Some(Unit::Ms), dictionary), read(&reply, 1, Some(Unit::Ms), dictionary));
        }
    }
}

#[test]
fn rows_larger_than_the_buffer_and_many_small_ones() {
    let wide = format!("[\"{}\",1]", "x".repeat(700_000));
    let mut data: Vec<String> = (0..9000).map(|n| format!("[\"{}\",{n}]", n / 7)).collect();
    data.insert(4500, wide);
    let reply = format!(
        "{{\"code\":0,\"column_meta\":[[\"s\",\"VARCHAR\",9],[\"n\",\"INT\",4]],\"data\":[{}],\"rows\":{}}}",
        data.join(","),
        data.len()
    );
    let whole = read(reply.as_bytes(), usize::MAX, None, false).unwrap();
    assert_eq!(whole.len(), 9001);
    assert_eq!(whole[7], "[Text(\"1\"), Int(7)]");
    assert_eq!(whole, read(reply.as_bytes(), 16 << 10, None, true).unwrap());
}
