//! `--metrics-file` and `TS_METRICS_DIR`, the same in every tool.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::prometheus::Metrics;
use testkit::{Sim, shell, temp_dir, tool};

const LINE: &str = "m,t=a v=1 1704067200000000000\n";

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "prom"))
        .collect();
    files.sort();
    files
}

#[test]
fn a_run_leaves_its_numbers_its_end_and_its_requests() {
    let directory = temp_dir();
    let file = directory.path().join("write.prom");
    let sim = Sim::influx(["--database", "d"]);
    let write = || {
        let url = format!("influx1+{}/d", sim.base);
        tool("influx-write").args(["--url", &url, "--max-rejects", "1"]).arg("--metrics-file").arg(&file)
    };
    write().env("TS_MIGRATION", "plant \"1\"").stdin(LINE.repeat(10) + "m v=oops 1\n").run().code(8);
    let metrics = Metrics::read(&file);
    let own = [("tool", "influx-write"), ("stage", "sink"), ("slot", "write"), ("migration", "plant \"1\"")];
    assert!(metrics.samples.iter().all(|s| own.iter().all(|(k, v)| s.labels.get(*k).is_some_and(|l| l == v))));
    let value = |name: &str| metrics.value(name, &[]).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(value("tsferry_rows_total"), 10.0);
    assert_eq!(value("tsferry_bytes_total"), (10 * LINE.len()) as f64);
    assert_eq!(value("tsferry_rejected_rows_total"), 1.0);
    assert_eq!((value("tsferry_running"), value("tsferry_exit_code")), (0.0, 8.0));
    assert_eq!(value("tsferry_requests_total"), value("tsferry_request_duration_seconds_count"));
    let (start, end) = (value("tsferry_start_time_seconds"), value("tsferry_end_time_seconds"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(start <= end && end <= value("tsferry_update_time_seconds") + 0.001 && now - start < 60.0);
    assert_eq!(metrics.value("tsferry_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["write.prom"], "nothing temporary is left");

    // A failure is told too.
    write().args(["--retries", "0"]).stdin("m v=oops 1\nm v=oops 1\n").run().code(3);
    assert_eq!(Metrics::read(&file).value("tsferry_exit_code", &[]), Some(3.0));
}

#[test]
fn it_is_there_while_the_tool_runs_and_after_a_signal() {
    let directory = temp_dir();
    // A pipe that stays open: the tool waits for lines.
    let script = "mkfifo in; exec 3<>in; printf 'm v=1 1\n' >&3\n\
        influx-write --dry-run --url influx1+http://h/d --metrics-file m.prom in 3>&- 2>err & pid=$!\n\
        until grep -q 'tsferry_running.* 1' m.prom 2>/dev/null; do sleep 0.05; done\n\
        cp m.prom running.prom; kill $pid; sleep 0.2; kill $pid; wait $pid || echo \"exit $?\"";
    let outcome = shell(&format!("cd {}; {script}", directory.path().display())).run();
    assert_eq!(outcome.text(), "exit 143\n", "{}", outcome.stderr);
    let running = Metrics::read(&directory.path().join("running.prom"));
    assert_eq!(running.value("tsferry_running", &[]), Some(1.0));
    assert_eq!(running.value("tsferry_exit_code", &[]), None);
    let ended = Metrics::read(&directory.path().join("m.prom"));
    assert_eq!(ended.value("tsferry_exit_code", &[]), Some(143.0));
    assert_eq!(ended.value("tsferry_running", &[]), Some(0.0));
}

#[test]
fn a_pipeline_writes_a_file_a_stage_and_slots_are_used_again() {
    let directory = temp_dir();
    let pipeline = "ts-gen meters --rows 1000 --tables 10 | ts-convert | ts-convert -t arrow | lp-encode --measurement m >/dev/null";
    for _ in 0..3 {
        shell(pipeline).env("TS_METRICS_DIR", directory.path()).run().code(0);
    }
    let names: Vec<String> =
        files(directory.path()).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let second = names.iter().any(|name| name == "tsferry-ts-convert-2.prom");
    assert!(second && names.iter().any(|name| name == "tsferry-lp-encode-1.prom"), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("-3.prom")), "as many files as ran at once: {names:?}");
    // All in one scrape: no series may be there twice.
    let mut seen = std::collections::BTreeSet::new();
    for file in files(directory.path()) {
        for sample in Metrics::read(&file).samples {
            assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "{sample:?} is in two files");
        }
    }
    let encode = Metrics::read(&directory.path().join("tsferry-lp-encode-1.prom"));
    assert_eq!(encode.value("tsferry_rows_total", &[("stage", "filter"), ("slot", "1")]), Some(1000.0));
}

#[test]
fn a_file_that_cannot_be_written_is_2_at_the_start_and_a_directory_is_a_warning() {
    let outcome = tool("lp-decode").args(["--metrics-file", "/no/such/place/m.prom"]).stdin(LINE).run().code(2);
    assert!(outcome.stderr.contains("--metrics-file /no/such/place/m.prom: cannot be written"), "{}", outcome.stderr);
    assert!(outcome.stdout.is_empty());
    let outcome = tool("lp-decode").env("TS_METRICS_DIR", "/no/such/place").stdin(LINE).run().code(0);
    assert!(outcome.stderr.contains("warning: TS_METRICS_DIR=/no/such/place: no metrics are written"));
}

#[test]
fn a_directory_that_goes_away_costs_a_warning_and_nothing_else() {
    let directory = temp_dir();
    let place = directory.path().join("metrics");
    std::fs::create_dir(&place).unwrap();
    let started = Instant::now();
    let outcome = shell(&format!(
        "(printf '{0}\\n'; until [ -e {1}/m.prom ]; do sleep 0.05; done; rm -r {1}; sleep 5; printf '{0}\\n') | lp-decode --metrics-file {1}/m.prom",
        LINE.trim_end(),
        place.display()
    ))
    .run()
    .code(0);
    assert!(started.elapsed() > Duration::from_secs(4));
    assert_eq!(outcome.stderr.matches("are out of date").count(), 1, "{}", outcome.stderr);
    assert_eq!(outcome.text().lines().count(), 3);
}

#[test]
fn no_secret_stands_in_a_label() {
    let directory = temp_dir();
    let sim = Sim::influx(["--database", "d", "--auth", "me:geheim77"]);
    tool("influx-write")
        .args(["--url", &format!("influx1+http://me@{}/d", sim.host)])
        .env("TS_TARGET_PASSWORD", "geheim77")
        .env("TS_METRICS_DIR", directory.path())
        .stdin(LINE)
        .run()
        .code(0);
    let text = std::fs::read_to_string(directory.path().join("tsferry-influx-write-1.prom")).unwrap();
    assert!(!text.contains("geheim77") && !text.contains(&sim.host), "{text}");
}
