//! Floats as the shortest text that reads back to the same value, exactly as `zmij` spells it (`54.0`, `1e-7`), but
//! faster for what measurements mostly are: few decimals, the same number of them all down a column.

use crate::eight_digits::WHOLE_TENS;
use crate::pen::Pen;

/// What a column's floats looked like so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimals {
    /// Decimals that the last short value had.
    digits: u8,
    /// Values to come that are not tried: those before were all long.
    pause: u8,
    /// Long values in a row.
    long: u8,
}

impl Default for Decimals {
    fn default() -> Self {
        Decimals { digits: 3, pause: 0, long: 0 }
    }
}

/// Decimals of a short value, at most.
const MOST: u8 = 8;
/// Powers of ten; of 16, so that four bits are an index without a check.
static TENS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e8, 1e8, 1e8, 1e8, 1e8, 1e8, 1e8];
/// Added to a double below it, it leaves the nearest whole number in the lowest bits.
const ROUND: f64 = (1u64 << 52) as f64;

/// The nearest whole number, as such and as a double. For 0 <= x < 2^52.
#[inline(always)]
fn round(x: f64) -> (u64, f64) {
    let sum = x + ROUND;
    (sum.to_bits() & ((1 << 52) - 1), sum - ROUND)
}

impl Decimals {
    #[inline(always)]
    fn tries(&mut self) -> bool {
        if self.pause > 0 {
            self.pause -= 1;
            return false;
        }
        true
    }

    fn found_long(&mut self) {
        self.long += 1;
        if self.long >= 8 {
            // After many in a row the next few dozen are taken for long too.
            (self.long, self.pause) = (4, 60);
        }
    }

    /// Appends the shortest text of `v`, also of NaN and infinities.
    #[inline(always)]
    pub fn double(&mut self, pen: &mut Pen<'_>, v: f64) {
        let x = v.abs();
        if ((1e-5..1e6).contains(&x) || x == 0.0) && self.tries() {
            let mut digits = self.digits;
            for _ in 0..2 {
                // Below 15 digits at most one decimal of that many digits reads back as `v`; if its quotient, which is
                // rounded once, is `v`, then it is that one, and without its zeros at the end it is the shortest.
                let (n, rounded) = round(x * tens(digits));
                if rounded / tens(digits) == x {
                    self.long = 0;
                    self.digits = digits;
                    return print(pen, v.is_sign_negative(), n, x, digits);
                }
                digits = MOST;
            }
            self.found_long();
        }
        pen.text(zmij::Buffer::new().format(v).as_bytes());
    }

    /// The same for 32 bits: the shortest text that reads back to the same float.
    #[inline(always)]
    pub fn float(&mut self, pen: &mut Pen<'_>, v: f32) {
        let x = f64::from(v.abs());
        let bits = v.to_bits();
        // Below a power of two the floats stand closer than above it: only whole ones are short for sure.
        let even = bits & 0x007F_FFFF != 0;
        if ((1e-5..1e6).contains(&x) || x == 0.0) && self.tries() {
            if even {
                // Half the distance to the next float.
                let half = f64::from_bits((u64::from(bits >> 23 & 0xFF) + 1023 - 127 - 24) << 52);
                if let Some((digits, n)) = self.fewest(x, half) {
                    self.long = 0;
                    self.digits = digits;
                    return print(pen, v.is_sign_negative(), n, x, digits);
                }
                self.found_long();
            } else {
                let (n, rounded) = round(x);
                if rounded == x {
                    return print(pen, v.is_sign_negative(), n, x, 0);
                }
            }
        }
        pen.text(zmij::Buffer::new().format(v).as_bytes());
    }

    /// The smallest number of decimals with which a decimal lies closer to `x` than `half`, and that decimal without its
    /// point. All steps are exact: `x` has 24 bits and 10^8 has 27.
    #[inline(always)]
    fn fewest(&self, x: f64, half: f64) -> Option<(u8, u64)> {
        let near = |digits: u8| {
            let scaled = x * tens(digits);
            let (n, rounded) = round(scaled);
            let distance = (scaled - rounded).abs();
            (distance < half * tens(digits), n, distance)
        };
        let mut digits = self.digits;
        let (mut inside, mut n, mut distance) = near(digits);
        if inside {
            while digits > 0 {
                let (shorter, m, d) = near(digits - 1);
                if !shorter {
                    break;
                }
                (digits, n, distance) = (digits - 1, m, d);
            }
        } else {
            while !inside {
                if digits >= MOST {
                    return None;
                }
                digits += 1;
                (inside, n, distance) = near(digits);
            }
        }
        // Of two that are equally near, zmij decides.
        (distance != 0.5).then_some((digits, n))
    }
}

