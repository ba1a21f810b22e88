//! One verdict per awkward line and dialect (dossier influxdb 1.7).

use lp::{Dialect, Element, Reason, Refusal, escape, write};

use Dialect::{Portable, V1, V2, V3};

fn verdicts(line: &str) -> [Option<Reason>; 4] {
    Dialect::ALL.map(|d| lp::check(line.as_bytes(), d).err())
}

#[track_caller]
fn passes(line: &str) {
    assert_eq!(verdicts(line), [None; 4], "{line:?}");
}

#[track_caller]
fn refused(line: &str, why: Reason) {
    assert_eq!(verdicts(line), [Some(why); 4], "{line:?}");
}

/// Passes in the dialects given, is refused in the others.
#[track_caller]
fn only(line: &str, dialects: &[Dialect], why: Reason) {
    let want = Dialect::ALL.map(|d| if dialects.contains(&d) { None } else { Some(why) });
    assert_eq!(verdicts(line), want, "{line:?}");
}

#[test]
fn shapes() {
    passes("m f=1 1");
    passes("  m,t=a   f=1,g=2    1   ");
    passes("m,t=a f=1 0");
    passes("m=n,\"t\"=\"q\" f=1 1");
    passes("m,a::b=c f=1 1");
    refused("m f=1", Reason::MissingTimestamp);
    refused("m f=1 ", Reason::MissingTimestamp);
    refused("m", Reason::MissingFields);
    refused("m,t=a", Reason::MissingFields);
    refused("m,t=a ", Reason::MissingFields);
    refused(",t=a f=1 1", Reason::MissingMeasurement);
    refused("m,,t=a f=1 1", Reason::Empty(Element::TagKey));
    refused("m, f=1 1", Reason::Empty(Element::TagKey));
    refused("m, t=a f=1 1", Reason::Empty(Element::TagKey));
    refused("m,=a f=1 1", Reason::Empty(Element::TagKey));
    refused("m,t= f=1 1", Reason::Empty(Element::TagValue));
    refused("m,t f=1 1", Reason::MissingValue(Element::TagKey));
    refused("m,t=a=b f=1 1", Reason::Unescaped(Element::TagValue));
    refused("m f= 1", Reason::MissingFieldValue);
    refused("m f=,g=1 1", Reason::MissingFieldValue);
    refused("m f 1", Reason::MissingValue(Element::FieldKey));
    refused("m =1 1", Reason::Empty(Element::FieldKey));
    refused("m f=1, 1", Reason::Empty(Element::FieldKey));
    refused("m f=1,,g=2 1", Reason::Empty(Element::FieldKey));
    refused("m f=1 1 #x", Reason::TextAfterTimestamp);
    refused("m f=1 #x", Reason::BadTimestamp);
    refused("# m f=1 1", Reason::Comment);
    // A tab is part of the name to v1 and v2, the end of it to v3.
    let (v1, v3) = (Some(Reason::MissingFields), Some(Reason::Control(Element::Measurement)));
    assert_eq!(verdicts("m\tf=1\t1"), [v3, v1, v1, v3]);
}

#[test]
fn numbers() {
    for n in
        ["1", "-1", "007", "1.5", "-0", "-0.0", "1e5", "1E+5", "1.5e-5", "5e-324", "1e-400", "1.7976931348623157e308"]
    {
        passes(&format!("m f={n} 1"));
    }
    for n in ["1i", "-1i", "007i", "-0i", "9223372036854775807i", "-9223372036854775808i"] {
        passes(&format!("m f={n} 1"));
    }
    for n in [".5", "5.", "-.5", "1.e5", "-0."] {
        only(&format!("m f={n} 1"), &[V1, V2], Reason::BadNumber);
    }
    for n in [
        "+1", "+1i", "NaN", "nan", "Inf", "-Inf", "inf", "0x10", "1_000", "1f", "1.0i", "1e5i", "1I", "-", ".",
        "1.1.1", "1e", "1ee5", "9i10",
    ] {
        let verdicts = verdicts(&format!("m f={n} 1"));
        assert!(verdicts.iter().all(Option::is_some), "{n}: {verdicts:?}");
    }
    for n in ["1e400", "1e309", "-1e309"] {
        refused(&format!("m f={n} 1"), Reason::FloatOutOfRange);
    }
    refused(&format!("m f=1{} 1", "0".repeat(309)), Reason::FloatOutOfRange);
    passes(&format!("m f={}1 1", "0".repeat(309)));
    for n in ["9223372036854775808i", "-9223372036854775809i", "99999999999999999999999i"] {
        refused(&format!("m f={n} 1"), Reason::IntegerOutOfRange);
    }
    only("m f=18446744073709551615u 1", &[V2, V3], Reason::Unsigned);
    for dialect in [V2, V3] {
        assert_eq!(lp::check(b"m f=18446744073709551616u 1", dialect), Err(Reason::IntegerOutOfRange));
        assert_eq!(lp::check(b"m f=-1u 1", dialect), Err(Reason::BadNumber));
    }
}

