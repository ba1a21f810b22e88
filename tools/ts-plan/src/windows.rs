//! Windows of time over the rows of a table: aligned to the epoch, clipped to the range, empty ones left out.
//!
//! A window is a function of its own rows and of nothing after it, so that a plan over a longer range has all the
//! windows of a plan over a shorter one, except those that the shorter range had clipped.

use fault::{Error, Result};
use state::plan::MOST;
use tdengine::catalog::Extent;

/// The widest window of [`by_rows`].
const WIDEST: i64 = 4096 * 86_400;

/// Widths that are proposed, in seconds.
const ROUND: [(i64, &str); 12] = [
    (1, "1s"),
    (10, "10s"),
    (60, "1m"),
    (300, "5m"),
    (900, "15m"),
    (3600, "1h"),
    (6 * 3600, "6h"),
    (86_400, "1d"),
    (7 * 86_400, "7d"),
    (30 * 86_400, "30d"),
    (90 * 86_400, "90d"),
    (365 * 86_400, "365d"),
];

/// A window, half-open, in the database's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: i64,
    pub to: i64,
    /// Counted, or what is left of a larger count.
    pub rows: u64,
}

/// What is planned over.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Where the first window is clipped.
    pub from: Option<i64>,
    /// Where the last window is clipped: fixed, so that rows which arrive later are a later plan's.
    pub to: i64,
    /// The first and the last row within.
    pub ends: (i64, i64),
}

impl Range {
    fn clip(&self, from: i128, to: i128) -> (i64, i64) {
        let low = i128::from(self.from.unwrap_or(i64::MIN));
        let narrow = |value: i128| value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        (narrow(from.max(low)), narrow(to.min(i128::from(self.to))))
    }
}

/// Counts the rows in `[from, to)`.
pub type Count<'a> = dyn FnMut(i64, i64) -> Result<Extent> + 'a;

/// Windows of this width (in units of which a second has `per_second`). More than [`MOST`] between the first and the last
/// row are a usage error that proposes a width.
pub fn fixed(range: &Range, width: i64, per_second: i64, table: &str, count: &mut Count<'_>) -> Result<Vec<Window>> {
    let (first, last) = (range.ends.0.div_euclid(width), range.ends.1.div_euclid(width));
    let many = i128::from(last) - i128::from(first) + 1;
    if many > MOST as i128 {
        let span = i128::from(range.ends.1) - i128::from(range.ends.0) + 1;
        return Err(Error::usage(format!(
            "table {table}: {many} windows between its first and its last row, and a plan has at most {MOST} splits: {}, or give --since if the first rows are not wanted",
            proposal(span / i128::from(per_second) + 1)
        )));
    }
    let mut walk = Walk { range, width, count, found: Vec::new() };
    walk.part(first, last, None)?;
    Ok(walk.found)
}

/// The width that would do for so many seconds.
pub fn proposal(seconds: i128) -> String {
    // One window more than fit: the first and the last are rarely whole.
    match ROUND.iter().find(|(width, _)| seconds / i128::from(*width) + 2 <= MOST as i128) {
        Some((_, name)) => format!("--width {name} would do, and so would --width auto"),
        None => "--width auto would do".to_owned(),
    }
}

struct Walk<'a, 'b> {
    range: &'a Range,
    width: i64,
    count: &'a mut Count<'b>,
    found: Vec<Window>,
}

impl Walk<'_, '_> {
    /// The windows of these numbers. A half without rows costs one question, however many windows it has.
    fn part(&mut self, first: i64, last: i64, left: Option<u64>) -> Result<u64> {
        let width = i128::from(self.width);
        let (from, to) = self.range.clip(i128::from(first) * width, (i128::from(last) + 1) * width);
        // What the other half has left is believed only where it says that there is something.
        if let Some(rows) = left.filter(|rows| *rows > 0 && first == last) {
            self.found.push(Window { from, to, rows });
            return Ok(rows);
        }
        let extent = (self.count)(from, to)?;
        let Some(ends) = extent.range.filter(|_| extent.rows > 0) else { return Ok(0) };
        let (first, last) =
            (ends.0.div_euclid(self.width).clamp(first, last), ends.1.div_euclid(self.width).clamp(first, last));
        if first == last {
            let (from, to) = self.range.clip(i128::from(first) * width, (i128::from(first) + 1) * width);
            self.found.push(Window { from, to, rows: extent.rows });
        } else {
            let middle = first + (last - first) / 2;
            let before = self.part(first, middle, None)?;
            self.part(middle + 1, last, Some(extent.rows.saturating_sub(before)))?;
        }
        Ok(extent.rows)
    }
}

