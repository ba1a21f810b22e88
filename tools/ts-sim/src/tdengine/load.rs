//! `--load DB.TABLE=FILE`: a typed CSV (`name|type` header) into a super table with its children, or an ordinary table.

use std::collections::HashMap;
use std::sync::Arc;

use fault::{Error, Result};

use super::convert::bounds;
use super::store::Store;
use super::table::Rows;
use super::time::{self, Zone};
use super::types::{Field, Kind, Type};
use super::value::{Value, parse_decimal};
use crate::args::Precision;
use crate::csv::Record;
use crate::load::{Load, malformed};

/// Settings of the command line.
pub struct Options {
    pub precision: Option<Precision>,
    /// Column name to type.
    pub types: Vec<(String, Type)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Time,
    Table,
    Tag(usize),
    Field(usize),
    Ignored,
}

/// Loads what `DB.TABLE=FILE` names.
pub fn load(store: &mut Store, spec: &str, options: &Options) -> Result<()> {
    let mut file = Load::open(spec)?;
    let Load { database, table, path, .. } = file;
    let mut loading = Loading::start(&file.header()?, path, options)?;
    file.rows(|at, record| loading.row(record).map_err(|why| malformed(path, at, &why)))?;
    loading.finish(store, database, table)
}

struct Child {
    tags: Vec<Value<'static>>,
    tag_text: Vec<u8>,
    rows: Rows,
}

struct Loading {
    roles: Vec<Role>,
    fields: Vec<Field>,
    tags: Vec<Field>,
    /// Longest text seen of each field and tag, where no type was given.
    widths: Vec<(bool, usize)>,
    tag_widths: Vec<(bool, usize)>,
    precision: Option<Precision>,
    forced: Option<Precision>,
    named: bool,
    shared: Arc<[Field]>,
    children: Vec<(String, Child)>,
    index: HashMap<Vec<u8>, usize>,
    last: Option<usize>,
    key: Vec<u8>,
    tag_text: Vec<u8>,
}

impl Loading {
    fn start(header: &Record<'_>, path: &str, options: &Options) -> Result<Loading> {
        let mut roles = Vec::new();
        let (mut fields, mut tags) = (vec![Field::new("ts", Type::fixed(Kind::Timestamp))], Vec::new());
        let (mut widths, mut tag_widths) = (vec![(false, 0)], Vec::new());
        for at in 0..header.len() {
            let cell = String::from_utf8_lossy(header.get(at).unwrap_or_default()).into_owned();
            let bad = || malformed(path, 1, &format!("column {}: `{cell}` is not name|type", at + 1));
            let (name, role) = cell.rsplit_once('|').ok_or_else(bad)?;
            let given = options.types.iter().find(|(column, _)| column == name).map(|(_, ty)| *ty);
            let (base, key) = role.strip_suffix(":key").map_or((role, false), |base| (base, true));
            roles.push(match base {
                "time" => {
                    fields[0].name = name.to_string();
                    Role::Time
                }
                "table" | "table:redundant" => Role::Table,
                "measurement" => Role::Ignored,
                _ if base.starts_with("ignore:") => Role::Ignored,
                _ => {
                    let (is_tag, ty_name) = match base {
                        "tag" => (true, "string"),
                        _ => base.strip_prefix("tag:").map_or((false, base), |ty| (true, ty)),
                    };
                    let ty = match given {
                        Some(ty) => ty,
                        None => column_type(ty_name, is_tag).ok_or_else(bad)?,
                    };
                    let mut field = Field::new(name, ty);
                    field.key = key;
                    let grows = given.is_none() && ty.width().is_none() && ty.kind != Kind::Json;
                    if is_tag {
                        tags.push(field);
                        tag_widths.push((grows, 0));
                        Role::Tag(tags.len() - 1)
                    } else {
                        fields.push(field);
                        widths.push((grows, 0));
                        Role::Field(fields.len() - 1)
                    }
                }
            });
        }
        if roles.iter().filter(|r| **r == Role::Time).count() != 1 {
            return Err(malformed(path, 1, "there must be one column of type time"));
        }
        // A composite key is always the second column.
        if let Some(at) = fields.iter().position(|f| f.key).filter(|at| *at > 1) {
            fields.swap(1, at);
            widths.swap(1, at);
            for role in &mut roles {
                *role = match *role {
                    Role::Field(1) => Role::Field(at),
                    Role::Field(n) if n == at => Role::Field(1),
                    other => other,
                };
            }
        }
        Ok(Loading {
            named: roles.contains(&Role::Table),
            shared: fields.clone().into(),
            roles,
            fields,
            tags,
            widths,
            tag_widths,
            precision: options.precision,
            forced: options.precision,
            children: Vec::new(),
            index: HashMap::new(),
            last: None,
            key: Vec::new(),
            tag_text: Vec::new(),
        })
    }

