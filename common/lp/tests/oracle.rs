//! Against a parser that we did not write: the crate `influxdb-line-protocol`, which reads as v3 does.
//!
//! It is looser than a server about the shape of a line (dossier influxdb 1.8), so the promise is one-sided: what we pass
//! for v3, it reads, and to the same parts.

use lp::{Checker, Dialect, Element, FieldValue, unescape, unescape_string};
use testkit::influxdb_line_protocol::{self as other, parse_lines};
use testkit::proptest::collection::vec;
use testkit::proptest::prelude::*;

fn agree(line: &str) -> Result<(), String> {
    let dialect = Dialect::V3;
    let mut checker = Checker::new(dialect);
    let Ok(ours) = checker.parse(line.as_bytes()) else { return Ok(()) };
    let theirs: Vec<_> = parse_lines(line).collect();
    let [Ok(theirs)] = theirs.as_slice() else { return Err(format!("{line:?}: they read {theirs:?}")) };
    let text = |bytes: &[u8], e| String::from_utf8(unescape(bytes, e, dialect).into_owned()).unwrap();
    let mut wrong = Vec::new();
    if text(ours.measurement(), Element::Measurement) != theirs.series.measurement.as_str() {
        wrong.push("measurement".to_owned());
    }
    let our_tags: Vec<_> = ours.tags().map(|(k, v)| (text(k, Element::TagKey), text(v, Element::TagValue))).collect();
    let their_tags: Vec<_> =
        theirs.series.tag_set.iter().flatten().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    if our_tags != their_tags {
        wrong.push(format!("{our_tags:?} {their_tags:?}"));
    }
    let fields: Vec<_> = ours.fields().collect();
    if fields.len() != theirs.field_set.len() {
        wrong.push("number of fields".to_owned());
    }
    for ((k, v), (their_k, their_v)) in fields.iter().zip(&theirs.field_set) {
        let same = match (v.value(), their_v) {
            (FieldValue::Float(a), other::FieldValue::F64(b)) => a.to_bits() == b.to_bits(),
            (FieldValue::Int(a), other::FieldValue::I64(b)) => a == *b,
            (FieldValue::UInt(a), other::FieldValue::U64(b)) => a == *b,
            (FieldValue::Bool(a), other::FieldValue::Boolean(b)) => a == *b,
            (FieldValue::Str(a), other::FieldValue::String(b)) => unescape_string(a).as_ref() == b.as_bytes(),
            _ => false,
        };
        if !same || text(k, Element::FieldKey) != their_k.as_str() {
            wrong.push(format!("{v:?} {their_v:?}"));
        }
    }
    if ours.timestamp() != theirs.timestamp {
        wrong.push("timestamp".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{line:?}: {}", wrong.join("; "))) }
}

/// Pieces of lines, put together so that many of them are nearly right.
fn line() -> impl Strategy<Value = String> {
    let name = || {
        vec(
            prop::sample::select(
                &["a", "b", "\\", "\\\\", "\\,", "\\=", "\\ ", "\"", "=", ",", "\t", "\u{e9}", "#"][..],
            ),
            1..5,
        )
        .prop_map(|p| p.concat())
    };
    let value = prop_oneof![
        prop::sample::select(
            &[
                "1",
                "1i",
                "-1i",
                "7u",
                "1.5",
                "1e5",
                "1E+5",
                "-0.0",
                ".5",
                "5.",
                "1e400",
                "t",
                "True",
                "yes",
                "\"\"",
                "NaN",
                "+1",
                "9223372036854775808i",
                "18446744073709551616u",
                "-1u",
                "1.0i"
            ][..]
        )
        .prop_map(str::to_owned),
        vec(prop::sample::select(&["x", "\\", "\\\"", "\\\\", ",", "=", " ", "\n", "\u{1f600}"][..]), 0..6)
            .prop_map(|p| format!("\"{}\"", p.concat())),
    ];
    let tags = vec((name(), name()), 0..3).prop_map(|t| t.iter().map(|(k, v)| format!(",{k}={v}")).collect::<String>());
    let fields = vec((name(), value), 0..3)
        .prop_map(|f| f.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(","));
    let time =
        prop::sample::select(&["", " 1", " -9223372036854775808", "  5  ", " 1.5", " 1 2", " 9223372036854775808"][..]);
    (name(), tags, fields, time).prop_map(|(m, t, f, ts)| format!("{m}{t} {f}{ts}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_we_pass_it_reads_alike(line in line()) {
        agree(&line).map_err(TestCaseError::fail)?;
    }
}

/// Known lines, so that the property above is known to meet good ones.
#[test]
fn good_lines_are_read_alike() {
    let lines = [
        r#"m,t=a\\\,b f="a\"b\\" 1"#,
        "m\\ x,t\\=k=v\\ w f\\,g=1e5,h=7u,i=-5i,b=TRUE,s=\"\u{6e29}\n\" -9223372036854775808",
        "m=n f=1 9223372036854775807",
    ];
    for line in lines {
        lp::check(line.as_bytes(), Dialect::V3).unwrap();
        agree(line).unwrap();
    }
}
