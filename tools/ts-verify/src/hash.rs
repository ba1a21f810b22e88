//! xxh3-128 of a cell's message, with the parts that cells share mixed beforehand.
//!
//! A message is hash of the series (16 bytes), time (16), hash of the field's name (8), tag byte, value. For the values
//! that almost all cells have, 16 bytes after [`INT`](crate::canonical::INT) or
//! [`TIMESTAMP`](crate::canonical::TIMESTAMP) and 8 after [`FLOAT`](crate::canonical::FLOAT), it has 57 or 49 bytes: xxh3
//! then mixes four words of 16 bytes, of which one belongs to the series, one to the time and one to the column (and the
//! sign of the time). The result is that of the library for the whole message, bit for bit.

use crate::canonical::FLOAT;

pub const P1: u64 = 0x9E37_79B1_85EB_CA87;
pub const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
pub const P4: u64 = 0x85EB_CA77_C2B2_AE63;

/// The first 64 bytes of the default secret of xxh3, as little-endian words.
pub const SECRET: [u64; 8] = [
    0xbe4b_a423_396c_feb8,
    0x1cad_21f7_2c81_017c,
    0xdb97_9083_e96d_d4de,
    0x1f67_b3b7_a4a4_4072,
    0x78e5_c0cc_4ee6_79cb,
    0x2172_ffcc_7dd0_5a82,
    0x8e24_43f7_7446_08b8,
    0x4c26_3a81_e690_35e0,
];

/// `XXH3_mix16B` with words `at` and `at + 1` of the secret.
#[inline(always)]
pub fn mix(low: u64, high: u64, secret: (u64, u64)) -> u64 {
    let product = u128::from(low ^ secret.0) * u128::from(high ^ secret.1);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline(always)]
pub fn avalanche(mut x: u64) -> u64 {
    x ^= x >> 37;
    x = x.wrapping_mul(0x1656_6791_9E37_79F9);
    x ^ (x >> 32)
}

#[inline(always)]
fn finish(low: u64, high: u64, len: u64) -> u128 {
    let a = avalanche(low.wrapping_add(high));
    let b = low.wrapping_mul(P1).wrapping_add(high.wrapping_mul(P4)).wrapping_add(len.wrapping_mul(P2));
    (u128::from(avalanche(b).wrapping_neg()) << 64) | u128::from(a)
}

/// What the cells of a row share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    series_mix: u64,
    series_sum: u64,
    time_mix: u64,
    time: i64,
}

impl Row {
    /// Of a series and a time in nanoseconds.
    #[inline]
    pub fn new(series: u128, time: i64) -> Row {
        let (low, high) = (series as u64, (series >> 64) as u64);
        Row {
            series_mix: mix(low, high, (SECRET[0], SECRET[1])),
            series_sum: low.wrapping_add(high),
            time_mix: mix(time as u64, (time >> 63) as u64, (SECRET[4], SECRET[5])),
            time,
        }
    }
}

/// What the cells of a column share: by sign of the time.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub wide: [Part; 2],
    pub short: [Part; 2],
    /// The eight bytes before the value, of a message of 49 bytes.
    pub before: u64,
}

/// What a column brings into a hash, for one sign of the time.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Wide values: the sum of the two words and their mix. Others: the second word in both.
    pub sum: u64,
    pub mix: u64,
}

impl Column {
    /// Of a field with this hash of its name. `wide`: the tag byte of its values of sixteen bytes.
    pub fn new(field: [u8; 8], wide: u8) -> Column {
        let name = u64::from_le_bytes(field);
        let part = |sign: u64| {
            // Bytes 25 to 41 of 57: seven of the time's sign, the name, the tag byte.
            let (low, high) = ((sign >> 8) | (name << 56), (name >> 8) | (u64::from(wide) << 56));
            let both = Part { sum: low.wrapping_add(high), mix: mix(low, high, (SECRET[6], SECRET[7])) };
            // Bytes 25 to 33 of 49.
            (both, Part { sum: low, mix: low ^ SECRET[7] })
        };
        let ((plus, short_plus), (minus, short_minus)) = (part(0), part(u64::MAX));
        Column { wide: [plus, minus], short: [short_plus, short_minus], before: (name >> 8) | (u64::from(FLOAT) << 56) }
    }

    /// The hash of a value of sixteen bytes after the tag byte of the column.
    #[inline(always)]
    pub fn wide(&self, row: &Row, value: i128) -> u128 {
        const LEN: u64 = 57;
        let part = if row.time < 0 { self.wide[1] } else { self.wide[0] };
        let (value, sign) = (value as u64, (value >> 64) as u64);
        let mut low = LEN.wrapping_mul(P1).wrapping_add(row.time_mix) ^ part.sum;
        let mut high = part.mix ^ (row.time as u64).wrapping_add((row.time >> 63) as u64);
        low = low.wrapping_add(row.series_mix) ^ value.wrapping_add(sign);
        high = high.wrapping_add(mix(value, sign, (SECRET[2], SECRET[3]))) ^ row.series_sum;
        finish(low, high, LEN)
    }

    /// The hash of eight bytes after the tag byte [`FLOAT`].
    #[inline(always)]
    pub fn float(&self, row: &Row, bits: u64) -> u128 {
        const LEN: u64 = 49;
        let part = if row.time < 0 { self.short[1] } else { self.short[0] };
        // Bytes 17 to 25: the time without its first byte, one byte of its sign.
        let first = (row.time >> 8) as u64;
        let mut low = LEN.wrapping_mul(P1).wrapping_add(row.time_mix) ^ first.wrapping_add(part.sum);
        let product = u128::from(first ^ SECRET[6]) * u128::from(part.mix);
        let mut high =
            ((product as u64) ^ ((product >> 64) as u64)) ^ (row.time as u64).wrapping_add((row.time >> 63) as u64);
        low = low.wrapping_add(row.series_mix) ^ self.before.wrapping_add(bits);
        high = high.wrapping_add(mix(self.before, bits, (SECRET[2], SECRET[3]))) ^ row.series_sum;
        finish(low, high, LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{INT, TIMESTAMP};
    use testkit::proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_128;

    proptest! {
        #[test]
        fn as_the_library(series: u128, time: i64, small in -1000i64..1000, field: [u8; 8], value: i128, int: i64, bits: u64) {
            for time in [time, small, i64::MIN, i64::MAX] {
                let row = Row::new(series, time);
                let message = |tag: u8, value: &[u8]| {
                    [&series.to_le_bytes()[..], &i128::from(time).to_le_bytes(), &field, &[tag], value].concat()
                };
                for tag in [INT, TIMESTAMP] {
                    let column = Column::new(field, tag);
                    for value in [value, i128::from(int), i128::from(bits)] {
                        prop_assert_eq!(column.wide(&row, value), xxh3_128(&message(tag, &value.to_le_bytes())));
                    }
                    prop_assert_eq!(column.float(&row, bits), xxh3_128(&message(FLOAT, &bits.to_le_bytes())));
                }
            }
        }
    }
}
