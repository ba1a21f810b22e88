//! Which column of a table is the time of its rows, and which are the tags of their series, where nobody says.

use crate::catalog::Column;
use crate::types::SrType;

/// The first DATETIME of the key, else the first DATETIME, else the first DATE.
pub fn time_column(all: &[Column]) -> Option<&str> {
    let datetime = |column: &&Column| column.ty == Some(SrType::DateTime);
    let found = all.iter().filter(|column| column.key).find(datetime).or_else(|| all.iter().find(datetime));
    found.or_else(|| all.iter().find(|column| is_time(column))).map(|column| column.name.as_str())
}

/// Can it be the time of rows?
pub fn is_time(column: &Column) -> bool {
    matches!(column.ty, Some(SrType::DateTime | SrType::Date))
}

/// What is commented as a tag, as `sr-stream-load --create` does, with the rest of the key (the second part of a composite
/// key is what tells rows of one time apart); where nothing is, the texts of the key.
pub fn tag_columns<'a>(all: &'a [Column], time: Option<&str>) -> Vec<&'a str> {
    let stated = all.iter().any(says_tag);
    let is_tag = |column: &Column| match stated {
        true => says_tag(column) || column.key,
        false => column.key && column.ty == Some(SrType::Text),
    };
    let names = all.iter().filter(|column| is_tag(column)).map(|column| column.name.as_str());
    names.filter(|name| Some(*name) != time).collect()
}

fn says_tag(column: &Column) -> bool {
    matches!(column.comment.as_str(), "tag" | "table")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, ty: SrType, key: bool, comment: &str) -> Column {
        let (name, text, comment) = (name.to_owned(), ty.to_string(), comment.to_owned());
        Column { name, text, ty: Some(ty), nullable: true, key, comment }
    }

    #[test]
    fn keys_and_comments_tell() {
        let mut all = vec![
            column("made", SrType::DateTime, false, ""),
            column("day", SrType::Date, true, ""),
            column("ts", SrType::DateTime, true, ""),
            column("site", SrType::Text, true, ""),
            column("note", SrType::Text, false, ""),
        ];
        assert_eq!((time_column(&all), tag_columns(&all, Some("ts"))), (Some("ts"), vec!["site"]));
        all[4].comment = "tag".into();
        assert_eq!(tag_columns(&all, Some("ts")), ["day", "site", "note"]);
        assert_eq!(time_column(&all[1..2]), Some("day"));
        assert_eq!(time_column(&all[3..]), None);
    }
}