#[test]
fn booleans_and_strings() {
    for b in ["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"] {
        passes(&format!("m f={b} 1"));
    }
    for b in ["tRUE", "yes", "truE", "x", "TRUe"] {
        refused(&format!("m f={b} 1"), Reason::BadValue);
    }
    for s in
        [r#""""#, r#""\\""#, r#""\"""#, r#""\\\"""#, r#""a\nb""#, "\"a\nb\"", r#""a,b =c""#, "\"\u{1f600}\"", r#""\x""#]
    {
        passes(&format!("m s={s} 1"));
    }
    refused(r#"m s="a 1"#, Reason::UnterminatedString);
    refused(r#"m s="a\" 1"#, Reason::UnterminatedString);
    refused(r#"m s="a"b 1"#, Reason::TextAfterString);
}

#[test]
fn times() {
    for t in ["0", "-1", "9223372036854775806", "-9223372036854775806"] {
        passes(&format!("m f=1 {t}"));
    }
    for t in ["9223372036854775807", "-9223372036854775807", "-9223372036854775808"] {
        only(&format!("m f=1 {t}"), &[V3], Reason::TimestampOutOfRange);
    }
    refused("m f=1 9223372036854775808", Reason::TimestampOutOfRange);
    for t in ["1.5", "1e18", "\"1\"", "+1", "1i", "-", "1-"] {
        refused(&format!("m f=1 {t}"), Reason::BadTimestamp);
    }
    refused("m f=1 1 2", Reason::TextAfterTimestamp);
    let mut seconds = lp::Checker::new(V3).precision(lp::Precision::S);
    assert_eq!(seconds.check(b"m f=1 9223372036"), Ok(()));
    assert_eq!(seconds.check(b"m f=1 9223372037").map_err(|b| b.reason), Err(Reason::TimestampOutOfRange));
}

#[test]
fn names() {
    refused("m,t=a,t=b f=1 1", Reason::DuplicateTag);
    refused("m,u=a,t=b,u=c f=1 1", Reason::DuplicateTag);
    refused("m f=1,f=2 1", Reason::DuplicateField);
    only("m,f=a f=1 1", &[V1, V2], Reason::TagIsField);
    refused("m,time=a f=1 1", Reason::ReservedName);
    refused("m time=5,f=1 1", Reason::ReservedName);
    only("m,_field=a f=1 1", &[V1, V3], Reason::ReservedName);
    only("m,_measurement=a f=1 1", &[V1, V3], Reason::ReservedName);
    passes("m,_time=a _f=1,_field=2 1");
    let tags: String = (0..257).map(|i| format!(",t{i}=v")).collect();
    passes(&format!("m{tags} f=1 1"));
}

#[test]
fn a_shape_that_was_good_does_not_excuse_another() {
    let mut checker = lp::Checker::new(Portable);
    for (line, good) in [
        ("m,a=1,b=2 f=1,g=2 1", true),
        ("m,a=1,b=2 f=1,g=2 2", true),
        ("m,a=1,a=2 f=1,g=2 2", false),
        ("m,a=1,a=2 f=1,g=2 2", false),
        ("m,a=1 b=2,f=1,g=2 1", true),
        ("m,a=1,b=2 f=1,f=2 1", false),
        ("m,ab=1 f=1,g=2 1", true),
        ("m,ab=1,f=1 g=1,g=2 1", false),
    ] {
        assert_eq!(checker.check(line.as_bytes()).is_ok(), good, "{line}");
    }
}

#[test]
fn backslashes() {
    // One before an ordinary character means itself everywhere.
    passes(r"m\x,t\y=v\z f\w=1 1");
    // Doubled, it is two to v1 and v2 and one to v3.
    only(r"m,t=a\\b f=1 1", &[V1, V2, V3], Reason::AmbiguousBackslash(Element::TagValue));
    // Before a quote in a field key, and before = in a measurement, v1 and v2 drop it.
    only(r#"m f\"g=1 1"#, &[V1, V2, V3], Reason::AmbiguousBackslash(Element::FieldKey));
    only(r"m\=n f=1 1", &[V1, V2, V3], Reason::AmbiguousBackslash(Element::Measurement));
    // At the end it escapes the separator.
    refused(r"m,t=a\ f=1 1", Reason::Unescaped(Element::TagValue));
    assert_eq!(lp::check(br"m,t=a\\ f=1 1", V3), Err(Reason::TrailingBackslash(Element::TagValue)));
    // The family of the line that kills servers.
    for dialect in [V1, V2] {
        let why = Err(Reason::BackslashBeforeSeparator(Element::FieldKey));
        assert_eq!(lp::check(br#"0 \\="=" 1"#, dialect), why);
        assert_eq!(lp::check(br#"0 a\\="=" 1"#, dialect), why);
        assert_eq!(lp::check(br#"0 a\\\\="=" 1"#, dialect), why);
        assert_eq!(lp::check(br"0 a\\,b=1 1", dialect), why);
    }
    // Each name can be stored, but the server would look for the end of the line beyond it.
    assert_eq!(lp::check(br#"m,a\\ b="x f=1 1"#, V1), Err(Reason::LineEndDiffers));
}

#[test]
fn sizes() {
    let s = |n: usize| format!("m s=\"{}\" 1", "x".repeat(n));
    passes(&s(65_536));
    only(&s(65_537), &[V1, V2], Reason::StringTooLong);
    // The limit is on the text, not on its escapes.
    passes(&format!("m s=\"{}\" 1", "\\\"".repeat(40_000)));
    // Series key + 4 + field key: "m,t=" and "f" leave 65,526 bytes for the value.
    let t = |n: usize| format!("m,t={} f=1 1", "x".repeat(n));
    passes(&t(65_526));
    only(&t(65_527), &[V3], Reason::KeyTooLong);
    refused(&t(65_537), Reason::KeyTooLong);
}

#[test]
fn text_that_is_not_utf8() {
    for (line, dialect, good) in
        [(&b"m,t=\xff f=1 1"[..], V1, true), (b"m,t=\xff f=1 1", V3, false), (b"m s=\"\xff\" 1", Portable, false)]
    {
        assert_eq!(lp::check(line, dialect).is_ok(), good);
    }
}

#[test]
fn what_names_cannot_be() {
    let name = |e, d, t: &str| {
        let mut out = Vec::new();
        escape::name(&mut out, e, d, t.as_bytes()).map(|()| String::from_utf8(out).unwrap())
    };
    use Element::{FieldKey, Measurement, TagKey, TagValue};
    assert_eq!(name(Measurement, V1, "a, =b\"").unwrap(), "a\\,\\ =b\"");
    assert_eq!(name(TagValue, V1, "a, =b\"").unwrap(), "a\\,\\ \\=b\"");
    assert_eq!(name(TagValue, Portable, r"a\b").unwrap(), r"a\b");
    assert_eq!(name(TagValue, V1, r"a\,b").unwrap(), r"a\\,b");
    assert_eq!(name(TagValue, V3, r"a\,b").unwrap(), r"a\\\,b");
    assert_eq!(name(TagValue, Portable, r"a\,b"), Err(Refusal::Backslash(TagValue)));
    assert_eq!(name(FieldKey, V1, r"a\,b"), Err(Refusal::Backslash(FieldKey)));
    assert_eq!(name(FieldKey, V2, r#"a\"b"#), Err(Refusal::Backslash(FieldKey)));
    for dialect in Dialect::ALL {
        assert_eq!(name(TagValue, dialect, r"a\"), Err(Refusal::TrailingBackslash(TagValue)));
        assert_eq!(name(TagValue, dialect, ""), Err(Refusal::Empty(TagValue)));
        assert_eq!(name(TagValue, dialect, "a\nb"), Err(Refusal::LineFeed(TagValue)));
        assert_eq!(name(Measurement, dialect, "#m"), Err(Refusal::LeadingHash));
        assert_eq!(name(TagKey, dialect, "time"), Err(Refusal::Reserved(TagKey)));
        assert_eq!(name(FieldKey, dialect, "time"), Err(Refusal::Reserved(FieldKey)));
        assert!(name(TagValue, dialect, &"x".repeat(70_000)).is_err());
    }
    assert_eq!(name(TagValue, Portable, "a\tb"), Err(Refusal::Control(TagValue)));
    assert_eq!(name(TagValue, V2, "a\tb").unwrap(), "a\tb");
    assert_eq!(name(Measurement, V2, "\tb"), Err(Refusal::Control(Measurement)));
    assert_eq!(write::uint(&mut Vec::new(), Portable, 1), Err(Refusal::Unsigned));
    assert!(escape::key_fits(V1, 65_530, 1) && !escape::key_fits(V1, 65_530, 2) && escape::key_fits(V3, 65_530, 2));
}
