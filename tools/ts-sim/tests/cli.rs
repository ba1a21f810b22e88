//! The frame that all simulators share: arguments, the address, the ready file, signals.

use std::time::Duration;

use testkit::Sim;

#[test]
fn help_names_the_systems_and_the_faults() {
    let help = testkit::tool("ts-sim").arg("--help").run().code(0).text();
    for word in ["tdengine", "influx", "proxy", "cut-block", "truncate-rest", "EXAMPLES", "EXIT CODES"] {
        assert!(help.contains(word), "{word}");
    }
    let help = testkit::tool("ts-sim").args(["tdengine", "--help"]).run().code(0).text();
    for option in
        ["--listen", "--ready-file", "--fault", "--log-requests", "--load", "--server-version", "--rest-row-limit"]
    {
        assert!(help.contains(option), "{option}");
    }
}

#[test]
fn usage_errors_are_2() {
    for args in [
        &[][..],
        &["oracle"],
        &["tdengine", "--no-such-option"],
        &["tdengine", "--fault", "nonsense"],
        &["tdengine", "--listen", "nowhere"],
        &["tdengine", "--block-rows", "5000"],
        &["tdengine", "--precision", "s"],
    ] {
        testkit::tool("ts-sim").args(args).run().code(2);
    }
}

#[test]
fn an_address_in_use_is_a_usage_error() {
    let sim = Sim::tdengine::<&str>([]);
    let outcome = testkit::tool("ts-sim").args(["tdengine", "--listen", &sim.host]).run().code(2);
    assert!(outcome.stderr.contains(&format!("cannot listen on {}", sim.host)), "{}", outcome.stderr);
}

#[test]
fn the_address_is_announced_and_sigterm_ends_it() {
    let directory = testkit::temp_dir();
    let ready = directory.path().join("ready");
    let outcome = testkit::tool("ts-sim")
        .args(["tdengine", "--ready-file", &ready.to_string_lossy()])
        .terminate_after(Duration::from_millis(800))
        .run()
        .code(143);
    let announced = outcome.text();
    assert!(announced.starts_with("http://127.0.0.1:") && announced.ends_with('\n'), "{announced:?}");
    assert_eq!(std::fs::read_to_string(&ready).unwrap(), announced);
}

#[test]
fn files_that_cannot_be_written_are_7() {
    for option in ["--ready-file", "--log-requests"] {
        testkit::tool("ts-sim").args(["tdengine", option, "/nosuch/directory/file"]).run().code(7);
    }
}
