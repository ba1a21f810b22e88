//! A table for rows of any of our sources: `CREATE TABLE` from their schema (dossier starrocks 5.1, 5.2).
//!
//! The identity of a row is its time with its series: the sub-table's name where there is one, else all tags. In a Primary
//! Key table a row that is loaded again replaces itself; in a Duplicate Key table it stands there twice, so that model is
//! for rows that have no such identity.

use crate::sql;
use crate::types::SrType;
use arrow_schema::Schema;
use fault::{Error, Result};
use rows::role::{self, Role};
use rows::time::Unit;
use rows::types::Type;
use std::fmt::Write as _;

/// The key model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    #[default]
    Primary,
    Duplicate,
}

/// How the rows are spread over partitions, by their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Span {
    Day,
    #[default]
    Month,
    Year,
    /// One partition.
    All,
}

impl Span {
    fn word(self) -> Option<&'static str> {
        match self {
            Span::Day => Some("day"),
            Span::Month => Some("month"),
            Span::Year => Some("year"),
            Span::All => None,
        }
    }
}

/// What the rows do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub model: Model,
    pub span: Span,
    /// The server decides if not given.
    pub buckets: Option<u32>,
    /// The server's default (3) if not given.
    pub replication: Option<u32>,
    /// Times in nanoseconds are cut to the microseconds of DATETIME: else a column of them is refused.
    pub truncate: bool,
}

/// The longest text of a key column in bytes: names of sub-tables have 192 at most, and all of a primary key 128 on average.
const KEY_TEXT: u32 = 255;
/// StarRocks' `STRING`.
const TEXT: u32 = 65_533;

/// The statement. `IF NOT EXISTS`: a table that is there is its owner's business.
///
/// # Errors
/// Kind `Usage` (exit 2): no time column, a time in nanoseconds (DATETIME has microseconds), a name that cannot be quoted.
pub fn create_table(database: &str, table: &str, schema: &Schema, shape: &Shape) -> Result<String> {
    let roles = role::roles(schema)?;
    let of = |wanted: Role| roles.iter().enumerate().filter(move |(_, role)| **role == wanted).map(|(index, _)| index);
    let time = role::time_column(schema)?;
    let mut series: Vec<usize> = of(Role::Table).collect();
    if series.is_empty() {
        series = of(Role::Tag).collect();
    }
    // The second part of a composite key.
    series.extend((0..schema.fields().len()).filter(|index| role::is_key(schema.field(*index)) && *index != time));
    let mut keys = vec![time];
    keys.extend(series.iter().copied());
    let left = (0..schema.fields().len()).filter(|index| !keys.contains(index));
    let columns: Vec<usize> = keys.iter().copied().chain(left).collect();

    let mut text = format!("CREATE TABLE IF NOT EXISTS {} (\n", sql::table(database, table)?);
    for (place, index) in columns.iter().enumerate() {
        let field = schema.field(*index);
        let is_key = keys.contains(index);
        let null = if is_key && (shape.model == Model::Primary || *index == time) { " NOT NULL" } else { "" };
        let comma = if place + 1 < columns.len() { "," } else { "" };
        let role = roles.get(*index).copied().unwrap_or(Role::Field).as_str();
        let ty = spelled(field.name(), Type::of(field)?, is_key, shape.truncate)?;
        let _ = writeln!(text, "  {} {ty}{null} COMMENT '{role}'{comma}", sql::name(field.name())?);
    }
    let names = |all: &[usize]| sql::names(&all.iter().map(|index| schema.field(*index).name()).collect::<Vec<_>>());
    let model = match shape.model {
        Model::Primary => "PRIMARY KEY",
        Model::Duplicate => "DUPLICATE KEY",
    };
    let _ = writeln!(text, ")\n{model} ({})", names(&keys)?);
    if let Some(span) = shape.span.word() {
        let _ = writeln!(text, "PARTITION BY date_trunc('{span}', {})", names(&[time])?);
    }
    // Always written: without it newer versions take ranges (dossier starrocks 5.1).
    let _ = write!(text, "DISTRIBUTED BY HASH ({})", names(if series.is_empty() { &keys } else { &series })?);
    if let Some(buckets) = shape.buckets {
        let _ = write!(text, " BUCKETS {buckets}");
    }
    let mut properties = vec![("compression", "LZ4".to_owned())];
    if shape.model == Model::Primary {
        properties.push(("enable_persistent_index", "true".to_owned()));
    }
    if let Some(replication) = shape.replication {
        properties.push(("replication_num", replication.to_string()));
    }
    let _ = write!(text, "\nPROPERTIES ({})", sql::pairs(&properties));
    Ok(text)
}

