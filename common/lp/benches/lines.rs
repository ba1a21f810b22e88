//! How long a line takes, by what is done with it: `cargo bench --bench lines` (without cargo's own statistics: the best
//! of some rounds, in nanoseconds a line). The crate `influxdb-line-protocol` is there to compare with.

use lp::{Checker, Dialect, Lines, Parser};
use std::hint::black_box;
use std::time::Instant;
use testkit::influxdb_line_protocol::parse_lines;

const LINES: usize = 20_000;
const ROUNDS: usize = 15;

/// A fleet of 1000 devices, in turns.
fn sensors() -> String {
    let places = ["Beijing", "New\\ York", "Berlin", "S\u{e3}o\\ Paulo"];
    (0..LINES)
        .map(|i| {
            let (device, place) = (i % 1000, places[i % 4]);
            let (t, h, p) = (20.0 + (i % 977) as f64 / 97.0, (i % 9973) as f64 / 100.0, 1000.0 + (i % 31_013) as f64 / 1000.0);
            format!("sensors,device_id=device_{device:04},location={place} temperature={t:.5},humidity={h:.2},pressure={p:.3},status={}i {}\n", i % 5, 1_704_067_200_000_000_000u64 + (i / 1000) as u64 * 1_000_000_000)
        })
        .collect()
}

/// Strings, NULLs, numbers of every length.
fn mixed() -> String {
    (0..LINES)
        .map(|i| {
            let optional = if i % 3 == 0 { "" } else { ",note=\"a \\\"b\\\", c\"" };
            format!(
                "m,host=h{} a={}i{optional},b={},ok=t {}\n",
                i % 50,
                i * 7_919,
                (i as f64).sqrt() * 1e-3,
                1_704_067_200_000_000_000u64 + i as u64
            )
        })
        .collect()
}

fn best(mut work: impl FnMut() -> usize) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        assert_eq!(black_box(work()), LINES);
        best = best.min(start.elapsed().as_secs_f64());
    }
    best * 1e9 / LINES as f64
}

fn main() {
    for (name, text) in [("sensors", sensors()), ("mixed", mixed())] {
        let bytes = text.as_bytes();
        println!("{name}, {} bytes a line", bytes.len() / LINES);
        println!("  split      {:7.1}", best(|| Lines::new(bytes, Dialect::V2).count()));
        let mut parser = Parser::new(Dialect::V2);
        let parse = best(|| Lines::new(bytes, Dialect::V2).filter(|raw| parser.parse(raw.bytes).is_ok()).count());
        println!("  parse      {parse:7.1}");
        let mut checker = Checker::new(Dialect::V2);
        let check = best(|| Lines::new(bytes, Dialect::V2).filter(|raw| checker.check(raw.bytes).is_ok()).count());
        println!("  check      {check:7.1}");
        let mut checker = Checker::new(Dialect::V2);
        let known = best(|| {
            let (mut lines, mut good) = (Lines::new(bytes, Dialect::V2), 0);
            loop {
                if checker.known(&mut lines).is_some() {
                    good += 1;
                    continue;
                }
                let Some(raw) = lines.next() else { return good };
                good += usize::from(checker.check(raw.bytes).is_ok());
            }
        });
        println!("  known      {known:7.1}");
        println!("  the crate  {:7.1}", best(|| parse_lines(&text).filter(Result::is_ok).count()));
    }
}
