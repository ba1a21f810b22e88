//! What a column is: the `ts.*` keys in Arrow metadata, and InfluxDB 3's as a fall-back (dossier influxdb 4.2).

use arrow_schema::{DataType, Field, Schema};
use fault::{Error, Result};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// Field metadata: the role.
pub const ROLE: &str = "ts.role";
/// Field metadata `true`: the column is the second part of a composite primary key.
pub const KEY: &str = "ts.key";
/// Field metadata on a `table` column: [`REDUNDANT`] when dropping the column merges no two series.
pub const IDENTITY: &str = "ts.identity";
/// The value of [`IDENTITY`].
pub const REDUNDANT: &str = "redundant";
/// Schema metadata: the version of this model.
pub const MODEL: &str = "ts.model";
/// Schema metadata: the measurement (super table, table) that the rows belong to.
pub const MEASUREMENT: &str = "ts.measurement";
/// Schema metadata: where the rows came from, without secrets.
pub const SOURCE: &str = "ts.source";
/// InfluxDB 3's field metadata.
const IOX: &str = "iox::column::type";

/// The role of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The time key.
    Time,
    /// Part of the series' identity.
    Tag,
    /// A value.
    Field,
    /// TDengine's sub-table name.
    Table,
    /// Names the measurement of each row, where a stream holds several.
    Measurement,
    /// Carried along, but no part of the data.
    Ignore,
}

impl Role {
    /// The text in metadata and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Time => "time",
            Role::Tag => "tag",
            Role::Field => "field",
            Role::Table => "table",
            Role::Measurement => "measurement",
            Role::Ignore => "ignore",
        }
    }

    /// The role that a field states, in our key or InfluxDB 3's.
    pub fn stated(field: &Field) -> Result<Option<Role>> {
        if let Some(text) = field.metadata().get(ROLE) {
            return text.parse().map(Some).map_err(|e: Error| e.context(format!("column {}", field.name())));
        }
        Ok(match field.metadata().get(IOX).map(String::as_str) {
            Some("iox::column_type::tag") => Some(Role::Tag),
            Some("iox::column_type::timestamp") => Some(Role::Time),
            Some(text) if text.starts_with("iox::column_type::field") => Some(Role::Field),
            _ => None,
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Role> {
        Ok(match text {
            "time" => Role::Time,
            "tag" => Role::Tag,
            "field" => Role::Field,
            "table" => Role::Table,
            "measurement" => Role::Measurement,
            "ignore" => Role::Ignore,
            _ => {
                return Err(Error::malformed(format!(
                    "'{text}' is no role: use time, tag, field, table, measurement or ignore"
                )));
            }
        })
    }
}

/// The same field with this role.
pub fn with_role(field: Field, role: Role) -> Field {
    with(field, ROLE, role.as_str())
}

/// The same field with this metadata entry.
pub fn with(field: Field, key: &str, value: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(key.to_owned(), value.to_owned());
    field.with_metadata(metadata)
}

/// Is this column the second part of a composite primary key?
pub fn is_key(field: &Field) -> bool {
    field.metadata().get(KEY).is_some_and(|value| value == "true")
}

/// Is this a `table` column that is known not to be needed for identity?
pub fn is_redundant(field: &Field) -> bool {
    field.metadata().get(IDENTITY).is_some_and(|value| value == REDUNDANT)
}

/// The role of every column. Columns that state none: the only timestamp column (or the one named `time`) is the time
/// if no column claims it, everything else is a field.
pub fn roles(schema: &Schema) -> Result<Vec<Role>> {
    let mut roles = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        roles.push(Role::stated(field)?);
    }
    if !roles.contains(&Some(Role::Time)) {
        let candidates: Vec<usize> = (0..roles.len())
            .filter(|&i| roles[i].is_none() && matches!(schema.field(i).data_type(), DataType::Timestamp(..)))
            .collect();
        let named = candidates.iter().copied().find(|&i| schema.field(i).name() == "time");
        if let Some(time) = named.or(if candidates.len() == 1 { candidates.first().copied() } else { None }) {
            roles[time] = Some(Role::Time);
        }
    }
    let roles: Vec<Role> = roles.into_iter().map(|role| role.unwrap_or(Role::Field)).collect();
    for unique in [Role::Time, Role::Table, Role::Measurement] {
        let mut columns = (0..roles.len()).filter(|&i| roles[i] == unique).map(|i| schema.field(i).name());
        if let (Some(first), Some(second)) = (columns.next(), columns.next()) {
            return Err(Error::malformed(format!("two columns have the role {unique}: {first} and {second}")));
        }
    }
    Ok(roles)
}

/// The index of the time column. A stream without one is no time series: exit 3 with a hint.
pub fn time_column(schema: &Schema) -> Result<usize> {
    roles(schema)?.iter().position(|role| *role == Role::Time).ok_or_else(|| {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        Error::malformed(format!("no column has the role time (columns: {}): name it with --time", names.join(", ")))
    })
}

/// Schema metadata with the model's version and, where known, measurement and source.
pub fn metadata(measurement: Option<&str>, source: Option<&str>) -> HashMap<String, String> {
    let mut map = HashMap::from([(MODEL.to_owned(), "1".to_owned())]);
    if let Some(measurement) = measurement {
        map.insert(MEASUREMENT.to_owned(), measurement.to_owned());
    }
    if let Some(source) = source {
        map.insert(SOURCE.to_owned(), source.to_owned());
    }
    map
}
