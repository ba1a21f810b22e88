//! `PARTITION BY …` and the partitions named in it (dossier starrocks 5.1).

use super::cursor::Cursor;
use super::lexer::Kind;
use crate::starrocks::datetime::{self, DAY};
use crate::starrocks::partition::{Bound, Edge, name_of};
use crate::starrocks::schema::{Partitioning, Schema};
use crate::starrocks::types::Type;
use crate::starrocks::value::{self, Value};

/// What follows `PARTITION BY`; sets the schema's partitioning.
pub fn clause(cursor: &mut Cursor<'_>, schema: &mut Schema) -> Result<Vec<(String, Bound)>, String> {
    if cursor.eat(&["RANGE"]) {
        // `RANGE(date_trunc(…))` makes partitions by itself, as without RANGE.
        if cursor.is(&["(", "date_trunc"]) {
            cursor.expect(&["("])?;
            schema.partitioning = truncated(cursor, schema)?;
            cursor.expect(&[")"])?;
        } else {
            let columns = columns(schema, &cursor.names()?)?;
            schema.partitioning = Partitioning::Range(columns);
        }
        return list(cursor, schema);
    }
    if cursor.eat(&["LIST"]) {
        let columns = columns(schema, &cursor.names()?)?;
        schema.partitioning = Partitioning::List(columns);
        return list(cursor, schema);
    }
    if cursor.is(&["date_trunc"]) {
        schema.partitioning = truncated(cursor, schema)?;
    } else if cursor.is(&["("]) {
        let columns = columns(schema, &cursor.names()?)?;
        schema.partitioning = Partitioning::Values(columns);
    } else {
        let mut names = vec![cursor.name()?];
        while cursor.eat(&[","]) {
            names.push(cursor.name()?);
        }
        schema.partitioning = Partitioning::Values(columns(schema, &names)?);
    }
    if cursor.is(&["("]) { list(cursor, schema) } else { Ok(Vec::new()) }
}

fn columns(schema: &Schema, names: &[String]) -> Result<Vec<usize>, String> {
    names
        .iter()
        .map(|name| schema.find(name).ok_or_else(|| format!("Partition column[{name}] does not found")))
        .collect()
}

fn truncated(cursor: &mut Cursor<'_>, schema: &Schema) -> Result<Partitioning, String> {
    cursor.expect(&["date_trunc"])?;
    cursor.expect(&["("])?;
    let unit = cursor.string()?.to_ascii_lowercase();
    cursor.expect(&[","])?;
    let name = cursor.name()?;
    cursor.expect(&[")"])?;
    let column = schema.find(&name).ok_or_else(|| format!("Partition column[{name}] does not found"))?;
    if !matches!(schema.fields[column].ty, Type::Date | Type::DateTime) || datetime::truncate(&unit, 0).is_none() {
        return Err(format!("Unsupported partition expression date_trunc('{unit}', {name})"));
    }
    Ok(Partitioning::Truncated { unit, column })
}

fn list(cursor: &mut Cursor<'_>, schema: &Schema) -> Result<Vec<(String, Bound)>, String> {
    let mut out: Vec<(String, Bound)> = Vec::new();
    cursor.expect(&["("])?;
    if cursor.eat(&[")"]) {
        return Ok(out);
    }
    loop {
        if cursor.is(&["START"]) {
            batch(cursor, schema, &mut out)?;
        } else {
            let made = one(cursor, schema, &|_| out.last().map(|(_, bound)| bound.clone()))?;
            out.push(made);
        }
        if !cursor.eat(&[","]) {
            break;
        }
    }
    cursor.expect(&[")"])?;
    Ok(out)
}

/// `PARTITION [IF NOT EXISTS] name VALUES …`; what is `LESS THAN` begins where the partition of `below` ends.
pub fn one(
    cursor: &mut Cursor<'_>,
    schema: &Schema,
    below: &dyn Fn(&[Edge]) -> Option<Bound>,
) -> Result<(String, Bound), String> {
    cursor.expect(&["PARTITION"])?;
    cursor.eat(&["IF", "NOT", "EXISTS"]);
    let name = cursor.name()?;
    cursor.expect(&["VALUES"])?;
    let bound = if cursor.eat(&["LESS", "THAN"]) {
        let to = if cursor.eat(&["MAXVALUE"]) {
            vec![Edge::Max; schema.partitioning.columns().len()]
        } else {
            edges(cursor, schema)?
        };
        let from = match below(&to) {
            Some(Bound::Range { to, .. }) => to,
            _ => vec![Edge::Min; to.len()],
        };
        Bound::Range { from, to }
    } else if cursor.eat(&["IN"]) {
        Bound::List(lists(cursor, schema)?)
    } else {
        cursor.expect(&["["])?;
        let from = edges(cursor, schema)?;
        cursor.expect(&[","])?;
        let to = edges(cursor, schema)?;
        cursor.expect(&[")"])?;
        Bound::Range { from, to }
    };
    if cursor.is(&["("]) {
        cursor.properties()?;
    }
    Ok((name, bound))
}

