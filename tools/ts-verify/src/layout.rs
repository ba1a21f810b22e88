//! What the columns of one side are: which names the series, which are compared, and how each is read.

use crate::form::{self, Form};
use crate::options::Options;
use arrow_schema::{DataType, Schema};
use fault::{Error, Result};
use rows::role::{self, Role};
use rows::time::Unit;
use rows::types::Type;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// What becomes of TDengine's sub-table name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TableAs {
    /// A tag, unless the input says that dropping it merges no series
    #[default]
    Auto,
    /// A tag
    Tag,
    /// Not compared
    Drop,
}

/// What becomes of the second column of a composite primary key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyAs {
    /// A tag: rows that differ only in it are different rows
    #[default]
    Tag,
    /// A field
    Field,
}

/// The mapping that the user asked for. It applies to both sides; a name may be the column's own or its new one.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    pub measurement: Option<String>,
    /// The column that names the measurement of each row.
    pub measurement_column: Option<String>,
    pub key_as: KeyAs,
    pub time: Option<String>,
    pub tags: Vec<String>,
    pub fields: Vec<String>,
    pub ignore: Vec<String>,
    pub rename: Vec<(String, String)>,
    pub table_as: TableAs,
    pub read: Vec<(String, Form)>,
    /// Encoding of bytes in texts: [`Form::Hex`] or [`Form::Base64`].
    pub bytes: Option<Form>,
    /// A column that is a tag on one side and a field on the other is a tag.
    pub allow_roles: bool,
}

/// A column that is part of the comparison.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its place in the batches.
    pub index: usize,
    pub name: String,
    pub declared: Type,
    pub form: Form,
    /// The user said how to read it.
    pub told: bool,
    /// What stands before a tag's text when it is hashed: domain, length of the name, name.
    pub head: Vec<u8>,
    /// The hash of a field's name.
    pub hash: [u8; 8],
}

/// The measurement of the rows.
#[derive(Clone, Debug)]
pub enum Measurement {
    Unknown,
    Fixed(String),
    Column(Column),
}

impl Measurement {
    /// The name that all rows share.
    pub fn name(&self) -> Option<&str> {
        match self {
            Measurement::Fixed(name) => Some(name),
            _ => None,
        }
    }

    /// The column that names it.
    pub fn column(&self) -> Option<&Column> {
        match self {
            Measurement::Column(column) => Some(column),
            _ => None,
        }
    }

    /// The hash of the name that all rows share, else 0.
    pub fn hash(&self) -> u128 {
        let Some(name) = self.name() else { return 0 };
        let mut bytes = head(b'm', "");
        bytes.extend_from_slice(name.as_bytes());
        xxh3_128(&bytes)
    }
}

/// The columns of one side.
#[derive(Clone, Debug)]
pub struct Layout {
    pub time: usize,
    pub unit: Unit,
    pub measurement: Measurement,
    pub tags: Vec<Column>,
    pub fields: Vec<Column>,
    /// The sub-table name, left out because it is redundant; a tag after all if the other side compares it.
    pub spare: Option<Column>,
    /// Names of the mapping that were found here.
    used: Vec<String>,
}

