//! Dates as days, date-times as microseconds, since 1970; no zone (dossier starrocks 5.2).

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;

/// Days since 1970-01-01 of a proleptic Gregorian date.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month, day of a number of days since 1970-01-01.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z - era * 146_097;
    let of = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of + of / 4 - of / 100);
    let m = (5 * of_year + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    (of + era * 400 + i64::from(month <= 2), month, of_year - (153 * m + 2) / 5 + 1)
}

/// Days in a month.
fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.0.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(digits.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    }

    fn skip(&mut self, any_of: &[u8]) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        any_of.contains(first).then(|| self.0 = rest)
    }
}

/// `YYYY-MM-DD` and what follows it.
fn date_part<'a>(digits: &mut Digits<'a>) -> Option<i64> {
    let year = digits.number(4, 4)?;
    // `20250131` is taken too ([memory]).
    let plain = digits.0.first().is_some_and(u8::is_ascii_digit);
    if !plain {
        digits.skip(b"-/")?;
    }
    let month = digits.number(1, 2)?;
    if !plain {
        digits.skip(b"-/")?;
    }
    let day = digits.number(1, 2)?;
    ((1..=12).contains(&month) && day >= 1 && day <= length(year, month)).then(|| days(year, month, day))
}

/// A DATETIME's text: `YYYY-MM-DD[ HH:MM:SS[.ffffff]]`, also with `T`; digits after the sixth are cut (dossier 1.8, 13).
pub fn parse_datetime(text: &[u8]) -> Option<i64> {
    let mut rest = Digits(text);
    let mut micros = date_part(&mut rest)? * DAY;
    if rest.0.is_empty() {
        return Some(micros);
    }
    rest.skip(b" T")?;
    for (unit, most) in [(3_600_000_000, 23), (60_000_000, 59), (1_000_000, 59)] {
        if unit != 3_600_000_000 {
            rest.skip(b":")?;
        }
        let n = rest.number(1, 2)?;
        if n > most {
            return None;
        }
        micros += n * unit;
    }
    if rest.0.is_empty() {
        return Some(micros);
    }
    rest.skip(b".")?;
    let mut unit = 100_000;
    for byte in rest.0 {
        if !byte.is_ascii_digit() {
            return None;
        }
        micros += i64::from(byte - b'0') * unit;
        unit /= 10;
    }
    Some(micros)
}

/// A DATE's text; a time of day behind it is cut.
pub fn parse_date(text: &[u8]) -> Option<i64> {
    parse_datetime(text).map(|micros| micros.div_euclid(DAY))
}

fn two(out: &mut Vec<u8>, n: i64) {
    out.extend_from_slice(&[b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8]);
}

/// `YYYY-MM-DD`.
pub fn write_date(out: &mut Vec<u8>, at: i64) {
    let (year, month, day) = civil(at);
    two(out, year / 100);
    two(out, year % 100);
    out.push(b'-');
    two(out, month);
    out.push(b'-');
    two(out, day);
}

/// `YYYY-MM-DD HH:MM:SS`, and `.ffffff` where it is not zero.
pub fn write_datetime(out: &mut Vec<u8>, micros: i64) {
    write_date(out, micros.div_euclid(DAY));
    let of_day = micros.rem_euclid(DAY);
    let seconds = of_day / 1_000_000;
    for (mark, n) in [(b' ', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)] {
        out.push(mark);
        two(out, n);
    }
    let fraction = of_day % 1_000_000;
    if fraction != 0 {
        out.push(b'.');
        two(out, fraction / 10_000);
        two(out, fraction / 100 % 100);
        two(out, fraction % 100);
    }
}

/// The text of [`write_datetime`].
pub fn datetime_text(micros: i64) -> String {
    let mut out = Vec::with_capacity(26);
    write_datetime(&mut out, micros);
    String::from_utf8_lossy(&out).into_owned()
}

/// Now, UTC.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// `date_trunc(unit, micros)`; `None` for an unknown unit.
pub fn truncate(unit: &str, micros: i64) -> Option<i64> {
    let day = micros.div_euclid(DAY);
    let (year, month, _) = civil(day);
    Some(match unit.to_ascii_lowercase().as_str() {
        "second" => micros.div_euclid(1_000_000) * 1_000_000,
        "minute" => micros.div_euclid(60_000_000) * 60_000_000,
        "hour" => micros.div_euclid(3_600_000_000) * 3_600_000_000,
        "day" => day * DAY,
        "week" => (day - (day + 3).rem_euclid(7)) * DAY,
        "month" => days(year, month, 1) * DAY,
        "quarter" => days(year, (month - 1) / 3 * 3 + 1, 1) * DAY,
        "year" => days(year, 1, 1) * DAY,
        _ => return None,
    })
}

/// `micros` and `n` units later; a day that the month has not becomes its last.
pub fn add(unit: &str, n: i64, micros: i64) -> Option<i64> {
    let fixed = |length: i64| micros.checked_add(n.checked_mul(length)?);
    let months = |n: i64| {
        let (year, month, day) = civil(micros.div_euclid(DAY));
        let at = year * 12 + month - 1 + n;
        let (year, month) = (at.div_euclid(12), at.rem_euclid(12) + 1);
        Some(days(year, month, day.min(length(year, month))) * DAY + micros.rem_euclid(DAY))
    };
    match unit.to_ascii_lowercase().as_str() {
        "microsecond" => fixed(1),
        "second" => fixed(1_000_000),
        "minute" => fixed(60_000_000),
        "hour" => fixed(3_600_000_000),
        "day" => fixed(DAY),
        "week" => fixed(7 * DAY),
        "month" => months(n),
        "quarter" => months(n.checked_mul(3)?),
        "year" => months(n.checked_mul(12)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        for text in ["2025-01-31 23:59:59.000001", "1969-12-31 00:00:00", "0000-01-01 00:00:00", "9999-12-31 23:59:59"]
        {
            assert_eq!(datetime_text(parse_datetime(text.as_bytes()).unwrap()), text);
        }
        assert_eq!(parse_datetime(b"2025-01-31T10:00:00.1234567"), parse_datetime(b"2025-01-31 10:00:00.123456"));
        assert_eq!(parse_datetime(b"2025-02-29"), None);
        assert_eq!(parse_datetime(b"2025-01-01 10:00:00Z"), None);
        assert_eq!(parse_date(b"20250131"), Some(days(2025, 1, 31)));
    }

    #[test]
    fn months_and_weeks() {
        let at = parse_datetime(b"2024-01-31 12:00:00").unwrap();
        assert_eq!(datetime_text(add("month", 1, at).unwrap()), "2024-02-29 12:00:00");
        assert_eq!(datetime_text(truncate("week", at).unwrap()), "2024-01-29 00:00:00");
        assert_eq!(datetime_text(truncate("quarter", at).unwrap()), "2024-01-01 00:00:00");
        assert_eq!(truncate("fortnight", at), None);
    }
}
