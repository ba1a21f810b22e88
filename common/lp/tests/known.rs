//! The check of known lines says what the whole check says, of the same lines, in the same order.

use lp::{Checker, Dialect, Lines, Precision, series};
use testkit::proptest::collection::vec;
use testkit::proptest::prelude::*;

/// What becomes of each line: its bytes, and its series if it is good.
fn verdicts(
    buf: &[u8],
    dialect: Dialect,
    precision: Precision,
    fast: bool,
) -> (Vec<(Vec<u8>, u64, Result<Vec<u8>, String>)>, usize) {
    let mut checker = Checker::new(dialect).precision(precision);
    let mut lines = Lines::new(buf, dialect).with_comments();
    let (mut out, mut known) = (Vec::new(), 0);
    loop {
        let number = lines.next_number();
        if fast && let Some(line) = checker.known(&mut lines) {
            known += 1;
            out.push((line.bytes.to_vec(), number, Ok(line.series.to_vec())));
            continue;
        }
        let Some(raw) = lines.next() else { return (out, known) };
        let verdict = checker.parse(raw.bytes).map(|line| {
            let mut name = Vec::new();
            series::canonical(&mut name, &line);
            name
        });
        out.push((raw.bytes.to_vec(), raw.number, verdict.map_err(|bad| format!("{bad:?}"))));
    }
}

fn agree(buf: &[u8], dialect: Dialect, precision: Precision) -> Result<usize, TestCaseError> {
    let (fast, known) = verdicts(buf, dialect, precision, true);
    let (slow, _) = verdicts(buf, dialect, precision, false);
    prop_assert_eq!(fast, slow, "{} {}", dialect, String::from_utf8_lossy(buf));
    Ok(known)
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&["a", "b", "c", "time", "\u{e9}", "a\"b", "\\ ", "a\\\\", "_field", "a_rather_long_name_of_a_thing", "q\\"][..])
        .prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    let odd = &[
        "1",
        "1.5",
        "-2i",
        "7u",
        "t",
        "false",
        "1e5",
        "1e999",
        ".5",
        "5.",
        "\"x\"",
        "\"a,b = c\"",
        "\"a\\\"b\\\\\"",
        "\"a\nb\"",
        "\"open",
        "",
        "9223372036854775808i",
        "99999999999999999999",
        "1.00000000000000000001",
        "\"\\ \u{e9}\"",
    ][..];
    prop_oneof![prop::sample::select(odd).prop_map(str::to_owned), "-?[0-9]{1,9}\\.[0-9]{1,9}"]
}

/// Lines of few series, many of them good.
fn line() -> impl Strategy<Value = String> {
    let series = prop_oneof![
        4 => prop::sample::select(&["m", "m,t=a", "m,t=b", "m,s=\\ x,t=b", "m,t=a\\,b", "m,b=1,a=2", "m\"x,t=\"", "m,t=c:\\\\", "m,a=1"][..]).prop_map(str::to_owned),
        1 => (name(), vec((name(), name()), 0..3)).prop_map(|(m, t)| format!("{m}{}", t.iter().map(|(k, v)| format!(",{k}={v}")).collect::<String>())),
    ];
    let fields = prop_oneof![
        4 => (value(), value(), any::<[bool; 3]>()).prop_map(|(x, y, on)| {
            let parts = [(on[0], format!("f={x}")), (on[1], format!("g={y}")), (on[2], "long_long_name_of_field=1i".to_owned())];
            parts.into_iter().filter(|(on, _)| *on).map(|(_, text)| text).collect::<Vec<_>>().join(",")
        }),
        1 => vec((name(), value()), 1..3).prop_map(|f| f.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")),
    ];
    let time = prop::sample::select(
        &[" 1", " -5", " 1704067200000000000", " 9223372036854775807", "  3", "", " 1 ", " x", " 99999999999"][..],
    );
    let end = prop::sample::select(&["\n", "\n", "\n", "\r\n", "\r\r\n", " \n", "\\\n"][..]);
    (prop::sample::select(&["", "", "", "", " ", "#"][..]), series, fields, time, end)
        .prop_map(|(p, s, f, t, e)| format!("{p}{s} {f}{t}{e}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn known_lines_get_the_verdict_of_the_whole_check(
        lines in vec(line(), 1..8),
        order in vec(0usize..8, 1..24),
        dialect in prop::sample::select(&Dialect::ALL[..]),
        precision in prop::sample::select(&Precision::ALL[..]),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut buf: Vec<u8> = order.iter().flat_map(|i| lines[i % lines.len()].bytes()).collect();
        agree(&buf, dialect, precision)?;
        for (at, byte) in flips {
            let at = at.index(buf.len());
            buf[at] = byte;
        }
        agree(&buf, dialect, precision)?;
    }
}

/// Lines of few shapes are known the second time: the property above is not about nothing.
#[test]
fn lines_like_those_before_are_known() {
    let one =
        "m,t=a\\ b f=1.5,g=\"x \\\" y\",h=7i,ok=true 1704067200000000000\nm,t=c f=-2,h=0i 1704067200000000001\r\n";
    let buf = one.repeat(10) + "m,t=c f=-2,h=0i 1704067200000000002";
    for dialect in Dialect::ALL {
        assert_eq!(agree(buf.as_bytes(), dialect, Precision::Ns).unwrap(), 18, "{dialect}");
    }
    // Unsorted tags and odd keys are left to the whole check.
    for line in ["m,b=1,a=2 f=1 1\n", "m,a=1 f\\ g=1 1\n"] {
        assert_eq!(agree(line.repeat(5).as_bytes(), Dialect::V2, Precision::Ns).unwrap(), 0);
    }
}

/// What is remembered is bounded: many series, and as many lists of fields.
#[test]
fn memory_is_bounded() {
    let mut buf = String::new();
    for i in 0..2000 {
        buf += &format!("m,t={i} f{i}=1,g=2 1\nm,u={} f=1 1\n", "x".repeat(i * 4));
    }
    let known = agree(&buf.repeat(2).into_bytes(), Dialect::Portable, Precision::Ns).unwrap();
    assert!(known < 4000);
}
