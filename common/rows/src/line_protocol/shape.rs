//! Which column each part of a line goes to, and how that is found out from lines.

use crate::header::{self, Column};
use crate::role::{self, Role};
use crate::time::Unit;
use crate::types::Type;
use crate::{Schema, SchemaRef};
use arrow_schema::DataType;
use fault::{Error, Result};
use hashbrown::HashMap;
use lp::{Dialect, Element, Key, Kind, Line, Lines, Names, plain, unescape};
use std::sync::Arc;

/// The columns of a stream of lines.
#[derive(Debug)]
pub(crate) struct Shape {
    pub columns: Vec<Column>,
    pub time: usize,
    /// The column of the measurement, if lines of several are expected.
    pub measurement: Option<usize>,
    /// The measurement that every line must have, if there is no such column.
    pub only: Option<Vec<u8>>,
    /// The key in the lines, unescaped, of each column. Not the column's name where a tag and a field share theirs.
    keys: Vec<Vec<u8>>,
    /// By column: which dictionary it is, if it is one.
    slots: Vec<Option<usize>>,
    /// Keys of fields and of tags as they stand in the lines, escaped, to their column; filled as they come.
    found: [HashMap<Vec<u8>, usize>; 2],
}

impl Shape {
    /// The shape that columns given by the user have. They are matched with the lines by their names.
    pub fn given(columns: Vec<Column>, unit: Unit) -> Result<Shape> {
        let mut columns = columns;
        let time = columns.iter().position(|c| c.role == Role::Time);
        let time = time.ok_or_else(|| Error::usage("the schema has no time column (NAME|time)"))?;
        if let Some(column) = columns.get_mut(time) {
            column.ty = Type::Timestamp(unit);
        }
        let measurement = columns.iter().position(|c| c.role == Role::Measurement);
        let keys = columns.iter().map(|c| c.name.clone().into_bytes()).collect();
        Ok(Shape { slots: slots(&columns), columns, time, measurement, only: None, keys, found: Default::default() })
    }

    /// The schema of the batches.
    pub fn schema(&self, dialect: Dialect) -> Result<SchemaRef> {
        let schema = header::schema(&self.columns)?;
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let fields: Vec<_> = schema
            .fields()
            .iter()
            .zip(&self.slots)
            .map(|(field, slot)| match slot {
                Some(_) => Arc::new(field.as_ref().clone().with_data_type(dictionary.clone())),
                None => field.clone(),
            })
            .collect();
        let name = self.only.as_ref().map(|name| text(name, Element::Measurement, dialect)).transpose()?;
        Ok(Arc::new(Schema::new_with_metadata(fields, role::metadata(name.as_deref(), None))))
    }

