//! What points do to the database: super tables made, widened and given columns, tables named by their tags, rows.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use md5::{Digest as _, Md5};

use super::super::column;
use super::super::sql::error::SqlError;
use super::super::store::{Database, Stable, Store};
use super::super::types::{Field, Kind, Type};
use super::super::value::Value;
use super::{Item, Point, Request, complaint, invalid_data};

/// Name of the time column of a super table made here, and of its tag when the points have none.
const TIME: &str = "_ts";
const NO_TAG: &str = "_tag_null";
/// Most tags; most columns and tags; bytes of all tags; bytes of a row.
const MAX_TAGS: usize = 128;
const MAX_COLUMNS: usize = 4096;
const MAX_TAG_BYTES: u32 = 16_384;
const MAX_ROW_BYTES: u32 = 65_531;
/// Texts get the next power of two as their width, from this on their length.
const ROUNDED: u32 = 1024;

/// A column as the points of one request need it.
struct Need {
    name: String,
    kind: Kind,
    len: u32,
}

/// What the points of one request need of one super table, in the order of their first appearance.
#[derive(Default)]
struct Shape {
    tags: Vec<Need>,
    fields: Vec<Need>,
    tag_at: HashMap<String, usize>,
    field_at: HashMap<String, usize>,
}

/// Writes all points; the number of rows.
pub fn write(store: &mut Store, request: &Request<'_>, mut points: Vec<Point<'_>>) -> Result<u64, SqlError> {
    let names: Vec<String> = points.iter_mut().map(|p| child_name(p, request.table_name_key)).collect();
    let mut order: Vec<String> = Vec::new();
    let mut shapes: HashMap<String, Shape> = HashMap::new();
    for point in &points {
        if !shapes.contains_key(&point.stable) {
            order.push(point.stable.clone());
        }
        shapes.entry(point.stable.clone()).or_default().add(point)?;
    }
    let database = store.database_mut(request.database).ok_or_else(SqlError::no_database)?;
    let mut stables = HashMap::new();
    for name in order {
        let stable = conform(database, &name, &shapes[&name])?;
        stables.insert(name, stable);
    }
    // Time units of the database, cut (recorded: ns into ms).
    let factor = 1_000_000_000 / database.precision.per_second();
    // The rows of every table, in the order of the tables' first appearance.
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut seen = HashSet::new();
    for (point, name) in points.into_iter().zip(names) {
        let time = point.time / factor;
        if !database.keeps(time) {
            return Err(SqlError::new(0x060B, "Timestamp data out of range"));
        }
        let Some(stable) = stables.get(&point.stable) else { continue };
        let row = row(stable, time, point.fields)?;
        let at = *places.entry(name.clone()).or_insert(parts.len());
        if at == parts.len() {
            point.tags.iter().try_for_each(check_text)?;
            own(database, &name, stable)?;
            parts.push(Part { name, stable: stable.clone(), tags: point.tags, rows: Vec::new() });
        }
        parts[at].rows.push(row);
        seen.insert((at, time));
    }
    for part in parts {
        let made = child(store, request, &part);
        if let Some(database) = store.database_mut(request.database) {
            database.write(&part.name, &part.rows, made);
        }
    }
    Ok(seen.len() as u64)
}

/// The rows for one table, which is made with these tags when it is not there.
struct Part<'a> {
    name: String,
    stable: Arc<Stable>,
    tags: Vec<Item<'a>>,
    rows: Vec<Vec<Option<Value<'static>>>>,
}

impl Shape {
    fn add(&mut self, point: &Point<'_>) -> Result<(), SqlError> {
        if point.tags.len() > MAX_TAGS {
            return Err(SqlError::new(0x2643, "too many tags than 128"));
        }
        if point.tags.len() + point.fields.len() + 1 > MAX_COLUMNS {
            return Err(SqlError::new(0x2640, "too many columns than 4096"));
        }
        let mut seen = HashSet::from([TIME]);
        if !point.fields.iter().chain(&point.tags).all(|item| seen.insert(item.name.as_str())) {
            return Err(duplicated());
        }
        for item in &point.fields {
            let need = add(&mut self.fields, &mut self.field_at, item);
            if need.kind != item.kind {
                return Err(complaint(0x3004, "the type is not the same like before", item.near));
            }
        }
        for item in &point.tags {
            if add(&mut self.tags, &mut self.tag_at, item).kind != item.kind {
                return Err(invalid_data());
            }
        }
        Ok(())
    }
}

/// The need for an item's column, made as wide as the item.
fn add<'a>(needs: &'a mut Vec<Need>, places: &mut HashMap<String, usize>, item: &Item<'_>) -> &'a Need {
    let at = *places.entry(item.name.clone()).or_insert(needs.len());
    if at == needs.len() {
        needs.push(Need { name: item.name.clone(), kind: item.kind, len: item.len });
    }
    let need = &mut needs[at];
    need.len = need.len.max(item.len);
    need
}

