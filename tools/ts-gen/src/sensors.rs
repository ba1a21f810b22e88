//! `sensors`: what the classic migration from TDengine carries. `meters`: TDengine's own benchmark table.

use crate::data::{DataSet, Shape, Texts, bug, text_field};
use arrow_array::{ArrayRef, Float32Array, Float64Array, Int32Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use fault::Result;
use rows::role::{self, Role};
use std::sync::Arc;

/// Ten places; two have a blank, which line protocol must escape.
const LOCATIONS: [&str; 10] =
    ["Beijing", "Shanghai", "Shenzhen", "New York", "Berlin", "Lagos", "San Francisco", "Paris", "Tokyo", "Lima"];

/// ts, temperature, humidity, pressure, status; tags location and device_id. The tags name the sub-table.
pub struct Sensors {
    shape: Shape,
    schema: SchemaRef,
    tables: Texts,
    devices: Texts,
    locations: Texts,
}

impl Sensors {
    /// A set of this shape.
    pub fn new(shape: Shape) -> Self {
        let table = role::with(text_field("tbname", Role::Table), role::IDENTITY, role::REDUNDANT);
        let field = |name: &str, data| role::with_role(Field::new(name, data, true), Role::Field);
        let fields = vec![
            shape.time_field(),
            table,
            field("temperature", DataType::Float32),
            field("humidity", DataType::Float32),
            field("pressure", DataType::Float64),
            field("status", DataType::Int32),
            text_field("location", Role::Tag),
            text_field("device_id", Role::Tag),
        ];
        Sensors {
            shape,
            schema: Arc::new(Schema::new_with_metadata(fields, role::metadata(Some("sensors"), None))),
            tables: Texts::new((0..shape.tables).map(|t| Some(format!("sensor_{t:04}")))),
            devices: Texts::new((0..shape.tables).map(|t| Some(format!("device_{t:04}")))),
            locations: Texts::new(LOCATIONS.iter().map(|place| Some((*place).to_owned()))),
        }
    }
}

impl DataSet for Sensors {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn batch(&self, from: u64, count: usize) -> Result<RecordBatch> {
        let shape = &self.shape;
        let rows = from..from + count as u64;
        // 7 to 8 digits, 2 decimals, 3 decimals: three kinds of work for a number formatter.
        let temperature = |row| 10.0 + shape.below(row, 1, 20_000_000) as f32 / 1_000_000.0;
        let humidity = |row| shape.below(row, 2, 10_000) as f32 / 100.0;
        let pressure = |row| 950.0 + shape.below(row, 3, 100_000) as f64 / 1000.0;
        let status = |row| shape.below(row, 4, 5) as i32;
        let columns: Vec<ArrayRef> = vec![
            shape.times(from, count),
            self.tables.column(rows.clone(), |row| shape.table(row))?,
            Arc::new(Float32Array::from_iter_values(rows.clone().map(temperature))),
            Arc::new(Float32Array::from_iter_values(rows.clone().map(humidity))),
            Arc::new(Float64Array::from_iter_values(rows.clone().map(pressure))),
            Arc::new(Int32Array::from_iter_values(rows.clone().map(status))),
            self.locations.column(rows.clone(), |row| shape.table(row) % 10)?,
            self.devices.column(rows, |row| shape.table(row))?,
        ];
        RecordBatch::try_new(self.schema.clone(), columns).map_err(bug)
    }
}

/// ts, current, voltage, phase; tags groupid (1 to 10) and location: equal for many sub-tables, so that the sub-table's
/// name is needed to tell their rows apart.
pub struct Meters {
    shape: Shape,
    schema: SchemaRef,
    tables: Texts,
    locations: Texts,
}

impl Meters {
    /// A set of this shape.
    pub fn new(shape: Shape) -> Self {
        let field = |name: &str, data| role::with_role(Field::new(name, data, true), Role::Field);
        let fields = vec![
            shape.time_field(),
            text_field("tbname", Role::Table),
            field("current", DataType::Float32),
            field("voltage", DataType::Int32),
            field("phase", DataType::Float32),
            role::with_role(Field::new("groupid", DataType::Int32, true), Role::Tag),
            text_field("location", Role::Tag),
        ];
        Meters {
            shape,
            schema: Arc::new(Schema::new_with_metadata(fields, role::metadata(Some("meters"), None))),
            tables: Texts::new((0..shape.tables).map(|t| Some(format!("d{t}")))),
            locations: Texts::new(LOCATIONS.iter().map(|place| Some((*place).to_owned()))),
        }
    }
}

impl DataSet for Meters {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn batch(&self, from: u64, count: usize) -> Result<RecordBatch> {
        let shape = &self.shape;
        let rows = from..from + count as u64;
        let current = |row| 8.0 + shape.below(row, 1, 4_000_000) as f32 / 1_000_000.0;
        let voltage = |row| 200 + shape.below(row, 2, 40) as i32;
        let phase = |row| shape.below(row, 3, 360_000) as f32 / 1000.0;
        let columns: Vec<ArrayRef> = vec![
            shape.times(from, count),
            self.tables.column(rows.clone(), |row| shape.table(row))?,
            Arc::new(Float32Array::from_iter_values(rows.clone().map(current))),
            Arc::new(Int32Array::from_iter_values(rows.clone().map(voltage))),
            Arc::new(Float32Array::from_iter_values(rows.clone().map(phase))),
            Arc::new(Int32Array::from_iter_values(rows.clone().map(|row| 1 + (shape.table(row) % 10) as i32))),
            self.locations.column(rows, |row| shape.table(row) % 5)?,
        ];
        RecordBatch::try_new(self.schema.clone(), columns).map_err(bug)
    }
}
