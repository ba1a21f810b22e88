//! The hashes of [`crate::hash`] for a whole column at once, in loops that the compiler makes vectors of: eight cells at a
//! time with AVX-512, four with AVX2, one elsewhere. The same sums everywhere.
//!
//! A multiplication of 64 by 64 bits is in no vector unit; four of 32 by 32 bits are.

use crate::hash::{Column, P1, P2, P4, SECRET, avalanche, mix};
use std::ops::Range;

/// What the loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine(Features);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Features {
    None,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Engine {
    /// Those that this machine has, the fastest last.
    pub fn all() -> Vec<Engine> {
        let mut all = vec![Engine(Features::None)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                all.push(Engine(Features::Avx2));
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                all.push(Engine(Features::Avx512));
            }
        }
        all
    }
}

impl Default for Engine {
    /// The fastest that this machine has.
    fn default() -> Engine {
        Engine::all().last().copied().unwrap_or(Engine(Features::None))
    }
}

/// What the cells of a row share, of many rows.
#[derive(Default)]
pub struct Rows {
    engine: Engine,
    times: Vec<i64>,
    time_mix: Vec<u64>,
    series_mix: Vec<u64>,
    series_sum: Vec<u64>,
}

/// Sums mod 2^128, one for each row, by halves.
#[derive(Default)]
pub struct Totals {
    pub low: Vec<u64>,
    pub high: Vec<u64>,
}

impl Totals {
    /// So many zeros.
    pub fn clear(&mut self, rows: usize) {
        for half in [&mut self.low, &mut self.high] {
            half.clear();
            half.resize(rows, 0);
        }
    }

    /// Adds to one of them.
    pub fn add(&mut self, row: usize, hash: u128) {
        if let (Some(low), Some(high)) = (self.low.get_mut(row), self.high.get_mut(row)) {
            let sum = ((u128::from(*high) << 64) | u128::from(*low)).wrapping_add(hash);
            (*low, *high) = (sum as u64, (sum >> 64) as u64);
        }
    }
}

/// Some of the rows, their sums, and the sign of their times.
struct Part<'a> {
    negative: bool,
    times: &'a [i64],
    time_mix: &'a [u64],
    series_mix: &'a [u64],
    series_sum: &'a [u64],
    low: &'a mut [u64],
    high: &'a mut [u64],
}

impl Rows {
    /// By another engine than the best.
    #[cfg(test)]
    pub fn with(engine: Engine) -> Rows {
        Rows { engine, ..Rows::default() }
    }

