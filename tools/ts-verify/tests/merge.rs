//! `merge`: digests of parts add up to the digest of the whole, byte by byte, and what would count twice is refused.

use std::path::Path;
use testkit::{Outcome, proptest, proptest::prelude::*, temp_dir, tool};

const HEAD: &str = "ts|time,device|tag,temp|double,n|long,note|string\n";

fn write(directory: &Path, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(directory.join(name), text).unwrap();
}

fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap()
}

fn digest(directory: &Path, options: &[&str], input: &str, output: &str) {
    let command = tool("ts-verify").arg("digest").args(options).args([input, "-o", output]);
    command.current_dir(directory).run().code(0);
}

fn merge(directory: &Path, parts: &[&str]) -> Outcome {
    tool("ts-verify").arg("merge").args(parts).args(["-o", "merged"]).current_dir(directory).run()
}

/// A row: a device, a time in ms, and what stands in its cells.
#[derive(Clone, Debug)]
struct Row {
    device: usize,
    ms: i64,
    cells: usize,
}

impl Row {
    fn text(&self) -> String {
        let cells = ["1.5,7,x", ",8,", "NaN,,", ",,", "-0.0,-1,\"a, b\"", "inf,9223372036854775807,é"];
        let (hour, rest) = (self.ms / 3_600_000, self.ms % 3_600_000);
        let (minute, rest) = (rest / 60_000, rest % 60_000);
        let device = ["d0", "d1", "", "d 3"][self.device];
        let time = format!("2024-01-01T{hour:02}:{minute:02}:{:02}.{:03}Z", rest / 1000, rest % 1000);
        format!("{time},{device},{}\n", cells[self.cells])
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..4usize, 0..14_400_000i64, 0..6usize);
    proptest::collection::vec(row, 1..120).prop_map(|rows| {
        let mut rows: Vec<Row> = rows.into_iter().map(|(device, ms, cells)| Row { device, ms, cells }).collect();
        rows.sort_by_key(|row| (row.ms, row.device));
        // A time of a device once or twice: the second value of a part gives way as it does in the whole.
        rows
    })
}

fn csv<'a>(rows: impl IntoIterator<Item = &'a Row>) -> String {
    HEAD.to_owned() + &rows.into_iter().map(Row::text).collect::<String>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Cuts by time (anywhere, not at buckets) and by series, in up to 16 parts, in any order.
    #[test]
    fn parts_add_up_to_the_whole(rows in rows(), cuts in proptest::collection::btree_set(0..14_400_000i64, 0..8), by_series: bool, turn in 0..16usize) {
        let directory = temp_dir();
        let at = directory.path();
        write(at, "whole.csv", csv(&rows));
        digest(at, &[], "whole.csv", "whole");
        let place = |row: &Row| cuts.iter().filter(|cut| **cut <= row.ms).count() * 2 + usize::from(by_series && row.device > 1);
        let mut names = Vec::new();
        for part in 0..(cuts.len() + 1) * 2 {
            let name = format!("part-{part}");
            write(at, &format!("{name}.csv"), csv(rows.iter().filter(|row| place(row) == part)));
            digest(at, &[], &format!("{name}.csv"), &name);
            names.push(name);
        }
        let middle = turn % names.len();
        names.rotate_left(middle);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        merge(at, &names).code(0);
        prop_assert_eq!(read(at, "merged"), read(at, "whole"));
        // Sums of sums, too.
        let (left, right) = names.split_at(names.len() / 2);
        merge(at, left).code(0);
        std::fs::rename(at.join("merged"), at.join("left")).unwrap();
        merge(at, &[&["left"], right].concat()).code(0);
        prop_assert_eq!(read(at, "merged"), read(at, "whole"));
    }
}

