//! Streams that end too soon, through the tools: whoever reads one ends with 9 or 3, no file appears under its final name,
//! none is left behind, and a runner never writes a receipt. Cuts at every 997th byte are tested within the readers
//! (`cut_streams`); here each tool meets some of every form, from a file and from a pipe.

use std::collections::BTreeSet;
use std::path::Path;
use testkit::tempfile::TempDir;
use testkit::{Outcome, Sim, shell, tool};

const ROWS: usize = 2000;

/// Rows of sensors as files of every form, all with an end mark where the form has none of its own.
fn forms() -> TempDir {
    let dir = testkit::temp_dir();
    let script = format!(
        "export TS_END_MARK=1
        ts-gen sensors --rows {ROWS} --tables 5 --quiet -o all.csv
        for form in csv.gz csv.zst ndjson ndjson.gz arrow parquet; do ts-convert --quiet all.csv -o all.$form; done
        for form in lp lp.gz lp.zst; do lp-encode --quiet --measurement m all.csv -o all.$form; done
        split -l 150 all.csv part. && for part in part.*; do gzip -c $part >>members.csv.gz; done && rm part.*"
    );
    shell(&script).current_dir(dir.path()).run().code(0);
    dir
}

/// A tool that reads, and what it writes, if that is a file.
struct Reader {
    name: &'static str,
    args: &'static [&'static str],
    output: Option<&'static str>,
}

