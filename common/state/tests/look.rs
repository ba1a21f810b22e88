//! Looks at a migration, one after the other: each counts all, and reads only what is new.

use state::{Directory, Failure, Holder, Lookout, Plan, Receipt, Split, Survey};
use std::time::Duration;

fn split(id: String) -> Split {
    let [from, to] = ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"].map(str::to_owned);
    Split { id, table: "t".into(), predicate: String::new(), from, to, est_rows: Some(5) }
}

fn receipt(id: &str) -> Receipt {
    Receipt {
        id: id.into(),
        table: "t".into(),
        predicate: String::new(),
        from: "2024-01-01T00:00:00Z".into(),
        to: "2024-01-02T00:00:00Z".into(),
        rows: 3,
        rejected: 1,
        dropped: 0,
        throttled: 2,
        attempt: 2,
        host: "h".into(),
        started: "2024-01-03T00:00:00Z".into(),
        ended: "2024-01-03T00:00:01Z".into(),
        stages: Vec::new(),
    }
}

fn migration(splits: usize) -> (testkit::tempfile::TempDir, Directory, Plan) {
    let scratch = testkit::temp_dir();
    let splits = (0..splits).map(|n| split(format!("s{n}"))).collect();
    let plan = Plan { options: "o".into(), source: "s".into(), splits };
    std::fs::write(scratch.path().join("plan.tsv"), plan.print()).unwrap();
    let directory = Directory::open(scratch.path()).unwrap();
    (scratch, directory, plan)
}

/// What each split says of itself, counted one by one.
fn one_by_one(directory: &Directory, plan: &Plan) -> Vec<(&'static str, u64)> {
    let words = ["done", "running", "pending", "failed", "blocked", "skipped"];
    let found: Vec<_> = plan.splits.iter().map(|split| directory.status(&split.id).unwrap().word()).collect();
    words.into_iter().map(|word| (word, found.iter().filter(|found| **found == word).count() as u64)).collect()
}

fn counted(survey: &Survey) -> Vec<(&'static str, u64)> {
    vec![
        ("done", survey.done),
        ("running", survey.running),
        ("pending", survey.pending),
        ("failed", survey.failed),
        ("blocked", survey.blocked),
        ("skipped", survey.skipped),
    ]
}

/// Small plans are asked split by split, large ones by listing the folders: both see the same.
#[test]
fn a_look_counts_what_each_split_says_of_itself() {
    for splits in [8, 1500] {
        let (_scratch, directory, plan) = migration(splits);
        let mut lookout = Lookout::new(&directory, &plan);
        assert_eq!(counted(&lookout.look().unwrap().survey), one_by_one(&directory, &plan));
        let me = Holder { pid: 1, host: "h".into(), since: "now".into() };
        let running = directory.lock("s0", &me, Duration::ZERO).unwrap();
        drop(directory.lock("s1", &me, Duration::ZERO).unwrap());
        for (id, retryable) in [("s2", true), ("s3", false), ("s4", true)] {
            let [error, host, at] = ["e", "h", "now"].map(str::to_owned);
            directory.failed(&Failure { id: id.into(), attempts: 1, exit: 4, retryable, error, host, at }).unwrap();
        }
        directory.skip("s4", "now", "not wanted").unwrap();
        directory.done(&receipt("s5")).unwrap();
        let look = lookout.look().unwrap();
        assert_eq!(counted(&look.survey), one_by_one(&directory, &plan));
        let all = splits as u64;
        assert_eq!(counted(&look.survey).iter().map(|(_, n)| n).sum::<u64>(), all);
        let sums = &look.survey;
        assert_eq!((sums.rows, sums.rejected, sums.throttled, sums.repeated), (3, 1, 2, 1));
        assert_eq!((sums.splits, sums.rows_left), (all, Some((all - 2) * 5)), "neither the done nor the skipped");
        assert_eq!(look.failures.iter().map(|failure| failure.id.as_str()).collect::<Vec<_>>(), ["s2", "s3"]);
        // What failed and runs, runs; what is done is no longer at work.
        let again = directory.lock("s2", &me, Duration::ZERO).unwrap();
        directory.done(&receipt("s0")).unwrap();
        drop(running);
        let look = lookout.look().unwrap();
        assert_eq!(counted(&look.survey), one_by_one(&directory, &plan));
        assert_eq!((look.survey.done, look.survey.running), (2, 1));
        drop(again);
        // Apart from the order in which it was seen who had to wait.
        let sorted = |mut survey: Survey| {
            survey.strained.sort_by(|a, b| a.id.cmp(&b.id));
            survey
        };
        assert_eq!(sorted(Survey::of(&directory, &plan).unwrap()), sorted(lookout.look().unwrap().survey));
    }
}

#[test]
fn what_is_done_is_read_once() {
    let (scratch, directory, plan) = migration(1200);
    plan.splits.iter().take(600).for_each(|split| directory.done(&receipt(&split.id)).unwrap());
    let mut lookout = Lookout::new(&directory, &plan);
    assert_eq!(lookout.look().unwrap().survey.rows, 1800);
    // Whoever read it again would say that it is damaged.
    std::fs::write(scratch.path().join("done/s7.json"), "{").unwrap();
    directory.done(&receipt("s700")).unwrap();
    let survey = lookout.look().unwrap().survey;
    assert_eq!((survey.done, survey.rows, survey.pending), (601, 1803, 599));
    assert!(Survey::of(&directory, &plan).unwrap_err().to_string().contains("done/s7.json is damaged"));
}
