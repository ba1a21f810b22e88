//! What every tool must do, whatever it is for: help, version, man page, completions, `/dev/full`, a closed pipe,
//! usage errors, inputs that are not there or no input at all.

use testkit::{shell, tool};

/// Every tool of the workspace.
fn tools() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(testkit::root().join("tools"))
        .expect("tools/")
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().expect("a plain name"))
        .collect();
    names.sort();
    assert!(names.len() >= 9, "{names:?}");
    names
}

/// Tools that read a file or stdin, with the arguments that they need besides.
const READERS: [(&str, &[&str]); 6] = [
    ("lp-encode", &["--measurement", "m"]),
    ("lp-decode", &[]),
    ("ts-convert", &[]),
    ("ts-verify", &["digest", "--measurement", "m"]),
    ("influx-write", &["--url", "influx1+http://127.0.0.1:1/db", "--retries", "0"]),
    (
        "sr-stream-load",
        &["--url", "starrocks://root@127.0.0.1:1/db?http=1", "--table", "t", "--retries", "0", "--no-column-check"],
    ),
];

/// Readers that write what they read to stdout, an input for them, and its format.
const FILTERS: [(&str, &[&str], &str); 3] = [
    ("lp-encode", &["--measurement", "m"], "ts|time,v|long\n2024-01-01T00:00:00Z,1\n"),
    ("lp-decode", &[], "m v=1i 1704067200000000000\n"),
    ("ts-convert", &[], "ts|time,v|long\n2024-01-01T00:00:00Z,1\n"),
];

#[test]
fn help_has_examples_environment_and_exit_codes() {
    for name in tools() {
        let long = tool(&name).arg("--help").run().code(0);
        for section in ["EXAMPLES", "ENVIRONMENT", "EXIT CODES", "141  the reader of stdout went away"] {
            assert!(long.text().contains(section), "{name} --help has no {section}");
        }
        let short = tool(&name).arg("-h").run().code(0);
        assert!(short.text().lines().count() < 70, "{name} -h is longer than a screen or two");
        assert!(!short.text().contains("EXIT CODES\n"), "{name} -h");
        assert!(long.stderr.is_empty() && short.stderr.is_empty(), "{name}: help is stdout's");
        let version = tool(&name).arg("--version").run().code(0);
        assert!(version.text().starts_with(&format!("{name} ")), "{}", version.text());
    }
}

#[test]
fn man_pages_and_completions_are_generated() {
    for name in tools() {
        let man = tool(&name).args(["--generate", "man"]).run().code(0).text();
        assert!(man.contains(".TH") && man.contains("EXIT CODES"), "{name}");
        for shell in ["bash", "zsh", "fish"] {
            let text = tool(&name).args(["--generate", shell]).run().code(0).text();
            assert!(text.contains(&name) && text.len() > 200, "{name} {shell}");
        }
    }
}

#[test]
fn short_letters_mean_the_same_everywhere() {
    for name in tools() {
        let help = tool(&name).arg("--help").run().code(0).text();
        for line in help
            .lines()
            .map(str::trim_start)
            .filter(|line| line.starts_with('-') && !line.starts_with("--") && !line.starts_with("- "))
        {
            let (letter, rest) = line.split_at(2);
            let long = rest.trim_start_matches(", --").split([' ', '.']).next().unwrap_or("");
            let meaning = match letter {
                "-o" => "output",
                "-f" => "from",
                "-t" => "to",
                "-v" => "verbose",
                "-q" => "quiet",
                "-h" => "help",
                "-V" => "version",
                _ => panic!("{name} takes the letter {letter}: {line}"),
            };
            assert_eq!(long, meaning, "{name}: {line}");
        }
    }
}

#[test]
fn usage_errors_are_2_and_end_with_a_summary() {
    for name in tools() {
        let outcome = tool(&name).arg("--no-such-option").run().code(2);
        assert!(outcome.summary().starts_with(&format!("{name}: usage rows=0")), "{name}: {}", outcome.stderr);
        assert!(outcome.stdout.is_empty());
    }
}

#[test]
fn missing_inputs_and_directories_are_7() {
    for (name, args) in READERS {
        for path in ["/no/such/file", "/"] {
            let outcome = tool(name).args(args).arg(path).run().code(7);
            assert!(outcome.stderr.contains(path), "{name}: {}", outcome.stderr);
            assert!(outcome.summary().contains("io-failed"), "{name}: {}", outcome.stderr);
        }
    }
}