/// One input, read sixteen times with a range each, as sixteen workers do.
#[test]
fn sixteen_windows_of_one_input_equal_its_digest() {
    let directory = temp_dir();
    let at = directory.path();
    let arguments = ["sensors", "--rows", "20000", "--tables", "20", "-q", "-o", "all.csv"];
    tool("ts-gen").args(arguments).current_dir(at).run().code(0);
    digest(at, &[], "all.csv", "whole");
    // 20 000 rows of 20 tables span 1000 s.
    let cut = |i: usize| format!("2024-01-01T00:{:02}:{:02}.500Z", i * 63 / 60, i * 63 % 60);
    let mut names = Vec::new();
    for part in 0..16 {
        let (since, until) = (cut(part), cut(part + 1));
        let mut range = Vec::new();
        if part > 0 {
            range.extend(["--since", since.as_str()]);
        }
        if part < 15 {
            range.extend(["--until", until.as_str()]);
        }
        names.push(format!("window-{part}"));
        digest(at, &range, "all.csv", &names[part]);
        assert!(read(at, &names[part]).lines().count() > 2, "window {part} is empty");
    }
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let outcome = merge(at, &all).code(0);
    assert_eq!(read(at, "merged"), read(at, "whole"));
    assert_eq!((outcome.number("rows"), outcome.number("parts")), (20_000, 16));
    tool("ts-verify").args(["compare", "merged", "all.csv"]).current_dir(at).run().code(0);

    // A window in the middle is missing: its range has no part. One at the end is missing: the ranges differ.
    let outcome = merge(at, &[&all[..7], &all[8..]].concat()).code(2);
    assert!(
        outcome.stderr.contains("no part covers 2024-01-01T00:07:21.5") && outcome.stderr.contains("window-8"),
        "{}",
        outcome.stderr
    );
    merge(at, &all[..15]).code(0);
    let outcome = tool("ts-verify").args(["compare", "merged", "whole"]).current_dir(at).run().code(2);
    assert!(outcome.stderr.contains("until"), "{}", outcome.stderr);
}

