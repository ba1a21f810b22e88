//! Rows into loads: each row is written as the server reads it, until the load is as large as it may be.
//!
//! Delimited text is written without quoting, so the separators are bytes that no text of the load holds: each batch of
//! rows is scanned before. Where two bytes cannot be found, or a text is the server's word for NULL, the load is JSON.

use crate::args::{Args, LoadFormat, Plan};
use crate::chunk::{Chunk, Rows, Stream};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use cli::Counter;
use cli::Run;
use fault::{Error, Result};
use net::batch::{Builder, Spares};
use rows::RecordBatch;
use rows::bulk::{Bulk, Separators, Unsaid, controls};
use rows::role::{Role, roles};
use starrocks::request::{Form, quoted};
use std::sync::Arc;

/// Where loads and bad rows go.
pub trait Into {
    fn chunk(&mut self, chunk: Chunk) -> Result<()>;
    fn reject(&mut self, row: &[u8], reason: &str) -> Result<()>;
}

/// Which columns are loaded, in which order, under which names.
pub struct Columns {
    /// Places in the input.
    places: Vec<usize>,
    schema: SchemaRef,
    /// Of the table.
    names: Vec<String>,
    /// What the header `columns` says.
    pub header: Vec<String>,
}

/// Loads being filled.
pub struct Filler {
    columns: Columns,
    bulk: Bulk,
    wanted: LoadFormat,
    /// All loads have one form: they are parts of a transaction.
    one_form: bool,
    form: Option<Form>,
    text: Builder,
    arrow: Option<Stream>,
    number: u64,
    most_rows: usize,
    most_bytes: usize,
    spares: Arc<Spares>,
    times: Arc<[bool]>,
    /// Rows seen.
    pub seen: u64,
    nulled: Counter,
    truncated: Counter,
    name: String,
}

/// The separators that are tried first: what StarRocks' own tools use.
const FIRST: Separators = Separators { column: 1, row: 2 };

/// Control characters that may stand between cells: not those of lines, and not NUL.
const ALLOWED: u32 = !(1 | 1 << 9 | 1 << 10 | 1 << 13);

impl Columns {
    /// Exit 2 for names that do not fit the input.
    pub fn new(input: &Schema, args: &Args) -> Result<Columns> {
        let roles = roles(input)?;
        let names: Vec<Option<String>> = match &args.columns {
            None => input
                .fields()
                .iter()
                .zip(&roles)
                .map(|(field, role)| (*role != Role::Ignore).then(|| field.name().clone()))
                .collect(),
            Some(names) if names.len() == input.fields().len() => {
                names.iter().map(|name| (name != "-").then(|| name.trim().to_owned())).collect()
            }
            Some(names) => {
                return Err(Error::usage(format!(
                    "--columns names {} columns, the input has {}",
                    names.len(),
                    input.fields().len()
                )));
            }
        };
        if let Some(op) = &args.op
            && !input.fields().iter().any(|field| field.name() == op)
        {
            return Err(Error::usage(format!("--op {op}: the input has no such column")));
        }
        let (mut places, mut fields, mut last) = (Vec::new(), Vec::new(), None);
        for (place, (field, name)) in input.fields().iter().zip(names).enumerate() {
            let Some(name) = name else { continue };
            let named =
                |name: &str| Field::new(name, field.data_type().clone(), true).with_metadata(field.metadata().clone());
            if args.op.as_deref().unwrap_or("__op") == field.name() {
                last = Some((place, named("__op")));
                continue;
            }
            places.push(place);
            fields.push(named(&name));
        }
        // The server wants it behind all others.
        if let Some((place, field)) = last {
            places.push(place);
            fields.push(field);
        }
        if fields.is_empty() {
            return Err(Error::usage("there is no column to load"));
        }
        let mut header = Vec::new();
        let mut derived = Vec::new();
        for set in &args.set {
            let (column, expression) = set
                .split_once('=')
                .ok_or_else(|| Error::usage(format!("'{set}' is no --set: write COLUMN=EXPRESSION")))?;
            derived.push(format!("{}={}", quoted(column.trim()), expression.trim()));
        }
        let names = fields.iter().map(|field| field.name().clone()).collect();
        let arrow = args.load_format == LoadFormat::Arrow;
        for field in &mut fields {
            // Bytes cannot stand in a text: they come as hexadecimal digits.
            if is_binary(field.data_type()) && !arrow {
                let raw = format!("__hex_{}", field.name());
                derived.push(format!("{}=unhex({})", quoted(field.name()), quoted(&raw)));
                *field = field.clone().with_name(raw);
            }
            header.push(quoted(field.name()));
        }
        header.extend(derived);
        let schema = Arc::new(Schema::new_with_metadata(fields, input.metadata().clone()));
        Ok(Columns { places, schema, names, header })
    }