const fn reader(name: &'static str, args: &'static [&'static str], output: &'static str) -> Reader {
    Reader { name, args, output: Some(output) }
}

const OF_ROWS: [Reader; 8] = [
    reader("ts-convert", &[], "out.csv"),
    reader("ts-convert", &[], "out.csv.gz"),
    reader("ts-convert", &[], "out.arrow"),
    reader("ts-convert", &[], "out.parquet"),
    reader("ts-convert", &[], "out.ndjson.zst"),
    reader("lp-encode", &["--measurement", "m"], "out.lp"),
    reader("lp-encode", &["--measurement", "m", "--threads", "3"], "out.lp.gz"),
    reader("ts-verify", &["digest", "--measurement", "m"], "out.digest"),
];

const OF_LINES: [Reader; 5] = [
    reader("lp-decode", &[], "out.csv"),
    reader("lp-decode", &["--scan", "--merge"], "out.parquet"),
    reader("ts-convert", &[], "out.lp"),
    reader("ts-verify", &["digest"], "out.digest"),
    Reader { name: "influx-write", args: &["--batch-rows", "100", "--retries", "0"], output: None },
];

/// Where a form is cut: near its ends, at its row ends or at places spread over it.
fn cuts(bytes: &[u8], text: bool) -> BTreeSet<usize> {
    let len = bytes.len();
    let mut cuts = BTreeSet::from([1, 9, len / 3, len * 2 / 3, len - 60, len - 8, len - 1]);
    if text {
        let ends: Vec<usize> = (0..len).filter(|at| bytes[*at] == b'\n').map(|at| at + 1).collect();
        cuts.extend([ends[0], ends[1], ends[ends.len() / 2], ends[ends.len() - 2]]);
    }
    cuts
}

/// The tool, its output in `dir` if it has one. `piped`: on stdin, without a name to tell the format by.
fn run(reader: &Reader, form: &str, cut: &[u8], dir: &Path, piped: bool, target: &Sim) -> Outcome {
    let (input, out) = (dir.join("in"), dir.join("out"));
    for made in [&input, &out] {
        std::fs::create_dir_all(made).unwrap();
    }
    let tool = tool(reader.name).args(reader.args).env("TS_END_MARK", "1");
    let tool = match reader.output {
        Some(output) => tool.arg("-o").arg(out.join(output)),
        None => tool.env("TS_TARGET_URL", format!("influx1+{}/db", target.base)),
    };
    let format = form.split('.').nth(1).unwrap();
    let tool = match (piped, reader.name) {
        (false, _) => {
            let path = input.join(form);
            std::fs::write(&path, cut).unwrap();
            tool.arg(path)
        }
        (true, "lp-decode" | "influx-write") => tool.stdin(cut),
        (true, _) => tool.args(["--from", format]).stdin(cut),
    };
    tool.run()
}

#[test]
fn no_tool_takes_a_cut_stream_for_a_whole_one() {
    let forms = forms();
    let target = Sim::influx(["--flavor", "1.8", "--database", "db"]);
    let (mut n, mut whole) = (0, Vec::new());
    let mut names: Vec<String> = std::fs::read_dir(forms.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 11, "{names:?}");
    for form in names {
        let bytes = std::fs::read(forms.path().join(&form)).unwrap();
        let readers: &[Reader] = if form.contains(".lp") { &OF_LINES } else { &OF_ROWS };
        let dir = testkit::temp_dir();
        for (number, reader) in readers.iter().enumerate() {
            // The whole is whole, so that what follows is about the cut.
            let outcome = run(reader, &form, &bytes, dir.path(), number % 2 == 0, &target);
            assert_eq!(outcome.code, 0, "{} of the whole {form}: {}", reader.name, outcome.stderr);
            if let Some(output) = reader.output {
                std::fs::remove_file(dir.path().join("out").join(output)).unwrap();
            }
        }
        whole = held(&target);
        let text = ["csv", "ndjson", "lp"].iter().any(|extension| form.ends_with(extension));
        for (number, cut) in cuts(&bytes, text).into_iter().enumerate() {
            // Each cut meets a part of the readers, and each reader some cuts of each form.
            for (at, reader) in readers.iter().enumerate().filter(|(at, _)| (at + number) % 2 == 0) {
                let outcome = run(reader, &form, &bytes[..cut], dir.path(), (number / 2 + at / 2) % 2 == 0, &target);
                let place = format!("{} {:?} of {form} cut at {cut} of {}", reader.name, reader.output, bytes.len());
                assert!(matches!(outcome.code, 9 | 3), "{place}: exit {}: {}", outcome.code, outcome.stderr);
                let left: Vec<_> = std::fs::read_dir(dir.path().join("out")).unwrap().flatten().collect();
                assert!(left.is_empty(), "{place}: left {left:?}");
                n += 1;
            }
        }
    }
    assert!(n > 250, "{n}");
    println!("{n} cuts through the tools");
    assert!(held(&target) == whole, "a cut has left another row in the target");
}

/// All that the target holds.
fn held(target: &Sim) -> Vec<u8> {
    let query = testkit::http::quote("SELECT * FROM m GROUP BY *");
    let reply = testkit::http::get(&target.host, &format!("/query?db=db&epoch=ns&q={query}"), &[]);
    assert_eq!(reply.status, 200);
    reply.body
}

/// What a plan of one split, run by ts-run, comes to. `pipeline` reads from `source` and writes into a new target.
struct Run {
    dir: TempDir,
    outcome: Outcome,
}

fn run_split(source: &Sim, pipeline: &str, attempts: &str) -> Run {
    let target = Sim::influx(["--flavor", "1.8", "--database", "db"]);
    let dir = testkit::temp_dir();
    let plan = "#ts-plan 1 options=0 source=test\nid\ttable\tpredicate\tfrom\tto\test_rows\na1\tsensors\t\t2024-01-01T00:00:00Z\t2024-01-02T00:00:00Z\t\n";
    std::fs::write(dir.path().join("plan.tsv"), plan).unwrap();
    std::fs::write(dir.path().join("pipeline.sh"), pipeline).unwrap();
    let outcome = tool("ts-run")
        .args(["--retries", attempts, "--retry-wait", "10ms", "--dir"])
        .arg(dir.path())
        .arg("a1")
        .env("TS_SOURCE_URL", format!("tdengine://{}/d", source.host))
        .env("TS_TARGET_URL", format!("influx1+{}/db", target.base))
        .run();
    Run { dir, outcome }
}

fn source(rows: usize) -> (TempDir, Sim) {
    let dir = testkit::temp_dir();
    let csv = dir.path().join("sensors.csv");
    let rows = rows.to_string();
    tool("ts-gen").args(["sensors", "--rows", &rows, "--tables", "5", "--quiet", "-o"]).arg(&csv).run().code(0);
    let load = format!("d.sensors={}", csv.display());
    (dir, Sim::tdengine(["--load", &load]))
}

/// A stream that ends at a row end is whole to whoever reads it without an end mark. The source is killed, or somebody
/// between it and the sink lets only the first rows through, with end marks and with end marks switched off: the runner
/// finds it, and writes no receipt.
#[test]
fn a_source_that_ends_at_a_row_end_gives_no_receipt() {
    let (_data, source) = source(20_000);
    // Kills the source behind so many rows, through a named pipe, so that the rest of the pipeline sees a clean end.
    let killed = |dump: &str, rest: &str| {
        format!(
            "mkfifo \"$TS_RECEIPT_DIR/pipe\"
            {dump} --hold 1 --table sensors >\"$TS_RECEIPT_DIR/pipe\" & dump=$!
            {{ head -n 301; kill -9 $dump; }} <\"$TS_RECEIPT_DIR/pipe\" | {rest}
            "
        )
    };
    let encode = "lp-encode --measurement m | influx-write";
    let mut cases: Vec<(String, String, &[i32])> = Vec::new();
    for marks in ["1", "0"] {
        let set = format!("export TS_END_MARK={marks}\n");
        for format in ["csv", "ndjson"] {
            let dump = format!("td-dump -t {format}");
            let rest = format!("lp-encode --measurement m -f {format} | influx-write");
            let name = |what: &str| format!("{format}, end marks {marks}: {what}");
            // With the kill's own exit code, and without: a script that forgets its child.
            let kill = set.clone() + &killed(&dump, &rest);
            cases.push((name("killed"), format!("{kill}\nwait $dump"), &[9]));
            cases.push((name("killed and forgotten"), kill, &[9, 2]));
            let head =
                format!("{set}{dump} --table sensors --limit 2000 | {{ head -n 301; cat >/dev/null; }} | {rest}");
            cases.push((name("rows taken away between"), head, &[9]));
            let gzip = format!(
                "{set}{dump} --table sensors --limit 2000 | {{ head -n 301; cat >/dev/null; }} | gzip | {rest}"
            );
            cases.push((name("and compressed"), gzip, &[9]));
        }
        let lines = "td-dump --table sensors --limit 2000 | lp-encode --measurement m | { head -n 301; cat >/dev/null; } | influx-write";
        cases.push((format!("line protocol, end marks {marks}"), set.clone() + lines, &[9]));
        let members = "td-dump --table sensors --limit 2000 | lp-encode --measurement m >all.lp
            { head -n 100 all.lp | gzip; head -n 200 all.lp | tail -n 100 | gzip; } | influx-write";
        cases.push((
            format!("gzip members, end marks {marks}"),
            format!("{set}cd \"$TS_RECEIPT_DIR\"\n{members}"),
            &[9],
        ));
    }
    // Arrow tells by itself.
    let arrow =
        format!("td-dump -t arrow --table sensors --limit 2000 | {{ head -c 40000; cat >/dev/null; }} | {encode}");
    cases.push(("arrow".to_owned(), arrow, &[9]));
    for (name, pipeline, codes) in &cases {
        let run = run_split(&source, pipeline, "1");
        let said = std::fs::read_to_string(run.dir.path().join("logs/a1.2/stderr.log")).unwrap_or_default();
        assert!(codes.contains(&run.outcome.code), "{name}: exit {}: {}\n{said}", run.outcome.code, run.outcome.stderr);
        assert!(!run.dir.path().join("done/a1.json").exists(), "{name}: a receipt of a cut stream");
        assert!(run.dir.path().join("failed/a1.json").exists(), "{name}");
        tool("ts-state").args(["report", "--dir"]).arg(run.dir.path()).run().code(1);
    }
    println!("{} sources that ended at a row end", cases.len());
    // The same pipeline, uncut, gives one.
    let whole = format!("td-dump --table sensors | {encode}");
    assert_eq!(run_split(&source, &whole, "0").outcome.code(0).number("rows"), 20_000);
}
