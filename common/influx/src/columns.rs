//! Rows of a reply into typed columns.

use crate::catalog::Measurement;
use crate::query::Cell;
use crate::types::FieldType;
use arrow_array::builder::{
    ArrayBuilder as _, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampNanosecondBuilder,
    UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema, SchemaRef};
use fault::{Error, Kind, Result};
use rows::role::{self, Role, with_role};
use rows::time::Unit;
use rows::types::Type;
use std::sync::Arc;

/// The schema of one measurement, or of several in one table, and the columns being filled.
///
/// Columns: `measurement` (only with several), `time`, tags, fields, each with its role.
pub struct Columns {
    schema: SchemaRef,
    measurement: Option<StringBuilder>,
    time: TimestampNanosecondBuilder,
    tags: Vec<(String, StringBuilder)>,
    fields: Vec<(String, Values)>,
    rows: usize,
    bytes: usize,
}

/// A field's values.
enum Values {
    Float(Float64Builder),
    Integer(Int64Builder),
    Unsigned(UInt64Builder),
    String(StringBuilder),
    Boolean(BooleanBuilder),
}

/// A value for [`Columns::field`] that its type cannot hold.
fn mismatch(name: &str, kind: FieldType, cell: Cell<'_>) -> Error {
    Error::new(Kind::Source, format!("field {name}: the server's {kind} has the value {cell:?}"))
}

impl Columns {
    /// Columns for these measurements (their union, with a column `measurement` if there are several or `union` says
    /// so). A field of several types is `Refused`: one column cannot hold it.
    pub fn new(tables: &[Measurement], union: bool, source: Option<&str>) -> Result<Columns> {
        let mut tags: Vec<String> = Vec::new();
        let mut fields: Vec<(String, FieldType)> = Vec::new();
        for table in tables {
            tags.extend(table.tags.iter().filter(|tag| !tags.contains(tag)).cloned().collect::<Vec<_>>());
            for (name, kinds) in &table.fields {
                for kind in kinds {
                    match fields.iter().find(|(known, _)| known == name) {
                        Some((_, known)) if known != kind => {
                            let text = format!("{}: field {name} is {known} and {kind}", table.name);
                            let hint = "name the type with --field-type, or dump measurements apart with --output-dir";
                            return Err(Error::new(Kind::Refused, format!("{text}: {hint}")));
                        }
                        Some(_) => {}
                        None => fields.push((name.clone(), *kind)),
                    }
                }
            }
        }
        tags.sort();
        fields.sort();
        let mut list: Vec<Field> = Vec::new();
        let union = union || tables.len() > 1;
        if union {
            list.push(with_role(Field::new("measurement", Type::String.data_type(), false), Role::Measurement));
        }
        list.push(with_role(Field::new("time", Unit::Ns.data_type(), false), Role::Time));
        list.extend(tags.iter().map(|tag| with_role(Type::String.field(tag), Role::Tag)));
        list.extend(fields.iter().map(|(name, kind)| with_role(kind.column().field(name), Role::Field)));
        let measurement = if union { None } else { tables.first().map(|table| table.name.as_str()) };
        let schema = Arc::new(Schema::new_with_metadata(list, role::metadata(measurement, source)));
        Ok(Columns {
            time: TimestampNanosecondBuilder::new().with_timezone("UTC"),
            measurement: union.then(StringBuilder::new),
            tags: tags.into_iter().map(|name| (name, StringBuilder::new())).collect(),
            fields: fields.into_iter().map(|(name, kind)| (name, Values::new(kind))).collect(),
            rows: 0,
            bytes: 0,
            schema,
        })
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Rows since the last batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// About as many bytes since the last batch.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of a tag.
    pub fn tag_index(&self, name: &str) -> Option<usize> {
        self.tags.iter().position(|(tag, _)| tag == name)
    }

    /// The number of a field.
    pub fn field_index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|(field, _)| field == name)
    }

    /// Sets the time of the row being filled, in nanoseconds.
    pub fn time(&mut self, nanos: i64) {
        self.time.append_value(nanos);
    }

    /// Sets a tag of the row being filled. An empty value is an absent tag, as in InfluxDB.
    pub fn tag(&mut self, index: usize, value: &str) {
        if let Some((_, column)) = self.tags.get_mut(index)
            && !value.is_empty()
            && column.len() == self.rows
        {
            column.append_value(value);
            self.bytes += value.len();
        }
    }

    /// Sets a field of the row being filled.
    pub fn field(&mut self, index: usize, cell: Cell<'_>) -> Result<()> {
        let Some((name, values)) = self.fields.get_mut(index) else { return Ok(()) };
        self.bytes += 8 + if let Cell::Text(text) = cell { text.len() } else { 0 };
        values.append(name, cell)
    }

    /// Ends the row: columns that were not set are null. A row without a time is an error.
    pub fn end_row(&mut self, measurement: &str) -> Result<()> {
        self.rows += 1;
        if let Some(column) = &mut self.measurement {
            column.append_value(measurement);
            self.bytes += measurement.len();
        }
        for (_, column) in &mut self.tags {
            if column.len() < self.rows {
                column.append_null();
            }
        }
        for (_, values) in &mut self.fields {
            if values.len() < self.rows {
                values.append_null();
            }
        }
        self.bytes += 8 + 4 * self.tags.len();
        if self.time.len() == self.rows { Ok(()) } else { Err(Error::new(Kind::Source, "a row without its time")) }
    }

    /// The rows so far as a batch; the columns are empty again.
    pub fn take(&mut self) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        if let Some(column) = &mut self.measurement {
            columns.push(Arc::new(column.finish()));
        }
        columns.push(Arc::new(self.time.finish()));
        columns.extend(self.tags.iter_mut().map(|(_, column)| Arc::new(column.finish()) as ArrayRef));
        columns.extend(self.fields.iter_mut().map(|(_, values)| values.finish()));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new(self.schema(), columns).map_err(|e| Error::caused(Kind::Bug, "cannot build a batch", e))
    }
}

