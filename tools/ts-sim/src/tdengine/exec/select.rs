//! SELECT: from a statement to a stream of chunks.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::chunk::Chunk;
use super::super::sql::ast::{Expr, From, Item, Select};
use super::super::sql::error::SqlError;
use super::super::table::Rows;
use super::super::types::Field;
use super::super::value::Value;
use super::aggregate::{self, Aggregate};
use super::bind::{Groups, Scope};
use super::expr::{Bound, Part, Row};
use super::scan::{Cursor, Ordered, Projection, Ready, Scan};
use super::source::{self, Source};
use super::window;
use super::{Context, ResultSet};
use crate::args::Precision;

/// Plans the statement on the present state of the store.
pub fn select(context: &Context<'_>, select: &Select) -> Result<ResultSet, SqlError> {
    if let Some(flat) = source::flatten(select) {
        return self::select(context, &flat);
    }
    let source = match &select.from {
        None => Source::nothing(),
        Some(From::Table(name)) => Source::table(context, name, select.condition.as_ref())?,
        Some(From::Select(inner)) => inner_query(context, inner)?,
    };
    over(context, select, &source)
}

/// Plans the statement on given rows, whatever its FROM says.
pub fn over(context: &Context<'_>, select: &Select, source: &Source) -> Result<ResultSet, SqlError> {
    let scope = Scope {
        columns: &source.columns,
        tags: &source.tags,
        tbname: source.tbname,
        precision: source.precision,
        zone: context.zone,
        server_version: context.engine.version.text(),
        database: context.database,
    };
    let items = expand(select, source)?;
    let plan = Plan { select, source, scope: &scope, block_rows: context.engine.block_rows };
    let (fields, cursor) = if is_grouped(select, &items) { plan.grouped(&items)? } else { plan.rows(context, &items)? };
    Ok(ResultSet { fields, precision: source.precision, cursor })
}

/// `*` becomes all columns and tags; `first(*)` and its like one call for each column.
pub fn expand(select: &Select, source: &Source) -> Result<Vec<(Expr, String)>, SqlError> {
    let mut items = Vec::new();
    for item in &select.items {
        match item {
            Item::All => {
                let columns = if select.tags { &[][..] } else { &source.columns[..] };
                let all = columns.iter().chain(source.tags.iter());
                items.extend(all.map(|f| (Expr::Column(f.name.clone()), f.name.clone())));
            }
            Item::One(Expr::CallStar(name), _) if name != "count" && Aggregate::parse(name).is_some() => {
                for field in source.columns.iter() {
                    let call = Expr::Call { name: name.clone(), args: vec![Expr::Column(field.name.clone())] };
                    items.push((call, format!("{name}({})", field.name)));
                }
            }
            Item::One(expr, name) => items.push((expr.clone(), name.clone())),
        }
    }
    if items.is_empty() { Err(SqlError::incomplete()) } else { Ok(items) }
}

/// True when rows are made of groups.
pub fn is_grouped(select: &Select, items: &[(Expr, String)]) -> bool {
    select.distinct
        || (!select.keys.is_empty() && !select.partition)
        || items.iter().any(|(expr, _)| has_aggregate(expr))
}

fn has_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::CallStar(_) => true,
        Expr::Call { name, args } => Aggregate::parse(name).is_some() || args.iter().any(has_aggregate),
        Expr::Cast(inner, _) | Expr::Not(inner) | Expr::Like(inner, _) | Expr::IsNull(inner) | Expr::In(inner, _) => {
            has_aggregate(inner)
        }
        Expr::And(a, b) | Expr::Or(a, b) | Expr::Compare(_, a, b) | Expr::Arithmetic(_, a, b) => {
            has_aggregate(a) || has_aggregate(b)
        }
        Expr::Literal(_) | Expr::Clock { .. } | Expr::Duration(_) | Expr::Column(_) | Expr::Tbname => false,
    }
}