#[test]
fn what_would_count_twice_is_refused() {
    let directory = temp_dir();
    let at = directory.path();
    let row = |device, ms| Row { device, ms, cells: 0 };
    let all = [row(0, 0), row(0, 10), row(0, 20), row(1, 0)];
    for (name, rows) in [("a", &all[..2]), ("b", &all[2..]), ("over", &all[1..3])] {
        write(at, "x.csv", csv(rows));
        digest(at, &[], "x.csv", name);
        digest(at, &["--dedupe", "keep"], "x.csv", &format!("{name}-keep"));
    }
    merge(at, &["a", "b"]).code(0);
    std::fs::remove_file(at.join("merged")).unwrap();
    // The same file twice, by another name, and as a copy.
    let outcome = merge(at, &["a", "b", "./a"]).code(2);
    assert!(outcome.stderr.contains("./a is given twice"), "{}", outcome.stderr);
    write(at, "copy", read(at, "a"));
    let outcome = merge(at, &["a", "b", "copy"]).code(2);
    assert!(
        outcome.stderr.contains("a and copy may hold the same values") && outcome.stderr.contains(r#""device":"d0""#),
        "{}",
        outcome.stderr
    );
    // Some of the same rows: their instants meet.
    merge(at, &["a", "over"]).code(2);
    merge(at, &["over", "b"]).code(2);
    assert!(!at.join("merged").exists(), "a refused merge leaves no file");
    // With --dedupe keep every value counts, in whichever part; a part that comes twice is refused all the same.
    merge(at, &["a-keep", "over-keep"]).code(0);
    write(at, "copy", read(at, "a-keep"));
    merge(at, &["a-keep", "copy"]).code(2);
}

#[test]
fn other_options_and_layouts_are_refused_by_name() {
    let directory = temp_dir();
    let at = directory.path();
    write(at, "a.csv", csv(&[Row { device: 0, ms: 0, cells: 0 }]));
    write(at, "b.csv", csv(&[Row { device: 1, ms: 0, cells: 0 }]));
    write(at, "single.csv", csv(&[Row { device: 1, ms: 0, cells: 0 }]).replace("temp|double", "temp|float"));
    digest(at, &[], "a.csv", "a");
    for (options, names) in [
        (&["--bucket", "1d"][..], "bucket"),
        (&["--precision", "s"], "precision"),
        (&["--numeric", "strict"], "numeric"),
        (&["--dedupe", "first"], "--dedupe"),
        (&["--measurement", "m"], "--measurement"),
        (&["--field", "device"], "column device is a tag in a and a field"),
    ] {
        digest(at, options, "b.csv", "b");
        let outcome = merge(at, &["a", "b"]).code(2);
        assert!(outcome.stderr.contains(names) && outcome.stderr.contains("a"), "{names}: {}", outcome.stderr);
    }
    digest(at, &[], "single.csv", "b");
    let outcome = merge(at, &["a", "b"]).code(2);
    assert!(
        outcome.stderr.contains("column temp is double") && outcome.stderr.contains("and float"),
        "{}",
        outcome.stderr
    );
    let outcome = merge(at, &["a", "b.csv"]).code(2);
    assert!(outcome.stderr.contains("b.csv is no digest"), "{}", outcome.stderr);
    merge(at, &["a", "no-such-file"]).code(7);
    merge(at, &[]).code(2);
    // A part that was cut is not a smaller part.
    digest(at, &[], "b.csv", "b");
    let whole = read(at, "b");
    for end in whole.match_indices('\n').map(|(end, _)| end) {
        write(at, "cut", &whole[..end]);
        merge(at, &["a", "cut"]).code(9);
    }
    assert!(!at.join("merged").exists());
}

/// A column that only some parts have is a column of the whole, as in line protocol.
#[test]
fn a_column_of_one_part_is_one_of_the_whole() {
    let directory = temp_dir();
    let at = directory.path();
    let (x, y) = ("m,t=a v=1,w=2i 1704067200000000000\n", "m,t=a,u=b w=3i 1704070800000000000\n");
    for (name, text) in [("x.lp", x.to_owned()), ("y.lp", y.to_owned()), ("whole.lp", x.to_owned() + y)] {
        write(at, name, text);
        digest(at, &[], name, name.trim_end_matches(".lp"));
    }
    merge(at, &["y", "x"]).code(0);
    assert_eq!(read(at, "merged"), read(at, "whole"));
}

/// Rows with an empty tag count where they are in the range only, or a sum of windows counts them once per window.
#[test]
fn empty_tags_are_counted_in_the_range_only() {
    let directory = temp_dir();
    let at = directory.path();
    let row = |minute: usize| format!("2024-01-01T00:{minute:02}:00Z,\"\",1.5,{minute},x\n");
    write(at, "all.csv", HEAD.to_owned() + &(0..60).map(row).collect::<String>());
    digest(at, &[], "all.csv", "whole");
    digest(at, &["--until", "2024-01-01T00:20:00Z"], "all.csv", "early");
    digest(at, &["--since", "2024-01-01T00:20:00Z"], "all.csv", "late");
    assert!(read(at, "early").contains(r#""empty_tags":20"#), "{}", read(at, "early"));
    merge(at, &["early", "late"]).code(0);
    assert_eq!(read(at, "merged"), read(at, "whole"));
    let strict = tool("ts-verify").args(["compare", "--strict", "merged", "all.csv"]).current_dir(at).run();
    assert_eq!(strict.code, 0, "{}", strict.stderr);
}

/// Sixteen workers at a time, each with some of the sub-tables and one window, half of them with so little memory that their
/// digests are on disk: merged at once, or in two steps, they are the digest that one worker makes of all.
#[test]
fn sixteen_workers_make_the_digest_of_one() {
    let script = r#"
ts-gen sensors --rows 48000 --tables 60 --interval 30s -q -o all.csv 2>/dev/null
ts-verify digest -q all.csv --since 2024-01-01 --until 2024-01-02 -o whole
ends=(2024-01-01 2024-01-01T01:17:11Z 2024-01-01T03:00:00Z 2024-01-01T05:59:30Z 2024-01-02)
for group in 0 1 2 3; do
  awk -v g=$group 'NR == 1 || substr($0, index($0, "sensor_") + 7, 4) % 4 == g' all.csv >group-$group.csv
  for window in 0 1 2 3; do
    memory=512MiB; (( (group + window) % 2 )) || memory=64KiB
    ts-verify digest -q group-$group.csv --since ${ends[window]} --until ${ends[window + 1]} --max-memory $memory \
      -o part-$group-$window &
  done
done
wait
ls part-* | wc -l
ts-verify merge -q part-* -o once
for window in 0 1 2 3; do ts-verify merge -q part-*-$window -o window-$window; done
ts-verify merge -q window-3 window-0 window-2 window-1 -o twice
cmp once whole
cmp twice whole
wc -l <whole
"#;
    let directory = temp_dir();
    let outcome = testkit::shell(script).current_dir(directory.path()).run().code(0);
    let text = outcome.text();
    // Sixteen parts; sixty series in seven hours, a header and a trailer.
    assert_eq!(text.lines().collect::<Vec<_>>(), ["16", "422"], "{}", outcome.stderr);
}
