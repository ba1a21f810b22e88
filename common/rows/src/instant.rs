//! Times as text, both ways: RFC 3339 in UTC with exactly the unit's digits, read at fixed offsets and written by hand,
//! with the date part cached (consecutive rows mostly share it).
//!
//! Years outside 0000..=9999, which RFC 3339 cannot say but an `i64` can, are written as in ISO 8601 with a sign
//! (`+292278994-08-17T07:12:55.807Z`).

use crate::pen::{ASCII, Pen, digits};
use crate::time::Unit;

const DAY: i64 = 86_400;

/// Writes times; remembers the last date.
#[derive(Debug)]
pub struct Printer {
    day: i64,
    date: Vec<u8>,
}

impl Default for Printer {
    fn default() -> Self {
        Printer { day: i64::MIN, date: Vec::with_capacity(16) }
    }
}

impl Printer {
    /// Appends `value` (in `unit` since the epoch) to `out`.
    pub fn print(&mut self, value: i64, unit: Unit, out: &mut Vec<u8>) {
        let per = unit.per_second();
        let (seconds, fraction) = (value.div_euclid(per), value.rem_euclid(per));
        let (day, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        if day != self.day {
            self.day = day;
            self.date.clear();
            date(day, &mut self.date);
        }
        out.extend_from_slice(&self.date);
        let mut tail = *b"T00:00:00.000000000Z";
        pair(&mut tail, 1, second / 3600);
        pair(&mut tail, 4, second / 60 % 60);
        pair(&mut tail, 7, second % 60);
        let digits = unit.digits();
        if digits == 0 {
            out.extend_from_slice(&tail[..9]);
        } else {
            let mut rest = fraction;
            for slot in tail[10..10 + digits].iter_mut().rev() {
                *slot = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            out.extend_from_slice(&tail[..10 + digits]);
        }
        out.push(b'Z');
    }
}

/// Writes times on a page; remembers the last date and the last time, which consecutive rows often share.
#[derive(Debug)]
pub(crate) struct Stamps {
    day: i64,
    date: [u8; 32],
    date_len: usize,
    value: i64,
    /// The time of day with its fraction and `Z`.
    clock: [u8; 32],
    clock_len: usize,
}

impl Default for Stamps {
    fn default() -> Self {
        Stamps { day: i64::MIN, date: [0; 32], date_len: 0, value: 0, clock: [0; 32], clock_len: 0 }
    }
}

impl Stamps {
    /// Appends `value` (in `unit` since the epoch; always the same unit) as [`Printer::print`] does.
    #[inline(always)]
    pub fn put(&mut self, pen: &mut Pen<'_>, value: i64, unit: Unit) {
        if value != self.value || self.clock_len == 0 {
            self.take(value, unit);
        }
        pen.put(&self.date, self.date_len);
        pen.put(&self.clock, self.clock_len);
    }

    fn take(&mut self, value: i64, unit: Unit) {
        // Divisors that the compiler knows.
        let (seconds, fraction) = match unit {
            Unit::S => (value, 0),
            Unit::Ms => (value.div_euclid(1_000), value.rem_euclid(1_000)),
            Unit::Us => (value.div_euclid(1_000_000), value.rem_euclid(1_000_000)),
            Unit::Ns => (value.div_euclid(1_000_000_000), value.rem_euclid(1_000_000_000)),
        };
        let (day, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        if day != self.day {
            let mut text = Vec::with_capacity(32);
            date(day, &mut text);
            // The longest is that of i64::MIN seconds: 19 bytes.
            self.date.iter_mut().zip(&text).for_each(|(slot, byte)| *slot = *byte);
            (self.day, self.date_len) = (day, text.len().min(32));
        }
        let mut clock = *b"T00:00:00.000000000Z\0\0\0\0\0\0\0\0\0\0\0\0";
        pair(&mut clock, 1, second / 3600);
        pair(&mut clock, 4, second / 60 % 60);
        pair(&mut clock, 7, second % 60);
        let eight = |n: i64| (digits(n as u32) | ASCII).to_le_bytes();
        self.clock_len = match unit {
            Unit::S => {
                clock[9] = b'Z';
                10
            }
            Unit::Ms => {
                clock[10..18].copy_from_slice(&eight(fraction * 100_000));
                clock[13] = b'Z';
                14
            }
            Unit::Us => {
                clock[10..18].copy_from_slice(&eight(fraction * 100));
                clock[16] = b'Z';
                17
            }
            Unit::Ns => {
                clock[10..18].copy_from_slice(&eight(fraction / 10));
                clock[18] = b'0' + (fraction % 10) as u8;
                20
            }
        };
        (self.clock, self.value) = (clock, value);
    }
}

fn pair(text: &mut [u8], at: usize, value: i64) {
    text[at] = b'0' + (value / 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}

/// Days since the epoch as `YYYY-MM-DD` (the proleptic Gregorian calendar, Howard Hinnant's algorithm).
fn date(day: i64, out: &mut Vec<u8>) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let text = if (0..=9999).contains(&year) { format!("{year:04}") } else { format!("{year:+05}") };
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(&[
        b'-',
        b'0' + (month / 10) as u8,
        b'0' + (month % 10) as u8,
        b'-',
        b'0' + (day_of_month / 10) as u8,
        b'0' + (day_of_month % 10) as u8,
    ]);
}

/// Reads times; remembers the last date.
#[derive(Debug)]
pub struct Parser {
    date: [u8; 10],
    day: i64,
    /// The last usual time: its unit, its first 24 bytes, those from the 16th to its end, and its value.
    last: (Unit, [u8; 24], u128, i64),
}

impl Default for Parser {
    fn default() -> Self {
        Parser { date: [0; 10], day: 0, last: (Unit::S, [0; 24], 0, 0) }
    }
}

/// Why a text is no time of the unit that was asked for.
pub const NO_TIME: &str = "is no RFC 3339 time (such as 2024-01-01T00:00:00.000Z)";
/// The digits of the fraction are those of another unit.
pub const OTHER_UNIT: &str = "has not the number of fraction digits of this column's first time";
/// The instant does not fit into 64 bits of the unit.
pub const OUT_OF_RANGE: &str = "is out of the range of its unit";

impl Parser {
    /// The value in `unit`. Accepts any offset (`Z`, `+01:00`) and a space instead of the `T`; the number of fraction
    /// digits must be the unit's, so that no unit is ever mistaken for another.
    pub fn parse(&mut self, text: &[u8], unit: Unit) -> Result<i64, &'static str> {
        let (day, rest) = match text.first_chunk::<10>() {
            Some(head) if *head == self.date && text.len() > 10 => (self.day, &text[10..]),
            Some(head) if head[0].is_ascii_digit() => {
                let day = plain_date(head).ok_or(NO_TIME)?;
                self.date = *head;
                self.day = day;
                (day, &text[10..])
            }
            _ => signed_date(text).ok_or(NO_TIME)?,
        };
        let clock = rest.first_chunk::<9>().ok_or(NO_TIME)?;
        let number = |at: usize| two(clock, at);
        let (hour, minute, second) = (number(1), number(4), number(7));
        if !matches!(clock[0], b'T' | b' ' | b't') || clock[3] != b':' || clock[6] != b':' {
            return Err(NO_TIME);
        }
        if hour > 23 || minute > 59 || second > 59 {
            return Err(NO_TIME);
        }
        let (fraction, digits, offset) = fraction(&rest[9..]).ok_or(NO_TIME)?;
        if digits != unit.digits() {
            return Err(OTHER_UNIT);
        }
        let shift = match offset {
            b"Z" | b"z" => 0,
            _ => offset_seconds(offset).ok_or(NO_TIME)?,
        };
        // i128: days times seconds alone may leave i64 although the sum (of parts with other signs) is within.
        let seconds = i128::from(day) * i128::from(DAY) + i128::from(hour * 3600 + minute * 60 + second - shift);
        let value = seconds * i128::from(unit.per_second()) + i128::from(fraction);
        i64::try_from(value).map_err(|_| OUT_OF_RANGE)
    }
}

impl Parser {
    /// As [`Parser::parse`], for the text at `from..to` of something longer.
    #[inline(always)]
    pub(crate) fn parse_in(&mut self, whole: &[u8], from: usize, to: usize, unit: Unit) -> Result<i64, &'static str> {
        match self.usual(whole, from, to, unit) {
            Some(value) => Ok(value),
            None => self.parse(whole.get(from..to).unwrap_or_default(), unit),
        }
    }

    /// `2024-01-01T00:00:00.000Z` with the unit's digits, of the date before, or the very time before.
    #[inline(always)]
    fn usual(&mut self, whole: &[u8], from: usize, to: usize, unit: Unit) -> Option<i64> {
        let text = whole.get(from..)?.first_chunk::<32>()?;
        let digits = unit.digits();
        let len = to.wrapping_sub(from);
        if len != 20 + digits + usize::from(digits > 0) {
            return None;
        }
        let (head, tail) = (text.first_chunk::<24>()?, text.get(16..)?.first_chunk::<16>()?);
        let keep = (8 * (32 - len as u32)) & 127;
        // All of the text, but not what follows it.
        let tail = u128::from_le_bytes(*tail) << keep;
        let head = *head;
        if self.last.0 == unit && self.last.1 == head && self.last.2 == tail {
            return Some(self.last.3);
        }
        if text.first_chunk::<10>()? != &self.date || text[10] != b'T' || whole.get(to - 1) != Some(&b'Z') {
            return None;
        }
        // HH:MM:SS
        let clock = crate::eight_digits::word(text, 11)?;
        const COLONS: u64 = 0x0000_3A00_003A_0000;
        if clock & 0x0000_FF00_00FF_0000 != COLONS {
            return None;
        }
        let pair = |at: u32| {
            let (tens, ones) = ((clock >> (8 * at) & 0xFF) as i64 - 48, (clock >> (8 * at + 8) & 0xFF) as i64 - 48);
            if (0..=9).contains(&tens) && (0..=9).contains(&ones) { tens * 10 + ones } else { 100 }
        };
        let (hour, minute, second) = (pair(0), pair(3), pair(6));
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let fraction = if digits == 0 {
            0
        } else {
            if text[19] != b'.' {
                return None;
            }
            let first = crate::eight_digits::digits(crate::eight_digits::word(text, 20)?, digits.min(8))? as i64;
            match digits {
                9 => {
                    let last = text[28].wrapping_sub(b'0');
                    if last > 9 {
                        return None;
                    }
                    first * 10 + i64::from(last)
                }
                _ => first,
            }
        };
        let seconds = self.day * DAY + hour * 3600 + minute * 60 + second;
        let value = seconds.checked_mul(unit.per_second())?.checked_add(fraction)?;
        self.last = (unit, head, tail, value);
        Some(value)
    }
}

/// The unit that a time's fraction digits (0, 3, 6 or 9) state; `None` if the text is no time.
pub fn unit_of(text: &[u8]) -> Option<Unit> {
    [Unit::S, Unit::Ms, Unit::Us, Unit::Ns].into_iter().find(|unit| Parser::default().parse(text, *unit).is_ok())
}

/// Two digits, or a number above every limit.
fn two(text: &[u8], at: usize) -> i64 {
    match (text.get(at), text.get(at + 1)) {
        (Some(a @ b'0'..=b'9'), Some(b @ b'0'..=b'9')) => i64::from(a - b'0') * 10 + i64::from(b - b'0'),
        _ => 100,
    }
}

fn plain_date(text: &[u8; 10]) -> Option<i64> {
    let (century, year) = (two(text, 0), two(text, 2));
    (century < 100 && year < 100).then_some(())?;
    month_and_day(century * 100 + year, &text[4..])
}

/// `+292278994-08-17…` and `-0001-…`: the day and what follows.
fn signed_date(text: &[u8]) -> Option<(i64, &[u8])> {
    let negative = match text.first()? {
        b'+' => false,
        b'-' => true,
        _ => return None,
    };
    let digits = text[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    if !(4..=12).contains(&digits) {
        return None;
    }
    let year = text[1..=digits].iter().fold(0i64, |year, b| year * 10 + i64::from(b - b'0'));
    let rest = text.get(digits + 1..digits + 7)?;
    let day = month_and_day(if negative { -year } else { year }, rest)?;
    Some((day, &text[digits + 7..]))
}

/// `-MM-DD` of this year.
fn month_and_day(year: i64, text: &[u8]) -> Option<i64> {
    let (month, day) = (two(text, 1), two(text, 4));
    if text.first() != Some(&b'-') || text.get(3) != Some(&b'-') || !(1..=12).contains(&month) {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let shifted_year = year - i64::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468)
}

/// `.123Z` -> (123, 3, "Z").
fn fraction(text: &[u8]) -> Option<(i64, usize, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, 0, text)) };
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if !matches!(digits, 3 | 6 | 9) {
        return None;
    }
    Some((text[..digits].iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')), digits, &text[digits..]))
}

/// `+01:00` -> 3600.
fn offset_seconds(text: &[u8]) -> Option<i64> {
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (two(text, 1), two(text, 4));
    (text.len() == 6 && text[3] == b':' && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    const UNITS: [Unit; 4] = [Unit::S, Unit::Ms, Unit::Us, Unit::Ns];

    fn print(value: i64, unit: Unit) -> String {
        let mut out = Vec::new();
        Printer::default().print(value, unit, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_texts() {
        assert_eq!(print(1_704_067_200_123, Unit::Ms), "2024-01-01T00:00:00.123Z");
        assert_eq!(print(-1, Unit::Ns), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(print(951_782_400, Unit::S), "2000-02-29T00:00:00Z");
        assert_eq!(print(i64::MAX, Unit::Ms), "+292278994-08-17T07:12:55.807Z");
        let mut parser = Parser::default();
        assert_eq!(parser.parse(b"2024-01-01T01:00:00.5Z", Unit::Ms), Err(NO_TIME));
        assert_eq!(parser.parse(b"2024-01-01T01:00:00.500+01:00", Unit::Ms), Ok(1_704_067_200_500));
        assert_eq!(parser.parse(b"2024-01-01 00:00:00Z", Unit::S), Ok(1_704_067_200));
        assert_eq!(parser.parse(b"2024-01-01T00:00:00Z", Unit::Ms), Err(OTHER_UNIT));
        assert_eq!(parser.parse(b"9999-01-01T00:00:00.000000000Z", Unit::Ns), Err(OUT_OF_RANGE));
        for text in [
            "",
            "2024",
            "2023-02-29T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00+1",
            "+1-01-01T00:00:00Z",
            "2024-01-01",
        ] {
            assert!(parser.parse(text.as_bytes(), Unit::S).is_err(), "{text}");
        }
        assert_eq!(unit_of(b"2024-01-01T00:00:00.000000Z"), Some(Unit::Us));
        assert_eq!(unit_of(b"yesterday"), None);
    }

    proptest! {
        #[test]
        fn every_instant_comes_back(value: i64, unit in 0usize..4, near in -2_000_000_000_000i64..4_000_000_000_000) {
            let mut printer = Printer::default();
            let mut parser = Parser::default();
            for value in [value, near, near + 1, i64::MIN, i64::MAX] {
                let mut out = Vec::new();
                printer.print(value, UNITS[unit], &mut out);
                prop_assert_eq!(parser.parse(&out, UNITS[unit]), Ok(value));
                for padding in [0, 1, 40] {
                    let longer = [&b"12,"[..], &out, &b"7".repeat(padding)].concat();
                    prop_assert_eq!(parser.parse_in(&longer, 3, 3 + out.len(), UNITS[unit]), Ok(value));
                }
                prop_assert_eq!(unit_of(&out), Some(UNITS[unit]));
            }
        }

        #[test]
        fn stamps_are_what_is_printed(value: i64, unit in 0usize..4, near in -2_000_000_000_000i64..4_000_000_000_000) {
            let (mut stamps, mut page) = (Stamps::default(), crate::pen::page());
            for value in [value, near, near, near + 1, near + 1_000, 0, -1, i64::MIN, i64::MAX] {
                let mut pen = Pen::new(&mut page);
                stamps.put(&mut pen, value, UNITS[unit]);
                let len = pen.at();
                prop_assert_eq!(std::str::from_utf8(&page[..len]).unwrap(), print(value, UNITS[unit]));
            }
        }

        #[test]
        fn our_text_is_chronos(seconds in -62_167_219_200i64..253_402_300_799) {
            let expected = chrono::DateTime::from_timestamp(seconds, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
            prop_assert_eq!(print(seconds, Unit::S), expected);
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>, unit in 0usize..4) {
            let _ = Parser::default().parse(&bytes, UNITS[unit]);
        }

        #[test]
        fn damaged_times_are_read_alike_in_place(value in 1_600_000_000_000i64..1_800_000_000_000, unit in 0usize..4, damage in testkit::proptest::collection::vec((0usize..33, prop_oneof![Just(b'0'), Just(b'9'), Just(b':'), Just(b'.'), Just(b'Z'), Just(b'6'), any::<u8>()]), 0..4), cut in 0usize..3) {
            let mut parser = Parser::default();
            for value in [value, value, value + 1] {
                let text = print(value, UNITS[unit]);
                let mut bytes = [text.as_bytes(), b",1.5,abcdefghijklmnop"].concat();
                let whole = (&bytes.clone()[..], text.len());
                for (at, byte) in &damage {
                    bytes[*at] = *byte;
                }
                for (bytes, len) in [whole, (&bytes[..], text.len() - cut), whole] {
                    prop_assert_eq!(parser.parse_in(bytes, 0, len, UNITS[unit]), Parser::default().parse(&bytes[..len], UNITS[unit]));
                }
            }
        }
    }
}
