//! From the schema to the shape of a line, once per stream: which column is what, keys escaped, tags sorted.

use super::options::{EncodeOptions, KeyAs, Measurement, TableAs, UintAs};
use crate::role::{self, Role};
use crate::types::Type;
use arrow_schema::Schema;
use fault::{Error, Result};
use lp::{Dialect, Element, escape};

/// The shape of a line.
#[derive(Debug)]
pub(crate) struct Plan {
    pub measurement: Name,
    /// Sorted by the bytes of their keys, as the servers do it.
    pub tags: Vec<Column>,
    pub fields: Vec<Column>,
    pub time: usize,
    /// Bytes of the longest field key.
    pub longest_key: usize,
    /// A key holds a backslash, so that every line needs a second look.
    pub careful: bool,
}

/// The measurement.
#[derive(Debug)]
pub(crate) enum Name {
    /// Escaped.
    Constant(Vec<u8>),
    Column(usize),
}

/// A tag or field column.
#[derive(Debug)]
pub(crate) struct Column {
    pub index: usize,
    pub name: String,
    /// `,key=`; for the first field of a line the comma is replaced by a space.
    pub prefix: Vec<u8>,
}

impl Plan {
    /// A schema that cannot be written at all is a usage error that says what to do.
    pub fn new(schema: &Schema, options: &EncodeOptions) -> Result<Plan> {
        let roles = role::roles(schema)?;
        let time = role::time_column(schema)?;
        if !matches!(Type::of(schema.field(time))?, Type::Timestamp(_)) {
            let kind = schema.field(time).data_type();
            return Err(Error::usage(format!(
                "column {}: the time must be a timestamp, not {kind}: cast it (ts-convert --cast) or name another column with --time",
                schema.field(time).name()
            )));
        }
        let by_name = match &options.measurement {
            Measurement::Column(name) => Some(schema.index_of(name).map_err(|_| no_column(schema, name))?),
            _ => None,
        };
        let mut plan = Plan {
            measurement: Name::Constant(Vec::new()),
            tags: Vec::new(),
            fields: Vec::new(),
            time,
            longest_key: 0,
            careful: false,
        };
        let mut measurement = by_name;
        for (index, (field, role)) in schema.fields().iter().zip(roles).enumerate() {
            if by_name == Some(index) {
                continue;
            }
            let table_is_tag = match options.table_as {
                TableAs::Auto => !role::is_redundant(field),
                TableAs::Tag => true,
                TableAs::Drop => false,
            };
            let element = match role {
                Role::Time | Role::Ignore => continue,
                Role::Measurement => {
                    if options.measurement == Measurement::Stated {
                        measurement = Some(index);
                    }
                    continue;
                }
                Role::Table if table_is_tag => Element::TagKey,
                Role::Table => continue,
                Role::Tag => Element::TagKey,
                Role::Field if role::is_key(field) && options.key_as == KeyAs::Tag => Element::TagKey,
                Role::Field => Element::FieldKey,
            };
            let column = plan.column(index, field.name(), element, options.dialect)?;
            if element == Element::TagKey {
                plan.tags.push(column);
            } else {
                check_unsigned(field, options)?;
                plan.longest_key = plan.longest_key.max(column.prefix.len());
                plan.fields.push(column);
            }
        }
        plan.measurement = match (measurement, &options.measurement) {
            (Some(index), _) => Name::Column(index),
            (None, Measurement::Named(name)) => Name::Constant(constant(name, options.dialect)?),
            (None, _) => match schema.metadata().get(role::MEASUREMENT) {
                Some(name) => Name::Constant(constant(name, options.dialect)?),
                None => {
                    return Err(Error::usage(
                        "the input does not say its measurement: give --measurement NAME or --measurement column:COL",
                    ));
                }
            },
        };
        plan.tags.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        plan.distinct(options.dialect)?;
        Ok(plan)
    }

    fn column(&mut self, index: usize, name: &str, element: Element, dialect: Dialect) -> Result<Column> {
        let mut prefix = vec![b','];
        escape::name(&mut prefix, element, dialect, name.as_bytes()).map_err(|refusal| {
            Error::usage(format!("column {name}: {refusal} (dialect {dialect}): give it another name with --rename"))
        })?;
        prefix.push(b'=');
        self.careful |= name.contains('\\');
        Ok(Column { index, name: name.to_owned(), prefix })
    }

    /// Servers refuse a name twice, or lose one of the two values in silence.
    fn distinct(&self, dialect: Dialect) -> Result<()> {
        if self.fields.is_empty() {
            return Err(Error::usage("no column is a field: a line needs at least one (see --field)"));
        }
        let limit = lp::Limits::default().fields;
        if self.fields.len() > limit {
            return Err(Error::usage(format!(
                "{} fields: lines of more than {limit} can stop a server",
                self.fields.len()
            )));
        }
        let twice = |names: &mut Vec<&str>| {
            names.sort_unstable();
            names.windows(2).find_map(|w| if w.first() == w.last() { w.first().map(|n| (*n).to_owned()) } else { None })
        };
        let mut tags: Vec<&str> = self.tags.iter().map(|c| c.name.as_str()).collect();
        let mut fields: Vec<&str> = self.fields.iter().map(|c| c.name.as_str()).collect();
        let repeated = twice(&mut tags).or_else(|| twice(&mut fields)).or_else(|| {
            let both = matches!(dialect, Dialect::V3 | Dialect::Portable);
            tags.iter().find(|t| both && fields.binary_search(t).is_ok()).map(|t| (*t).to_owned())
        });
        match repeated {
            Some(name) => {
                Err(Error::usage(format!("two columns are named {name}: give one another name with --rename")))
            }
            None => Ok(()),
        }
    }
}

fn constant(name: &str, dialect: Dialect) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    escape::name(&mut out, Element::Measurement, dialect, name.as_bytes()).map_err(|refusal| {
        Error::usage(format!("measurement {name:?}: {refusal} (dialect {dialect}): give another with --measurement"))
    })?;
    Ok(out)
}

fn check_unsigned(field: &arrow_schema::Field, options: &EncodeOptions) -> Result<()> {
    let unsigned = matches!(Type::of(field)?, Type::UByte | Type::UShort | Type::UInt | Type::ULong);
    let refused = match options.uint {
        UintAs::Error => true,
        UintAs::Unsigned => !options.dialect.has_unsigned(),
        _ => false,
    };
    if unsigned && refused {
        return Err(Error::usage(format!(
            "column {} is unsigned, which the dialect {} does not have: see --uint",
            field.name(),
            options.dialect
        )));
    }
    Ok(())
}

fn no_column(schema: &Schema, name: &str) -> Error {
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    Error::usage(format!("no column {name} (columns: {})", names.join(", ")))
}