    fn row(&mut self, record: &Record<'_>) -> std::result::Result<(), String> {
        if record.len() != self.roles.len() {
            return Err(format!("{} cells, the header has {}", record.len(), self.roles.len()));
        }
        let time_at = self.roles.iter().position(|r| *r == Role::Time).unwrap_or(0);
        let time = record.get(time_at).ok_or("the time is empty")?;
        // First the time: it decides the precision, which timestamps among the tags have too.
        let time = time_cell(time, &mut self.precision, self.forced)?;
        let child = self.child(record)?;
        let mut row: Vec<Value<'_>> = vec![Value::Null; self.fields.len()];
        row[0] = Value::Time(time);
        for (at, role) in self.roles.iter().enumerate() {
            match *role {
                Role::Field(field) => {
                    let Some(text) = record.get(at) else { continue };
                    let ty = self.fields[field].ty;
                    let precision = self.precision.unwrap_or(Precision::Ms);
                    row[field] = cell(text, ty, precision)
                        .map_err(|why| format!("column {}: {why}", self.fields[field].name))?;
                    grow(&mut self.widths[field], &row[field], ty);
                }
                Role::Time | Role::Tag(_) | Role::Table | Role::Ignored => {}
            }
        }
        self.children[child].1.rows.append(&row);
        Ok(())
    }

    /// The table of a record; its tags must be the same in all rows.
    fn child(&mut self, record: &Record<'_>) -> std::result::Result<usize, String> {
        self.key.clear();
        self.tag_text.clear();
        for (at, role) in self.roles.iter().enumerate() {
            match role {
                Role::Table => self.key.extend_from_slice(record.get(at).ok_or("the table name is empty")?),
                Role::Tag(_) => {
                    let cell = record.get(at);
                    self.tag_text.push(u8::from(cell.is_some()));
                    self.tag_text.extend_from_slice(cell.unwrap_or_default());
                    self.tag_text.push(0);
                }
                _ => {}
            }
        }
        if !self.named {
            self.key.clone_from(&self.tag_text);
        }
        let known = self.last.filter(|at| self.named && self.children[*at].0.as_bytes() == self.key.as_slice());
        let found = known.or_else(|| self.index.get(&self.key).copied());
        if let Some(at) = found {
            if self.children[at].1.tag_text != self.tag_text {
                return Err(format!("the tags of table {} differ from those of its earlier rows", self.children[at].0));
            }
            self.last = Some(at);
            return Ok(at);
        }
        let mut tags = vec![Value::Null; self.tags.len()];
        let precision = self.precision.unwrap_or(Precision::Ms);
        for (at, role) in self.roles.iter().enumerate() {
            if let (Role::Tag(tag), Some(text)) = (role, record.get(at)) {
                let ty = self.tags[*tag].ty;
                let value =
                    cell(text, ty, precision).map_err(|why| format!("column {}: {why}", self.tags[*tag].name))?;
                grow(&mut self.tag_widths[*tag], &value, ty);
                tags[*tag] = value.into_owned();
            }
        }
        let at = self.children.len();
        let name = if self.named { String::from_utf8_lossy(&self.key).into_owned() } else { format!("t_{at}") };
        let child = Child { tags, tag_text: self.tag_text.clone(), rows: Rows::new(self.shared.clone()) };
        self.children.push((name, child));
        self.index.insert(self.key.clone(), at);
        self.last = Some(at);
        Ok(at)
    }

    fn finish(mut self, store: &mut Store, database: &str, table: &str) -> Result<()> {
        let precision = self.precision.unwrap_or(Precision::Ms);
        widen(&mut self.fields, &self.widths);
        widen(&mut self.tags, &self.tag_widths);
        if store.database(database).is_none() {
            store.create_database(database, precision);
        }
        let uids: Vec<i64> = self.children.iter().map(|_| store.next_uid()).collect();
        let target = store.database_mut(database).ok_or_else(|| Error::usage(format!("no database {database}")))?;
        if target.precision != precision {
            let (has, new) = (target.precision.name(), precision.name());
            return Err(Error::usage(format!(
                "--load {database}.{table}: the data are in {new}, the database in {has}"
            )));
        }
        if target.has(table) {
            return Err(Error::usage(format!("--load {database}.{table}: there is such a table already")));
        }
        let fields: Arc<[Field]> = self.fields.into();
        let stable = (!self.tags.is_empty()).then(|| target.add_stable(table, fields.to_vec(), self.tags));
        for ((name, mut child), uid) in self.children.into_iter().zip(uids) {
            let name = if stable.is_none() && !self.named { table.to_string() } else { name };
            if target.has(&name) {
                return Err(Error::usage(format!("--load {database}.{table}: there is a table {name} already")));
            }
            child.rows.finish();
            let fields = stable.as_ref().map_or_else(|| fields.clone(), |s| s.fields.clone());
            target.add_table(&name, stable.clone(), fields, child.tags, uid).rows = Arc::new(child.rows);
            target.note_loaded(&name);
        }
        Ok(())
    }
}

