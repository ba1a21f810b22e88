//! Timestamps: text to epoch integers in a database's precision, and back.

use std::fmt::Write;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDate, Offset, TimeZone, Utc};

use crate::args::Precision;

/// The zone for literals without an offset, and for output.
#[derive(Debug, Clone, Copy)]
pub struct Zone(chrono_tz::Tz);

impl Default for Zone {
    fn default() -> Zone {
        Zone(chrono_tz::Tz::UTC)
    }
}

impl Zone {
    /// An IANA name.
    pub fn parse(name: &str) -> Option<Zone> {
        chrono_tz::Tz::from_str(name).ok().map(Zone)
    }
}

/// Reads `2023-11-14T22:13:20.123456Z`, the same with a blank, with an offset or without one (then in `zone`), or a date.
/// Digits beyond the precision are cut. `None` when it is no time or does not fit.
pub fn parse(text: &str, precision: Precision, zone: Zone) -> Option<i64> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = bytes.get(from..to)?;
        if !part.iter().all(u8::is_ascii_digit) {
            return None;
        }
        text.get(from..to)?.parse().ok()
    };
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(number(0, 4)? as i32, number(5, 7)? as u32, number(8, 10)? as u32)?;
    let mut fraction = 0;
    let mut rest = "";
    let mut clock = (0, 0, 0);
    if bytes.len() > 10 {
        if !matches!(bytes[10], b'T' | b't' | b' ') || bytes.get(13) != Some(&b':') || bytes.get(16) != Some(&b':') {
            return None;
        }
        clock = (number(11, 13)? as u32, number(14, 16)? as u32, number(17, 19)? as u32);
        rest = text.get(19..)?;
        if let Some(digits) = rest.strip_prefix('.') {
            let count = digits.bytes().take_while(u8::is_ascii_digit).count();
            if count == 0 {
                return None;
            }
            for at in 0..precision.digits() as usize {
                let digit = if at < count { digits.as_bytes()[at] - b'0' } else { 0 };
                fraction = fraction * 10 + i64::from(digit);
            }
            rest = &digits[count..];
        }
    }
    let local = date.and_hms_opt(clock.0, clock.1, clock.2)?;
    let seconds = match rest {
        "" => zone.0.from_local_datetime(&local).earliest()?.timestamp(),
        "Z" | "z" => local.and_utc().timestamp(),
        _ => local.and_utc().timestamp() - offset(rest)?,
    };
    seconds.checked_mul(precision.per_second())?.checked_add(fraction)
}

/// `+08:00`, `+0800`, `+08` as seconds.
fn offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits.get(2..)?.parse().ok()? } else { 0 };
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Appends RFC 3339 with exactly the digits of the precision: `2023-11-14T22:13:20.123Z`, or `+08:00` outside UTC.
pub fn write(out: &mut String, time: i64, precision: Precision, zone: Zone) {
    let per_second = precision.per_second();
    let (seconds, fraction) = (time.div_euclid(per_second), time.rem_euclid(per_second));
    let Some(utc) = DateTime::<Utc>::from_timestamp(seconds, 0) else {
        let _ = write!(out, "{time}");
        return;
    };
    let fixed: FixedOffset = zone.0.offset_from_utc_datetime(&utc.naive_utc()).fix();
    let local = utc.with_timezone(&fixed);
    let width = precision.digits() as usize;
    let _ = write!(out, "{}.{fraction:0width$}", local.format("%Y-%m-%dT%H:%M:%S"));
    if fixed.local_minus_utc() == 0 {
        out.push('Z');
    } else {
        let _ = write!(out, "{}", local.format("%:z"));
    }
}

/// Appends `2023-11-14T22:13:20.123+0800` (2.x `/rest/sqlutc`) or, without `offset`, `2023-11-14 22:13:20.123` (2.x `/rest/sql`).
pub fn write_2x(out: &mut String, time: i64, precision: Precision, zone: Zone, with_offset: bool) {
    let mut text = String::new();
    write(&mut text, time, precision, zone);
    let end = 20 + precision.digits() as usize;
    if text.len() < end {
        out.push_str(&text);
        return;
    }
    let (stamp, offset) = text.split_at(end);
    if with_offset {
        out.push_str(stamp);
        out.push_str(&if offset == "Z" { "+0000".to_string() } else { offset.replace(':', "") });
    } else {
        out.push_str(&stamp.replacen('T', " ", 1));
    }
}

/// `10s`, `1d`, `500a`: a length of time in units of the precision.
pub fn duration(text: &str, precision: Precision) -> Option<i64> {
    let (number, unit) = text.split_at(text.len().checked_sub(1)?);
    let number: i64 = number.parse().ok()?;
    let nanoseconds = match unit {
        "b" => 1,
        "u" => 1_000,
        "a" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        "w" => 604_800_000_000_000,
        _ => return None,
    };
    let total = i128::from(number) * nanoseconds;
    i64::try_from(total / i128::from(1_000_000_000 / precision.per_second())).ok()
}

/// Now, in the precision.
pub fn now(precision: Precision) -> i64 {
    let now = Utc::now();
    let fraction = i64::from(now.timestamp_subsec_nanos()) / (1_000_000_000 / precision.per_second());
    now.timestamp() * precision.per_second() + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_in_every_precision_and_zone() {
        let shanghai = Zone::parse("Asia/Shanghai").unwrap();
        for (precision, text, value) in [
            (Precision::Ms, "2023-11-14T22:13:20.123Z", 1_700_000_000_123),
            (Precision::Us, "1969-12-31T23:59:59.999999Z", -1),
            (Precision::Ns, "2023-11-14T22:13:20.123456789Z", 1_700_000_000_123_456_789),
        ] {
            assert_eq!(parse(text, precision, shanghai), Some(value));
            let mut out = String::new();
            write(&mut out, value, precision, Zone::default());
            assert_eq!(out, text);
        }
        let mut out = String::new();
        write(&mut out, 1_700_000_000_123, Precision::Ms, shanghai);
        assert_eq!(out, "2023-11-15T06:13:20.123+08:00");
        assert_eq!(parse(&out, Precision::Ms, Zone::default()), Some(1_700_000_000_123));
        assert_eq!(parse("2023-11-15 06:13:20.123", Precision::Ms, shanghai), Some(1_700_000_000_123));
        assert_eq!(parse("1970-01-02", Precision::Ms, Zone::default()), Some(86_400_000));
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in
            ["", "abc", "2023-13-01", "2023-11-14T22:13", "2023-11-14T22:13:20.", "2023-11-14T22:13:20+", "20é3-11-14"]
        {
            assert_eq!(parse(text, Precision::Ms, Zone::default()), None, "{text}");
        }
        assert_eq!((duration("2d", Precision::Us), duration("5x", Precision::Ms)), (Some(172_800_000_000), None));
    }
}