fn head(domain: u8, name: &str) -> Vec<u8> {
    let mut bytes = vec![domain];
    bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

fn column(index: usize, name: &str, declared: Type, domain: u8) -> Column {
    Column {
        index,
        name: name.to_owned(),
        declared,
        // The text of a JSON column is a document; the text of a JSON tag is what the encoders write.
        form: if declared == Type::Json && domain == b'f' { Form::Json } else { Form::Own },
        told: false,
        head: head(domain, if domain == b'm' { "" } else { name }),
        hash: xxh3_64(&head(b'f', name)).to_le_bytes(),
    }
}

impl Layout {
    /// From a schema and the user's mapping. Exit 3 without a time column or with a type that cannot be compared.
    pub fn new(schema: &Schema, mapping: &Mapping) -> Result<Layout> {
        let stated = role::roles(schema)?;
        let mut used = Vec::new();
        let mut layout = Layout {
            time: usize::MAX,
            unit: Unit::Ns,
            measurement: match schema.metadata().get(role::MEASUREMENT) {
                Some(name) => Measurement::Fixed(name.clone()),
                None => Measurement::Unknown,
            },
            tags: Vec::new(),
            fields: Vec::new(),
            spare: None,
            used: Vec::new(),
        };
        for (index, (field, stated)) in schema.fields().iter().zip(stated).enumerate() {
            let own = field.name();
            let renamed = mapping.rename.iter().find(|(old, _)| old == own).map(|(_, new)| new);
            let name = renamed.unwrap_or(own);
            let mut is = |wanted: &String| {
                let found = wanted == own || wanted == name;
                if found {
                    used.push(wanted.clone());
                }
                found
            };
            // Look at all of them, so that every name that exists counts as used.
            let time = mapping.time.iter().filter(|wanted| is(wanted)).count() > 0;
            let tag = mapping.tags.iter().filter(|wanted| is(wanted)).count() > 0;
            let plain = mapping.fields.iter().filter(|wanted| is(wanted)).count() > 0;
            let names_it = mapping.measurement_column.iter().filter(|wanted| is(wanted)).count() > 0;
            let ignored = mapping.ignore.iter().filter(|wanted| is(wanted)).count() > 0;
            let told = mapping.read.iter().filter(|(wanted, _)| is(wanted)).last().map(|(_, form)| *form);
            if renamed.is_some() {
                used.push(own.clone());
            }
            let role = match stated {
                _ if ignored => Role::Ignore,
                _ if time => Role::Time,
                _ if names_it => Role::Measurement,
                // Another column was named: this one is a tag like any other.
                Role::Measurement if mapping.measurement_column.is_some() => Role::Tag,
                _ if tag => Role::Tag,
                _ if plain => Role::Field,
                // Another column was named as the time: this one is a value.
                Role::Time if mapping.time.is_some() && mapping_time_exists(schema, mapping) => Role::Field,
                Role::Table => match mapping.table_as {
                    TableAs::Drop => Role::Ignore,
                    TableAs::Auto if role::is_redundant(field) => {
                        layout.spare = Some(column(index, name, Type::of(field)?, b't'));
                        Role::Ignore
                    }
                    _ => Role::Tag,
                },
                Role::Field if role::is_key(field) && mapping.key_as == KeyAs::Tag => Role::Tag,
                role => role,
            };
            let mut made = match role {
                Role::Ignore => continue,
                Role::Time => {
                    layout.unit = match field.data_type() {
                        DataType::Timestamp(unit, _) => Unit::from_arrow(unit),
                        other => {
                            return Err(Error::malformed(format!(
                                "the time column {own} is no timestamp but {other}: convert it first (ts-convert --cast)"
                            )));
                        }
                    };
                    layout.time = index;
                    continue;
                }
                Role::Measurement => column(index, name, Type::of(field)?, b'm'),
                Role::Field => column(index, name, Type::of(field)?, b'f'),
                Role::Tag | Role::Table => column(index, name, Type::of(field)?, b't'),
            };
            if let Some(form) = told {
                (made.form, made.told) = (form, true);
            }
            match role {
                Role::Measurement => layout.measurement = Measurement::Column(made),
                Role::Field => layout.fields.push(made),
                _ => layout.tags.push(made),
            }
        }
        if layout.time == usize::MAX {
            // Gives the error that names the columns.
            role::time_column(schema)?;
            return Err(Error::usage("the time column is ignored or renamed away: a comparison needs one"));
        }
        if let Some(name) = &mapping.measurement {
            layout.measurement = Measurement::Fixed(name.clone());
        }
        for columns in [&mut layout.tags, &mut layout.fields] {
            columns.sort_by(|a, b| a.name.cmp(&b.name));
            if let Some(pair) = columns.windows(2).find(|pair| pair[0].name == pair[1].name) {
                return Err(Error::usage(format!("two columns are named {}: rename or ignore one", pair[0].name)));
            }
        }
        layout.used = used;
        Ok(layout)
    }

    /// The names of the mapping that this side does not have.
    pub fn unused<'a>(&self, mapping: &'a Mapping) -> Vec<&'a str> {
        let lists = [&mapping.tags, &mapping.fields, &mapping.ignore];
        let names = lists.into_iter().flatten().chain(&mapping.time).chain(&mapping.measurement_column);
        names
            .chain(mapping.rename.iter().map(|(old, _)| old))
            .chain(mapping.read.iter().map(|(name, _)| name))
            .filter(|name| !self.used.contains(name))
            .map(String::as_str)
            .collect()
    }

    /// A tag by name.
    pub fn tag(&self, name: &str) -> Option<&Column> {
        self.tags.iter().find(|column| column.name == name)
    }

    /// Compares the redundant sub-table name too, where the other side does.
    pub fn use_spare(&mut self, other_has: impl Fn(&str) -> bool) {
        if let Some(spare) = self.spare.take_if(|spare| other_has(&spare.name)) {
            self.tags.push(spare);
            self.tags.sort_by(|a, b| a.name.cmp(&b.name));
        }
    }

    fn field_to_tag(&mut self, name: &str) {
        if let Some(at) = self.fields.iter().position(|column| column.name == name) {
            let old = self.fields.remove(at);
            let tag = Column {
                form: if old.told { old.form } else { Form::Own },
                told: old.told,
                ..column(old.index, &old.name, old.declared, b't')
            };
            self.tags.push(tag);
            self.tags.sort_by(|a, b| a.name.cmp(&b.name));
        }
    }
}

