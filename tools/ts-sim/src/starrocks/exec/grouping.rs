//! Aggregates, with and without GROUP BY, and DISTINCT.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::eval::{Node, Scope, number};
use super::query::{Answer, Columns, Input, cut, sort};
use crate::starrocks::aggregates::{held, numbers};
use crate::starrocks::schema::encode;
use crate::starrocks::sql::expr::Expr;
use crate::starrocks::sql::select::Select;
use crate::starrocks::types::{STRING, Type};
use crate::starrocks::value::Value;

/// A query over groups.
pub struct Query<'a> {
    pub items: &'a [(Expr, String)],
    pub group: &'a [Expr],
    pub order: &'a [(Expr, bool)],
    pub filter: &'a Option<Node>,
    pub select: &'a Select,
}

const NAMES: [&str; 12] = [
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "any_value",
    "group_concat",
    "bitmap_union",
    "bitmap_union_count",
    "hll_union_agg",
    "ndv",
    "approx_count_distinct",
];

/// Whether one of them aggregates.
pub fn has_aggregate<'a>(mut exprs: impl Iterator<Item = &'a Expr>) -> bool {
    exprs.any(|e| {
        let mut found = Vec::new();
        replaced(e, &[], &mut found);
        !found.is_empty()
    })
}

/// The expression with its aggregates, and what it is grouped by, as columns of the groups: `#a0`, `#g0`.
fn replaced(expr: &Expr, group: &[Expr], aggregates: &mut Vec<Expr>) -> Expr {
    if let Some(at) = group.iter().position(|g| g == expr) {
        return Expr::Column(format!("#g{at}"));
    }
    let mut inner = |e: &Expr| replaced(e, group, aggregates);
    match expr {
        Expr::Call { name, args, distinct, star } => {
            if NAMES.contains(&name.as_str()) {
                let at = aggregates.iter().position(|a| a == expr).unwrap_or(aggregates.len());
                if at == aggregates.len() {
                    aggregates.push(expr.clone());
                }
                return Expr::Column(format!("#a{at}"));
            }
            let args = args.iter().map(inner).collect();
            Expr::Call { name: name.clone(), args, distinct: *distinct, star: *star }
        }
        Expr::Not(e) => Expr::Not(Box::new(inner(e))),
        Expr::IsNull(e) => Expr::IsNull(Box::new(inner(e))),
        Expr::Cast(e, ty) => Expr::Cast(Box::new(inner(e)), ty.clone()),
        Expr::Binary(op, a, b) => {
            let a = Box::new(inner(a));
            Expr::Binary(*op, a, Box::new(inner(b)))
        }
        Expr::Like(a, b) => {
            let a = Box::new(inner(a));
            Expr::Like(a, Box::new(inner(b)))
        }
        Expr::In(of, items) => {
            let of = Box::new(inner(of));
            Expr::In(of, items.iter().map(inner).collect())
        }
        Expr::Case(arms, other) => {
            let arms = arms.iter().map(|(when, then)| (inner(when), inner(then))).collect();
            Expr::Case(arms, other.as_ref().map(|e| Box::new(inner(e))))
        }
        Expr::Array(items) => Expr::Array(items.iter().map(inner).collect()),
        Expr::Column(_) | Expr::Literal(..) | Expr::Variable(_) => expr.clone(),
    }
}

/// An aggregate with its arguments bound.
struct Aggregate {
    name: String,
    distinct: bool,
    args: Vec<Node>,
    ty: Type,
}

fn bind(scope: &Scope<'_>, expr: &Expr) -> Result<Aggregate, String> {
    let Expr::Call { name, args, distinct, .. } = expr else { return Err("not an aggregate".to_string()) };
    let args: Vec<Node> = args.iter().map(|a| scope.bind(a)).collect::<Result<_, String>>()?;
    let first = args.first().map(|a| a.ty.clone());
    let ty = match (name.as_str(), first) {
        ("count" | "bitmap_union_count" | "hll_union_agg" | "ndv" | "approx_count_distinct", _) => Type::BigInt,
        (_, None) => return Err(format!("No matching function with signature: {name}().")),
        ("sum", Some(Type::Decimal(_, scale))) => Type::Decimal(38, scale),
        ("sum", Some(Type::LargeInt)) => Type::LargeInt,
        ("sum", Some(ty)) if ty.bounds().is_some() => Type::BigInt,
        ("sum" | "avg", Some(_)) => Type::Double,
        ("group_concat", _) => Type::Varchar(STRING),
        (_, Some(ty)) => ty,
    };
    Ok(Aggregate { name: name.clone(), distinct: *distinct, args, ty })
}

