//! The columns of the output: time, sub-table name, tags, fields, each with its role.

use crate::target::Target;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, new_null_array};
use arrow_schema::{Field, Schema, SchemaRef};
use fault::{Error, Kind, Result};
use rows::role::{self, Role};
use rows::time::Unit;
use std::sync::Arc;
use tdengine::sql;
use tdengine::text_rows::TextRows;
use tdengine::types::{Column, Rows, dictionary_type};

/// How rows of one table become batches.
#[derive(Clone, Debug)]
pub struct Layout {
    pub schema: SchemaRef,
    /// What is selected, in order; the names in a reply are not looked at.
    pub items: Vec<String>,
    /// The columns of the reply, with how they are read.
    pub columns: Vec<Column>,
    /// Constant columns before those of the reply: (place in the schema, text).
    constants: Vec<(usize, String)>,
    unit: Unit,
}

/// A name for an added column that no column of the table has.
fn free_name(wanted: &str, target: &Target) -> String {
    let taken = |name: &str| {
        let shape = &target.shape;
        shape.columns.iter().chain(&shape.tags).chain([&shape.time]).any(|column| column.name == name)
    };
    let mut name = wanted.to_owned();
    while taken(&name) {
        name.insert(0, '_');
    }
    name
}

impl Layout {
    /// The layout of a table. `redundant`: no two sub-tables have equal tags. `measurement`: rows of several tables go
    /// into one stream, so each carries its table's name.
    pub fn of_table(
        target: &Target,
        redundant: bool,
        measurement: bool,
        as_binary: &[String],
        source: &str,
    ) -> Result<Layout> {
        let mut fields = Vec::new();
        let mut items = Vec::new();
        let mut columns = Vec::new();
        let mut constants = Vec::new();
        let unit = target.unit;
        let constant = |name: &str, role| role::with_role(Field::new(name, dictionary_type(), false), role);
        let read = |column: Column| Column { as_bytes: as_binary.contains(&column.name), ..column };

        let time = target.shape.time.column();
        items.push(sql::name(&time.name)?);
        fields.push(role::with_role(time.field(unit).with_nullable(false), Role::Time));
        columns.push(time);
        if measurement {
            constants.push((fields.len(), target.table.clone()));
            fields.push(constant(&free_name("measurement", target), Role::Measurement));
        }
        let table_name = free_name("tbname", target);
        let identity =
            |field: Field| if redundant { role::with(field, role::IDENTITY, role::REDUNDANT) } else { field };
        if target.is_super() {
            let column = Column { dictionary: true, ..Column::new(table_name, tdengine::Type::Varchar) };
            items.push("tbname".to_owned());
            fields.push(identity(role::with_role(column.field(unit), Role::Table)));
            columns.push(column);
        } else {
            constants.push((fields.len(), target.table.clone()));
            fields.push(identity(constant(&table_name, Role::Table)));
        }
        for tag in &target.shape.tags {
            let column = Column { dictionary: true, ..read(tag.column()) };
            items.push(sql::name(&column.name)?);
            fields.push(role::with_role(column.field(unit), Role::Tag));
            columns.push(column);
        }
        for described in &target.shape.columns {
            let column = read(described.column());
            items.push(sql::name(&column.name)?);
            let mut field = role::with_role(column.field(unit), Role::Field);
            if target.shape.key.as_ref() == Some(&column.name) {
                field = role::with(field, role::KEY, "true");
            }
            fields.push(field);
            columns.push(column);
        }
        let name = (!measurement).then_some(target.table.as_str());
        let schema = Arc::new(Schema::new(fields).with_metadata(role::metadata(name, Some(source))));
        Ok(Layout { schema, items, columns, constants, unit })
    }

