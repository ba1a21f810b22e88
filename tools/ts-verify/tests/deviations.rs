//! Duplicates, precision, and the classes of deviations that a system's limits explain.

use testkit::{Outcome, shell, temp_dir, tool};

/// Runs `rows` on two texts.
fn rows(options: &[&str], a: &str, b: &str) -> Outcome {
    let directory = temp_dir();
    std::fs::write(directory.path().join("a.csv"), a).unwrap();
    std::fs::write(directory.path().join("b.csv"), b).unwrap();
    tool("ts-verify").arg("rows").args(options).args(["a.csv", "b.csv"]).current_dir(directory.path()).run()
}

fn values(rows: &[(&str, &str)]) -> String {
    let body: String = rows.iter().map(|(time, value)| format!("2024-01-01T00:00:{time}Z,d,{value}\n")).collect();
    format!("ts|time,device|tag,v|double\n{body}")
}

#[test]
fn the_last_of_several_values_counts_unless_told_otherwise() {
    let file = values(&[("01", "1"), ("02", "5"), ("01", "2"), ("03", "5"), ("01", "3")]);
    let (last, first) =
        (values(&[("01", "3"), ("02", "5"), ("03", "5")]), values(&[("01", "1"), ("02", "5"), ("03", "5")]));
    let outcome = rows(&[], &file, &last).code(0);
    assert!(outcome.text().contains(r#""duplicate_lww":{"count":2,"allowed":true}"#), "{}", outcome.text());
    rows(&[], &file, &first).code(1);
    rows(&["--dedupe", "first"], &file, &first).code(0);
    rows(&["--dedupe", "first"], &file, &last).code(1);
    rows(&["--dedupe", "keep"], &file, &last).code(1);
    rows(&["--strict"], &file, &last).code(1);
    let outcome = rows(&["--dedupe", "error"], &file, &last).code(3);
    for part in ["a.csv", "a second value", "2024-01-01T00:00:01Z", "field v", r#""device":"d""#] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    rows(&["--dedupe", "error"], &last, &last).code(0);
    // The same cells in another order have another last value.
    let turned = values(&[("01", "3"), ("02", "5"), ("01", "2"), ("03", "5"), ("01", "1")]);
    rows(&["--dedupe", "keep"], &file, &turned).code(0);
    let outcome = rows(&[], &file, &turned).code(1);
    assert!(outcome.text().contains(r#""a":3,"b":1"#), "{}", outcome.text());
}

#[test]
fn duplicates_are_resolved_in_parts_where_memory_is_short() {
    // Every row twice, far apart, the second time with another value.
    let once = |value: usize| {
        (0..4_000).map(move |i| {
            format!("2024-01-01T{:02}:{:02}:{:02}Z,d{},{}\n", i / 3600, i / 60 % 60, i % 60, i % 5, i + value)
        })
    };
    let head = "ts|time,device|tag,v|long\n".to_owned();
    let twice = head.clone() + &once(0).chain(once(1)).collect::<String>();
    let new = head.clone() + &once(1).collect::<String>();
    for memory in ["512MiB", "300KiB"] {
        let outcome = rows(&["--max-memory", memory], &twice, &new).code(0);
        assert!(outcome.text().contains(r#""duplicate_lww":{"count":4000,"allowed":true}"#), "{}", outcome.text());
        let old = head.clone() + &once(0).collect::<String>();
        let outcome = rows(&["--max-memory", memory, "--limit", "5"], &twice, &old).code(1);
        assert!(outcome.text().contains(r#""changed":4000"#), "{}", outcome.text());
    }
}

#[test]
fn a_pipe_out_of_order_is_no_verdict_unless_copied() {
    let mixed = values(&[("02", "1"), ("01", "2"), ("03", "1"), ("02", "9")]);
    let run = |options: &[&str]| tool("ts-verify").arg("digest").args(options).stdin(mixed.as_str()).run();
    let outcome = run(&[]).code(10);
    assert!(outcome.stderr.contains("--spool") && outcome.stdout.is_empty(), "{}", outcome.stderr);
    let spooled = run(&["--spool"]).code(0).text();
    assert!(spooled.contains(r#""duplicates":1"#), "{spooled}");
    run(&["--dedupe", "keep"]).code(0);
    // Whole windows in any order, and descending times, are no reason to look twice.
    for order in [["03", "04", "01", "02"], ["04", "03", "02", "01"]] {
        let text = values(&order.map(|time| (time, "1")));
        tool("ts-verify").arg("digest").stdin(text).run().code(0);
    }
}

#[test]
fn coarser_times_are_compared_as_such_and_collisions_named() {
    let fine = values(&[("01.000001", "1"), ("02.000001", "2"), ("03.000001", "3")]);
    let coarse = values(&[("01.000000", "1"), ("02.000000", "2"), ("03.000000", "3")]);
    rows(&[], &fine, &coarse).code(1);
    rows(&["--precision", "ms"], &fine, &coarse).code(0);
    let collide = values(&[("01.000001", "1"), ("02.000001", "2"), ("02.000002", "7"), ("03.000001", "3")]);
    let lost = values(&[("01.000000", "1"), ("02.000000", "7"), ("03.000000", "3")]);
    let outcome = rows(&["--precision", "ms"], &collide, &lost).code(1);
    assert!(outcome.stderr.contains("not allowed: 1 precision_collision"), "{}", outcome.stderr);
    rows(&["--precision", "ms", "--allow", "precision_collision"], &collide, &lost).code(0);
    rows(&["--precision", "ms", "--allow", "precision_collision:1"], &collide, &lost).code(0);
    rows(&["--precision", "ms", "--allow", "precision_collision:0"], &collide, &lost).code(1);
    rows(&["--precision", "ms", "--allow", "precision_collision"], &collide, &coarse).code(1);
}

#[test]
fn nan_is_allowed_by_name_and_hides_nothing_else() {
    let a = values(&[("01", "NaN"), ("02", "2"), ("03", "inf")]);
    let without = values(&[("02", "2")]);
    let outcome = rows(&[], &a, &without).code(1);
    assert!(outcome.text().contains(r#""class":"nan_inf""#), "{}", outcome.text());
    let allow = ["--allow", "nan_inf"];
    let outcome = rows(&allow, &a, &without).code(0);
    assert!(outcome.text().contains(r#""nan_inf":{"count":2,"allowed":true}"#), "{}", outcome.text());
    rows(&["--allow", "nan_inf:1"], &a, &without).code(1);
    rows(&[], &a, &a).code(0);
    // A value in the place of NaN, another of the three, and a lost number beside them are still differences.
    rows(&allow, &a, &values(&[("01", "0"), ("02", "2")])).code(1);
    rows(&allow, &a, &values(&[("01", "inf"), ("02", "2"), ("03", "NaN")])).code(1);
    rows(&allow, &a, &values(&[("01", "NaN")])).code(1);
    let directory = temp_dir();
    std::fs::write(directory.path().join("a"), &a).unwrap();
    std::fs::write(directory.path().join("b"), &without).unwrap();
    tool("ts-verify").args(["compare", "a", "b"]).current_dir(directory.path()).run().code(1);
    tool("ts-verify").args(["compare", "a", "b"]).args(allow).current_dir(directory.path()).run().code(0);
}

#[test]
fn truncated_texts_and_rounded_integers() {
    let one =
        |kind: &str, value: &str| format!("ts|time,v|{kind}\n2024-01-01T00:00:00Z,{value}\n2024-01-01T00:00:01Z,7\n");
    let (long, short) = (one("string", "abcdef"), one("string", "abc"));
    let outcome = rows(&[], &long, &short).code(1);
    assert!(outcome.text().contains(r#""class":"string_truncated""#), "{}", outcome.text());
    rows(&["--allow", "string_truncated"], &long, &short).code(0);
    rows(&["--allow", "string_truncated:0"], &long, &short).code(1);
    rows(&["--allow", "string_truncated"], &long, &one("string", "abd")).code(1);
    let (exact, rounded) = (one("long", "9007199254740993"), one("double", "9007199254740992"));
    let outcome = rows(&[], &exact, &rounded).code(1);
    assert!(outcome.text().contains(r#""class":"int_precision""#), "{}", outcome.text());
    rows(&["--allow", "int_precision,string_truncated"], &exact, &rounded).code(0);
    rows(&["--allow", "int_precision"], &exact, &one("double", "9007199254740994")).code(1);
}

#[test]
fn rows_without_values_are_counted() {
    let a = values(&[("01", "1"), ("02", "")]);
    let outcome = rows(&[], &a, &values(&[("01", "1")])).code(0);
    assert!(outcome.text().contains(r#""all_null_row":{"count":1,"allowed":true}"#), "{}", outcome.text());
    rows(&["--strict"], &a, &values(&[("01", "1")])).code(1);
    rows(&["--strict"], &a, &a).code(0);
    // A side of such rows only proves nothing.
    let nothing = values(&[("01", ""), ("02", "")]);
    rows(&[], &nothing, &nothing).code(10);
}

#[test]
fn the_sub_table_is_part_of_the_series_unless_it_is_redundant() {
    let text = |role: &str, rows: &[(&str, &str)]| {
        let body: String = rows.iter().map(|(table, v)| format!("2024-01-01T00:00:00Z,{table},x,{v}\n")).collect();
        format!("ts|time,tbname|{role},site|tag,v|long\n{body}")
    };
    let two = [("t1", "1"), ("t2", "2")];
    let swapped = [("t1", "2"), ("t2", "1")];
    rows(&[], &text("table", &two), &text("tag", &two)).code(0);
    rows(&[], &text("table", &two), &text("table", &swapped)).code(1);
    let one = [("t1", "1")];
    let bare = "ts|time,site|tag,v|long\n2024-01-01T00:00:00Z,x,1\n";
    rows(&[], &text("table:redundant", &one), bare).code(0);
    rows(&[], &text("table", &one), bare).code(1);
    rows(&["--table-as", "drop"], &text("table", &one), bare).code(0);
    rows(&["--table-as", "tag"], &text("table:redundant", &one), bare).code(1);
    // One side does not know that the name is redundant, or has it as a tag: both compare it.
    for role in ["table", "tag"] {
        rows(&[], &text("table:redundant", &one), &text(role, &one)).code(0);
        rows(&[], &text(role, &[("t2", "1")]), &text("table:redundant", &one)).code(1);
    }
    // The second part of a composite key keeps rows apart.
    let keyed = |role: &str, rows: &[(u8, u8)]| {
        let body: String = rows.iter().map(|(key, v)| format!("2024-01-01T00:00:00Z,{key},{v}\n")).collect();
        format!("ts|time,seq|{role},v|long\n{body}")
    };
    rows(&["--dedupe", "error"], &keyed("int:key", &[(1, 1), (2, 2)]), &keyed("tag", &[(2, 2), (1, 1)])).code(0);
    rows(&[], &keyed("int:key", &[(1, 1), (2, 2)]), &keyed("tag", &[(1, 2), (2, 1)])).code(1);
    rows(&["--key-as", "field"], &keyed("int:key", &[(1, 1)]), &keyed("int", &[(1, 1)])).code(0);
    // A measurement per row.
    let measured = |role: &str, name: &str| format!("ts|time,m|{role},v|long\n2024-01-01T00:00:00Z,{name},1\n");
    rows(&[], &measured("measurement", "x"), &measured("measurement", "x")).code(0);
    rows(&[], &measured("measurement", "x"), &measured("measurement", "y")).code(1);
    rows(&["--measurement", "column:m"], &measured("measurement", "x"), &measured("tag", "x")).code(0);
    rows(&["--measurement", "one"], &measured("measurement", "x"), &measured("measurement", "y")).code(0);
    rows(&[], &measured("measurement", "x"), &measured("tag", "x")).code(2);
}

#[test]
fn typed_tags_are_compared_as_the_encoders_write_them() {
    let text = |role: &str, value: &str| format!("ts|time,\"t|{role}\",v|long\n2024-01-01T00:00:00Z,{value},1\n");
    for (role, value, same, other) in [
        ("tag:int", "42", "42", "43"),
        ("tag:boolean", "true", "true", "false"),
        ("tag:double", "1.0", "1.0", "1.5"),
        ("tag:float", "0.1", "0.1", "0.2"),
        ("tag:decimal(6,2)", "1.50", "1.50", "1.51"),
        ("tag:timestamp", "2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.001Z"),
        ("tag:json", r#""{""a"": 1}""#, r#""{""a"": 1}""#, r#""{""a"": 2}""#),
    ] {
        rows(&[], &text(role, value), &text("tag", same)).code(0);
        rows(&[], &text(role, value), &text("tag", other)).code(1);
        // Made alone, digests agree too.
        let directory = temp_dir();
        std::fs::write(directory.path().join("a"), text(role, value)).unwrap();
        std::fs::write(directory.path().join("b"), text("tag", same)).unwrap();
        let script = "ts-verify digest a -o a.d; ts-verify digest b -o b.d; ts-verify compare a.d b.d";
        shell(script).current_dir(directory.path()).run().code(0);
    }
    rows(&[], &text("tag:double", "1.0"), &text("tag", "1")).code(0);
    rows(&[], &text("tag:boolean", "true"), &text("tag", "t")).code(0);
}

#[test]
fn large_buckets_are_looked_at_in_parts() {
    let text = |odd: usize| {
        let body: String = (0..3_000)
            .map(|i| {
                format!(
                    "2024-01-01T00:{:02}:{:02}.{:03}Z,d{},{}\n",
                    i / 60 % 60,
                    i % 60,
                    i / 3600,
                    i % 2,
                    if i == odd { 1_000_000 } else { i }
                )
            })
            .collect();
        format!("ts|time,device|tag,v|long\n{body}")
    };
    for rows_max in ["1", "100", "1000", "100000"] {
        let outcome = rows(&["--rows-max", rows_max], &text(usize::MAX), &text(2_345)).code(1);
        let report = outcome.text();
        assert_eq!(report.lines().count(), 2, "--rows-max {rows_max}: {report}");
        assert!(report.contains(r#""a":2345,"b":1000000"#) && report.contains(r#""complete":true"#), "{report}");
    }
}

/// Every type, NULL, extreme value and awkward text, through line protocol: exactly the documented differences are left.
#[test]
fn the_edge_set_survives_line_protocol_but_for_named_classes() {
    let directory = temp_dir();
    let run = |script: &str| shell(script).current_dir(directory.path()).run();
    run("ts-gen edge --rows 400 -q -o edge.arrow").code(0);
    for format in ["csv", "parquet"] {
        run(&format!("ts-gen edge --rows 400 -q -o edge.{format}; ts-verify rows --strict edge.arrow edge.{format}"))
            .code(0);
    }
    // Unsigned and decimal values are kept to the last digit; NaN and infinities are dropped, one tag is repaired.
    run("lp-encode edge.arrow --dialect v2 --decimal string --nan drop --trailing-backslash space -q -o edge.lp")
        .code(0);
    let verify = "ts-verify rows edge.arrow edge.lp --lp-dialect v2";
    run(verify).code(1);
    let repaired = format!("{verify} --trailing-backslash space");
    let outcome = run(&repaired).code(1);
    let report = outcome.text();
    assert!(report.lines().all(|line| line.contains(r#""class":"nan_inf""#) || line.contains("summary")), "{report}");
    let report = run(&format!("{repaired} --allow nan_inf")).code(0).text();
    assert_eq!(report.lines().count(), 1, "{report}");
    assert!(report.contains(r#""c_decimal":{"a":"decimal(20,4)","b":"string","as":"decimal"}"#), "{report}");
    // Unsigned values as floats lose digits, and are named.
    run("lp-encode edge.arrow --dialect v1 --decimal string --nan drop --uint float --newline space --trailing-backslash strip -q -o v1.lp").code(0);
    let verify =
        "ts-verify rows edge.arrow v1.lp --lp-dialect v1 --newline space --trailing-backslash strip --allow nan_inf";
    let outcome = run(verify).code(1);
    assert!(
        outcome.stderr.contains("not allowed: ") && outcome.stderr.contains(" int_precision"),
        "{}",
        outcome.stderr
    );
    run(&format!("{verify},int_precision")).code(0);
}
