//! Columns as the typed CSV header names them: `name|type`, the grammar of InfluxDB's csv2lp with our narrower types
//! (dossiers influxdb 4.1 and aesthetics 7).
//!
//! The same grammar gives columns to formats that carry no types (plain CSV, NDJSON): see
//! [`crate::options::ReadOptions::columns`].

use crate::role::{self, Role};
use crate::time::Unit;
use crate::types::Type;
use arrow_schema::{DataType, Field, Schema};
use fault::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// One column: name, role and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name, without `|type`.
    pub name: String,
    pub role: Role,
    pub ty: Type,
    /// The second part of a composite primary key (`:key`).
    pub key: bool,
    /// A `table` column that is not needed for identity (`table:redundant`).
    pub redundant: bool,
    /// Timestamps: whether the unit in `ty` was stated (`time:ms`, read but never written) or is to be taken from
    /// the digits of the first value.
    pub unit_stated: bool,
}

impl Column {
    /// A column of text without any role stated: what a plain header gives.
    pub fn text(name: &str) -> Column {
        Column::new(name, Role::Field, Type::String)
    }

    /// A column with this role and type.
    pub fn new(name: &str, role: Role, ty: Type) -> Column {
        Column { name: name.to_owned(), role, ty, key: false, redundant: false, unit_stated: true }
    }

    /// Name and type apart: `time`, `tag`, `tag:int`, `double`, `int:key`, `table:redundant`, `ignore:string` …
    pub fn with_type(name: &str, text: &str) -> Result<Column> {
        let bad = |error: Error| error.context(format!("column {name}"));
        let mut column = Column::text(name);
        let (head, rest) = text.split_once(':').map_or((text, None), |(head, rest)| (head, Some(rest)));
        match head {
            "time" => {
                column.role = Role::Time;
                column
                    .set_type(rest.map_or("timestamp".to_owned(), |unit| format!("timestamp:{unit}")).as_str())
                    .map_err(bad)?;
            }
            "table" => {
                column.role = Role::Table;
                match rest {
                    None => {}
                    Some(role::REDUNDANT) => column.redundant = true,
                    Some(other) => return Err(bad(Error::malformed(format!("'table:{other}' is no column type")))),
                }
            }
            "measurement" if rest.is_none() => column.role = Role::Measurement,
            "tag" | "ignore" => {
                column.role = if head == "tag" { Role::Tag } else { Role::Ignore };
                column.set_type(rest.unwrap_or("string")).map_err(bad)?;
            }
            _ => {
                let text = match text.strip_suffix(":key") {
                    Some(text) => {
                        column.key = true;
                        text
                    }
                    None => text,
                };
                column.set_type(text).map_err(bad)?;
            }
        }
        Ok(column)
    }

    fn set_type(&mut self, text: &str) -> Result<()> {
        match text.strip_prefix("timestamp:").or_else(|| text.strip_prefix("dateTime:")) {
            Some(unit) => {
                self.ty = Type::Timestamp(unit.parse::<Unit>().map_err(|e| Error::malformed(e.message()))?);
            }
            None => {
                self.ty = text.parse()?;
                self.unit_stated = !matches!(self.ty, Type::Timestamp(_));
            }
        }
        Ok(())
    }

    /// The column that an Arrow field is, in its role. What the grammar cannot say is refused: a time that is no
    /// timestamp, a table name that is no text, a decimal with a negative scale.
    pub fn of(field: &Field, role: Role) -> Result<Column> {
        let ty = Type::of(field)?;
        let name = field.name();
        let refuse = |what: &str| {
            Err(Error::malformed(format!("column {name}: {what} (its Arrow type is {})", field.data_type())))
        };
        match (role, ty) {
            (Role::Time, Type::Timestamp(_)) => {}
            (Role::Time, _) => return refuse("the time column is no timestamp"),
            (Role::Table | Role::Measurement, Type::String) => {}
            (Role::Table | Role::Measurement, _) => return refuse("a table or measurement name must be text"),
            (_, Type::Decimal(_, scale)) if scale < 0 => {
                return refuse("decimals with a negative scale have no text form here");
            }
            _ => {}
        }
        let key = role == Role::Field && role::is_key(field);
        Ok(Column { key, redundant: role == Role::Table && role::is_redundant(field), ..Column::new(name, role, ty) })
    }

    /// The columns of a schema.
    pub fn all(schema: &Schema) -> Result<Vec<Column>> {
        let roles = role::roles(schema)?;
        schema.fields().iter().zip(roles).map(|(field, role)| Column::of(field, role)).collect()
    }

    /// The Arrow field that a reader makes of it: nullable, with its role in the metadata.
    pub fn field(&self) -> Field {
        let mut field = role::with_role(self.ty.field(&self.name), self.role);
        if self.key {
            field = role::with(field, role::KEY, "true");
        }
        if self.redundant {
            field = role::with(field, role::IDENTITY, role::REDUNDANT);
        }
        field
    }