    /// The columns of the table that are loaded.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    fn project(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.places.iter().filter_map(|place| batch.columns().get(*place).cloned()).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::caused(fault::Kind::Bug, "cannot take the columns of a batch", error))
    }
}

fn is_binary(ty: &DataType) -> bool {
    matches!(ty, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

impl Filler {
    /// For the columns of one input.
    pub fn new(
        columns: Columns,
        name: &str,
        args: &Args,
        plan: &Plan,
        spares: Arc<Spares>,
        run: &Run,
    ) -> Result<Filler> {
        let bulk = Bulk::new(&columns.schema, plan.policy)?;
        let times =
            bulk.schema().fields().iter().map(|field| matches!(field.data_type(), DataType::Timestamp(..))).collect();
        Ok(Filler {
            columns,
            bulk,
            wanted: args.load_format,
            one_form: plan.job != crate::args::Job::Loads,
            form: None,
            text: Builder::default(),
            arrow: None,
            number: 0,
            most_rows: plan.batch_rows,
            most_bytes: plan.batch_bytes,
            spares,
            times,
            seen: 0,
            nulled: run.counter("nulled"),
            truncated: run.counter("truncated"),
            name: name.to_owned(),
        })
    }

    /// Adds the rows of a batch.
    pub fn add(&mut self, batch: &RecordBatch, into: &mut impl Into) -> Result<()> {
        let whole = self.bulk.convert(&self.columns.project(batch)?)?;
        if self.wanted == LoadFormat::Arrow {
            return self.add_arrow(whole, into);
        }
        let found = if self.wanted == LoadFormat::Json { 0 } else { controls(&whole)? };
        let mut form = self.form_for(found);
        let mut row = 0;
        while row < whole.num_rows() {
            self.begin(form, into)?;
            // How the rows were left: a bad one, or one that needs JSON.
            let (at, why) = self.write(&whole, row, form, into)?;
            row = at;
            match why {
                None => {}
                Some(Unsaid::Null(_)) if self.wanted == LoadFormat::Auto => form = Form::Json,
                Some(why) => {
                    self.seen += 1;
                    let reason = self.reason(why);
                    into.reject(&rows::row_text(batch, row)?, &reason)?;
                    row += 1;
                }
            }
        }
        self.nulled.add(std::mem::take(&mut self.bulk.nulled));
        self.truncated.add(std::mem::take(&mut self.bulk.truncated));
        Ok(())
    }

    /// Hands on what is left.
    pub fn finish(&mut self, into: &mut impl Into) -> Result<()> {
        self.seal(into)
    }

    /// Writes rows until the end, or until one cannot be written.
    fn write(
        &mut self,
        batch: &RecordBatch,
        from: usize,
        form: Form,
        into: &mut impl Into,
    ) -> Result<(usize, Option<Unsaid>)> {
        let Filler { bulk, text, number, spares, times, most_rows, most_bytes, seen, .. } = self;
        let mut rows = bulk.rows(batch)?;
        for row in from..batch.num_rows() {
            // A row more must fit too. Looked at before the row and not behind it: the last load is handed on only when it is
            // known that the input has ended well.
            let lines = text.lines();
            if lines >= *most_rows || lines > 0 && text.bytes() + text.bytes() / lines > *most_bytes {
                seal_text(text, form, number, spares, times, *most_bytes, into)?;
            }
            let out = text.buffer();
            let written = match form {
                Form::Csv(by) => rows.delimited(row, by, out),
                _ => rows.json(row, out),
            };
            if let Err(why) = written {
                text.undo();
                return Ok((row, Some(why)));
            }
            text.end();
            *seen += 1;
        }
        Ok((batch.num_rows(), None))
    }

    /// The form that can say texts with these control characters; the present one if it can.
    fn form_for(&self, found: u32) -> Form {
        let fits = |by: Separators| found & (1 << by.column | 1 << by.row) == 0;
        match self.form {
            _ if self.wanted == LoadFormat::Json => Form::Json,
            Some(Form::Csv(by)) if fits(by) => Form::Csv(by),
            // JSON says everything: changing back and forth would make many small loads.
            Some(Form::Json) if self.text.lines() > 0 => Form::Json,
            _ if fits(FIRST) => Form::Csv(FIRST),
            _ => {
                let mut free = (1..32u8).filter(|byte| !found & ALLOWED & (1 << byte) != 0);
                match (free.next(), free.next()) {
                    (Some(column), Some(row)) => Form::Csv(Separators { column, row }),
                    _ => Form::Json,
                }
            }
        }
    }

    /// From now on rows have this form.
    fn begin(&mut self, form: Form, into: &mut impl Into) -> Result<()> {
        if self.form != Some(form) {
            if self.one_form && self.form.is_some() {
                return Err(Error::malformed(format!(
                    "{}: row {}: a text holds what the loads of this transaction have between cells, or for NULL: \
                     load with --load-format json",
                    self.name,
                    self.seen + 1
                )));
            }
            self.seal(into)?;
            self.form = Some(form);
        }
        if self.text.lines() == 0 {
            self.text.reserve(room(self.most_bytes));
        }
        Ok(())
    }

    fn seal(&mut self, into: &mut impl Into) -> Result<()> {
        if let Some(stream) = self.arrow.take() {
            let rows = Rows::Arrow(stream.finish()?);
            into.chunk(Chunk { number: self.number, form: Form::Arrow, rows, times: Arc::clone(&self.times) })?;
            self.number += 1;
        }
        match self.form {
            Some(form) if self.text.lines() > 0 => {
                let Filler { text, number, spares, times, most_bytes, .. } = self;
                seal_text(text, form, number, spares, times, *most_bytes, into)
            }
            _ => Ok(()),
        }
    }

    fn add_arrow(&mut self, batch: RecordBatch, into: &mut impl Into) -> Result<()> {
        self.form = Some(Form::Arrow);
        let mut row = 0;
        while row < batch.num_rows() {
            let rest = batch.slice(row, batch.num_rows() - row);
            let stream = match &mut self.arrow {
                Some(stream) => stream,
                none => {
                    let mut memory = self.spares.take();
                    memory.reserve(room(self.most_bytes));
                    none.insert(Stream::new(batch.schema(), memory)?)
                }
            };
            let rows = stream.fit(&rest, self.most_rows, self.most_bytes);
            if rows == 0 {
                self.seal(into)?;
                continue;
            }
            stream.add(&rest.slice(0, rows))?;
            self.seen += rows as u64;
            row += rows;
        }
        Ok(())
    }

    /// Why a row cannot be loaded.
    fn reason(&self, why: Unsaid) -> String {
        let (at, what) = match why {
            Unsaid::Null(at) => (at, "the text \\N means NULL in CSV (--load-format json can say it)"),
            Unsaid::NotFinite(at) => (at, "StarRocks holds no NaN and no infinity (--nan null loads NULL)"),
            Unsaid::TooFine(at) => (at, "StarRocks holds microseconds at most (--truncate-times cuts)"),
            Unsaid::TooFar(at) => (at, "StarRocks holds the years 0000 to 9999"),
        };
        let schema = self.bulk.schema();
        let column = schema.fields().get(at).map_or("?", |field| field.name().as_str());
        format!("{}: row {}: column {column}: {what}", self.name, self.seen)
    }
}

/// Memory for a load, made at once.
fn room(bytes: usize) -> usize {
    // Only what is touched is there; a load of one long row is rare, and may grow.
    bytes.min(64 << 20)
}

fn seal_text(
    text: &mut Builder,
    form: Form,
    number: &mut u64,
    spares: &Spares,
    times: &Arc<[bool]>,
    bytes: usize,
    into: &mut impl Into,
) -> Result<()> {
    let batch = text.finish();
    into.chunk(Chunk { number: *number, form, rows: Rows::Text(batch), times: Arc::clone(times) })?;
    *number += 1;
    // Only now: who takes a load has given the memory of the one before back. So there is one buffer more than loads in flight.
    *text = spares.take();
    text.reserve(room(bytes));
    Ok(())
}
