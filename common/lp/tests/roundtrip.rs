//! What is written comes back, in every dialect, and is safe to send; what cannot come back is refused.

use lp::{Checker, Dialect, Element, FieldValue, Parser, Precision, escape, unescape, unescape_string, write};
use testkit::proptest::collection::vec;
use testkit::proptest::prelude::*;

/// Bytes that matter to line protocol, far more often than others.
fn nasty() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(&b",= \"\\#\t\r\n\0ab:0"[..]).prop_map(|b| vec![b]),
        1 => Just(b"\\\\".to_vec()),
        1 => prop::sample::select(&["\u{fffd}", "\u{1f600}", "\u{6e29}\u{5ea6}", "t\u{e9}"][..]).prop_map(|s| s.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|b| vec![b]),
    ];
    vec(piece, 0..8).prop_map(|p| p.concat())
}

fn any_dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(&Dialect::ALL[..])
}

#[derive(Clone, Debug)]
enum Value {
    Float(f64),
    Float32(f32),
    Int(i64),
    UInt(u64),
    Bool(bool),
    Str(Vec<u8>),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<f64>().prop_map(Value::Float),
        any::<u64>().prop_map(|b| Value::Float(f64::from_bits(b))),
        any::<f32>().prop_map(Value::Float32),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::UInt),
        any::<bool>().prop_map(Value::Bool),
        nasty().prop_map(Value::Str),
    ]
}

fn put(out: &mut Vec<u8>, dialect: Dialect, v: &Value) -> bool {
    match v {
        Value::Float(f) => write::float(out, *f).is_ok(),
        Value::Float32(f) => write::float32(out, *f).is_ok(),
        Value::Int(i) => {
            write::int(out, *i);
            true
        }
        Value::UInt(u) => write::uint(out, dialect, *u).is_ok(),
        Value::Bool(b) => {
            write::boolean(out, *b);
            true
        }
        Value::Str(s) => write::string(out, dialect, s).is_ok(),
    }
}

fn same(written: &Value, read: FieldValue<'_>) -> bool {
    match (written, read) {
        (Value::Float(a), FieldValue::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Float32(a), FieldValue::Float(b)) => a.to_bits() == (b as f32).to_bits(),
        (Value::Int(a), FieldValue::Int(b)) => *a == b,
        (Value::UInt(a), FieldValue::UInt(b)) => *a == b,
        (Value::Bool(a), FieldValue::Bool(b)) => *a == b,
        (Value::Str(a), FieldValue::Str(b)) => a.as_slice() == unescape_string(b).as_ref(),
        _ => false,
    }
}