/// The state of one aggregate in one group.
enum State {
    Count(u64),
    Distinct(HashSet<Vec<u8>>),
    Whole(Option<i128>),
    Float { sum: f64, count: u64 },
    Chosen(Value<'static>),
    Set(BTreeSet<u64>),
    Text(Vec<String>),
}

impl Aggregate {
    fn state(&self) -> State {
        match self.name.as_str() {
            "ndv" | "approx_count_distinct" => State::Distinct(HashSet::new()),
            "count" if self.distinct => State::Distinct(HashSet::new()),
            "count" => State::Count(0),
            "sum" if self.ty != Type::Double => State::Whole(None),
            "sum" | "avg" => State::Float { sum: 0.0, count: 0 },
            "group_concat" => State::Text(Vec::new()),
            "bitmap_union" | "bitmap_union_count" | "hll_union_agg" => State::Set(BTreeSet::new()),
            _ => State::Chosen(Value::Null),
        }
    }

    fn add<'v>(&'v self, state: &mut State, get: &dyn Fn(usize) -> Value<'v>) -> Result<(), String> {
        let mut values = Vec::with_capacity(self.args.len());
        for arg in &self.args {
            let value = arg.eval(get)?;
            if matches!(value, Value::Null) {
                return Ok(());
            }
            values.push(value);
        }
        let first = values.first();
        match state {
            State::Count(n) => *n += 1,
            State::Distinct(set) => {
                let mut key = Vec::new();
                values.iter().for_each(|v| encode(v, &mut key));
                set.insert(key);
            }
            State::Whole(sum) => {
                if let Some(Value::Int(n)) = first {
                    *sum = Some(sum.unwrap_or(0).wrapping_add(*n));
                }
            }
            State::Float { sum, count } => {
                if let (Some(value), Some(arg)) = (first, self.args.first())
                    && let Some(n) = number(value, &arg.ty)
                {
                    *sum += n;
                    *count += 1;
                }
            }
            State::Chosen(chosen) => {
                let Some(value) = first else { return Ok(()) };
                let better = match self.name.as_str() {
                    _ if matches!(chosen, Value::Null) => true,
                    "min" => value.order(chosen).is_lt(),
                    "max" => value.order(chosen).is_gt(),
                    _ => false,
                };
                if better {
                    *chosen = value.clone().owned();
                }
            }
            State::Set(set) => {
                if let Some(Value::Bytes(bytes)) = first {
                    set.extend(numbers(bytes));
                }
            }
            State::Text(parts) => {
                let shown = first.zip(self.args.first()).and_then(|(v, arg)| v.show(&arg.ty));
                parts.push(String::from_utf8_lossy(&shown.unwrap_or_default()).into_owned());
            }
        }
        Ok(())
    }

    fn result(&self, state: State) -> Value<'static> {
        match state {
            State::Count(n) => Value::Int(n.into()),
            State::Distinct(set) => Value::Int(set.len() as i128),
            // The sum of BIGINTs is a BIGINT: it wraps around ([memory]).
            State::Whole(sum) if self.ty == Type::BigInt => sum.map_or(Value::Null, |n| Value::Int((n as i64).into())),
            State::Whole(sum) => sum.map_or(Value::Null, Value::Int),
            State::Float { count: 0, .. } => Value::Null,
            State::Float { sum, count } if self.name == "avg" => Value::Float(sum / count as f64),
            State::Float { sum, .. } => Value::Float(sum),
            State::Chosen(value) => value,
            State::Set(set) if self.ty == Type::BigInt => Value::Int(set.len() as i128),
            State::Set(set) => held(&set),
            State::Text(parts) if parts.is_empty() => Value::Null,
            State::Text(parts) => Value::text(&parts.join(",")),
        }
    }
}