    /// What stands behind the `|` in the typed header.
    pub fn type_text(&self) -> String {
        match (self.role, self.ty) {
            (Role::Time, _) => "time".to_owned(),
            (Role::Table, _) if self.redundant => "table:redundant".to_owned(),
            (Role::Table, _) => "table".to_owned(),
            (Role::Measurement, _) => "measurement".to_owned(),
            (Role::Tag, Type::String) => "tag".to_owned(),
            (Role::Tag, ty) => format!("tag:{ty}"),
            (Role::Ignore, ty) => format!("ignore:{ty}"),
            (Role::Field, ty) if self.key => format!("{ty}:key"),
            (Role::Field, ty) => ty.to_string(),
        }
    }
}

impl fmt::Display for Column {
    /// `name|type`, before any CSV quoting.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.name, self.type_text())
    }
}

impl FromStr for Column {
    type Err = Error;

    /// `name|type`: the last `|` splits.
    fn from_str(cell: &str) -> Result<Column> {
        match cell.rsplit_once('|') {
            Some((name, ty)) => Column::with_type(name, ty.trim()),
            None => Err(Error::malformed(format!(
                "the header cell '{cell}' has no type: write name|type (such as 'temp|double'), or read with --header plain"
            ))),
        }
    }
}

/// The schema that readers of typed text make of these columns. Two columns of one name, or two times, are malformed.
pub fn schema(columns: &[Column]) -> Result<Schema> {
    for (i, column) in columns.iter().enumerate() {
        if columns[..i].iter().any(|other| other.name == column.name) {
            return Err(Error::malformed(format!("two columns are named '{}'", column.name)));
        }
    }
    let fields: Vec<Field> = columns.iter().map(Column::field).collect();
    let schema = Schema::new_with_metadata(fields, role::metadata(None, None));
    role::roles(&schema)?;
    Ok(schema)
}

/// Is this type one that a text gives without knowing more, or a timestamp whose unit is still to be found?
pub(crate) fn open_unit(column: &Column) -> bool {
    matches!(column.ty, Type::Timestamp(_)) && !column.unit_stated
}

/// Replaces columns by those of the same name that the caller gave. A name that the data does not have is wrong usage.
pub(crate) fn apply(columns: &mut [Column], given: &[Column]) -> Result<()> {
    for wanted in given {
        match columns.iter_mut().find(|column| column.name == wanted.name) {
            Some(column) => *column = wanted.clone(),
            None => {
                let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                return Err(Error::usage(format!(
                    "there is no column '{}' in the input (columns: {})",
                    wanted.name,
                    names.join(", ")
                )));
            }
        }
    }
    Ok(())
}

/// Is this Arrow type already what our readers make, so that no cast is needed?
pub(crate) fn is_ours(data: &DataType, ty: Type) -> bool {
    match data {
        DataType::Dictionary(keys, values) => **keys == DataType::Int32 && **values == DataType::Utf8,
        data => *data == ty.data_type(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_and_columns_agree() {
        for cell in [
            "ts|time",
            "d|table",
            "d|table:redundant",
            "loc|tag",
            "group|tag:int",
            "x|ignore:double",
            "m|measurement",
            "temp|double",
            "seq|int:key",
            "a|b|decimal(20,4)",
            "g|geometry",
            "j|json",
            "|string",
            "t|tag:json",
        ] {
            let column: Column = cell.parse().unwrap();
            assert_eq!(column.to_string(), cell);
            let field = column.field();
            let role = Role::stated(&field).unwrap().unwrap();
            let again = Column::of(&field, role).unwrap();
            assert_eq!((again.to_string(), again.ty), (cell.to_owned(), column.ty));
        }
        assert_eq!("t|dateTime".parse::<Column>().unwrap().ty, Type::Timestamp(Unit::Ns));
        assert_eq!("t|time:ms".parse::<Column>().unwrap().ty, Type::Timestamp(Unit::Ms));
        assert_eq!("t|unsignedLong".parse::<Column>().unwrap().ty, Type::ULong);
        for cell in
            ["plain", "x|", "x|floaty", "x|table:no", "x|measurement:int", "x|decimal(39,1)", "x|time:h", "x|tag:"]
        {
            assert_eq!(cell.parse::<Column>().unwrap_err().kind(), fault::Kind::Malformed, "{cell}");
        }
    }

    #[test]
    fn names_are_unique_and_there_is_one_time() {
        let parse = |cells: &[&str]| schema(&cells.iter().map(|c| c.parse().unwrap()).collect::<Vec<Column>>());
        assert!(parse(&["a|int", "a|int"]).is_err());
        assert!(parse(&["a|time", "b|time"]).is_err());
        assert_eq!(parse(&["a|time", "b|int"]).unwrap().metadata().get(role::MODEL).map(String::as_str), Some("1"));
    }
}
