//! What happens to the columns: selection, names, types, roles.

use crate::args::{self, Args};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use fault::{Error, Result};
use rows::role;
use rows::types::Type;
use std::sync::Arc;

/// The input's columns turned into the output's.
pub struct Shape {
    columns: Vec<Column>,
    /// The output's schema.
    pub schema: SchemaRef,
}

struct Column {
    index: usize,
    name: String,
    cast: Option<Type>,
}

impl Shape {
    /// Checks every name of the options against the input's schema (exit 2 for one that is not there).
    pub fn new(input: &Schema, args: &Args) -> Result<Shape> {
        let find = |name: &str| {
            input.index_of(name).map_err(|_| {
                let names: Vec<&str> = input.fields().iter().map(|field| field.name().as_str()).collect();
                Error::usage(format!("there is no column '{name}' in the input (columns: {})", names.join(", ")))
            })
        };
        let of = |pairs: &[(String, String)], index: usize| -> Option<String> {
            pairs.iter().rev().find(|(name, _)| input.field(index).name() == name).map(|(_, value)| value.clone())
        };
        for (name, _) in args.rename.iter().chain(&args.cast).chain(&args.role) {
            find(name)?;
        }
        let selected: Vec<usize> = if args.select.is_empty() {
            (0..input.fields().len()).collect()
        } else {
            args.select.iter().map(|name| find(name)).collect::<Result<_>>()?
        };
        let (mut columns, mut fields) = (Vec::new(), Vec::<Field>::new());
        for index in selected {
            let old = input.field(index);
            let name = of(&args.rename, index).unwrap_or_else(|| old.name().clone());
            let cast = of(&args.cast, index).map(|text| args::cast_type(&text)).transpose()?;
            let mut field = match cast {
                // The new type's own metadata (JSON, WKB) replaces the old type's; roles and foreign keys stay.
                Some(kind) => {
                    let mut metadata = old.metadata().clone();
                    metadata.retain(|key, _| !key.starts_with("ARROW:extension"));
                    let new = kind.field(&name);
                    metadata.extend(new.metadata().clone());
                    new.with_metadata(metadata)
                }
                None => old.clone().with_name(&name),
            };
            if let Some(text) = of(&args.role, index) {
                field = role::with_role(field, args::role(&text)?);
            }
            if let Some(twin) = fields.iter().find(|other| other.name() == &name) {
                return Err(Error::usage(format!("two columns of the output are named '{}'", twin.name())));
            }
            fields.push(field);
            columns.push(Column { index, name: old.name().clone(), cast });
        }
        if fields.is_empty() {
            return Err(Error::usage("no column is left"));
        }
        let mut metadata = input.metadata().clone();
        metadata.insert(role::MODEL.to_owned(), "1".to_owned());
        if let Some(measurement) = &args.measurement {
            metadata.insert(role::MEASUREMENT.to_owned(), measurement.clone());
        }
        let schema = Schema::new_with_metadata(fields, metadata);
        role::roles(&schema)?;
        Ok(Shape { columns, schema: Arc::new(schema) })
    }

    /// One batch in the new shape. A value that the new type cannot hold is an error (exit 3), never a NULL.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter().zip(self.schema.fields()) {
            let array = batch.column(column.index);
            arrays.push(match column.cast {
                None => array.clone(),
                Some(_) => cast(array, field.data_type())
                    .map_err(|error| Error::malformed(format!("column {}: {error}", column.name)))?,
            });
        }
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|error| Error::malformed(format!("the batch does not fit the new shape: {error}")))
    }
}

/// `arrow_cast`, strict, with one detour: a time zone other than an offset needs its zone database, and ours is
/// always UTC, so times are cast without a zone and labelled afterwards.
fn cast(array: &ArrayRef, to: &DataType) -> std::result::Result<ArrayRef, arrow_schema::ArrowError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let naive = |data: &DataType| match data {
        DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, None),
        other => other.clone(),
    };
    let from = naive(array.data_type());
    let array = relabel(array, &from)?;
    let cast = cast_with_options(&array, &naive(to), &options)?;
    relabel(&cast, to)
}

/// The same values under a type that differs only in the zone's name.
fn relabel(array: &ArrayRef, to: &DataType) -> std::result::Result<ArrayRef, arrow_schema::ArrowError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    let data = array.to_data().into_builder().data_type(to.clone()).build()?;
    Ok(arrow_array::make_array(data))
}