/// Runs it.
pub fn run(scope: &Scope<'_>, query: &Query<'_>, input: &Input) -> Result<Answer, String> {
    // DISTINCT groups by all that is selected.
    let all: Vec<Expr>;
    let group = if query.select.distinct && query.group.is_empty() {
        all = query.items.iter().map(|(e, _)| e.clone()).collect();
        &all[..]
    } else {
        query.group
    };
    let mut calls = Vec::new();
    let mut over = |e: &Expr| replaced(e, group, &mut calls);
    let items: Vec<Expr> = query.items.iter().map(|(e, _)| over(e)).collect();
    let order: Vec<(Expr, bool)> = query.order.iter().map(|(e, down)| (over(e), *down)).collect();
    let having = query.select.having.as_ref().map(over);
    let keys: Vec<Node> = group.iter().map(|e| scope.bind(e)).collect::<Result<_, _>>()?;
    let aggregates: Vec<Aggregate> = calls.iter().map(|e| bind(scope, e)).collect::<Result<_, _>>()?;

    let mut columns: Columns = Vec::new();
    columns.extend(keys.iter().enumerate().map(|(at, k)| (format!("#g{at}"), k.ty.clone())));
    columns.extend(aggregates.iter().enumerate().map(|(at, a)| (format!("#a{at}"), a.ty.clone())));
    let outer = Scope { columns: &columns, session: scope.session };
    let nodes: Vec<Node> = items.iter().map(|e| outer.bind(e)).collect::<Result<_, _>>()?;
    let order: Vec<(Node, bool)> =
        order.iter().map(|(e, down)| Ok((outer.bind(e)?, *down))).collect::<Result<_, String>>()?;
    let having = having.as_ref().map(|e| outer.bind(e)).transpose()?;

    let groups = collect(&keys, &aggregates, query.filter.as_ref(), input)?;
    let mut rows = Vec::new();
    for (key, states) in groups {
        let mut row = key;
        row.extend(aggregates.iter().zip(states).map(|(a, state)| a.result(state)));
        let get = |at: usize| row.get(at).cloned().unwrap_or(Value::Null);
        if let Some(having) = &having
            && !having.accepts(&get)?
        {
            continue;
        }
        let of = |node: &Node| -> Result<Value<'static>, String> {
            let get = |at: usize| row.get(at).cloned().unwrap_or(Value::Null);
            Ok(node.eval(&get)?.owned())
        };
        let keys: Vec<Value<'static>> = order.iter().map(|(n, _)| of(n)).collect::<Result<_, _>>()?;
        rows.push((keys, nodes.iter().map(of).collect::<Result<Vec<_>, _>>()?));
    }
    sort(&mut rows, &order.iter().map(|(_, down)| *down).collect::<Vec<_>>());
    let heads = query.items.iter().zip(&nodes).map(|((_, name), node)| (name.clone(), node.ty.clone())).collect();
    Ok(Answer::made(heads, cut(rows.into_iter().map(|(_, row)| row), query.select)))
}

/// The groups in the order of their first rows.
fn collect(
    keys: &[Node],
    aggregates: &[Aggregate],
    filter: Option<&Node>,
    input: &Input,
) -> Result<Vec<(Vec<Value<'static>>, Vec<State>)>, String> {
    let fresh = || aggregates.iter().map(Aggregate::state).collect::<Vec<_>>();
    let mut groups: Vec<(Vec<Value<'static>>, Vec<State>)> = Vec::new();
    let mut index: HashMap<Vec<u8>, usize> = HashMap::new();
    if keys.is_empty() {
        // One group even of no rows.
        groups.push((Vec::new(), fresh()));
        index.insert(Vec::new(), 0);
    }
    let mut key = Vec::new();
    input.each(|get| {
        if let Some(filter) = filter
            && !filter.accepts(get)?
        {
            return Ok(true);
        }
        key.clear();
        for node in keys {
            encode(&node.eval(get)?, &mut key);
        }
        let at = match index.get(&key) {
            Some(at) => *at,
            None => {
                let values: Result<Vec<_>, String> = keys.iter().map(|n| n.eval(get).map(Value::owned)).collect();
                groups.push((values?, fresh()));
                index.insert(key.clone(), groups.len() - 1);
                groups.len() - 1
            }
        };
        if let Some((_, states)) = groups.get_mut(at) {
            for (aggregate, state) in aggregates.iter().zip(states) {
                aggregate.add(state, get)?;
            }
        }
        Ok(true)
    })?;
    Ok(groups)
}