fn mapping_time_exists(schema: &Schema, mapping: &Mapping) -> bool {
    mapping.time.as_ref().is_some_and(|name| {
        schema.fields().iter().any(|field| {
            field.name() == name || mapping.rename.iter().any(|(old, new)| old == field.name() && new == name)
        })
    })
}

/// A column whose two types differ, and how both are read.
#[derive(Clone, Debug)]
pub struct Agreement {
    pub name: String,
    pub a: Type,
    pub b: Type,
    pub form: Form,
}

/// A column that is a tag on one side and a field on the other.
#[derive(Clone, Debug)]
pub struct RoleConflict {
    pub name: String,
    pub tag_in_a: bool,
}

/// Makes two sides readable in the same way. Gives the columns whose types differ, and those whose roles do (which are
/// tags on both sides afterwards if the mapping allows it).
pub fn agree(
    a: &mut Layout,
    b: &mut Layout,
    mapping: &Mapping,
    options: Options,
) -> (Vec<Agreement>, Vec<RoleConflict>) {
    // A CSV does not say its measurement: it has the one that the other side says.
    match (&a.measurement, &b.measurement) {
        (Measurement::Unknown, Measurement::Fixed(_)) => a.measurement = b.measurement.clone(),
        (Measurement::Fixed(_), Measurement::Unknown) => b.measurement = a.measurement.clone(),
        _ => {}
    }
    a.use_spare(|name| b.tag(name).is_some());
    b.use_spare(|name| a.tag(name).is_some());
    let mut conflicts = Vec::new();
    for (tags, fields, tag_in_a) in [(&a.tags, &b.fields, true), (&b.tags, &a.fields, false)] {
        for tag in tags.iter() {
            // A name may be a tag and a field on both sides: line protocol allows it.
            let both = if tag_in_a { b.tag(&tag.name).is_some() } else { a.tag(&tag.name).is_some() };
            if !both && fields.iter().any(|field| field.name == tag.name) {
                conflicts.push(RoleConflict { name: tag.name.clone(), tag_in_a });
            }
        }
    }
    if mapping.allow_roles {
        for conflict in &conflicts {
            if conflict.tag_in_a { &mut *b } else { &mut *a }.field_to_tag(&conflict.name);
        }
    }
    let mut agreements = Vec::new();
    for (left, right, tags) in [(&mut a.tags, &mut b.tags, true), (&mut a.fields, &mut b.fields, false)] {
        for x in left.iter_mut() {
            let Some(y) = right.iter_mut().find(|y| y.name == x.name) else { continue };
            if x.told || y.told {
                continue;
            }
            let need = if tags {
                form::need_tag(x.declared, y.declared)
            } else {
                form::need(x.declared, y.declared, options.float32, mapping.bytes.unwrap_or(Form::Hex))
            };
            if let Some(form) = need {
                (x.form, y.form) = (form, form);
                // A tag is a text in most systems: that is no change of its type.
                if !tags {
                    agreements.push(Agreement { name: x.name.clone(), a: x.declared, b: y.declared, form });
                }
            }
        }
    }
    (agreements, conflicts)
}