/// A type as the statement has it. StarRocks has no unsigned types: the next wider one holds them.
fn spelled(name: &str, ty: Type, key: bool, truncate: bool) -> Result<String> {
    let plain = match ty {
        Type::Boolean => SrType::Boolean,
        Type::Byte => SrType::TinyInt,
        Type::Short | Type::UByte => SrType::SmallInt,
        Type::Int | Type::UShort => SrType::Int,
        Type::Long | Type::UInt => SrType::BigInt,
        Type::ULong => SrType::LargeInt,
        Type::Float => SrType::Float,
        Type::Double => SrType::Double,
        Type::Decimal(precision, scale) => SrType::Decimal(precision, scale),
        Type::Json => SrType::Json,
        Type::Binary | Type::Geometry => SrType::VarBinary,
        Type::Timestamp(Unit::Ns) if !truncate => {
            return Err(Error::usage(format!(
                "column {name} has nanoseconds, and StarRocks' DATETIME microseconds: give --truncate-times, or make the table by hand"
            )));
        }
        Type::Timestamp(_) => SrType::DateTime,
        Type::String => return Ok(format!("VARCHAR({})", if key { KEY_TEXT } else { TEXT })),
    };
    Ok(plain.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::Field;
    use rows::role::with_role;

    fn meters(unit: Unit) -> Schema {
        let tag = |name| with_role(Type::String.field(name), Role::Tag);
        Schema::new(vec![
            with_role(Type::Timestamp(unit).field("ts"), Role::Time),
            with_role(Type::Float.field("current"), Role::Field),
            with_role(Type::ULong.field("n"), Role::Field),
            with_role(Type::String.field("tbname"), Role::Table),
            tag("location"),
            with_role(Type::Decimal(10, 2).field("price"), Role::Field),
        ])
    }

    #[test]
    fn a_sub_table_and_its_time_are_the_key() {
        let shape = Shape { replication: Some(1), ..Shape::default() };
        assert_eq!(
            create_table("plant", "meters", &meters(Unit::Ms), &shape).unwrap(),
            "CREATE TABLE IF NOT EXISTS `plant`.`meters` (
  `ts` DATETIME NOT NULL COMMENT 'time',
  `tbname` VARCHAR(255) NOT NULL COMMENT 'table',
  `current` FLOAT COMMENT 'field',
  `n` LARGEINT COMMENT 'field',
  `location` VARCHAR(65533) COMMENT 'tag',
  `price` DECIMAL(10,2) COMMENT 'field'
)
PRIMARY KEY (`ts`, `tbname`)
PARTITION BY date_trunc('month', `ts`)
DISTRIBUTED BY HASH (`tbname`)
PROPERTIES ('compression' = 'LZ4', 'enable_persistent_index' = 'true', 'replication_num' = '1')"
        );
    }

    #[test]
    fn without_sub_tables_tags_are_the_series() {
        let schema = meters(Unit::Us);
        let fields: Vec<Field> =
            schema.fields().iter().filter(|f| f.name() != "tbname").map(|f| (**f).clone()).collect();
        let shape = Shape { model: Model::Duplicate, span: Span::All, buckets: Some(8), ..Shape::default() };
        let text = create_table("plant", "m", &Schema::new(fields), &shape).unwrap();
        assert!(text.contains("`location` VARCHAR(255) COMMENT 'tag',\n  `current`"), "{text}");
        assert!(
            text.contains("DUPLICATE KEY (`ts`, `location`)\nDISTRIBUTED BY HASH (`location`) BUCKETS 8\n"),
            "{text}"
        );
    }

    #[test]
    fn what_it_cannot_hold_is_refused() {
        let text = |schema| create_table("d", "t", &schema, &Shape::default()).unwrap_err().to_string();
        assert!(text(meters(Unit::Ns)).contains("column ts has nanoseconds"));
        let plain = Schema::new(vec![with_role(Type::Int.field("n"), Role::Field)]);
        assert!(text(plain).contains("time"));
    }
}