fn literal(cursor: &mut Cursor<'_>, ty: &Type) -> Result<Option<Value<'static>>, String> {
    if cursor.eat(&["MAXVALUE"]) {
        return Ok(None);
    }
    if cursor.eat(&["NULL"]) {
        return Ok(Some(Value::Null));
    }
    let negative = cursor.eat(&["-"]);
    let mut text = match cursor.take() {
        Kind::Text(text) => text,
        Kind::Number(text) => text.into_bytes(),
        _ => return Err(cursor.error("a partition value")),
    };
    if negative {
        text.insert(0, b'-');
    }
    match value::parse(ty, &text) {
        Ok(value) => Ok(Some(value.owned())),
        Err(_) => Err(format!("Invalid partition value '{}' for type {ty}", String::from_utf8_lossy(&text))),
    }
}

fn edges(cursor: &mut Cursor<'_>, schema: &Schema) -> Result<Vec<Edge>, String> {
    cursor.expect(&["("])?;
    let mut out = Vec::new();
    let columns = schema.partitioning.columns();
    for (at, column) in columns.iter().enumerate() {
        if at > 0 && !cursor.eat(&[","]) {
            // What is not given is the least.
            out.resize(columns.len(), Edge::Min);
            break;
        }
        out.push(literal(cursor, &schema.fields[*column].ty)?.map_or(Edge::Max, Edge::At));
    }
    cursor.expect(&[")"])?;
    Ok(out)
}

fn lists(cursor: &mut Cursor<'_>, schema: &Schema) -> Result<Vec<Vec<Value<'static>>>, String> {
    let columns = schema.partitioning.columns();
    let mut out = Vec::new();
    cursor.expect(&["("])?;
    loop {
        let nested = cursor.eat(&["("]);
        let mut row = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                cursor.expect(&[","])?;
            }
            row.push(literal(cursor, &schema.fields[*column].ty)?.ok_or("MAXVALUE in a list partition")?);
        }
        if nested {
            cursor.expect(&[")"])?;
        }
        out.push(row);
        if !cursor.eat(&[","]) {
            break;
        }
    }
    cursor.expect(&[")"])?;
    Ok(out)
}

/// `START ("a") END ("b") EVERY (INTERVAL 1 MONTH)`, or `EVERY (10)` for whole numbers.
pub fn batch(cursor: &mut Cursor<'_>, schema: &Schema, out: &mut Vec<(String, Bound)>) -> Result<(), String> {
    let column = schema.partitioning.columns().first().copied().ok_or("no partition column")?;
    let ty = &schema.fields[column].ty;
    let mut ends = [0i128; 2];
    for (word, end) in ["START", "END"].iter().zip(&mut ends) {
        cursor.expect(&[word])?;
        cursor.expect(&["("])?;
        let Some(Value::Int(n)) = literal(cursor, ty)? else { return Err(cursor.error("a date or number")) };
        *end = n;
        cursor.expect(&[")"])?;
    }
    cursor.expect(&["EVERY"])?;
    cursor.expect(&["("])?;
    let unit = if cursor.eat(&["INTERVAL"]) { Some((cursor.integer::<i64>()?, cursor.name()?)) } else { None };
    let scale = if *ty == Type::Date { i128::from(DAY) } else { 1 };
    let step = match unit {
        Some(_) => 0,
        None => cursor.integer::<i128>()?.max(1),
    };
    cursor.expect(&[")"])?;
    let mut from = ends[0];
    while from < ends[1] {
        let (name, to) = match &unit {
            None => (format!("p{from}"), from + step),
            Some((n, unit)) => {
                let micros = i64::try_from(from * scale).map_err(|_| "a date out of range")?;
                let next = datetime::add(unit, (*n).max(1), micros).ok_or_else(|| format!("unknown unit {unit}"))?;
                (name_of(unit, micros), i128::from(next) / scale)
            }
        };
        let edge = |n: i128| vec![Edge::At(Value::Int(n))];
        out.push((name, Bound::Range { from: edge(from), to: edge(to.min(ends[1])) }));
        if out.len() > 4096 {
            return Err("too many partitions: more than 4096".to_string());
        }
        from = to;
    }
    Ok(())
}