    /// Of series and times in nanoseconds.
    pub fn fill(&mut self, series: &[u128], times: &[i64]) {
        self.times.clear();
        self.times.extend_from_slice(times);
        for part in [&mut self.time_mix, &mut self.series_mix, &mut self.series_sum] {
            // All of it is written anew.
            part.resize(times.len(), 0);
        }
        match self.engine.0 {
            Features::None => plain::fill(self, series),
            // SAFETY: an engine is only made where the machine has its features.
            #[cfg(target_arch = "x86_64")]
            Features::Avx2 => unsafe { avx2::fill(self, series) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Features::Avx512 => unsafe { avx512::fill(self, series) },
        }
    }

    /// `None` where times have different signs.
    fn part<'a>(&'a self, range: Range<usize>, totals: &'a mut Totals) -> Option<Part<'a>> {
        let times = self.times.get(range.clone())?;
        let negative = times.iter().filter(|time| **time < 0).count();
        if negative != 0 && negative != times.len() {
            return None;
        }
        Some(Part {
            negative: negative != 0,
            times,
            time_mix: self.time_mix.get(range.clone())?,
            series_mix: self.series_mix.get(range.clone())?,
            series_sum: self.series_sum.get(range.clone())?,
            low: totals.low.get_mut(range.clone())?,
            high: totals.high.get_mut(range)?,
        })
    }

    /// Adds the hashes of floats of these rows: whole numbers as [`Column::wide`], others as [`Column::float`]. Gives how
    /// many it added: none of a NaN, and none beyond [`near`]. `None`: nothing was done.
    pub fn floats(
        &self,
        range: Range<usize>,
        column: &Column,
        negative_zero: bool,
        values: &[f64],
        totals: &mut Totals,
    ) -> Option<usize> {
        let part = self.part(range, totals).filter(|part| part.times.len() == values.len())?;
        Some(match self.engine.0 {
            Features::None => plain::floats(part, column, negative_zero, values),
            // SAFETY: an engine is only made where the machine has its features.
            #[cfg(target_arch = "x86_64")]
            Features::Avx2 => unsafe { avx2::floats(part, column, negative_zero, values) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Features::Avx512 => unsafe { avx512::floats(part, column, negative_zero, values) },
        })
    }

    /// Adds the hashes of integers of these rows, [`Column::wide`]: all, or those that have ones in `mask`. False: nothing
    /// was done.
    pub fn whole(
        &self,
        range: Range<usize>,
        column: &Column,
        values: &[i64],
        mask: Option<&[u64]>,
        totals: &mut Totals,
    ) -> bool {
        let Some(part) = self.part(range, totals).filter(|part| part.times.len() == values.len()) else { return false };
        match self.engine.0 {
            Features::None => plain::whole(part, column, values, mask),
            // SAFETY: an engine is only made where the machine has its features.
            #[cfg(target_arch = "x86_64")]
            Features::Avx2 => unsafe { avx2::whole(part, column, values, mask) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Features::Avx512 => unsafe { avx512::whole(part, column, values, mask) },
        }
        true
    }
}

/// Is a double so near to 0 that [`Rows::floats`] adds it?
#[inline(always)]
pub fn near(value: f64) -> bool {
    // Below it, adding and taking away [`SHIFT`] rounds to a whole number, which then stands in the lowest bits.
    const LIMIT: f64 = (1u64 << 51) as f64;
    value.abs() < LIMIT
}

const SHIFT: f64 = 3.0 * (1u64 << 51) as f64;

/// [`mix`] of words that the secret is already in. `SPLIT`: by products of 32 by 32 bits.
#[inline(always)]
fn product<const SPLIT: bool>(a: u64, b: u64) -> u64 {
    if !SPLIT {
        return mix(a, b, (0, 0));
    }
    const LOW: u64 = 0xffff_ffff;
    let (low, high) = ((a & LOW, b & LOW), (a >> 32, b >> 32));
    let (least, most) = (low.0.wrapping_mul(low.1), high.0.wrapping_mul(high.1));
    let middle = high.0.wrapping_mul(low.1).wrapping_add(least >> 32);
    let other = low.0.wrapping_mul(high.1).wrapping_add(middle & LOW);
    let upper = most.wrapping_add(middle >> 32).wrapping_add(other >> 32);
    ((other << 32) | (least & LOW)) ^ upper
}

#[inline(always)]
fn fill<const SPLIT: bool>(rows: &mut Rows, series: &[u128]) {
    let Rows { times, time_mix, series_mix, series_sum, .. } = rows;
    for (time, mixed) in times.iter().zip(time_mix) {
        *mixed = product::<SPLIT>(*time as u64 ^ SECRET[4], (*time >> 63) as u64 ^ SECRET[5]);
    }
    for ((series, mixed), sum) in series.iter().zip(series_mix).zip(series_sum) {
        let (low, high) = (*series as u64, (*series >> 64) as u64);
        *mixed = product::<SPLIT>(low ^ SECRET[0], high ^ SECRET[1]);
        *sum = low.wrapping_add(high);
    }
}

/// Both halves of a hash, as [`crate::hash::finish`] has them; `length`: that of the message, times P2.
#[inline(always)]
fn finish(low: u64, high: u64, length: u64) -> (u64, u64) {
    let second = low.wrapping_mul(P1).wrapping_add(high.wrapping_mul(P4)).wrapping_add(length);
    (avalanche(low.wrapping_add(high)), avalanche(second).wrapping_neg())
}

#[inline(always)]
fn floats<const SPLIT: bool>(part: Part, column: &Column, negative_zero: bool, values: &[f64]) -> usize {
    const WIDE: u64 = 57;
    const SHORT: u64 = 49;
    let (wide, short) = (column.wide[usize::from(part.negative)], column.short[usize::from(part.negative)]);
    let before = column.before;
    // The bits that are no whole number; 1 is none anyhow.
    let exception = if negative_zero { (-0.0f64).to_bits() } else { 1 };
    let mut done = 0;
    let rows = part.times.iter().zip(part.time_mix).zip(part.series_mix).zip(part.series_sum);
    let sums = part.low.iter_mut().zip(part.high);
    for ((value, (((time, time_mix), series_mix), series_sum)), (sum_low, sum_high)) in
        values.iter().zip(rows).zip(sums)
    {
        let bits = value.to_bits();
        let near = near(*value);
        done += u64::from(near);
        let shifted = value + SHIFT;
        let int = shifted.to_bits().wrapping_sub(SHIFT.to_bits());
        let sign = ((int as i64) >> 63) as u64;
        let whole = (shifted - SHIFT == *value) & (bits != exception);
        // Bytes 17 to 25 of 49: the time without its first byte, one byte of its sign.
        let later = (*time >> 8) as u64;
        let later_mix = product::<SPLIT>(later ^ SECRET[6], short.mix);
        let low = if whole {
            time_mix.wrapping_add(WIDE.wrapping_mul(P1)) ^ wide.sum
        } else {
            time_mix.wrapping_add(SHORT.wrapping_mul(P1)) ^ later.wrapping_add(short.sum)
        };
        let high = (if whole { wide.mix } else { later_mix }) ^ (*time as u64).wrapping_add((*time >> 63) as u64);
        let added = if whole { int.wrapping_add(sign) } else { before.wrapping_add(bits) };
        let first = if whole { int } else { before } ^ SECRET[2];
        let second = if whole { sign } else { bits } ^ SECRET[3];
        let low = low.wrapping_add(*series_mix) ^ added;
        let high = high.wrapping_add(product::<SPLIT>(first, second)) ^ series_sum;
        let length = if whole { WIDE.wrapping_mul(P2) } else { SHORT.wrapping_mul(P2) };
        let (low, high) = finish(low, high, length);
        let mask = if near { u64::MAX } else { 0 };
        add((sum_low, sum_high), low & mask, high & mask);
    }
    done as usize
}

#[inline(always)]
fn whole<const SPLIT: bool>(part: Part, column: &Column, values: &[i64], mask: Option<&[u64]>) {
    const LENGTH: u64 = 57;
    let wide = column.wide[usize::from(part.negative)];
    let rows = part.times.iter().zip(part.time_mix).zip(part.series_mix).zip(part.series_sum);
    let sums = part.low.iter_mut().zip(part.high);
    let hash = |value: i64, (((time, time_mix), series_mix), series_sum): (((&i64, &u64), &u64), &u64)| {
        let sign = (value >> 63) as u64;
        let low = time_mix.wrapping_add(LENGTH.wrapping_mul(P1)) ^ wide.sum;
        let high = wide.mix ^ (*time as u64).wrapping_add((*time >> 63) as u64);
        let low = low.wrapping_add(*series_mix) ^ (value as u64).wrapping_add(sign);
        let high = high.wrapping_add(product::<SPLIT>(value as u64 ^ SECRET[2], sign ^ SECRET[3])) ^ series_sum;
        finish(low, high, LENGTH.wrapping_mul(P2))
    };
    match mask {
        None => {
            for ((value, row), sum) in values.iter().zip(rows).zip(sums) {
                let (low, high) = hash(*value, row);
                add(sum, low, high);
            }
        }
        Some(mask) => {
            for (((value, row), sum), mask) in values.iter().zip(rows).zip(sums).zip(mask) {
                let (low, high) = hash(*value, row);
                add(sum, low & mask, high & mask);
            }
        }
    }
}

#[inline(always)]
fn add((sum_low, sum_high): (&mut u64, &mut u64), low: u64, high: u64) {
    *sum_low = sum_low.wrapping_add(low);
    *sum_high = sum_high.wrapping_add(high).wrapping_add(u64::from(*sum_low < low));
}

macro_rules! compiled {
    ($engine:ident, $split:literal $(, $features:literal)?) => {
        mod $engine {
            use super::{Column, Part, Rows};

            $(#[target_feature(enable = $features)])?
            pub(super) fn fill(rows: &mut Rows, series: &[u128]) {
                super::fill::<$split>(rows, series);
            }

            $(#[target_feature(enable = $features)])?
            pub(super) fn floats(part: Part, column: &Column, negative_zero: bool, values: &[f64]) -> usize {
                super::floats::<$split>(part, column, negative_zero, values)
            }

            $(#[target_feature(enable = $features)])?
            pub(super) fn whole(part: Part, column: &Column, values: &[i64], mask: Option<&[u64]>) {
                super::whole::<$split>(part, column, values, mask);
            }
        }
    };
}

compiled!(plain, false);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, true, "avx2");
#[cfg(target_arch = "x86_64")]
compiled!(avx512, true, "avx512f,avx512dq");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::INT;
    use crate::hash::Row;
    use testkit::proptest::prelude::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>(),
            any::<u64>().prop_map(f64::from_bits),
            any::<i16>().prop_map(f64::from),
            any::<i16>().prop_map(|v| f64::from(v) / 100.0),
            any::<i64>().prop_map(|v| v as f64),
            (50u32..53, -3i32..3, any::<bool>()).prop_map(|(bits, off, negative)| {
                let value = (1u64 << bits) as f64 + f64::from(off) / 2.0;
                if negative { -value } else { value }
            }),
            Just(0.0),
            Just(-0.0),
        ]
    }

    proptest! {
        #[test]
        fn columns_as_cell_by_cell(
            rows in testkit::proptest::collection::vec((any::<u128>(), any::<i64>(), value(), any::<i64>(), any::<i8>(), any::<bool>()), 0..70),
            sign in 0..3, field: [u8; 8], negative_zero: bool, start: u128,
        ) {
            let series: Vec<u128> = rows.iter().map(|row| row.0).collect();
            let time = |time: i64| match sign { 0 => time & i64::MAX, 1 => time | i64::MIN, _ => time };
            let times: Vec<i64> = rows.iter().map(|row| time(row.1)).collect();
            let doubles: Vec<f64> = rows.iter().map(|row| row.2).collect();
            let mixed = times.iter().any(|time| *time < 0) && times.iter().any(|time| *time >= 0);
            let column = Column::new(field, INT);
            for engine in Engine::all() {
                let mut lanes = Rows::with(engine);
                lanes.fill(&series, &times);
                let mut totals = Totals::default();
                totals.clear(rows.len());
                let mut expected = vec![start; rows.len()];
                (0..rows.len()).for_each(|row| totals.add(row, start));
                let all = 0..rows.len();

                let done = lanes.floats(all.clone(), &column, negative_zero, &doubles, &mut totals);
                prop_assert_eq!(done, (!mixed).then(|| doubles.iter().filter(|value| near(**value)).count()));
                let masks: Vec<u64> = rows.iter().map(|row| if row.5 { u64::MAX } else { 0 }).collect();
                for (pick, mask) in [(3, None), (4, None), (3, Some(&masks[..]))] {
                    let ints: Vec<i64> = rows.iter().map(|row| if pick == 3 { row.3 } else { row.4.into() }).collect();
                    prop_assert_eq!(lanes.whole(all.clone(), &column, &ints, mask, &mut totals), !mixed);
                    for ((at, expected), int) in expected.iter_mut().enumerate().zip(ints).filter(|_| !mixed) {
                        if mask.is_none_or(|mask| mask[at] != 0) {
                            *expected = expected.wrapping_add(column.wide(&Row::new(series[at], times[at]), int.into()));
                        }
                    }
                }
                for ((at, expected), value) in expected.iter_mut().enumerate().zip(&doubles).filter(|_| !mixed) {
                    let row = Row::new(series[at], times[at]);
                    let int = value.trunc() == *value && !(negative_zero && value.to_bits() == (-0.0f64).to_bits());
                    if near(*value) {
                        let hash = if int { column.wide(&row, *value as i128) } else { column.float(&row, value.to_bits()) };
                        *expected = expected.wrapping_add(hash);
                    }
                }
                let found = totals.low.iter().zip(&totals.high).map(|(low, high)| (u128::from(*high) << 64) | u128::from(*low));
                prop_assert_eq!(found.collect::<Vec<_>>(), expected, "{:?}", engine);
            }
        }
    }
}
