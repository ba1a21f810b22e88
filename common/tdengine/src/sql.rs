//! SQL text: names, literals, predicates (4.4).

use fault::{Error, Result};

/// `` `name` ``. There is no escape for a backquote inside, so such a name is refused.
pub fn name(text: &str) -> Result<String> {
    if text.is_empty() || text.contains('`') || text.chars().any(char::is_control) {
        return Err(Error::usage(format!("'{text}' cannot be a name in TDengine")));
    }
    Ok(format!("`{text}`"))
}

/// `` `db`.`table` ``.
pub fn table(database: &str, table: &str) -> Result<String> {
    Ok(format!("{}.{}", name(database)?, name(table)?))
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
            other => out.push(other),
        }
    }
    out.push('\'');
    out
}

/// `` `ts` >= from AND `ts` < until ``, integers in the database's precision: texts would be read in some time zone.
pub fn window(time: &str, from: Option<i64>, until: Option<i64>) -> Result<Option<String>> {
    let time = name(time)?;
    Ok(match (from, until) {
        (None, None) => None,
        (Some(from), None) => Some(format!("{time} >= {from}")),
        (None, Some(until)) => Some(format!("{time} < {until}")),
        (Some(from), Some(until)) => Some(format!("{time} >= {from} AND {time} < {until}")),
    })
}

/// `tbname IN ('a','b')`.
pub fn tables_in(names: &[String]) -> String {
    match names {
        [one] => format!("tbname = {}", string(one)),
        many => format!("tbname IN ({})", many.iter().map(|n| string(n)).collect::<Vec<_>>().join(",")),
    }
}

/// ` WHERE a AND b`, or nothing.
pub fn filter<I: IntoIterator<Item = String>>(conditions: I) -> String {
    let all: Vec<String> = conditions.into_iter().collect();
    if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_literals_are_quoted() {
        assert_eq!(table("d", "Order Book").unwrap(), "`d`.`Order Book`");
        assert!(name("a`b").is_err() && name("").is_err());
        assert_eq!(string("it's \\ \n"), "'it\\'s \\\\ \\n'");
        assert_eq!(tables_in(&["a".into(), "b'".into()]), "tbname IN ('a','b\\'')");
        let both = window("ts", Some(-5), Some(7)).unwrap();
        assert_eq!(filter(both), " WHERE `ts` >= -5 AND `ts` < 7");
        assert_eq!(filter(None), "");
    }
}