/// The result of an inner query as one table without tags.
fn inner_query(context: &Context<'_>, inner: &Select) -> Result<Source, SqlError> {
    let mut result = select(context, inner)?;
    let fields: Arc<[Field]> = result.fields.clone().into();
    let mut rows = Rows::new(fields.clone());
    while let Some(chunk) = result.cursor.next() {
        for row in 0..chunk.rows {
            let values: Vec<Value<'_>> = chunk.columns.iter().map(|c| c.get(row)).collect();
            rows.append(&values);
        }
    }
    Ok(Source::rows(fields, rows, result.precision))
}

type Planned = (Vec<Field>, Box<dyn Cursor>);

struct Plan<'a> {
    select: &'a Select,
    source: &'a Source,
    scope: &'a Scope<'a>,
    block_rows: usize,
}

impl Plan<'_> {
    /// The tables that can have matching rows, narrowed to the time range, and what is left of the condition.
    fn parts(&self, by_tags: bool) -> Result<(Vec<Part>, Option<Bound>), SqlError> {
        let condition = self.select.condition.as_ref().map(|c| self.scope.row(c)).transpose()?;
        let split = window::split(condition, self.source.sorted);
        if by_tags && split.by_row.as_ref().is_some_and(Bound::by_row) {
            return Err(SqlError::column("a column that is no tag"));
        }
        let mut parts = Vec::new();
        for part in &self.source.parts {
            if split.by_table.iter().any(|c| c.truth(Row::Table(part, 0)) != Some(true)) {
                continue;
            }
            let mut part = part.clone();
            if by_tags {
                part.range = 0..1;
            } else if self.source.sorted {
                let wanted = part.rows.range(split.from, split.to);
                let start = wanted.start.max(part.range.start);
                part.range = start..wanted.end.min(part.range.end).max(start);
            }
            parts.push(part);
        }
        Ok((parts, split.by_row))
    }

    fn limits(&self) -> (u64, u64) {
        // Per group, of which each is one row.
        if self.select.partition && self.select.order.is_empty() {
            let nothing = self.select.offset > 0 || self.select.limit == Some(0);
            return (0, if nothing { 0 } else { u64::MAX });
        }
        (self.select.offset, self.select.limit.unwrap_or(u64::MAX))
    }

    /// A query without aggregates.
    fn rows(&self, context: &Context<'_>, items: &[(Expr, String)]) -> Result<Planned, SqlError> {
        let bound = items.iter().map(|(expr, _)| self.scope.row(expr)).collect::<Result<Vec<_>, _>>()?;
        let fields = named(items, &bound);
        // 2.x has no SELECT TAGS: a list of tags and tbname alone means the same.
        let tags_only = !self.source.tags.is_empty()
            && !bound.iter().any(Bound::by_row)
            && bound.iter().any(|b| !matches!(b, Bound::Const(..)));
        let by_tags = self.select.tags || (context.engine.version.is_2x() && tags_only);
        if self.select.tags && bound.iter().any(Bound::by_row) {
            return Err(SqlError::syntax("a column that is no tag"));
        }
        let (parts, filter) = self.parts(by_tags)?;
        // Partitions of plain rows come one after the other; a LIMIT for each of them is not supported here.
        if self.select.partition
            && (self.select.limit.is_some()
                || self.select.keys.iter().any(|k| self.scope.row(k).is_ok_and(|b| b.by_row())))
        {
            return Err(SqlError::syntax("partition by"));
        }
        let (offset, limit) = self.limits();
        let projection = Projection::new(bound, filter, offset, limit, self.block_rows);
        if self.select.order.is_empty() {
            return Ok((fields, Box::new(Scan::new(parts, projection))));
        }
        let mut keys = Vec::new();
        for (expr, descending) in &self.select.order {
            keys.push((self.scope.row(named_item(expr, items))?, *descending));
        }
        let order = sort(&parts, projection.filter.as_ref(), &keys);
        Ok((fields, Box::new(Ordered::new(parts, projection, order))))
    }

    /// A query with aggregates, group keys or DISTINCT.
    fn grouped(&self, items: &[(Expr, String)]) -> Result<Planned, SqlError> {
        let (parts, filter) = self.parts(false)?;
        let mut groups = Groups { keys: self.select.keys.clone(), ..Groups::default() };
        if self.select.distinct {
            groups.keys = items.iter().map(|(expr, _)| expr.clone()).collect();
        }
        groups.bound_keys = groups.keys.iter().map(|key| self.scope.row(key)).collect::<Result<_, _>>()?;
        let bound = items.iter().map(|(expr, _)| self.scope.group(expr, &mut groups)).collect::<Result<Vec<_>, _>>()?;
        let mut order = Vec::new();
        for (expr, descending) in &self.select.order {
            order.push((self.scope.group(named_item(expr, items), &mut groups)?, *descending));
        }
        let mut rows = aggregate::run(&parts, filter.as_ref(), &groups.bound_keys, &groups.calls);
        rows.sort_by(|a, b| by_keys(&order, Row::Group(&a.0, &a.1), Row::Group(&b.0, &b.1)));
        let (offset, limit) = self.limits();
        let mut chunks = Vec::new();
        let mut chunk = Chunk::new(bound.iter().map(Bound::ty));
        for (keys, aggs) in rows
            .iter()
            .skip(usize::try_from(offset).unwrap_or(usize::MAX))
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
        {
            for (item, cells) in bound.iter().zip(&mut chunk.columns) {
                cells.push(&item.eval(Row::Group(keys, aggs)));
            }
            chunk.rows += 1;
            if chunk.rows == self.block_rows {
                chunks.push(std::mem::replace(&mut chunk, Chunk::new(bound.iter().map(Bound::ty))));
            }
        }
        chunks.push(chunk);
        Ok((named(items, &bound), Box::new(Ready::new(chunks))))
    }
}

