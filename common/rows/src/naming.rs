//! Roles and names that a command line states: which columns a reader is told, and the schema that an encoder sees.
//!
//! Shared by `lp-encode`, which writes what this says, and `ts-verify`, which compares with it.

use crate::header::Column;
use crate::role::{self, Role};
use crate::types::Type;
use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use fault::{Error, Result};
use std::sync::Arc;

/// A role from the command line.
#[derive(Clone, Debug)]
struct Stated {
    name: String,
    role: Role,
    /// With a type, if one was given: the column as the typed CSV header would have it.
    column: Option<Column>,
}

/// `COL`, or `COL:TYPE` where the text after the last colon is a type.
fn stated(text: &str, role: Role) -> Result<Stated> {
    let typed = |name: &str, ty: &str| {
        let word = match role {
            Role::Time => format!("time:{ty}"),
            Role::Tag => format!("tag:{ty}"),
            _ => ty.to_owned(),
        };
        Column::with_type(name, &word).ok()
    };
    if let Some((name, ty)) = text.rsplit_once(':')
        && let Some(column) = typed(name, ty)
    {
        return Ok(Stated { name: name.to_owned(), role, column: Some(column) });
    }
    if text.is_empty() {
        return Err(Error::usage("a column without a name"));
    }
    Ok(Stated { name: text.to_owned(), role, column: None })
}

/// The flags: `COL`, or `COL:TYPE` (a time: `COL:UNIT`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags<'a> {
    pub tags: &'a [String],
    pub fields: &'a [String],
    pub ignore: &'a [String],
    pub time: Option<&'a str>,
    /// Old and new names.
    pub rename: &'a [(String, String)],
}

/// What the command line says of the columns.
#[derive(Clone, Debug)]
pub struct Naming {
    stated: Vec<Stated>,
    rename: Vec<(String, String)>,
}

impl Naming {
    /// From the flags. Exit 2 for a column with two roles.
    pub fn new(flags: Flags<'_>) -> Result<Naming> {
        let mut all = Vec::new();
        let roles = [(Role::Tag, flags.tags), (Role::Field, flags.fields), (Role::Ignore, flags.ignore)];
        for (role, names) in roles {
            for name in names {
                all.push(stated(name, role)?);
            }
        }
        if let Some(time) = flags.time {
            all.push(stated(time, Role::Time)?);
        }
        for (i, column) in all.iter().enumerate() {
            if all.iter().skip(i + 1).any(|other| other.name == column.name) {
                return Err(Error::usage(format!("column {} is given two roles", column.name)));
            }
        }
        Ok(Naming { stated: all, rename: flags.rename.to_vec() })
    }

    /// What a field of the input is called; `None` where the flags make it something else or leave it out.
    pub fn field<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        if self.stated.iter().any(|stated| stated.name == name && stated.role != Role::Field) {
            return None;
        }
        let renamed = self.rename.iter().rev().find(|(old, _)| old == name);
        Some(renamed.map_or(name, |(_, new)| new))
    }

    /// For formats without types of their own. `typed`: the input says its types, only stated ones are passed on.
    pub fn columns(&self, typed: bool) -> Vec<Column> {
        let known = |s: &Stated| match (&s.column, s.role) {
            (Some(column), _) => Some(column.clone()),
            (None, _) if typed => None,
            (None, Role::Time) => Column::with_type(&s.name, "time").ok(),
            (None, role) => Some(Column::new(&s.name, role, Type::String)),
        };
        self.stated.iter().filter_map(known).collect()
    }

    /// The input's schema with the stated roles and names. A column that is not there, and a type that is not the
    /// input's, are usage errors.
    pub fn schema(&self, input: &Schema) -> Result<SchemaRef> {
        let mut fields: Vec<Field> = input.fields().iter().map(|f| f.as_ref().clone()).collect();
        for Stated { name, role, column } in &self.stated {
            let field = find(&mut fields, input, name)?;
            if let Some(wanted) = column {
                let found = Type::of(field)?;
                if wanted.unit_stated && wanted.ty != found {
                    let what = format!("column {name} is {found} in the input, not {}", wanted.ty);
                    return Err(Error::usage(format!("{what}: convert it with ts-convert --cast")));
                }
            }
            *field = role::with_role(field.clone(), *role);
        }
        for (old, new) in &self.rename {
            let field = find(&mut fields, input, old)?;
            *field = field.clone().with_name(new);
        }
        Ok(Arc::new(Schema::new_with_metadata(fields, input.metadata().clone())))
    }
}

fn find<'a>(fields: &'a mut [Field], input: &Schema, name: &str) -> Result<&'a mut Field> {
    match input.index_of(name).ok().and_then(|i| fields.get_mut(i)) {
        Some(field) => Ok(field),
        None => {
            let names: Vec<&str> = input.fields().iter().map(|f| f.name().as_str()).collect();
            Err(Error::usage(format!("there is no column '{name}' in the input (columns: {})", names.join(", "))))
        }
    }
}

/// The batch under the encoder's schema; the columns are the same.
pub fn apply(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    RecordBatch::try_new(schema.clone(), batch.columns().to_vec())
        .map_err(|error| Error::caused(fault::Kind::Bug, "the batch does not fit its schema", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::DataType;

    #[test]
    fn roles_and_names_are_those_of_the_flags() {
        let schema = Schema::new(vec![
            Field::new("x", DataType::Float64, true),
            Field::new("y", DataType::Utf8, true),
            Field::new("z", DataType::Int32, true),
        ]);
        let names = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (tags, fields) = (names(&["y"]), names(&["x:double"]));
        // Both at once: each is named as in the input.
        let rename = [("x".to_owned(), "z".to_owned()), ("z".to_owned(), "x".to_owned())];
        let flags = Flags { tags: &tags, fields: &fields, rename: &rename, ..Flags::default() };
        let named = Naming::new(flags).unwrap().schema(&schema).unwrap();
        let seen: Vec<&str> = named.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(seen, ["z", "y", "x"]);
        assert_eq!(role::roles(&named).unwrap()[1], Role::Tag);
        let naming = Naming::new(flags).unwrap();
        assert_eq!(["x", "y", "z", "no"].map(|name| naming.field(name)), [Some("z"), None, Some("x"), Some("no")]);
        for bad in [
            Flags { tags: &names(&["y", "y"]), ..Flags::default() },
            Flags { tags: &names(&["no"]), ..Flags::default() },
            Flags { fields: &names(&["x:long"]), ..Flags::default() },
        ] {
            assert!(Naming::new(bad).and_then(|naming| naming.schema(&schema)).is_err(), "{bad:?}");
        }
    }
}
