//! The table of faults and outcomes in README.md is whole: every fault has a row, every row a test that exists.

fn read(path: &str) -> String {
    std::fs::read_to_string(testkit::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words in backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The cells of the rows below `| what goes wrong |`.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().skip_while(|line| !line.starts_with("| what goes wrong |")).skip(2);
    lines.take_while(|line| line.starts_with('|')).map(|line| line.trim_matches('|').split(" | ").collect()).collect()
}

#[test]
fn every_row_names_tests_that_exist() {
    let text = read("common/testkit/README.md");
    let rows = rows(&text);
    assert!(rows.len() >= 20, "{} rows", rows.len());
    let mut loads = read("tools/sr-stream-load/tests/statuses.rs");
    loads.push_str(&read("tools/sr-stream-load/tests/ways.rs"));
    let mut exports = read("tools/sr-export/tests/faults.rs");
    exports.push_str(&read("tools/sr-export/tests/flight.rs"));
    let suites = [
        ("sink:", read("common/testkit/src/conformance.rs")),
        ("source:", read("common/testkit/src/conformance_source.rs")),
        ("sr-export:", exports),
        ("sr-stream-load:", loads),
    ];
    for row in &rows {
        let tests = row.last().expect("a cell");
        assert!(!quoted(tests).is_empty(), "no test in {row:?}");
        for part in tests.split(',') {
            let (side, suite) = suites
                .iter()
                .find(|(side, _)| part.contains(side))
                .unwrap_or_else(|| panic!("sink: or source: in {part}"));
            for name in quoted(part) {
                assert!(suite.contains(&format!("fn {name}(")), "{side} has no behaviour {name}");
                // A behaviour of a suite stands in its list, a test under its attribute.
                let listed = suite.matches(name).count() >= 2 || suite.contains(&format!("#[test]\nfn {name}("));
                assert!(listed, "{side} {name} is not in the list of the suite");
            }
        }
    }
}

#[test]
fn every_fault_has_a_row() {
    let text = read("common/testkit/README.md");
    let shown: Vec<String> = rows(&text).iter().flat_map(|row| quoted(row[1])).map(str::to_owned).collect();
    // An unknown kind makes ts-sim list them all.
    let refused = testkit::tool("ts-sim").args(["influx", "--fault", "no-such-kind"]).run().code(2);
    let kinds = refused.stderr.lines().find_map(|line| line.split_once("there are: ")).expect("a list of kinds").1;
    assert!(kinds.split_whitespace().count() >= 14, "{kinds}");
    for kind in kinds.split_whitespace() {
        assert!(shown.iter().any(|spec| spec.split('=').next() == Some(kind)), "no row for the fault {kind}");
    }
}