#[test]
fn bad_output_paths_are_7_before_any_work() {
    for (name, args, input) in FILTERS {
        for path in ["/no/such/directory/out", "/"] {
            tool(name).args(args).args(["-o", path]).stdin(input).run().code(7);
        }
    }
    tool("ts-gen").args(["sensors", "-o", "/"]).run().code(7);
}

#[test]
fn a_full_disk_is_7() {
    for (name, args, input) in FILTERS {
        let args = args.join(" ");
        let script = format!("{name} {args} > /dev/full");
        let outcome = shell(&script).stdin(input).run().code(7);
        assert!(outcome.stderr.contains("space"), "{name}: {}", outcome.stderr);
        tool(name).args(args.split(' ').filter(|a| !a.is_empty())).args(["-o", "/dev/full"]).stdin(input).run().code(7);
    }
    shell("ts-gen sensors --rows 10 > /dev/full").run().code(7);
}

#[test]
fn a_closed_pipe_is_a_quiet_141() {
    for (name, args, input) in FILTERS {
        let (header, row) = input.split_once('\n').expect("two lines or one");
        let row = if row.is_empty() { header } else { row.trim_end() };
        let body = format!("{row}\n").repeat(300_000);
        let all = if row == header { body } else { format!("{header}\n{body}") };
        let script =
            format!("set +o pipefail; {name} {} | head -c 10 >/dev/null; echo ${{PIPESTATUS[0]}}", args.join(" "));
        let outcome = shell(&script).stdin(all).run().code(0);
        assert_eq!(outcome.text().trim(), "141", "{name}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{name} is not quiet: {}", outcome.stderr);
        assert!(outcome.summary().contains("truncated"), "{name}: {}", outcome.stderr);
    }
    let outcome = shell("set +o pipefail; ts-gen sensors | head -c 10 >/dev/null; echo ${PIPESTATUS[0]}").run();
    assert_eq!(outcome.text().trim(), "141");
}

/// No byte at all is a table without rows only where the format has no header: CSV without its header line, Arrow
/// without its schema is what a source leaves that died before it began.
#[test]
fn empty_input_is_zero_rows_or_incomplete() {
    for (name, code) in [("lp-encode", 9), ("lp-decode", 0), ("ts-convert", 9)] {
        let args = FILTERS.iter().find(|filter| filter.0 == name).map_or(&[][..], |filter| filter.1);
        let outcome = tool(name).args(args).run().code(code);
        assert_eq!(outcome.number("rows"), 0, "{name}");
    }
    let header = "ts|time,v|long\n";
    let outcome = tool("ts-convert").stdin(header).run().code(0);
    assert_eq!(outcome.text(), header);
    assert!(
        tool("lp-encode")
            .args(["--measurement", "m"])
            .stdin(header)
            .run()
            .code(0)
            .text()
            .lines()
            .all(|l| l.starts_with('#'))
    );
}

#[test]
fn random_bytes_end_with_an_error_and_no_panic() {
    // A fixed seed: a failure can be repeated.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for (name, args) in READERS {
        for size in [1, 10, 1_000, 100_000] {
            let bytes: Vec<u8> = (0..size).map(|_| random() as u8).collect();
            let outcome = tool(name).args(args).stdin(bytes).run();
            assert!(
                matches!(outcome.code, 2 | 3 | 9 | 10),
                "{name} on {size} bytes: exit {}: {}",
                outcome.code,
                outcome.stderr
            );
            assert!(!outcome.stderr.contains("bug"), "{name}: {}", outcome.stderr);
        }
    }
}

#[test]
fn a_failed_run_leaves_no_file_under_the_final_name() {
    for (name, args, input) in FILTERS {
        let directory = testkit::temp_dir();
        let path = directory.path().join("out");
        let bad = format!("{input}\u{1}\"broken");
        let outcome = tool(name).args(args).arg("-o").arg(&path).stdin(bad).run();
        assert!(matches!(outcome.code, 3 | 9), "{name}: exit {}: {}", outcome.code, outcome.stderr);
        let left: Vec<_> = std::fs::read_dir(directory.path()).expect("readable").flatten().collect();
        assert!(left.is_empty(), "{name} left {left:?}");
    }
}

#[test]
fn passwords_in_the_command_line_are_refused() {
    for name in ["td-dump", "influx-write", "influx-dump"] {
        let url = if name == "td-dump" {
            "tdengine://root:s3cret@127.0.0.1:1/db"
        } else {
            "influx1+http://u:s3cret@127.0.0.1:1/db"
        };
        let outcome = tool(name).args(["--url", url]).run().code(2);
        assert!(!outcome.stderr.contains("s3cret"), "{name} shows the password: {}", outcome.stderr);
    }
}