    /// The layout of a statement of the user's own, from the columns of its reply.
    pub fn of_query(
        columns: &[Column],
        unit: Unit,
        tags: &[String],
        as_binary: &[String],
        source: &str,
    ) -> Result<Layout> {
        let mut fields: Vec<Field> = Vec::new();
        let mut read = Vec::new();
        for tag in tags.iter().filter(|tag| !tag.is_empty()) {
            if !columns.iter().any(|column| column.name == *tag) {
                return Err(Error::usage(format!("--tags {tag}: the statement gives no such column")));
            }
        }
        let time = columns.iter().position(|column| column.kind == tdengine::Type::Timestamp);
        for (index, column) in columns.iter().enumerate() {
            if column.name.is_empty() || fields.iter().any(|field| *field.name() == column.name) {
                return Err(Error::usage(format!(
                    "column {} of the statement has the name '{}', which is empty or taken: give it another with AS",
                    index + 1,
                    column.name
                )));
            }
            let role = match () {
                () if time == Some(index) => Role::Time,
                () if tags.contains(&column.name) => Role::Tag,
                () if column.name == "tbname" => Role::Table,
                () => Role::Field,
            };
            let dictionary = matches!(role, Role::Tag | Role::Table);
            let column = Column { dictionary, as_bytes: as_binary.contains(&column.name), ..column.clone() };
            fields.push(role::with_role(column.field(unit), role));
            read.push(column);
        }
        let schema = Arc::new(Schema::new(fields).with_metadata(role::metadata(None, Some(source))));
        Ok(Layout { schema, items: Vec::new(), columns: read, constants: Vec::new(), unit })
    }

    /// The unit of times.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Checks the columns of a reply against what was described, and says how they are to be read.
    pub fn apply(&self, reply: &mut [Column], unit: Unit) -> Result<()> {
        let times = self.columns.iter().any(|column| column.kind == tdengine::Type::Timestamp);
        if times && unit != self.unit {
            return Err(Error::new(Kind::Source, format!("times come in {unit}, the catalog says {}", self.unit)));
        }
        if reply.len() != self.columns.len() {
            return Err(Error::new(
                Kind::Source,
                format!("{} columns came, {} were asked for", reply.len(), self.columns.len()),
            ));
        }
        for (got, want) in reply.iter_mut().zip(&self.columns) {
            if got.kind != want.kind
                || (got.precision > 0 && (got.precision, got.scale) != (want.precision, want.scale))
            {
                return Err(Error::new(
                    Kind::Source,
                    format!(
                        "column {} is {:?} now, the catalog says {:?}: was the table altered?",
                        want.name, got.kind, want.kind
                    ),
                ));
            }
            *got = want.clone();
        }
        Ok(())
    }

    /// Rows as a batch of the schema.
    pub fn batch(&self, rows: Rows) -> Result<RecordBatch> {
        let mut arrays = rows.columns;
        for (place, text) in &self.constants {
            let values = Arc::new(StringArray::from(vec![text.as_str()]));
            let keys = Int32Array::from(vec![0; rows.len]);
            let array = DictionaryArray::<Int32Type>::try_new(keys, values).map_err(bug)?;
            arrays.insert((*place).min(arrays.len()), Arc::new(array) as ArrayRef);
        }
        if self.schema.fields().is_empty() {
            return Err(Error::new(Kind::Refused, "the statement gives no columns"));
        }
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|error| Error::new(Kind::Source, format!("the rows do not fit the table's description: {error}")))
    }
}

impl Layout {
    /// The rows of a reply with these columns as CSV, where that is possible.
    pub fn text(&self, columns: &[Column], unit: Unit) -> Option<TextRows> {
        let constants: Vec<(usize, String)> = self
            .constants
            .iter()
            .enumerate()
            // In the schema the constants before it have places of their own.
            .map(|(before, (place, text))| (place.saturating_sub(before).min(columns.len()), text.clone()))
            .collect();
        let fields = self.schema.fields().iter().enumerate();
        let required: Vec<bool> = fields
            .filter(|(place, _)| !self.constants.iter().any(|(constant, _)| constant == place))
            .map(|(_, field)| !field.is_nullable())
            .collect();
        if required.len() != columns.len() {
            return None;
        }
        TextRows::new(columns, unit, |index| required.get(index).is_some_and(|required| *required), &constants)
    }

    /// The error of [`Layout::batch`] for rows with NULL where there must be none.
    pub fn refuse_null(&self) -> Error {
        let null = |column: &Column| new_null_array(column.field(self.unit).data_type(), 1);
        match self.batch(Rows { len: 1, columns: self.columns.iter().map(null).collect() }) {
            Err(error) => error,
            Ok(_) => Error::new(Kind::Bug, "NULL is refused, and fits"),
        }
    }
}

fn bug(error: arrow_schema::ArrowError) -> Error {
    Error::caused(Kind::Bug, "cannot build a column", error)
}
