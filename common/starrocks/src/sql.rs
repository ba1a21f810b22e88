//! SQL text: names and literals. StarRocks takes a backslash in a string as an escape, as MySQL does.

use fault::{Error, Result};
use rows::instant::Printer;
use rows::time::{Nanos, Unit, ceil_to};

/// `` `name` ``. No escape for a backquote is sure to work in every version, so such a name is refused (exit 2).
pub fn name(text: &str) -> Result<String> {
    if text.is_empty() || text.contains('`') || text.chars().any(char::is_control) {
        return Err(Error::usage(format!("'{text}' cannot be a name in StarRocks")));
    }
    Ok(format!("`{text}`"))
}

/// `` `db`.`table` ``.
pub fn table(database: &str, table: &str) -> Result<String> {
    Ok(format!("{}.{}", name(database)?, name(table)?))
}

/// `` `a`, `b` ``.
pub fn names<T: AsRef<str>>(all: &[T]) -> Result<String> {
    Ok(all.iter().map(|text| name(text.as_ref())).collect::<Result<Vec<_>>>()?.join(", "))
}

/// `'text'`, with backslash and quote escaped.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            other => out.push(other),
        }
    }
    out.push('\'');
    out
}

/// `"key" = "value", …` with both as strings, for PROPERTIES and the parameters of FILES().
pub fn pairs<K: AsRef<str>, V: AsRef<str>>(all: &[(K, V)]) -> String {
    let text: Vec<String> =
        all.iter().map(|(key, value)| format!("{} = {}", string(key.as_ref()), string(value.as_ref()))).collect();
    text.join(", ")
}

/// What is read: `` `db`.`table` PARTITION(`p`) WHERE … ``; `filter` is what [`filter`] gives.
pub fn source(database: &str, name: &str, partition: Option<&str>, filter: &str) -> Result<String> {
    let partition = match partition {
        Some(partition) => format!(" PARTITION({})", self::name(partition)?),
        None => String::new(),
    };
    Ok(format!("{}{partition}{filter}", table(database, name)?))
}

/// The first microsecond that is not before the instant, as a DATETIME.
pub fn datetime(instant: Nanos) -> String {
    let mut text = Vec::new();
    Printer::default().print(ceil_to(instant, Unit::Us), Unit::Us, &mut text);
    String::from_utf8_lossy(&text).trim_end_matches('Z').replacen('T', " ", 1)
}

/// ` WHERE (a) AND (b)`, or nothing.
pub fn filter(conditions: &[String]) -> String {
    match conditions {
        [] => String::new(),
        all => format!(" WHERE ({})", all.join(") AND (")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_literals_are_quoted() {
        assert_eq!(table("d", "Order Book").unwrap(), "`d`.`Order Book`");
        assert!(name("a`b").is_err() && name("").is_err() && name("a\nb").is_err());
        assert_eq!(names(&["a", "b"]).unwrap(), "`a`, `b`");
        assert_eq!(string("it's \\ \n\x01"), "'it\\'s \\\\ \\n\x01'");
        assert_eq!(pairs(&[("path", "s3://b/'x'")]), "'path' = 's3://b/\\'x\\''");
        assert_eq!(filter(&["a OR b".into(), "c".into()]), " WHERE (a OR b) AND (c)");
        assert_eq!(filter(&[]), "");
        assert_eq!(source("d", "t", Some("p1"), " WHERE (a)").unwrap(), "`d`.`t` PARTITION(`p1`) WHERE (a)");
        assert_eq!(source("d", "t", None, "").unwrap(), "`d`.`t`");
    }

    #[test]
    fn instants_are_datetimes() {
        assert_eq!(datetime(1_704_067_200_000_000_001), "2024-01-01 00:00:00.000001");
        assert_eq!(datetime(-1_000), "1969-12-31 23:59:59.999999");
    }
}
