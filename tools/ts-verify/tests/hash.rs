//! `hash`: two StarRocks clusters hash their own rows, and one row per partition comes back. Whatever is altered is found, in
//! its partition; a side that cannot be asked is never an equal one.

use testkit::{Outcome, Sim, Starrocks, tool};

/// Two rows a day over three months, in three partitions; NULLs, empty texts, numbers of all kinds.
fn data() -> Vec<String> {
    let row = |i: u32| {
        let v = if i.is_multiple_of(7) { String::new() } else { format!("{}.1", i * 3) };
        let note = ["", "\"\"", "a|b", "naïve"][i as usize % 4];
        format!(
            "2024-{:02}-{:02}T{:02}:00:00.000000Z,s{},{v},{i},{note},{}",
            1 + i / 56,
            1 + i % 28,
            i % 24,
            i % 3,
            i.is_multiple_of(2)
        )
    };
    let head = "ts|time,site|tag,v|double,n|long,note|string,ok|boolean".to_owned();
    std::iter::once(head).chain((0..168).map(row)).collect()
}

/// A cluster with these lines as table `m` of the database `d`.
fn cluster(lines: &[String], args: &[&str]) -> Starrocks {
    let directory = testkit::temp_dir();
    let path = directory.path().join("m.csv");
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    Sim::starrocks(["--load", &format!("d.m={}", path.display())].iter().chain(args))
}

fn hash(a: &Starrocks, b: &Starrocks, args: &[&str]) -> Outcome {
    tool("ts-verify").args(["hash", "-q", "--retries", "0"]).args([a.database("d"), b.database("d")]).args(args).run()
}