    /// How many columns are dictionaries of texts: tags, table and measurement.
    pub fn dictionaries(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Which of the dictionaries a column is.
    pub fn dictionary(&self, column: usize) -> Option<usize> {
        self.slots.get(column).copied().flatten()
    }

    /// The key of the fields that a column takes, if it takes any.
    pub fn field_key(&self, column: usize) -> Option<&[u8]> {
        let takes = self.columns.get(column).is_some_and(|column| holds(column, false));
        if takes { self.keys.get(column).map(Vec::as_slice) } else { None }
    }

    /// The column of a tag (or field) whose key stands escaped in a line. `guess` is looked at first: most often a part
    /// of a line belongs to the column after the last one's.
    pub fn column(&mut self, tag: bool, key: &[u8], guess: usize, dialect: Dialect) -> Option<usize> {
        if let (Some(column), Some(known)) = (self.columns.get(guess), self.keys.get(guess))
            && holds(column, tag)
            && known.as_slice() == key
            // Escaped and unescaped text are the same only without a backslash.
            && !key.contains(&b'\\')
        {
            return Some(guess);
        }
        let element = if tag { Element::TagKey } else { Element::FieldKey };
        let [fields, tags] = &mut self.found;
        let found = if tag { tags } else { fields };
        if let Some(column) = found.get(key) {
            return Some(*column);
        }
        let name = unescape(key, element, dialect);
        let fits = |(column, known): (&Column, &Vec<u8>)| holds(column, tag) && known.as_slice() == name.as_ref();
        let column = self.columns.iter().zip(&self.keys).position(fits)?;
        found.insert(key.to_vec(), column);
        Some(column)
    }
}

fn slots(columns: &[Column]) -> Vec<Option<usize>> {
    let mut next = 0..;
    let named = |c: &Column| matches!(c.role, Role::Tag | Role::Table | Role::Measurement) && c.ty == Type::String;
    columns.iter().map(|column| if named(column) { next.next() } else { None }).collect()
}

/// Whether a column takes tags (or fields). A sub-table name and a column to be ignored may stand in either place.
fn holds(column: &Column, tag: bool) -> bool {
    match column.role {
        Role::Tag | Role::Table => tag,
        Role::Field => tag == column.key || !tag,
        Role::Ignore => true,
        Role::Time | Role::Measurement => false,
    }
}

/// Collects what lines have until it is enough to say the columns.
pub(crate) struct Survey {
    dialect: Dialect,
    widen: bool,
    measurements: Vec<Vec<u8>>,
    tags: Vec<Vec<u8>>,
    fields: Vec<(Vec<u8>, Kind)>,
    /// Where a field's types differ: its name and the two kinds.
    conflict: Option<(Vec<u8>, Kind, Kind)>,
    tag_at: HashMap<Vec<u8>, usize>,
    field_at: HashMap<Vec<u8>, usize>,
    /// Series and plain fields that were taken in: a line of them says nothing new.
    series: Names,
    plain: Vec<(Key, Kind)>,
}

/// Bytes of series that are remembered.
const SERIES: usize = 4 << 20;

/// Measurements of which names are kept; with more there is a column anyway.
const MEASUREMENTS: usize = 2;

/// Columns that a stream may have.
const COLUMNS: usize = 100_000;

impl Survey {
    pub fn new(dialect: Dialect, widen: bool) -> Survey {
        Survey {
            dialect,
            widen,
            measurements: Vec::new(),
            tags: Vec::new(),
            fields: Vec::new(),
            conflict: None,
            tag_at: HashMap::new(),
            field_at: HashMap::new(),
            series: Names::default(),
            plain: Vec::new(),
        }
    }

    /// Goes over the next line if it is seen at once that it is good and says nothing new.
    pub fn pass(&mut self, lines: &mut Lines<'_>) -> bool {
        let rest = lines.rest();
        let Some((_, mut at)) = self.series.find(rest) else { return false };
        let mut place = 0;
        loop {
            // From the field after the last one on, then from the first one.
            let (before, after) = self.plain.split_at(place.min(self.plain.len()));
            let stands = |(key, _): &(Key, Kind)| key.stands_at(rest, at);
            let found = after.iter().position(stands).map(|i| place + i).or_else(|| before.iter().position(stands));
            let Some((i, (key, kind))) = found.and_then(|i| Some((i, self.plain.get(i)?))) else { return false };
            place = i + 1;
            let Some((value, end)) = plain::value(rest, at + key.len()) else { return false };
            if value.kind() != *kind {
                return false;
            }
            at = end + 1;
            match rest.get(end) {
                Some(b',') => {}
                _ => break,
            }
        }
        let Some((_, _, next)) = plain::time(rest, at) else { return false };
        lines.pass(next);
        true
    }

    /// Remembers a line that was taken in, for [`Survey::pass`].
    fn remember(&mut self, line: &Line<'_>) {
        if self.series.bytes() > SERIES {
            self.series.clear();
        }
        let series = line.series();
        if self.series.number(series).is_none() && lp::known::ends_for_all(series, self.dialect) {
            self.series.learn(series);
        }
    }

