//! What a SELECT reads from: tables, catalog tables, or nothing.

use std::sync::Arc;

use super::super::convert::Literal;
use super::super::sql::ast::{Compare, Expr, From, Item, Select, TableName};
use super::super::sql::error::SqlError;
use super::super::store::Table;
use super::super::table::Rows;
use super::super::types::{Field, Kind, Type};
use super::super::value::Value;
use super::aggregate::Aggregate;
use super::expr::Part;
use super::{Context, catalog};
use crate::args::Precision;

/// The tables behind FROM.
pub struct Source {
    pub columns: Arc<[Field]>,
    pub tags: Arc<[Field]>,
    pub tbname: bool,
    pub precision: Precision,
    /// The first column is the sorted time key.
    pub sorted: bool,
    pub parts: Vec<Part>,
}

impl Source {
    /// SELECT without FROM: one row without columns.
    pub fn nothing() -> Source {
        let fields: Arc<[Field]> = [Field::new("", Type::fixed(Kind::Bool))].into();
        let mut rows = Rows::new(fields.clone());
        rows.append(&[Value::Bool(true)]);
        Source { columns: [].into(), ..Source::rows(fields, rows, Precision::Ms) }
    }

    /// Rows that belong to no stored table.
    pub fn rows(columns: Arc<[Field]>, rows: Rows, precision: Precision) -> Source {
        let range = 0..rows.len();
        let part = Part { name: "".into(), tags: [].into(), rows: Arc::new(rows), range, sorted: false };
        Source { columns, tags: [].into(), tbname: false, precision, sorted: false, parts: vec![part] }
    }

    /// A stored table, all children of a super table (only those that the condition names, where it does), or a catalog
    /// table.
    pub fn table(context: &Context<'_>, name: &TableName, condition: Option<&Expr>) -> Result<Source, SqlError> {
        let database = name.database.as_deref().or(context.database).ok_or_else(SqlError::no_current_database)?;
        if database == "information_schema" && !context.engine.version.is_2x() {
            return catalog::table(context, &name.table);
        }
        let database = context.store.database(database).ok_or_else(SqlError::no_database_of_table)?;
        if let Some(stable) = database.stable(&name.table) {
            let parts = match condition.and_then(named) {
                None => database.children(&stable.name).map(part).collect(),
                Some(names) => {
                    let of_stable = |table: &&Table| table.stable.as_ref().is_some_and(|s| s.name == stable.name);
                    let mut tables: Vec<&Table> =
                        names.iter().filter_map(|name| database.table(name)).filter(of_stable).collect();
                    tables.sort_by_key(|table| table.uid);
                    tables.dedup_by_key(|table| table.uid);
                    tables.into_iter().map(part).collect()
                }
            };
            return Ok(Source {
                columns: stable.fields.clone(),
                tags: stable.tags.clone(),
                tbname: true,
                precision: database.precision,
                sorted: true,
                parts,
            });
        }
        let table = database.table(&name.table).ok_or_else(SqlError::no_table)?;
        Ok(Source {
            columns: table.fields.clone(),
            tags: table.stable.as_ref().map_or_else(|| [].into(), |s| s.tags.clone()),
            tbname: true,
            precision: database.precision,
            sorted: true,
            parts: vec![part(table)],
        })
    }
}

