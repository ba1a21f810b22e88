//! SELECT: where its rows come from, and rows that are streamed as they are.

use std::sync::Arc;

use super::Refusal;
use super::eval::{Node, Scope};
use super::files_in::Files;
use super::grouping;
use super::session::Session;
use super::virtual_table;
use crate::starrocks::rows::{Chunk, Piece};
use crate::starrocks::sql::expr::Expr;
use crate::starrocks::sql::select::{From, Item, Select};
use crate::starrocks::types::Type;
use crate::starrocks::value::Value;

/// Name and type of each column.
pub type Columns = Vec<(String, Type)>;
/// Rows that are all there.
pub type Made = Vec<Vec<Value<'static>>>;

/// What a statement gives.
#[derive(Debug)]
pub enum Answer {
    Done { affected: u64, info: String },
    Rows { columns: Columns, source: Source },
}

impl Answer {
    /// Done, nothing more to say.
    pub fn done() -> Answer {
        Answer::Done { affected: 0, info: String::new() }
    }

    /// Rows of texts.
    pub fn made(columns: Columns, rows: Made) -> Answer {
        Answer::Rows { columns, source: Source::Made(rows) }
    }
}

/// The rows of an answer.
#[derive(Debug)]
pub enum Source {
    Made(Made),
    Scan(Scan),
    Files(FileRows),
}

/// Rows of files, read when they are asked for.
#[derive(Debug)]
pub struct FileRows {
    files: Files,
    nodes: Vec<Node>,
    filter: Option<Node>,
    skip: u64,
    left: u64,
}