/// The lines of the report, the summary last.
fn lines(outcome: &Outcome) -> Vec<serde_json::Value> {
    outcome.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn equal_rows_have_equal_hashes_in_any_order() {
    let mut turned = data();
    turned[1..].reverse();
    let (a, b) = (cluster(&data(), &[]), cluster(&turned, &["--server-version", "3.3.2"]));
    let outcome = hash(&a, &b, &["--all"]).code(0);
    let lines = lines(&outcome);
    assert_eq!(lines.len(), 4);
    for (line, partition) in lines.iter().zip(["p202401", "p202402", "p202403"]) {
        assert_eq!((line["partition"].as_str(), line["verdict"].as_str()), (Some(partition), Some("equal")));
        assert_eq!(line["a"], line["b"]);
        assert_eq!((line["a"]["rows"].as_u64(), line["a"]["version"].as_u64()), (Some(56), Some(2)));
        assert!(line["a"]["hash"].as_str().unwrap().parse::<i128>().unwrap() != 0);
    }
    let summary = lines.last().unwrap();
    for (key, value) in [("verdict", "equal"), ("level", "hash"), ("function", "xx_hash3_64")] {
        assert_eq!(summary[key].as_str(), Some(value), "{key}");
    }
    assert_eq!((summary["b"]["version"].as_str(), summary["partitions"].as_u64()), (Some("3.3.2"), Some(3)));
    assert_eq!(outcome.number("rows"), 2 * 168);
    // The clusters were asked, not read: no statement takes rows.
    for sim in [&a, &b] {
        let asked = sim.requests();
        let of = |word: &str| asked.iter().filter(|r| r["path"].as_str().unwrap_or("").contains(word)).count();
        assert_eq!((of("SELECT count(*)"), of("SELECT *")), (3, 0), "{asked:?}");
    }
    // The environment names the sides.
    let (from, to) = (a.database("d"), b.database("d"));
    tool("ts-verify").args(["hash", "-q"]).env("TS_SOURCE_URL", from).env("TS_TARGET_URL", to).run().code(0);
}

/// What an altered copy is found as: `verdict partition: columns`.
fn found(alter: impl Fn(&mut Vec<String>), args: &[&str]) -> Vec<String> {
    let mut lines = data();
    alter(&mut lines);
    let (a, b) = (cluster(&data(), &[]), cluster(&lines, &[]));
    let outcome = hash(&a, &b, args).code(1);
    let lines = self::lines(&outcome);
    let summary = lines.last().unwrap();
    assert_eq!((summary["verdict"].as_str(), summary["kind"].as_str()), (Some("different"), Some("summary")));
    let words = |line: &serde_json::Value| {
        let columns: Vec<&str> = line["columns"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        format!("{} {}: {}", text("verdict"), text("partition"), columns.join(" "))
    };
    lines[..lines.len() - 1].iter().map(words).collect()
}

/// Cells of a line.
fn edit(line: &mut String, change: impl Fn(&mut Vec<String>)) {
    let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
    change(&mut cells);
    *line = cells.join(",");
}

#[test]
fn one_altered_cell() {
    for args in [&[][..], &["--function", "murmur_hash3_32"]] {
        assert_eq!(
            found(|all| edit(&mut all[2], |c| c[2] = "3.1000000000000005".into()), args),
            ["differs p202401: v"]
        );
        assert_eq!(found(|all| edit(&mut all[100], |c| c[3] = "98".into()), args), ["differs p202402: n"]);
        assert_eq!(found(|all| edit(&mut all[3], |c| c[4] = "a|".into()), args), ["differs p202401: note"]);
    }
    // Another spelling of the same number is the same number.
    let mut lines = data();
    edit(&mut lines[2], |c| c[2] = "3.10".into());
    hash(&cluster(&data(), &[]), &cluster(&lines, &[]), &[]).code(0);
}

#[test]
fn a_row_twice_and_a_row_less() {
    let all = "ts site v n note ok";
    assert_eq!(found(|lines| lines.push(lines[60].clone()), &[]), [format!("differs p202402: {all}")]);
    assert_eq!(found(|lines| drop(lines.pop()), &[]), [format!("differs p202403: {all}")]);
    // As many rows, one of them in the place of another: what only says which rows there are is equal, and so is XOR.
    let swapped = |lines: &mut Vec<String>| {
        lines.push(lines[58].clone());
        lines.push(lines[60].clone());
        lines.push(lines[60].clone());
    };
    let (mut a, mut b) = (data(), data());
    swapped(&mut a);
    b.push(b[60].clone());
    b.push(b[58].clone());
    b.push(b[58].clone());
    let outcome = hash(&cluster(&a, &[]), &cluster(&b, &[]), &[]).code(1);
    assert_eq!(lines(&outcome)[0]["a"]["rows"], lines(&outcome)[0]["b"]["rows"]);
}

#[test]
fn null_and_an_empty_text_are_two_values() {
    // In one row; then the other way round in another, so that each column has the same values on both sides.
    let swap = |c: &mut Vec<String>| c[4] = if c[4].is_empty() { "\"\"".into() } else { String::new() };
    assert_eq!(data()[5].split(',').nth(4), Some(""));
    assert_eq!(data()[6].split(',').nth(4), Some("\"\""));
    assert_eq!(found(|all| edit(&mut all[5], swap), &[]), ["differs p202401: note"]);
    let both = |all: &mut Vec<String>| {
        edit(&mut all[5], swap);
        edit(&mut all[6], swap);
    };
    assert_eq!(found(both, &[]), ["differs p202401: "], "no column alone tells");
    let (mut altered, directory) = (data(), testkit::temp_dir());
    both(&mut altered);
    let report = directory.path().join("report.txt").display().to_string();
    let (a, b) = (cluster(&data(), &[]), cluster(&altered, &[]));
    hash(&a, &b, &["--out", "text", "-o", &report, "--function", "murmur_hash3_32"]).code(1);
    let text = std::fs::read_to_string(report).unwrap();
    assert!(
        text.starts_with(
            "differs  p202401 m rows: a 56, b 56; each column has the same values, in other rows; versions: a 2, b 2\na: 168 rows ("
        ),
        "{text}"
    );
    assert!(text.ends_with("verdict: different: 1 of 3 partitions\n"), "{text}");
}

#[test]
fn values_in_another_row_or_column() {
    // The values of two rows of one column.
    let moved = |all: &mut Vec<String>| {
        edit(&mut all[10], |c| c[3] = "10".into());
        edit(&mut all[11], |c| c[3] = "9".into());
    };
    assert_eq!(found(moved, &[]), ["differs p202401: "]);
    // Texts that only differ in where one column ends: joined, they would be the same.
    let texts = |site: &str, note: &str| {
        let line = format!("2024-01-01T00:00:00.000000Z,{site},,1,{note},true");
        [data()[0].clone(), line]
    };
    for (a, b) in [
        (("ab", "c"), ("a", "bc")),
        (("V", "\"\""), ("\"\"", "V")),
        (("N", "V"), ("V", "N")),
        (("x,1", ""), ("x", "1")),
    ] {
        let (a, b) = ((a.0.replace(',', "|"), a.1), b);
        let (one, two) = (cluster(&texts(&a.0, a.1), &[]), cluster(&texts(b.0, b.1), &[]));
        for function in ["xx_hash3_64", "murmur_hash3_32"] {
            let outcome = hash(&one, &two, &["--function", function]).code(1);
            assert_eq!(lines(&outcome)[0]["columns"], serde_json::json!(["site", "note"]), "{a:?} {b:?}");
        }
    }
}

#[test]
fn a_partition_that_one_side_has() {
    let march = |line: &String| line.starts_with("2024-03");
    assert_eq!(found(|all| all.retain(|line| !march(line)), &[]), ["missing p202403: "]);
    let mut less = data();
    less.retain(|line| !march(line));
    let (a, b) = (cluster(&less, &[]), cluster(&data(), &[]));
    let lines = lines(&hash(&a, &b, &[]).code(1));
    assert_eq!((lines[0]["verdict"].as_str(), &lines[0]["a"]), (Some("extra"), &serde_json::Value::Null));
    assert_eq!(lines[0]["b"]["rows"].as_u64(), Some(56));
    // Only what both have; names that no side has; an empty partition is nothing.
    hash(&a, &b, &["--partitions", "EACH(p202401,P202402)"]).code(0);
    hash(&a, &b, &["--partitions", "RANGE(p202401,p202403)"]).code(0);
    assert!(hash(&a, &b, &["--partitions", "p202412"]).code(6).stderr.contains("no side has a partition p202412"));
    b.query("TRUNCATE TABLE d.m PARTITION(p202403)");
    hash(&a, &b, &[]).code(0);
    // Conditions hold for both.
    let (a, b) = (cluster(&data(), &[]), cluster(&less, &[]));
    hash(&a, &b, &["--where", "ts < '2024-03-01'"]).code(0);
    hash(&a, &b, &["--where", "ts >= '2025-01-01'"]).code(10);
    hash(&a, &b, &["--where", "ts >= '2025-01-01'", "--allow-empty"]).code(0);
    hash(&a, &b, &["--where", "n > 1; DROP TABLE d.m"]).code(2);
    // Other partitions of the same rows: tables as a whole.
    let statement = "CREATE DATABASE d; CREATE TABLE d.m (ts DATETIME, site VARCHAR(9), v DOUBLE, n BIGINT, note STRING, ok BOOLEAN) \
                     DUPLICATE KEY(ts) DISTRIBUTED BY HASH(ts)";
    let directory = testkit::temp_dir();
    let (script, rows) = (directory.path().join("s.sql"), directory.path().join("m.csv"));
    std::fs::write(&script, statement).unwrap();
    std::fs::write(&rows, data().join("\n") + "\n").unwrap();
    let load = format!("d.m={}", rows.display());
    let whole = Sim::starrocks(["--sql", &script.display().to_string(), "--load", &load]);
    hash(&a, &whole, &[]).code(1);
    let text = hash(&a, &whole, &["--partitions", "ALL()", "--all", "--out", "text"]).code(0).text();
    assert!(text.starts_with("equal    all m 168 rows; versions: a -, b -\n"), "{text}");
}

#[test]
fn both_sides_take_the_same_function() {
    let new = cluster(&data(), &[]);
    let old = cluster(&data(), &["--server-version", "3.1.9"]);
    let outcome = tool("ts-verify").args(["hash", &new.database("d"), &old.database("d")]).run().code(0);
    assert_eq!(lines(&outcome)[0]["function"].as_str(), Some("murmur_hash3_32"));
    assert!(outcome.stderr.contains("a is StarRocks 3.3.5, b 3.1.9"), "{}", outcome.stderr);
    // A function that one side does not have is no verdict.
    let outcome = hash(&new, &old, &["--function", "xx_hash3_64"]).code(10);
    assert!(
        outcome.stderr.contains("b is StarRocks 3.1.9, and xx_hash3_64 is there from 3.2.0 on"),
        "{}",
        outcome.stderr
    );
    // An old version finds the same.
    let mut altered = data();
    edit(&mut altered[2], |c| c[2] = "3.2".into());
    let altered = cluster(&altered, &["--server-version", "2.5.0"]);
    let lines = lines(&hash(&new, &altered, &[]).code(1));
    assert_eq!(lines[0]["columns"], serde_json::json!(["v"]));
}

#[test]
fn other_columns_are_a_difference() {
    let made = |columns: &str| {
        let directory = testkit::temp_dir();
        let path = directory.path().join("s.sql");
        let create = format!("CREATE TABLE d.m ({columns}) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)");
        std::fs::write(&path, format!("CREATE DATABASE d; {create}; INSERT INTO d.m (k, v) VALUES (1, 2)")).unwrap();
        Sim::starrocks(["--sql", &path.display().to_string()])
    };
    let one = made("k INT, v INT, w DOUBLE");
    let outcome = hash(&one, &made("k INT, v BIGINT"), &[]).code(1);
    let lines = lines(&outcome);
    assert_eq!((lines[0]["kind"].as_str(), lines[0]["reason"].as_str()), (Some("table"), Some("w is only in a")));
    hash(&one, &made("k INT, v BIGINT"), &["--ignore", "W"]).code(0);
    let text = hash(&one, &made("k INT, v VARCHAR(9), w DOUBLE"), &["--out", "text"]).code(1).text();
    assert!(text.starts_with("differs  - m columns: v is int(11) in a, varchar(9) in b (--ignore COLUMN"), "{text}");
    let hll = || made("k INT, v INT, h HLL");
    assert!(hash(&hll(), &hll(), &[]).code(2).stderr.contains("leave it out with --ignore h"));
    hash(&hll(), &hll(), &["--ignore", "h"]).code(0);
    // Every type that has a text.
    let types = "k INT, v INT, b BOOLEAN, li LARGEINT, f FLOAT, de DECIMAL(20,3), da DATE, dt DATETIME, c CHAR(3), vb VARBINARY, \
                 j JSON, a ARRAY<INT>, m MAP<STRING,INT>, st STRUCT<x INT, y STRING>";
    let rows = "INSERT INTO d.m VALUES (1, 2, true, 170141183460469231731687303715884105727, 0.1, 5.5, '2024-01-01', \
                '2024-01-01 00:00:00.5', 'x', 'y', '{\"a\":1}', '[1,null]', '{\"k\":1}', '{\"x\":1,\"y\":\"z\"}')";
    let (a, b) = (made(types), made(types));
    a.query(rows);
    b.query(rows);
    hash(&a, &b, &[]).code(0);
    b.query("INSERT INTO d.m (k, j) VALUES (2, '\"1\"')");
    a.query("INSERT INTO d.m (k, j) VALUES (2, '1')");
    assert_eq!(self::lines(&hash(&a, &b, &[]).code(1))[0]["columns"], serde_json::json!(["j"]));
}

#[test]
fn a_side_that_cannot_be_asked_is_no_equal_side() {
    let (a, b) = (cluster(&data(), &[]), cluster(&data(), &["--user", "root", "--password", "right"]));
    let ask = |from: &str, to: &str| {
        let tool =
            tool("ts-verify").args(["hash", "-q", "--retries", "0", from, to]).env("TS_TARGET_PASSWORD", "right");
        tool.run()
    };
    ask(&a.database("d"), &b.database("d")).code(0);
    hash(&a, &b, &[]).code(6);
    ask("starrocks://root@127.0.0.1:1/d", &b.database("d")).code(4);
    ask(&a.database("d"), "starrocks://root@127.0.0.1:1/d").code(5);
    assert!(ask(&a.url, &b.database("d")).code(2).stderr.contains("names no database"));
    assert!(
        ask("starrocks://root:secret@127.0.0.1:1/d", &b.database("d")).code(2).stderr.contains("TS_SOURCE_PASSWORD")
    );
    assert!(ask("tdengine://root@127.0.0.1:1/d", &b.database("d")).code(2).stderr.contains("two StarRocks clusters"));
    hash(&a, &a, &["--table", "none"]).code(6);
    // A table that one side does not have, and the same under two names.
    a.query("CREATE TABLE d.more (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)");
    hash(&a, &cluster(&data(), &[]), &[]).code(0);
    a.query("INSERT INTO d.more VALUES (1)");
    let lines = lines(&hash(&a, &cluster(&data(), &[]), &[]).code(1));
    assert_eq!((lines[0]["table"].as_str(), lines[0]["verdict"].as_str()), (Some("more"), Some("missing")));
    hash(&a, &cluster(&data(), &[]), &["--table", "m"]).code(0);
    a.query("CREATE TABLE d.copy (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)");
    a.query("INSERT INTO d.copy VALUES (1)");
    hash(&a, &a, &["--table", "more=copy"]).code(0);
}

#[test]
fn a_partition_that_changes_all_the_time_is_no_verdict() {
    let mut altered = data();
    edit(&mut altered[1], |c| c[2] = "9".into());
    let (a, b) = (cluster(&altered, &[]), cluster(&data(), &[]));
    // The statement takes its time for one row, and rows that the condition leaves out come meanwhile.
    let slow = ["--where", "n = 0 AND sleep(0.6)", "--partitions", "p202401"];
    hash(&a, &b, &slow).code(1);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                b.query("INSERT INTO d.m VALUES ('2024-01-05', 's', 1, 99, '', true)");
            }
        });
        let outcome = hash(&a, &b, &slow);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let lines = lines(&outcome.code(10));
        assert_eq!((lines[0]["verdict"].as_str(), lines[1]["complete"].as_bool()), (Some("moved"), Some(false)));
    });
}

#[test]
fn nobody_waits_for_a_side_that_no_longer_matters() {
    let (a, b) = (cluster(&data(), &[]), cluster(&data(), &["--server-version", "3.1.0"]));
    // A minute for each partition of a; b refuses at once.
    let start = std::time::Instant::now();
    let condition = "sleep(1) AND xx_hash3_64(site) <> 0";
    let outcome = hash(&a, &b, &["--function", "murmur_hash3_32", "--where", condition]).code(6);
    assert!(outcome.stderr.contains("No matching function"), "{}", outcome.stderr);
    assert!(start.elapsed().as_secs() < 40, "{:?}", start.elapsed());
    // A signal ends it, too.
    let (a, b) = (a.database("d"), b.database("d"));
    let script = format!("timeout --preserve-status -s TERM 1 ts-verify hash '{a}' '{b}' --where 'sleep(1)'");
    assert!(testkit::shell(&script).run().code(143).stderr.contains("rows=0"));
    assert!(start.elapsed().as_secs() < 50, "{:?}", start.elapsed());
}