fn plain(escaped: &[u8], element: Element, dialect: Dialect) -> Vec<u8> {
    unescape(escaped, element, dialect).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A line built from any names and values: if nothing was refused, it passes the check and gives back every part.
    #[test]
    fn what_is_written_comes_back(
        dialect in any_dialect(),
        measurement in nasty(),
        tags in vec((nasty(), nasty()), 0..3),
        fields in vec((nasty(), value()), 1..4),
        time in any::<i64>(),
    ) {
        // What a dialect refuses is left out; the last field is there so that there is always one.
        let fits = |e, t: &Vec<u8>| escape::name(&mut Vec::new(), e, dialect, t).is_ok();
        let measurement = if fits(Element::Measurement, &measurement) { measurement } else { b"m".to_vec() };
        let tags: Vec<_> = tags.into_iter().filter(|(k, v)| fits(Element::TagKey, k) && fits(Element::TagValue, v)).collect();
        let mut fields: Vec<_> =
            fields.into_iter().filter(|(k, v)| fits(Element::FieldKey, k) && put(&mut Vec::new(), dialect, v)).collect();
        fields.push((b"last".to_vec(), Value::Bool(true)));
        let (first, last) = dialect.time_range();
        let time = time.clamp(first, last);

        let mut line = Vec::new();
        escape::name(&mut line, Element::Measurement, dialect, &measurement).unwrap();
        for (k, v) in &tags {
            line.push(b',');
            escape::name(&mut line, Element::TagKey, dialect, k).unwrap();
            line.push(b'=');
            escape::name(&mut line, Element::TagValue, dialect, v).unwrap();
        }
        for (i, (k, v)) in fields.iter().enumerate() {
            line.push(if i == 0 { b' ' } else { b',' });
            escape::name(&mut line, Element::FieldKey, dialect, k).unwrap();
            line.push(b'=');
            assert!(put(&mut line, dialect, v));
        }
        line.push(b' ');
        write::timestamp(&mut line, dialect, Precision::Ns, time).unwrap();

        let mut parser = Parser::new(dialect);
        let read = parser.parse(&line).map_err(|e| TestCaseError::fail(format!("{e}: {:?}", String::from_utf8_lossy(&line))))?;
        prop_assert_eq!(plain(read.measurement(), Element::Measurement, dialect), measurement.clone());
        prop_assert_eq!(read.tags().len(), tags.len());
        for ((k, v), (key, value)) in tags.iter().zip(read.tags()) {
            prop_assert_eq!(plain(key, Element::TagKey, dialect), k.clone());
            prop_assert_eq!(plain(value, Element::TagValue, dialect), v.clone());
        }
        prop_assert_eq!(read.fields().len(), fields.len());
        for ((k, v), (key, raw)) in fields.iter().zip(read.fields()) {
            prop_assert_eq!(plain(key, Element::FieldKey, dialect), k.clone());
            prop_assert!(same(v, raw.value()), "{:?} {:?}", v, raw);
        }
        prop_assert_eq!(read.timestamp(), Some(time));
        prop_assert_eq!(lp::series::key(&line, dialect), Some(read.series()));

        match Checker::new(dialect).check(&line).map_err(|b| b.reason) {
            Ok(()) => {}
            // Keys are drawn independently of each other, so they may repeat; and names that are each representable
            // may together move a server's idea of where the line ends.
            Err(lp::Reason::DuplicateTag | lp::Reason::DuplicateField | lp::Reason::TagIsField) => {}
            Err(lp::Reason::LineEndDiffers) => prop_assert!(line.contains(&b'\\') && line.contains(&b'"')),
            Err(other) => prop_assert!(false, "{}: {:?}", other, String::from_utf8_lossy(&line)),
        }
        if dialect == Dialect::Portable && Checker::new(dialect).check(&line).is_ok() {
            for other in Dialect::ALL {
                prop_assert_eq!(Checker::new(other).check(&line), Ok(()), "{}", other);
            }
        }
        // The lines around it are still seen.
        let stream = [b"a f=1 1\n", line.as_slice(), b"\nb f=1 1\n"].concat();
        let seen: Vec<_> = lp::Lines::new(&stream, dialect).map(|raw| raw.bytes).collect();
        if Checker::new(dialect).check(&line).is_ok() && !line.ends_with(b"\r") {
            prop_assert_eq!(seen, vec![&b"a f=1 1"[..], &line[..], &b"b f=1 1"[..]]);
        }
    }

    /// Portable text is read alike by all three.
    #[test]
    fn portable_means_the_same_to_all(text in nasty(), element in prop::sample::select(&[Element::Measurement, Element::TagKey, Element::TagValue, Element::FieldKey][..])) {
        let mut out = Vec::new();
        if escape::name(&mut out, element, Dialect::Portable, &text).is_err() {
            return Ok(());
        }
        for dialect in Dialect::ALL {
            prop_assert_eq!(plain(&out, element, dialect), text.clone());
        }
    }

    /// No bytes make the parser, the splitter or the block reader panic, and no byte is lost between blocks.
    #[test]
    fn any_bytes_are_survived(dialect in any_dialect(), bytes in vec(nasty(), 0..20), block in 1usize..40, max in 1usize..60) {
        let bytes = bytes.concat();
        let mut checker = Checker::new(dialect);
        for raw in lp::Lines::new(&bytes, dialect).with_comments() {
            let _ = checker.check(raw.bytes);
            let _ = lp::check(raw.bytes, dialect);
            let _ = lp::series::key(raw.bytes, dialect);
        }
        let mut blocks = lp::Blocks::with_sizes(Slow(&bytes), dialect, block, max);
        let mut seen = 0u64;
        loop {
            match blocks.next_chunk().unwrap() {
                None => break,
                Some(lp::Chunk::Lines(lines)) => seen += lines.as_bytes().len() as u64,
                Some(lp::Chunk::TooLong(e)) => seen = seen.max(e.offset),
            }
            prop_assert!(blocks.consumed() >= seen);
            seen = blocks.consumed();
        }
        prop_assert_eq!(seen, bytes.len() as u64);
    }

    /// Lines cut by the block reader are those of the whole buffer, whatever the sizes of the reads.
    #[test]
    fn blocks_cut_as_the_whole(dialect in any_dialect(), bytes in vec(nasty(), 0..30), block in 1usize..40) {
        let bytes = bytes.concat();
        let whole: Vec<(u64, u64, Vec<u8>)> =
            lp::Lines::new(&bytes, dialect).map(|r| (r.offset, r.number, r.bytes.to_vec())).collect();
        let mut blocks = lp::Blocks::with_sizes(Slow(&bytes), dialect, block, 1 << 20);
        let mut cut = Vec::new();
        while let Some(chunk) = blocks.next_chunk().unwrap() {
            if let lp::Chunk::Lines(lines) = chunk {
                cut.extend(lines.map(|r| (r.offset, r.number, r.bytes.to_vec())));
            }
        }
        prop_assert_eq!(cut, whole);
    }
}

/// A reader that gives a few bytes at a time.
struct Slow<'a>(&'a [u8]);

impl std::io::Read for Slow<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = buf.len().min(self.0.len()).min(7);
        buf[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

#[test]
fn floats_are_spelled_for_all_dialects() {
    let spelled = |v: f64| {
        let mut out = Vec::new();
        write::float(&mut out, v).unwrap();
        String::from_utf8(out).unwrap()
    };
    for v in [0.0, -0.0, 5e-324, f64::MAX, f64::MIN_POSITIVE, 1e21, 0.1, 1e300, -1.5e-7, 123456789012345680.0] {
        let text = spelled(v);
        assert_eq!(text.parse::<f64>().unwrap().to_bits(), v.to_bits());
        for dialect in Dialect::ALL {
            assert_eq!(lp::check(format!("m f={text} 1").as_bytes(), dialect), Ok(()), "{text}");
        }
    }
    assert!(spelled(1e300).len() < 8);
    for v in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(write::float(&mut Vec::new(), v), Err(lp::Refusal::NotFinite));
    }
}