impl FileRows {
    fn each(&self, visit: &mut dyn FnMut(&[Value<'_>]) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let (mut skip, mut left) = (self.skip, self.left);
        let mut refused = Ok(());
        self.files.each(&mut |row| {
            let get = |at: usize| row.get(at).cloned().unwrap_or(Value::Null);
            if let Some(filter) = &self.filter
                && !filter.accepts(&get)?
            {
                return Ok(true);
            }
            if skip > 0 {
                skip -= 1;
                return Ok(true);
            }
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            let values: Vec<Value<'_>> = self.nodes.iter().map(|n| n.eval(&get)).collect::<Result<_, _>>()?;
            refused = visit(&values);
            Ok(refused.is_ok())
        })?;
        refused
    }
}

/// Rows of a table, read as the client takes them, as they were when the query began.
#[derive(Debug)]
pub struct Scan {
    /// `db/table`
    pub table: String,
    pieces: Vec<Piece>,
    nodes: Vec<Node>,
    filter: Option<Node>,
    skip: u64,
    left: u64,
    piece: usize,
    row: usize,
}

impl Scan {
    /// The next row that the filter lets pass: its chunk and its place there.
    pub fn next_row(&mut self) -> Result<Option<(Arc<Chunk>, usize)>, String> {
        while self.left > 0 {
            let Some(piece) = self.pieces.get(self.piece) else { return Ok(None) };
            if self.row >= piece.chunk.rows {
                (self.piece, self.row) = (self.piece + 1, 0);
                continue;
            }
            let row = self.row;
            self.row += 1;
            if !piece.is_live(row) {
                continue;
            }
            if let Some(filter) = &self.filter
                && !filter.accepts(&|at| piece.chunk.get(row, at))?
            {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.left -= 1;
            return Ok(Some((piece.chunk.clone(), row)));
        }
        Ok(None)
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.nodes.len()
    }

    /// Appends the text of a column; false for NULL.
    pub fn write(&self, chunk: &Chunk, row: usize, column: usize, out: &mut Vec<u8>) -> Result<bool, String> {
        let Some(node) = self.nodes.get(column) else { return Ok(false) };
        if let Some(at) = node.column() {
            return Ok(chunk.columns.get(at).is_some_and(|c| c.write(row, &node.ty, out)));
        }
        let value = node.eval(&|at| chunk.get(row, at))?;
        Ok(!node.ty.is_opaque() && value.write(&node.ty, out))
    }

    /// The value of a column.
    pub fn value<'v>(&'v self, chunk: &'v Chunk, row: usize, column: usize) -> Result<Value<'v>, String> {
        match self.nodes.get(column) {
            Some(node) => node.eval(&|at| chunk.get(row, at)),
            None => Ok(Value::Null),
        }
    }
}

impl Source {
    /// Hands over all rows, one after the other.
    pub fn each(self, mut visit: impl FnMut(&[Value<'_>]) -> Result<(), Refusal>) -> Result<(), Refusal> {
        match self {
            Source::Made(rows) => rows.iter().try_for_each(|row| visit(row)),
            Source::Files(files) => files.each(&mut visit),
            Source::Scan(mut scan) => {
                while let Some((chunk, row)) = scan.next_row()? {
                    let mut values = Vec::with_capacity(scan.width());
                    for column in 0..scan.width() {
                        values.push(scan.value(&chunk, row, column)?);
                    }
                    visit(&values)?;
                }
                Ok(())
            }
        }
    }
}

/// What a query reads.
pub enum Input {
    Pieces(String, Vec<Piece>),
    Made(Made),
    Files(Files),
}

impl Input {
    /// Visits rows by way of a function that gives a column's value, until that returns false.
    pub fn each<'v>(
        &'v self,
        mut visit: impl FnMut(&dyn Fn(usize) -> Value<'v>) -> Result<bool, String>,
    ) -> Result<(), String> {
        match self {
            Input::Pieces(_, pieces) => {
                for piece in pieces {
                    for row in 0..piece.chunk.rows {
                        if piece.is_live(row) && !visit(&|at| piece.chunk.get(row, at))? {
                            return Ok(());
                        }
                    }
                }
            }
            Input::Files(files) => {
                files.each(&mut |row| visit(&|at| row.get(at).cloned().unwrap_or(Value::Null)))?;
            }
            Input::Made(rows) => {
                for row in rows {
                    if !visit(&|at| row.get(at).cloned().unwrap_or(Value::Null))? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Runs a query.
pub fn run(session: &Session, select: &Select) -> Result<Answer, Refusal> {
    let (columns, input) = input(session, select)?;
    over(session, select, columns, input)
}

/// Runs a query over this input.
pub fn over(session: &Session, select: &Select, columns: Columns, input: Input) -> Result<Answer, Refusal> {
    let scope = Scope { columns: &columns, session };
    let items = items(select, &columns);
    let aliased = |expr: &Expr| named(expr, &items, &columns);
    let filter = select.filter.as_ref().map(|e| scope.bind(e)).transpose()?;
    let group: Vec<Expr> = select.group.iter().map(aliased).collect();
    let order: Vec<(Expr, bool)> = select.order.iter().map(|(e, down)| (aliased(e), *down)).collect();
    if select.distinct || !group.is_empty() || grouping::has_aggregate(items.iter().map(|(e, _)| e)) {
        let query = grouping::Query { items: &items, group: &group, order: &order, filter: &filter, select };
        return Ok(grouping::run(&scope, &query, &input)?);
    }
    let nodes: Vec<Node> = items.iter().map(|(e, _)| scope.bind(e)).collect::<Result<_, String>>()?;
    let heads: Columns = items.iter().zip(&nodes).map(|((_, name), node)| (name.clone(), node.ty.clone())).collect();
    let left = select.limit.unwrap_or(u64::MAX);
    let input = match input {
        Input::Pieces(table, pieces) if order.is_empty() => {
            let scan = Scan { table, pieces, nodes, filter, skip: select.offset, left, piece: 0, row: 0 };
            return Ok(Answer::Rows { columns: heads, source: Source::Scan(scan) });
        }
        Input::Files(files) if order.is_empty() => {
            let rows = FileRows { files, nodes, filter, skip: select.offset, left };
            return Ok(Answer::Rows { columns: heads, source: Source::Files(rows) });
        }
        other => other,
    };
    let keys: Vec<(Node, bool)> =
        order.iter().map(|(e, down)| Ok((scope.bind(e)?, *down))).collect::<Result<_, String>>()?;
    let mut rows: Vec<(Vec<Value<'static>>, Vec<Value<'static>>)> = Vec::new();
    input.each(|get| {
        if let Some(filter) = &filter
            && !filter.accepts(get)?
        {
            return Ok(true);
        }
        let values = |nodes: &mut dyn Iterator<Item = &Node>| -> Result<Vec<Value<'static>>, String> {
            nodes.map(|n| n.eval(&|at| get(at)).map(Value::owned)).collect()
        };
        rows.push((values(&mut keys.iter().map(|(n, _)| n))?, values(&mut nodes.iter())?));
        Ok(!keys.is_empty() || (rows.len() as u64) < left.saturating_add(select.offset))
    })?;
    sort(&mut rows, &keys.iter().map(|(_, down)| *down).collect::<Vec<_>>());
    Ok(Answer::made(heads, cut(rows.into_iter().map(|(_, row)| row), select)))
}

/// Sorts rows by their keys.
pub fn sort(rows: &mut [(Vec<Value<'static>>, Vec<Value<'static>>)], down: &[bool]) {
    rows.sort_by(|(a, _), (b, _)| {
        let orders = a.iter().zip(b).zip(down).map(|((a, b), down)| if *down { b.order(a) } else { a.order(b) });
        orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
}

/// LIMIT and OFFSET.
pub fn cut(rows: impl Iterator<Item = Vec<Value<'static>>>, select: &Select) -> Made {
    let take = usize::try_from(select.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    rows.skip(usize::try_from(select.offset).unwrap_or(usize::MAX)).take(take).collect()
}

fn items(select: &Select, columns: &Columns) -> Vec<(Expr, String)> {
    let mut out = Vec::new();
    for item in &select.items {
        match item {
            Item::Star => out.extend(columns.iter().map(|(name, _)| (Expr::Column(name.clone()), name.clone()))),
            Item::Expr { expr, name } => out.push((expr.clone(), name.clone())),
        }
    }
    out
}

/// `ORDER BY 1` and `GROUP BY alias` mean an item.
fn named(expr: &Expr, items: &[(Expr, String)], columns: &Columns) -> Expr {
    let item = match expr {
        Expr::Literal(Value::Int(n), _) => usize::try_from(n - 1).ok().and_then(|at| items.get(at)),
        Expr::Column(name) if !columns.iter().any(|(column, _)| column.eq_ignore_ascii_case(name)) => {
            items.iter().find(|(_, alias)| alias.eq_ignore_ascii_case(name))
        }
        _ => None,
    };
    item.map_or_else(|| expr.clone(), |(expr, _)| expr.clone())
}

fn input(session: &Session, select: &Select) -> Result<(Columns, Input), Refusal> {
    match &select.from {
        None => Ok((Vec::new(), Input::Made(vec![Vec::new()]))),
        Some(From::Query(inner)) => match run(session, inner)? {
            Answer::Rows { columns, source } => {
                let mut rows = Vec::new();
                source.each(|row| {
                    rows.push(row.iter().cloned().map(Value::owned).collect());
                    Ok(())
                })?;
                Ok((columns, Input::Made(rows)))
            }
            Answer::Done { .. } => Err("a query without rows".into()),
        },
        Some(From::Files(properties)) => {
            let files = Files::open(properties)?;
            Ok((files.columns.clone(), Input::Files(files)))
        }
        Some(From::Table { table, partitions, tablets }) => {
            let database = session.database_of(table)?;
            if let Some(found) = virtual_table::find(session, &database, &table.name) {
                return found.map(|(columns, rows)| (columns, Input::Made(rows)));
            }
            let store = session.server.store();
            let found = store.table(&database, &table.name)?;
            let columns = found.schema.fields.iter().map(|f| (f.name.clone(), f.ty.clone())).collect();
            let mut pieces = Vec::new();
            for name in partitions.iter().flatten() {
                if found.partition(name).is_none() {
                    return Err(format!("Unknown partition '{name}' in table '{}'", table.name).into());
                }
            }
            for partition in &found.partitions {
                let wanted = |names: &Vec<String>| names.iter().any(|n| n.eq_ignore_ascii_case(&partition.name));
                // A partition is one tablet here; its id is the partition's.
                let held = tablets.as_ref().is_none_or(|ids| ids.contains(&partition.id));
                if partitions.as_ref().is_none_or(wanted) && held {
                    pieces.extend(partition.rows.pieces());
                }
            }
            Ok((columns, Input::Pieces(format!("{database}/{}", table.name), pieces)))
        }
    }
}