impl Values {
    fn new(kind: FieldType) -> Values {
        match kind {
            FieldType::Float => Values::Float(Float64Builder::new()),
            FieldType::Integer => Values::Integer(Int64Builder::new()),
            FieldType::Unsigned => Values::Unsigned(UInt64Builder::new()),
            FieldType::String => Values::String(StringBuilder::new()),
            FieldType::Boolean => Values::Boolean(BooleanBuilder::new()),
        }
    }

    /// Numbers are read from their digits: an integer is never a float on its way.
    fn append(&mut self, name: &str, cell: Cell<'_>) -> Result<()> {
        match (self, cell) {
            (values, Cell::Null) => values.append_null(),
            (Values::Float(column), Cell::Number(text)) => {
                column.append_value(text.parse().map_err(|_| mismatch(name, FieldType::Float, cell))?);
            }
            (Values::Integer(column), Cell::Number(text)) => {
                column.append_value(text.parse().map_err(|_| mismatch(name, FieldType::Integer, cell))?);
            }
            (Values::Unsigned(column), Cell::Number(text)) => {
                column.append_value(text.parse().map_err(|_| mismatch(name, FieldType::Unsigned, cell))?);
            }
            (Values::String(column), Cell::Text(text)) => column.append_value(text),
            (Values::Boolean(column), Cell::Bool(value)) => column.append_value(value),
            (values, cell) => return Err(mismatch(name, values.kind(), cell)),
        }
        Ok(())
    }

    fn kind(&self) -> FieldType {
        match self {
            Values::Float(_) => FieldType::Float,
            Values::Integer(_) => FieldType::Integer,
            Values::Unsigned(_) => FieldType::Unsigned,
            Values::String(_) => FieldType::String,
            Values::Boolean(_) => FieldType::Boolean,
        }
    }

    fn append_null(&mut self) {
        match self {
            Values::Float(column) => column.append_null(),
            Values::Integer(column) => column.append_null(),
            Values::Unsigned(column) => column.append_null(),
            Values::String(column) => column.append_null(),
            Values::Boolean(column) => column.append_null(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Values::Float(column) => column.len(),
            Values::Integer(column) => column.len(),
            Values::Unsigned(column) => column.len(),
            Values::String(column) => column.len(),
            Values::Boolean(column) => column.len(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Values::Float(column) => Arc::new(column.finish()),
            Values::Integer(column) => Arc::new(column.finish()),
            Values::Unsigned(column) => Arc::new(column.finish()),
            Values::String(column) => Arc::new(column.finish()),
            Values::Boolean(column) => Arc::new(column.finish()),
        }
    }
}
