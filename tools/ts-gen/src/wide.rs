//! `wide`: what a machine with many probes sends. Sixty columns, three in ten of their cells NULL.

use crate::data::{DataSet, Shape, Texts, bug, text_field};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use fault::Result;
use rows::role::{self, Role};
use std::sync::Arc;

/// Of each kind of column.
const EACH: u64 = 20;

/// Of ten cells, so many are NULL.
const NULLS: u64 = 3;

/// ts; 20 counters (long), 20 ratios with every digit of a double, 20 readings with one decimal; the tag machine.
pub struct Wide {
    shape: Shape,
    schema: SchemaRef,
    tables: Texts,
    machines: Texts,
}

impl Wide {
    /// A set of this shape.
    pub fn new(shape: Shape) -> Self {
        let table = role::with(text_field("tbname", Role::Table), role::IDENTITY, role::REDUNDANT);
        let mut fields = vec![shape.time_field(), table];
        for (name, data) in [("counter", DataType::Int64), ("ratio", DataType::Float64), ("reading", DataType::Float64)]
        {
            for n in 0..EACH {
                fields.push(role::with_role(Field::new(format!("{name}_{n:02}"), data.clone(), true), Role::Field));
            }
        }
        fields.push(text_field("machine", Role::Tag));
        Wide {
            shape,
            schema: Arc::new(Schema::new_with_metadata(fields, role::metadata(Some("wide"), None))),
            tables: Texts::new((0..shape.tables).map(|t| Some(format!("machine_{t:04}")))),
            machines: Texts::new((0..shape.tables).map(|t| Some(format!("M{t:04}")))),
        }
    }
}

impl DataSet for Wide {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn batch(&self, from: u64, count: usize) -> Result<RecordBatch> {
        let shape = &self.shape;
        let rows = from..from + count as u64;
        let filled = |row, column: u64| shape.below(row, 1000 + column, 10) >= NULLS;
        let cells = |column: u64| rows.clone().map(move |row| filled(row, column).then(|| shape.random(row, column)));
        let mut columns: Vec<ArrayRef> =
            vec![shape.times(from, count), self.tables.column(rows.clone(), |row| shape.table(row))?];
        for column in 0..EACH {
            // Small, large and negative whole numbers: one to nineteen digits.
            let value = |bits: u64| (bits as i64) >> (bits % 60);
            columns.push(Arc::new(cells(column).map(|cell| cell.map(value)).collect::<Int64Array>()));
        }
        for column in EACH..2 * EACH {
            let value = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
            columns.push(Arc::new(cells(column).map(|cell| cell.map(value)).collect::<Float64Array>()));
        }
        for column in 2 * EACH..3 * EACH {
            let value = |bits: u64| (bits % 20_000) as f64 / 10.0 - 1000.0;
            columns.push(Arc::new(cells(column).map(|cell| cell.map(value)).collect::<Float64Array>()));
        }
        columns.push(self.machines.column(rows.clone(), |row| shape.table(row))?);
        RecordBatch::try_new(self.schema.clone(), columns).map_err(bug)
    }
}
