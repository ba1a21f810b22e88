//! `--tolerance` and `--float32`: what is near enough, what stands for an f32, and what neither of them hides.

use testkit::{Outcome, temp_dir, tool};

fn verify(command: &str, options: &[&str], a: &str, b: &str) -> (Outcome, String) {
    let directory = temp_dir();
    let at = directory.path();
    std::fs::write(at.join("a.csv"), a).unwrap();
    std::fs::write(at.join("b.csv"), b).unwrap();
    let arguments = ["a.csv", "b.csv", "--html", "report.html"];
    let outcome = tool("ts-verify").arg(command).args(options).args(arguments).current_dir(at).run();
    (outcome, std::fs::read_to_string(at.join("report.html")).unwrap_or_default())
}

/// Hourly values of three fields.
fn table(types: &str, rows: impl IntoIterator<Item = [String; 3]>) -> String {
    let row = |(i, [v, w, note]): (usize, [String; 3])| format!("2024-01-01T{i:02}:00:00Z,d1,{v},{w},{note}\n");
    format!("ts|time,device|tag,{types}\n") + &rows.into_iter().enumerate().map(row).collect::<String>()
}

fn numbers(shift: f64) -> String {
    let row = |i: u32| [(20.0 + f64::from(i) + shift).to_string(), (1000 + i).to_string(), format!("n{i}")];
    table("v|double,w|long,note|string", (0..10).map(row))
}

#[test]
fn what_is_near_enough_is_equal_and_counted() {
    let (a, b) = (numbers(0.0), numbers(0.0005));
    verify("rows", &[], &a, &b).0.code(1);
    let (outcome, page) = verify("rows", &["--tolerance", "0.0005"], &a, &b);
    let text = outcome.code(0).text();
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in [
        r#""verdict":"equal""#,
        "30 cells in 10 rows, 10 of them within the tolerance",
        r#""tolerated":10"#,
        r#""classes":{"tolerated":{"count":10,"allowed":true}}"#,
        r#""tolerance":"0.0005""#,
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(page.contains("10 of them within the tolerance") && page.contains("10 (allowed)"), "{page}");
    assert_eq!(page.matches("<td class=\"c to\">").count(), 10, "tolerated buckets in the map");
    // By a part of the value: 0.0005 of 20 are 25 millionths.
    verify("rows", &["--tolerance", "0.0025%"], &a, &b).0.code(0);
    let (outcome, _) = verify("rows", &["--tolerance", "0.0022%"], &a, &b);
    let text = outcome.code(1).text();
    assert!(text.contains(r#""changed":3,"#) && text.contains(r#""tolerated":7,"#), "{text}");
}

#[test]
fn a_limit_and_strict_hold_for_tolerated_values_too() {
    let (a, b) = (numbers(0.0), numbers(0.0005));
    let near = ["--tolerance", "0.001"];
    verify("rows", &[&near[..], &["--allow", "tolerated:10"]].concat(), &a, &b).0.code(0);
    let (outcome, page) = verify("rows", &[&near[..], &["--allow", "tolerated:9"]].concat(), &a, &b);
    let text = outcome.code(1).text();
    assert!(text.contains("not allowed: 10 tolerated"), "{text}");
    assert!(page.contains("10 (not allowed)"), "{page}");
    let (outcome, _) = verify("rows", &[&near[..], &["--strict"]].concat(), &a, &b);
    assert!(outcome.code(1).text().contains(r#""class":"tolerated""#));
}

#[test]
fn a_tolerance_hides_nothing_else() {
    let a = numbers(0.0);
    for (what, b) in [
        ("a row", a.replace("2024-01-01T03:00:00Z,d1,23,1003,n3\n", "")),
        ("a value", a.replace(",23,1003,", ",,1003,")),
        ("a text", a.replace("n3", "n4")),
        ("a tag", a.replace("03:00:00Z,d1", "03:00:00Z,d2")),
        ("a time", a.replace("T03:00:00Z", "T03:00:01Z")),
        ("no number", a.replace(",23,1003,", ",NaN,1003,")),
        ("far away", a.replace(",23,1003,", ",23,1004,")),
    ] {
        assert_ne!(a, b, "{what}");
        let (outcome, _) = verify("rows", &["--tolerance", "0.5"], &a, &b);
        assert_eq!(outcome.code, 1, "{what}: {}", outcome.text());
    }
    // For one field only, by both of its bounds; the others go by none.
    let b = a.replace(",23,1003,", ",23.25,1003,").replace(",24,1004,", ",24,1005,");
    let (outcome, _) = verify("rows", &["--tolerance", "v=0.1,v=2%"], &a, &b);
    let text = outcome.code(1).text();
    assert!(text.contains(r#""field":"w","a":1004,"b":1005"#) && text.contains(r#""changed":1,"#), "{text}");
    verify("rows", &["--tolerance", "v=2%", "--tolerance", "1"], &a, &b).0.code(0);
}

#[test]
fn a_tolerance_that_cannot_be_meant_is_2() {
    let a = numbers(0.0);
    for (options, part) in [
        (["--tolerance=-1", "-q"], "'-1'"),
        (["--tolerance", "much"], "'much'"),
        (["--tolerance", "x=1"], "a field x, which no input has"),
    ] {
        let outcome = verify("rows", &options, &a, &a).0.code(2);
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    }
    // A digest cannot tell.
    verify("compare", &["--tolerance", "1"], &a, &a).0.code(2);
}

#[test]
fn a_double_is_the_f32_by_value_or_by_text_and_no_other() {
    let singles = [0.1f32, 1.5, 41.000_004, 1e-7, -3.25, 16_777_216.0, 3.402_823_5e38, 7.7];
    let with = |kind: &str, text: &dyn Fn(f32) -> String| {
        table(&format!("v|{kind},w|long,note|string"), singles.map(|v| [text(v), "1".to_owned(), "x".to_owned()]))
    };
    let source = with("float", &|v| v.to_string());
    let widened = with("double", &|v| f64::from(v).to_string());
    let text = with("double", &|v| v.to_string());
    let summary = verify("rows", &[], &source, &widened).0.code(0).text();
    assert!(!summary.contains(r#""float32":{"#), "values by value are no deviation: {summary}");
    for command in ["rows", "compare"] {
        let (outcome, page) = verify(command, &[], &source, &text);
        let summary = outcome.code(0).text();
        // 1.5, -3.25 and 2^24 are their own text; so is the largest f32 not.
        assert!(summary.contains(r#""float32":{"count":5,"allowed":true}"#), "{summary}");
        assert!(page.contains("<th scope=\"row\">float32</th><td>5 (allowed)</td>"), "{page}");
        verify(command, &["--allow", "float32:5"], &text, &source).0.code(0);
        let outcome = verify(command, &["--allow", "float32:4"], &text, &source).0.code(1);
        assert!(outcome.text().contains("not allowed: 5 float32"), "{}", outcome.text());
        verify(command, &["--float32", "never"], &source, &text).0.code(1);
    }
    // One bit of a double that rounds to the same f32 is another value; rounded, it is not.
    for other in [&widened, &text] {
        let bit = other.replace(",1.5,", &format!(",{},", 1.5f64.next_up()));
        assert_ne!(*other, bit);
        let report = verify("rows", &[], &source, &bit).0.code(1).text();
        assert!(report.contains(r#""field":"v","a":1.5,"b":1.5000000000000002"#), "{report}");
        verify("rows", &["--float32", "v"], &source, &bit).0.code(0);
        verify("rows", &["--tolerance", "1e-9"], &source, &bit).0.code(0);
    }
}