fn duplicated() -> SqlError {
    SqlError::new(0x263C, "Duplicated column names")
}

/// The type of a new column, or of one that must grow.
fn wide(kind: Kind, len: u32) -> Type {
    let rounded = if len >= ROUNDED { len } else { (len + 1).next_power_of_two() };
    match kind {
        Kind::VarChar | Kind::VarBinary | Kind::Geometry => Type::var(kind, rounded.min(super::MAX_BYTES as u32)),
        Kind::NChar => Type::var(kind, rounded.min(super::MAX_NCHAR as u32)),
        _ => Type::fixed(kind),
    }
}

/// The super table of the name, with at least the columns and tags that are needed. Tags are changed before columns are
/// looked at, so that a refusal of these leaves the tags widened.
fn conform(database: &mut Database, name: &str, shape: &Shape) -> Result<Arc<Stable>, SqlError> {
    let Some(stable) = database.stable(name).cloned() else {
        if database.table(name).is_some() {
            return Err(SqlError::new(0x0603, "Table already exists"));
        }
        let new = |needs: &[Need]| needs.iter().map(|n| Field::new(&*n.name, wide(n.kind, n.len))).collect::<Vec<_>>();
        let mut tags = new(&shape.tags);
        if tags.is_empty() {
            tags.push(Field::new(NO_TAG, Type::var(Kind::NChar, 1)));
        }
        let mut fields = vec![Field::new(TIME, Type::fixed(Kind::Timestamp))];
        fields.extend(new(&shape.fields));
        fits(&fields, &tags)?;
        return Ok(database.add_stable(name, fields, tags));
    };
    if stable.fields.get(1).is_some_and(|f| f.key) {
        return Err(SqlError::new(0x3006, "Can not insert data into table with composite primary key"));
    }
    let clash = |others: &[Field], needs: &[Need]| needs.iter().any(|n| others.iter().any(|f| f.name == n.name));
    let mut stable = stable;
    if clash(&stable.fields, &shape.tags) {
        return Err(duplicated());
    }
    if let Some(tags) = grown(&stable.tags, &shape.tags)? {
        fits(&stable.fields, &tags)?;
        stable = altered(database, name, stable.fields.clone(), tags.into())?;
    }
    if clash(&stable.tags, &shape.fields) {
        return Err(duplicated());
    }
    if let Some(fields) = grown(&stable.fields, &shape.fields)? {
        fits(&fields, &stable.tags)?;
        stable = altered(database, name, fields.into(), stable.tags.clone())?;
    }
    Ok(stable)
}

fn altered(
    database: &mut Database,
    name: &str,
    fields: Arc<[Field]>,
    tags: Arc<[Field]>,
) -> Result<Arc<Stable>, SqlError> {
    database.alter_stable(name, fields, tags);
    database.stable(name).cloned().ok_or_else(SqlError::table_missing)
}

fn fits(fields: &[Field], tags: &[Field]) -> Result<(), SqlError> {
    let bytes = |fields: &[Field]| fields.iter().map(|f| f.ty.block_bytes()).sum::<u32>();
    if bytes(tags) > MAX_TAG_BYTES {
        return Err(SqlError::new(0x263D, "Tags length exceeds max length"));
    }
    if bytes(fields) > MAX_ROW_BYTES {
        return Err(SqlError::new(0x263E, "Row length exceeds max length"));
    }
    if tags.len() > MAX_TAGS {
        return Err(SqlError::new(0x2643, "Invalid number of tag columns"));
    }
    if fields.len() + tags.len() > MAX_COLUMNS {
        return Err(SqlError::new(0x2640, "Too many columns"));
    }
    Ok(())
}

/// The columns with what is needed beside them; `None` when nothing is missing.
fn grown(fields: &[Field], needs: &[Need]) -> Result<Option<Vec<Field>>, SqlError> {
    let places: HashMap<&str, usize> = fields.iter().enumerate().map(|(at, f)| (f.name.as_str(), at)).collect();
    let mut out = fields.to_vec();
    for need in needs {
        match places.get(need.name.as_str()) {
            None => out.push(Field::new(&*need.name, wide(need.kind, need.len))),
            Some(at) if fields[*at].ty.kind != need.kind => return Err(invalid_data()),
            Some(at) if fields[*at].ty.width().is_none() && fields[*at].ty.len < need.len => {
                out[*at].ty = wide(need.kind, need.len);
            }
            Some(_) => {}
        }
    }
    Ok(Some(out).filter(|out| out != fields))
}

