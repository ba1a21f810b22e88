//! Golden cases and the examples of every README.

#[test]
fn golden_cases() {
    let cases = testkit::cases::find(&testkit::testdata("cases"));
    let mut failed = Vec::new();
    for case in &cases {
        if let Err(error) = testkit::cases::check(case) {
            failed.push(format!("{}: {error}", case.display()));
        }
    }
    println!("{} golden cases", cases.len());
    assert!(failed.is_empty(), "{} of {} cases differ:\n{}", failed.len(), cases.len(), failed.join("\n\n"));
    assert!(!cases.is_empty(), "no case was found");
}

#[test]
fn readme_examples() {
    let (mut count, mut failed) = (0, Vec::new());
    for path in testkit::readme::find(&testkit::root()) {
        let text = std::fs::read_to_string(&path).expect("readable");
        for block in testkit::readme::blocks(&text) {
            count += block.len();
            if let Err(error) = testkit::readme::check(&block) {
                failed.push(format!("{}: {error}", path.display()));
            }
        }
    }
    println!("{count} commands of the documentation were run");
    assert!(failed.is_empty(), "{} blocks differ:\n{}", failed.len(), failed.join("\n\n"));
    assert!(count > 0, "no example was found");
}