fn grow(width: &mut (bool, usize), value: &Value<'_>, ty: Type) {
    if let (true, Value::Bytes(bytes)) = (width.0, value) {
        let length = if ty.kind == Kind::NChar { bytes.len().div_ceil(4) } else { bytes.len() };
        width.1 = width.1.max(length);
    }
}

/// Lengths of text columns without a given type: what the data need, in steps of 16.
fn widen(fields: &mut [Field], widths: &[(bool, usize)]) {
    for (field, (grows, width)) in fields.iter_mut().zip(widths) {
        if *grows {
            field.ty.len = (width.max(&1).div_ceil(16) * 16).min(65_517) as u32;
        }
    }
}

/// The TDengine type of a CSV type.
fn column_type(name: &str, tag: bool) -> Option<Type> {
    let kind = match name {
        "double" => Kind::Double,
        "float" => Kind::Float,
        "long" => Kind::BigInt,
        "int" => Kind::Int,
        "short" => Kind::SmallInt,
        "byte" => Kind::TinyInt,
        "ulong" | "unsignedLong" => Kind::UBigInt,
        "uint" => Kind::UInt,
        "ushort" => Kind::USmallInt,
        "ubyte" => Kind::UTinyInt,
        "boolean" | "bool" => Kind::Bool,
        "timestamp" | "dateTime" => Kind::Timestamp,
        "string" => return Some(Type::var(Kind::VarChar, 16)),
        "binary" => return Some(Type::var(Kind::VarBinary, 16)),
        "geometry" => return Some(Type::var(Kind::Geometry, 16)),
        "json" if tag => Kind::Json,
        // Only tags can be JSON.
        "json" => return Some(Type::var(Kind::VarChar, 16)),
        _ => {
            let digits = name.strip_prefix("decimal(")?.strip_suffix(')')?;
            let (precision, scale) = digits.split_once(',')?;
            return Type::decimal(precision.trim().parse().ok()?, scale.trim().parse().ok()?);
        }
    };
    Some(Type::fixed(kind))
}

/// A time of the data; its digits decide the precision, once.
fn time_cell(
    text: &[u8],
    found: &mut Option<Precision>,
    forced: Option<Precision>,
) -> std::result::Result<i64, String> {
    let text = std::str::from_utf8(text).map_err(|_| "the time is not UTF-8".to_string())?;
    let bad = || format!("`{text}` is not an RFC 3339 time with 0, 3, 6 or 9 digits");
    let digits = text.find('.').map_or(0, |dot| text[dot + 1..].bytes().take_while(u8::is_ascii_digit).count());
    let own = match digits {
        0 | 3 => Precision::Ms,
        6 => Precision::Us,
        9 => Precision::Ns,
        _ => return Err(bad()),
    };
    let precision = *found.get_or_insert(own);
    if own.digits() > precision.digits() || (forced.is_none() && own != precision) {
        return Err(format!("`{text}` does not have the precision {}", precision.name()));
    }
    time::parse(text, precision, Zone::default()).ok_or_else(bad)
}

/// A cell in a column's type.
fn cell<'a>(text: &'a [u8], ty: Type, precision: Precision) -> std::result::Result<Value<'a>, String> {
    if matches!(ty.kind, Kind::VarChar | Kind::NChar | Kind::Json) {
        return Ok(Value::Bytes(text.into()));
    }
    let shown = String::from_utf8_lossy(text);
    let bad = || format!("`{shown}` is not {}", ty.full_name());
    let text = std::str::from_utf8(text).map_err(|_| bad())?;
    if let (Some((low, high)), false) = (bounds(ty.kind), ty.kind == Kind::Timestamp) {
        let whole: i128 = text.parse().map_err(|_| bad())?;
        if whole < low || whole > high {
            return Err(bad());
        }
        return Ok(if low < 0 { Value::Int(whole as i64) } else { Value::UInt(whole as u64) });
    }
    match ty.kind {
        Kind::Bool if text == "true" => Ok(Value::Bool(true)),
        Kind::Bool if text == "false" => Ok(Value::Bool(false)),
        Kind::Float => text.parse().map(Value::Float).map_err(|_| bad()),
        Kind::Double => text.parse().map(Value::Double).map_err(|_| bad()),
        Kind::Timestamp => time::parse(text, precision, Zone::default()).map(Value::Time).ok_or_else(bad),
        Kind::Decimal | Kind::Decimal64 => {
            parse_decimal(text, ty.precision, ty.scale).map(|d| Value::Decimal(d, ty.scale)).ok_or_else(bad)
        }
        Kind::VarBinary | Kind::Geometry | Kind::Blob => {
            hex::decode(text).map(|b| Value::Bytes(b.into())).map_err(|_| bad())
        }
        _ => Err(bad()),
    }
}