/// The values of a point in the order of the columns; the first column is the time, whatever its name.
fn row(stable: &Stable, time: i64, items: Vec<Item<'_>>) -> Result<Vec<Option<Value<'static>>>, SqlError> {
    let mut row: Vec<Option<Value<'static>>> = vec![None; stable.fields.len()];
    for item in items {
        check_text(&item)?;
        if let Some(at) = stable.fields.iter().position(|f| f.name == item.name) {
            row[at] = Some(item.value);
        }
    }
    row[0] = Some(Value::Time(time));
    Ok(row)
}

/// NCHAR must be UTF-8.
fn check_text(item: &Item<'_>) -> Result<(), SqlError> {
    match &item.value {
        Value::Bytes(text) if item.kind == Kind::NChar && std::str::from_utf8(text).is_err() => {
            Err(SqlError::new(0x0203, "Invalid value in client"))
        }
        _ => Ok(()),
    }
}

/// A table of the name must be one of the super table.
fn own(database: &Database, name: &str, stable: &Stable) -> Result<(), SqlError> {
    match database.table(name).map(|t| t.stable.as_ref()) {
        None => Ok(()),
        Some(Some(own)) if own.name == stable.name => Ok(()),
        Some(_) => Err(SqlError::new(0x0603, "Table already exists")),
    }
}

/// Makes the table when there is none; the tags of one that exists stay. True when it was made.
fn child(store: &mut Store, request: &Request<'_>, part: &Part<'_>) -> bool {
    if store.database(request.database).is_none_or(|d| d.table(&part.name).is_some()) {
        return false;
    }
    let value = |tag: &Field| part.tags.iter().find(|i| i.name == tag.name).map_or(Value::Null, |i| i.value.clone());
    let (stable, tags) = (part.stable.clone(), part.stable.tags.iter().map(value).collect());
    let uid = store.next_uid();
    let Some(database) = store.database_mut(request.database) else { return false };
    let fields = stable.fields.clone();
    database.add_table(&part.name, Some(stable), fields, tags, uid).ttl = request.ttl;
    true
}

/// The name of a point's table: the value of the named tag, which is then no tag any more, or `t_` and the MD5 of
/// `measurement,tag=value,..` with the tags sorted (recorded).
fn child_name(point: &mut Point<'_>, key: Option<&str>) -> String {
    if let Some(at) = key.and_then(|key| point.tags.iter().position(|t| t.name == key)) {
        let name = text(&point.tags.remove(at)).replace('.', "_");
        if !name.is_empty() {
            return name.chars().take(super::MAX_TABLE).collect();
        }
    }
    let mut sorted: Vec<&Item<'_>> = point.tags.iter().collect();
    sorted.sort_by(|a, b| by_name(&a.name, &b.name));
    let mut hash = Md5::new();
    hash.update(&point.measure);
    for tag in sorted {
        hash.update(b",");
        hash.update(tag.name.as_bytes());
        hash.update(b"=");
        match &tag.value {
            Value::Bytes(bytes) => hash.update(bytes),
            value => {
                let (bytes, width) = column::encode(Type::fixed(tag.kind), value);
                hash.update(&bytes[..width]);
            }
        }
    }
    format!("t_{}", hex::encode(hash.finalize()))
}

fn text(item: &Item<'_>) -> String {
    if let Value::Bytes(bytes) = &item.value { String::from_utf8_lossy(bytes).into_owned() } else { String::new() }
}

/// Without regard to case as far as both names go, then the shorter first.
fn by_name(a: &str, b: &str) -> Ordering {
    let fold = |text: &str| text.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<u8>>();
    let (a, b) = (fold(a), fold(b));
    let both = a.len().min(b.len());
    a[..both].cmp(&b[..both]).then(a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::super::{line, unit};
    use super::*;

    fn name(text: &str, key: Option<&str>) -> String {
        child_name(&mut line::parse(text.as_bytes(), unit("ns")).unwrap()[0], key)
    }

    #[test]
    fn tables_are_named_as_recorded() {
        assert_eq!(name("cpu,host=h4 usage=9 5", None), "t_f13bb060e78d49bbf4b75203c17225d3");
        let sorted = "t_6db254782369e83c92ec88138d3b695f";
        assert_eq!(name("cpu,host=h1,region=r1,newtag=z newcol=1 8", None), sorted);
        assert_eq!(name("cpu,newtag=z,region=r1,host=h1 newcol=1 8", None), sorted);
        assert_eq!(name("cpu,host=a.b v=1 1", Some("host")), "a_b");
        assert_eq!(name("cpu,host=h4 v=1 1", Some("nosuch")), "t_f13bb060e78d49bbf4b75203c17225d3");
    }

    #[test]
    fn widths_are_powers_of_two_up_to_a_thousand() {
        let width = |len| wide(Kind::VarChar, len).len;
        assert_eq!((width(0), width(1), width(2), width(3), width(300)), (1, 2, 4, 4, 512));
        assert_eq!((width(1023), width(1024), width(5000), width(70_000)), (1024, 1024, 5000, 65_517));
    }
}