fn named(items: &[(Expr, String)], bound: &[Bound]) -> Vec<Field> {
    items.iter().zip(bound).map(|((_, name), bound)| Field::new(name.clone(), bound.ty())).collect()
}

/// ORDER BY may name an item by its alias.
fn named_item<'a>(expr: &'a Expr, items: &'a [(Expr, String)]) -> &'a Expr {
    match expr {
        Expr::Column(name) => items.iter().find(|(_, alias)| alias == name).map_or(expr, |(item, _)| item),
        _ => expr,
    }
}

fn by_keys(keys: &[(Bound, bool)], a: Row<'_>, b: Row<'_>) -> Ordering {
    for (key, descending) in keys {
        let order = key.eval(a).order(&key.eval(b));
        let order = if *descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The rows that pass the filter, as (part, row), sorted.
fn sort(parts: &[Part], filter: Option<&Bound>, keys: &[(Bound, bool)]) -> Vec<(u32, u32)> {
    let mut rows: Vec<(u32, u32)> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let passing =
            part.range.clone().filter(|row| filter.is_none_or(|f| f.truth(Row::Table(part, *row)) == Some(true)));
        rows.extend(passing.map(|row| (at as u32, row as u32)));
    }
    let time = |(part, row): (u32, u32)| parts[part as usize].rows.time(row as usize);
    let by_time = parts.iter().all(|p| p.sorted) && matches!(keys, [(Bound::Column(0, _), _)]);
    match (by_time, keys.first()) {
        (true, Some((_, false))) => rows.sort_by_key(|row| time(*row)),
        (true, Some((_, true))) => rows.sort_by_key(|row| std::cmp::Reverse(time(*row))),
        _ => rows.sort_by(|a, b| {
            let view = |(part, row): &(u32, u32)| Row::Table(&parts[*part as usize], *row as usize);
            by_keys(keys, view(a), view(b))
        }),
    }
    rows
}

/// A result that is made of values at hand, for SHOW and DESCRIBE.
pub fn values(fields: Vec<Field>, rows: Vec<Vec<Value<'static>>>) -> ResultSet {
    let mut chunks = Vec::new();
    for part in rows.chunks(4096) {
        let mut chunk = Chunk::new(fields.iter().map(|f| f.ty));
        for row in part {
            chunk.columns.iter_mut().zip(row).for_each(|(cells, value)| cells.push(value));
            chunk.rows += 1;
        }
        chunks.push(chunk);
    }
    ResultSet { fields, precision: Precision::Ms, cursor: Box::new(Ready::new(chunks)) }
}