    /// Takes a line in. An error stops: too many columns.
    pub fn see(&mut self, line: &Line<'_>) -> Result<()> {
        let measurement = line.measurement();
        if self.measurements.len() < MEASUREMENTS && !self.measurements.iter().any(|m| m == measurement) {
            self.measurements.push(measurement.to_vec());
        }
        for (key, _) in line.tags() {
            if !self.tag_at.contains_key(key) {
                self.tag_at.insert(key.to_vec(), self.tags.len());
                self.tags.push(key.to_vec());
            }
        }
        for (key, value) in line.fields() {
            match self.field_at.get(key).and_then(|i| self.fields.get_mut(*i)) {
                None => {
                    self.field_at.insert(key.to_vec(), self.fields.len());
                    self.fields.push((key.to_vec(), value.kind));
                    self.plain.extend(Key::new(key).map(|key| (key, value.kind)));
                }
                Some((_, known)) if *known != value.kind => match (*known, value.kind) {
                    (Kind::Int | Kind::Float, Kind::Int | Kind::Float) if self.widen => *known = Kind::Float,
                    (known, other) => {
                        self.conflict.get_or_insert_with(|| (key.to_vec(), known, other));
                    }
                },
                Some(_) => {}
            }
        }
        self.remember(line);
        if self.tags.len() + self.fields.len() > COLUMNS {
            return Err(Error::malformed(format!(
                "more than {COLUMNS} different tags and fields: choose lines with lp-decode --measurement"
            )));
        }
        Ok(())
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The field whose types differ in a way that no column holds, if there is one.
    pub fn conflict(&self) -> Option<String> {
        let (key, a, b) = self.conflict.as_ref()?;
        let name = String::from_utf8_lossy(key);
        let hint = match (a, b) {
            (Kind::Int | Kind::Float, Kind::Int | Kind::Float) => ": lp-decode --widen reads both as floats",
            _ => ": lp-decode can choose lines (--measurement) and take stated columns (--schema)",
        };
        Some(format!("field {name} is {} and {}{hint}", type_of(*a), type_of(*b)))
    }

    /// The columns: time, measurement if there are several, tags and fields in the order in which they came.
    pub fn shape(self, unit: Unit) -> Result<Shape> {
        let name = |key: &[u8], element| text(key, element, self.dialect);
        let (mut columns, mut keys) = (Vec::new(), Vec::new());
        for tag in &self.tags {
            let key = name(tag, Element::TagKey)?;
            columns.push(Column::new(&key, Role::Tag, Type::String));
            keys.push(key.into_bytes());
        }
        for (field, kind) in &self.fields {
            let key = name(field, Element::FieldKey)?;
            // A tag and a field of one name: the field's column is renamed, as InfluxDB's own queries do it.
            let mut column = key.clone();
            for n in 1.. {
                if !columns.iter().any(|c: &Column| c.name == column) {
                    break;
                }
                column = format!("{key}_{n}");
            }
            columns.push(Column::new(&column, Role::Field, type_of(*kind)));
            keys.push(key.into_bytes());
        }
        let free = |wanted: &str, columns: &[Column]| {
            let mut name = wanted.to_owned();
            while columns.iter().any(|c| c.name == name) {
                name.insert(0, '_');
            }
            name
        };
        let several = self.measurements.len() > 1;
        if several {
            let column = Column::new(&free("measurement", &columns), Role::Measurement, Type::String);
            columns.insert(0, column);
            keys.insert(0, Vec::new());
        }
        let column = Column::new(&free("time", &columns), Role::Time, Type::Timestamp(unit));
        columns.insert(0, column);
        keys.insert(0, Vec::new());
        let only = if several { None } else { self.measurements.into_iter().next() };
        let (slots, measurement) = (slots(&columns), several.then_some(1));
        Ok(Shape { columns, time: 0, measurement, only, keys, slots, found: Default::default() })
    }
}

/// The column's type for a field of this kind.
pub(crate) fn type_of(kind: Kind) -> Type {
    match kind {
        Kind::Float => Type::Double,
        Kind::Int => Type::Long,
        Kind::UInt => Type::ULong,
        Kind::Bool => Type::Boolean,
        Kind::Str => Type::String,
    }
}

fn text(escaped: &[u8], element: Element, dialect: Dialect) -> Result<String> {
    String::from_utf8(unescape(escaped, element, dialect).into_owned())
        .map_err(|e| Error::malformed(format!("the {element} {} is not utf-8", fault::excerpt(e.as_bytes()))))
}