/// The sub-tables that a condition names, if it can be true for no others: a server finds them without looking at all.
fn named(condition: &Expr) -> Option<Vec<&str>> {
    match condition {
        Expr::And(a, b) => named(a).or_else(|| named(b)),
        Expr::Compare(Compare::Eq, a, b) => match (&**a, &**b) {
            (Expr::Tbname, text) | (text, Expr::Tbname) => Some(vec![literal(text)?]),
            _ => None,
        },
        Expr::In(inner, list) if **inner == Expr::Tbname => list.iter().map(literal).collect(),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(Literal::Text(text)) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

fn part(table: &Table) -> Part {
    let range = 0..table.rows.len();
    Part { name: table.name.clone(), tags: table.tags.clone(), rows: table.rows.clone(), range, sorted: true }
}

/// `SELECT .. FROM (SELECT columns FROM t WHERE ..) WHERE ..` as one SELECT, so that the outer condition narrows the scan
/// (the Flink connector wraps every query like this, dossier tdengine 5.1). `None` when the inner query does more.
pub fn flatten(outer: &Select) -> Option<Select> {
    let Some(From::Select(inner)) = &outer.from else { return None };
    let plain = !inner.distinct && !inner.tags && inner.keys.is_empty() && inner.limit.is_none() && inner.offset == 0;
    let grouped = outer.distinct
        || !outer.keys.is_empty()
        || outer.items.iter().any(|i| matches!(i, Item::One(e, _) if has_call(e)));
    if !plain
        || outer.tags
        || (grouped && !inner.order.is_empty())
        || (!inner.order.is_empty() && !outer.order.is_empty())
    {
        return None;
    }
    // Names of the outer query must mean columns of the table, unchanged: only bare columns, without other names.
    let transparent = inner.items.iter().all(|item| match item {
        Item::All => true,
        Item::One(Expr::Column(column), name) => column == name,
        Item::One(..) => false,
    });
    let all = inner.items.iter().any(|item| matches!(item, Item::All));
    let visible = |name: &str| all || inner.items.iter().any(|i| matches!(i, Item::One(_, n) if n == name));
    let mut names = Vec::new();
    let exprs = outer.items.iter().filter_map(|i| if let Item::One(e, _) = i { Some(e) } else { None });
    let others = outer.condition.iter().chain(&outer.keys).chain(outer.order.iter().map(|(e, _)| e));
    let simple = exprs.chain(others).all(|e| columns_of(e, &mut names));
    if !transparent || !simple || !names.iter().all(|n| visible(n)) {
        return None;
    }
    let condition = match (&inner.condition, &outer.condition) {
        (Some(a), Some(b)) => Some(Expr::And(Box::new(a.clone()), Box::new(b.clone()))),
        (a, b) => a.clone().or_else(|| b.clone()),
    };
    let items =
        outer.items.iter().flat_map(|item| if *item == Item::All { inner.items.clone() } else { vec![item.clone()] });
    let order = if outer.order.is_empty() { inner.order.clone() } else { outer.order.clone() };
    Some(Select { items: items.collect(), from: inner.from.clone(), condition, order, ..outer.clone() })
}

fn has_call(expr: &Expr) -> bool {
    match expr {
        Expr::Call { .. } | Expr::CallStar(_) => true,
        Expr::Cast(inner, _) | Expr::Not(inner) => has_call(inner),
        Expr::Arithmetic(_, a, b) | Expr::Compare(_, a, b) => has_call(a) || has_call(b),
        _ => false,
    }
}

/// Collects the columns of an expression; false for `tbname`, aggregates of order, and whatever means something else in the table.
fn columns_of(expr: &Expr, names: &mut Vec<String>) -> bool {
    match expr {
        Expr::Column(name) if name.starts_with('_') => false,
        Expr::Column(name) => {
            names.push(name.clone());
            true
        }
        Expr::Tbname => false,
        Expr::Literal(_) | Expr::Clock { .. } | Expr::Duration(_) => true,
        Expr::CallStar(name) => name == "count",
        Expr::Call { name, args } => {
            !matches!(Aggregate::parse(name), Some(Aggregate::First | Aggregate::Last | Aggregate::LastRow))
                && args.iter().all(|a| columns_of(a, names))
        }
        Expr::Cast(inner, _) | Expr::Not(inner) | Expr::Like(inner, _) | Expr::IsNull(inner) => {
            columns_of(inner, names)
        }
        Expr::In(inner, list) => columns_of(inner, names) && list.iter().all(|e| columns_of(e, names)),
        Expr::And(a, b) | Expr::Or(a, b) | Expr::Compare(_, a, b) | Expr::Arithmetic(_, a, b) => {
            columns_of(a, names) && columns_of(b, names)
        }
    }
}
