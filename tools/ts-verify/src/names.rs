//! `--map`: the flags with which `lp-encode` wrote the target, said of the source, so that its own names are compared with
//! those that they became.

use crate::layout::{KeyAs, Layout, Mapping, TableAs};
use arrow_schema::Schema;
use cli::naming::NamingArgs;
use fault::{Context, Result};
use rows::line_protocol::{self, Measurement};
use rows::naming::{Flags, Naming};

/// What the flags say.
#[derive(Clone, Debug)]
pub struct Names {
    naming: Naming,
    measurement: Measurement,
    table_as: TableAs,
    key_as: KeyAs,
}

impl Names {
    /// From the flags as one text. Exit 2 for a flag that names nothing.
    pub fn new(text: &str) -> Result<Names> {
        Names::read(text).context(|| "--map takes lp-encode's flags for names".to_owned())
    }

    fn read(text: &str) -> Result<Names> {
        let args = NamingArgs::from_words(text)?;
        let NamingArgs { tag, field, ignore, time, rename, .. } = &args;
        let flags = Flags { tags: tag, fields: field, ignore, time: time.as_deref(), rename };
        let mut measurement = args.measurement.as_deref().map(str::parse).transpose()?.unwrap_or_default();
        if let Measurement::Column(column) = &mut measurement
            && let Some((_, new)) = rename.iter().rev().find(|(old, _)| old == column)
        {
            column.clone_from(new);
        }
        Ok(Names {
            naming: Naming::new(flags)?,
            measurement,
            table_as: match args.table_as.parse()? {
                line_protocol::TableAs::Auto => TableAs::Auto,
                line_protocol::TableAs::Tag => TableAs::Tag,
                line_protocol::TableAs::Drop => TableAs::Drop,
            },
            key_as: match args.key_as.parse()? {
                line_protocol::KeyAs::Tag => KeyAs::Tag,
                line_protocol::KeyAs::Field => KeyAs::Field,
            },
        })
    }

    /// What the target calls a field of the source; `None` where it is a tag there, or left out.
    pub fn field<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.naming.field(name)
    }

    /// What the target calls a table of the source. Exit 2 where each row says it.
    pub fn table<'a>(&'a self, name: &'a str) -> Result<&'a str> {
        match &self.measurement {
            Measurement::Stated => Ok(name),
            Measurement::Named(name) => Ok(name),
            Measurement::Column(column) => Err(fault::Error::usage(format!(
                "--map: column {column} gives each row its measurement, and tables are counted whole: compare the cells \
                 (ts-verify compare)"
            ))),
        }
    }

    /// The columns of the source as the target has them.
    pub fn layout(&self, schema: &Schema, mapping: &Mapping) -> Result<Layout> {
        let schema = self.naming.schema(schema).context(|| "--map".to_owned())?;
        let mut mapping = mapping.clone();
        match &self.measurement {
            _ if mapping.measurement.is_some() || mapping.measurement_column.is_some() => {}
            Measurement::Stated => {}
            Measurement::Named(name) => mapping.measurement = Some(name.clone()),
            Measurement::Column(column) => mapping.measurement_column = Some(column.clone()),
        }
        if mapping.table_as == TableAs::Auto {
            mapping.table_as = self.table_as;
        }
        if mapping.key_as == KeyAs::Tag {
            mapping.key_as = self.key_as;
        }
        let layout = Layout::new(&schema, &mapping)?;
        match (&self.measurement, layout.measurement.column()) {
            (Measurement::Column(column), None) if mapping.measurement_column.as_ref() == Some(column) => {
                Err(fault::Error::usage(format!("--map: there is no column '{column}' that names the measurement")))
            }
            _ => Ok(layout),
        }
    }
}