#[inline(always)]
fn tens(digits: u8) -> f64 {
    TENS[usize::from(digits & 15)]
}

/// `n` / 10^digits, which stands for `x`.
#[inline(always)]
fn print(pen: &mut Pen<'_>, negative: bool, n: u64, x: f64, digits: u8) {
    if negative {
        pen.byte(b'-');
    }
    if n < 100_000_000 && (1..8).contains(&digits) {
        return pen.decimal(n as u32, u32::from(digits));
    }
    long(pen, n, round(x).0, digits);
}

/// The same for any number of digits. `near` is the whole number nearest to it.
fn long(pen: &mut Pen<'_>, n: u64, near: u64, digits: u8) {
    let one = WHOLE_TENS[usize::from(digits & 15)];
    let rest = n.wrapping_sub(near.wrapping_mul(one));
    // Rounded up: one less, and the rest of it.
    let up = ((rest as i64) >> 63) as u64;
    let (whole, rest) = (near.wrapping_add(up), rest.wrapping_add(up & one));
    pen.head(whole as u32);
    pen.fraction((rest * WHOLE_TENS[usize::from(MOST.wrapping_sub(digits) & 15)]) as u32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    fn double(hint: &mut Decimals, v: f64) -> String {
        let mut page = crate::pen::page();
        let mut pen = Pen::new(&mut page);
        hint.double(&mut pen, v);
        let at = pen.at();
        String::from_utf8(page[..at].to_vec()).unwrap()
    }

    fn float(hint: &mut Decimals, v: f32) -> String {
        let mut page = crate::pen::page();
        let mut pen = Pen::new(&mut page);
        hint.float(&mut pen, v);
        let at = pen.at();
        String::from_utf8(page[..at].to_vec()).unwrap()
    }

    fn same(hint: &mut Decimals, v: f64) {
        assert_eq!(double(hint, v), zmij::Buffer::new().format(v), "{v:e} {hint:?}");
        let v = v as f32;
        assert_eq!(float(hint, v), zmij::Buffer::new().format(v), "{v:e} as a float {hint:?}");
    }

    #[test]
    fn edges_are_spelled_as_zmij_does() {
        for digits in 0..=MOST {
            let mut hint = Decimals { digits, ..Decimals::default() };
            for base in [
                0.0,
                1.0,
                0.5,
                54.0,
                0.1,
                1e-5,
                9.999_999e-6,
                1e6,
                999_999.9,
                999_999.999_999,
                8_388_607.5,
                0.3,
                2.5e-5,
                1e15,
                1e16,
                5e-324,
                f64::MAX,
                f64::NAN,
                f64::INFINITY,
                16_777_216.0,
                22.007_812_5,
                99.995,
                0.999_999_999,
            ] {
                for v in [
                    base,
                    base.next_up(),
                    base.next_down(),
                    f64::from((base as f32).next_up()),
                    f64::from((base as f32).next_down()),
                ] {
                    same(&mut hint, v);
                    same(&mut hint, -v);
                }
            }
        }
        for exponent in -20..25 {
            same(&mut Decimals::default(), 2f64.powi(exponent));
        }
    }

    #[test]
    fn long_values_do_not_spoil_short_ones() {
        let mut hint = Decimals::default();
        for i in 0..2000 {
            same(&mut hint, f64::from(i).sqrt());
            same(&mut hint, f64::from(i) / 8.0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn all_floats_are_spelled_as_zmij_does(bits: u64, n in -2_000_000_000i64..2_000_000_000, scale in 0i32..12, digits in 0u8..=8) {
            let mut hint = Decimals { digits, ..Decimals::default() };
            for v in [f64::from_bits(bits), n as f64 / 10f64.powi(scale), f64::from(n as f32 / 10f32.powi(scale)), f64::from(f32::from_bits(bits as u32)), f64::from(f32::from_bits(0x3700_0000 + (bits as u32 & 0x1FFF_FFFF)))] {
                same(&mut hint, v);
            }
        }
    }
}