/// Windows with at most `most` rows: the widest is halved until it is, or lasts a second. (Once whole seconds cannot be
/// halved, they are divided by 3 and by 5.)
pub fn by_rows(range: &Range, most: u64, per_second: i64, count: &mut Count<'_>) -> Result<Vec<Window>> {
    let mut found = Vec::new();
    let mut open = vec![(i128::MIN, i128::MAX, WIDEST)];
    while let Some((start, end, seconds)) = open.pop() {
        let (from, to) = range.clip(start, end);
        let whole = start == i128::MIN;
        let extent = if whole { Extent { rows: u64::MAX, range: Some(range.ends) } } else { count(from, to)? };
        let Some(ends) = extent.range.filter(|_| extent.rows > 0) else { continue };
        let next = if whole { WIDEST } else { smaller(seconds) };
        if !whole && (extent.rows <= most || next == seconds) {
            found.push(Window { from, to, rows: extent.rows });
            if found.len() > MOST {
                return Err(Error::usage(format!(
                    "more than {MOST} splits: use more --rows-per-split than {most}, or a shorter range"
                )));
            }
            continue;
        }
        let width = i128::from(next) * i128::from(per_second);
        let (first, last) = (i128::from(ends.0).div_euclid(width), i128::from(ends.1).div_euclid(width));
        // The last one first on the stack: windows come in the order of time.
        let mut number = last;
        while number >= first {
            open.push((number * width, (number + 1) * width, next));
            number -= 1;
        }
    }
    Ok(found)
}

/// The next width: a half, a third, a fifth.
fn smaller(seconds: i64) -> i64 {
    [2, 3, 5].into_iter().find(|part| seconds % part == 0).map_or(seconds, |part| seconds / part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::collection::vec;
    use testkit::proptest::prelude::*;

    fn counting(times: &[i64]) -> impl FnMut(i64, i64) -> Result<Extent> + '_ {
        |from, to| {
            let within: Vec<i64> = times.iter().copied().filter(|at| from <= *at && *at < to).collect();
            let range = within.iter().min().copied().zip(within.iter().max().copied());
            Ok(Extent { rows: within.len() as u64, range })
        }
    }

    fn range(times: &[i64], from: Option<i64>, to: Option<i64>) -> Option<Range> {
        let within = counting(times)(from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX)).ok()?;
        let ends = within.range?;
        Some(Range { from, to: to.unwrap_or(ends.1 + 1), ends })
    }

    proptest! {
        #[test]
        fn every_row_is_in_exactly_one_window(
            times in vec(prop_oneof![-2_000i64..2_000, -400_000_000i64..1_700_000_000], 1..80),
            width in 1i64..5_000_000, most in 1u64..9, auto in any::<bool>(), since in prop::option::of(-500i64..500),
        ) {
            let Some(range) = range(&times, since, None) else { return Ok(()) };
            let windows = if auto {
                by_rows(&range, most, 1, &mut counting(&times)).unwrap()
            } else {
                let width = width.max((range.ends.1 - range.ends.0) / 90_000);
                fixed(&range, width, 1, "t", &mut counting(&times)).unwrap()
            };
            let wanted = times.iter().filter(|at| since.is_none_or(|since| **at >= since)).count() as u64;
            prop_assert_eq!(windows.iter().map(|window| window.rows).sum::<u64>(), wanted);
            for pair in windows.windows(2) {
                prop_assert!(pair[0].to <= pair[1].from);
            }
            for window in &windows {
                prop_assert_eq!(counting(&times)(window.from, window.to).unwrap().rows, window.rows);
                prop_assert!(window.rows > 0);
            }
        }

        #[test]
        fn a_longer_range_keeps_every_window_that_was_not_clipped(
            times in vec(0i64..1_000_000, 1..60), more in vec(1_000_000i64..900_000_000, 0..60), most in 1u64..9, auto in any::<bool>(),
        ) {
            let plan = |times: &[i64]| {
                let range = range(times, None, None).unwrap();
                if auto { by_rows(&range, most, 1, &mut counting(times)).unwrap() }
                else { fixed(&range, 86_400, 1, "t", &mut counting(times)).unwrap() }
            };
            let before = plan(&times);
            let after = plan(&times.iter().chain(&more).copied().collect::<Vec<_>>());
            for window in before.iter().rev().skip(1) {
                prop_assert!(after.contains(window), "{window:?} is gone");
            }
        }
    }

    #[test]
    fn windows_are_aligned_and_empty_ones_cost_nothing() {
        let times = [5, 7, 1_000_003, 1_000_004];
        let range = range(&times, None, None).unwrap();
        let mut asked = 0;
        let windows = fixed(&range, 100, 1, "t", &mut |from, to| {
            asked += 1;
            counting(&times)(from, to)
        })
        .unwrap();
        assert_eq!(windows[0], Window { from: 0, to: 100, rows: 2 });
        assert_eq!(windows[1], Window { from: 1_000_000, to: 1_000_005, rows: 2 });
        assert!(asked < 40, "{asked} questions");
    }

    #[test]
    fn too_many_windows_are_refused_with_a_width_that_would_do() {
        let times = [0, 86_400 * 1000];
        let range = range(&times, None, None).unwrap();
        let error = fixed(&range, 1, 1, "meters", &mut counting(&times)).unwrap_err().to_string();
        assert!(error.contains("86400001 windows") && error.contains("--width 15m would do"), "{error}");
        assert!(fixed(&range, 900, 1, "meters", &mut counting(&times)).is_ok());
    }

    #[test]
    fn the_widest_window_is_divided_down_to_a_second() {
        let mut width = WIDEST;
        let mut steps = 0;
        while smaller(width) != width {
            assert_eq!(width % smaller(width), 0);
            width = smaller(width);
            steps += 1;
        }
        assert_eq!((width, steps), (1, 24));
    }
}
