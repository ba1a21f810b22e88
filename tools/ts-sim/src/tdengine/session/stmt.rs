//! The dialogue of statements with bound parameters on `/ws`: text actions of both interfaces, binary binds.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::super::block_in::decode_block;
use super::super::exec::ResultSet;
use super::super::sql::error::SqlError;
use super::super::stmt::{self, Connection, Interface, Plan, Slot, Statement, TableBind};
use super::super::types::{Field, Kind};
use super::super::value::Value;
use super::super::version;
use super::{Answer, Handle, Session, nothing};

/// The statements of one connection; both interfaces count with the same numbers.
#[derive(Default)]
pub struct Statements {
    open: HashMap<u64, Statement>,
    last: u64,
}

/// Why a request on a statement fails.
pub enum Failure {
    /// By the database.
    Sql(SqlError),
    /// By the adapter, whose code is 65535.
    Adapter(String),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Failure {
        Failure::Sql(error)
    }
}

type Done = Result<Json, Failure>;

fn adapter(why: impl Into<String>) -> Failure {
    Failure::Adapter(why.into())
}

/// Which interface a text action belongs to, and whether it makes a statement.
fn interface(action: &str) -> Option<Interface> {
    match action {
        "init" | "prepare" | "set_table_name" | "set_tags" | "bind" | "add_batch" | "exec" | "close"
        | "get_tag_fields" | "get_col_fields" | "use_result" | "stmt_num_params" | "stmt_get_param" => {
            Some(Interface::Stmt)
        }
        "stmt2_init" | "stmt2_prepare" | "stmt2_exec" | "stmt2_result" | "stmt2_close" => Some(Interface::Stmt2),
        _ => None,
    }
}

impl Session {
    /// A text action on a statement; `None` when it is none that this version has.
    pub(super) fn statement(&mut self, action: &str, args: &Map<String, Json>, req_id: u64) -> Option<Answer> {
        let interface = interface(action)?;
        if self.server.engine.version.is_2x() || (interface == Interface::Stmt2 && !self.has_stmt2()) {
            return None;
        }
        let id = args.get("stmt_id").and_then(Json::as_u64).unwrap_or(0);
        Some(match action {
            "init" | "stmt2_init" => {
                let statements = &mut self.statements;
                statements.last += 1;
                statements.open.insert(statements.last, Statement::new(interface));
                let id = statements.last;
                self.reply(action, req_id, json!({"stmt_id": id}))
            }
            // Nobody is told that it is closed.
            "close" => {
                self.statements.open.remove(&id);
                nothing(action)
            }
            "exec" | "stmt2_exec" => self.with_fault("/ws/exec", action, req_id, |session| {
                session.on_statement(action, req_id, id, interface, |statement, connection| {
                    let affected = statement.execute(connection)?;
                    Ok(json!({"affected": affected}))
                })
            }),
            "use_result" | "stmt2_result" => self.statement_result(action, req_id, id, interface),
            "stmt2_close" => {
                let answer = self.on_statement(action, req_id, id, interface, |_, _| Ok(json!({})));
                self.statements.open.remove(&id);
                answer
            }
            _ => self.on_statement(action, req_id, id, interface, |statement, connection| {
                text_action(action, args, statement, connection)
            }),
        })
    }

    /// `set_tags` and `bind` with a raw block, and the bind of `stmt2`; `None` when this version does not have it.
    pub(super) fn binary_bind(&mut self, action: u64, req_id: u64, id: u64, body: &[u8]) -> Option<Answer> {
        if self.server.engine.version.is_2x() {
            return None;
        }
        Some(match action {
            1 => self.on_statement("set_tags", req_id, id, Interface::Stmt, |statement, connection| {
                let block = decode_block(body).ok_or_else(SqlError::parameters)?;
                if block.rows != 1 {
                    return Err(adapter("rows not equal 1"));
                }
                let tags = statement.plan(connection)?.tags.clone();
                if tags.is_empty() {
                    return Ok(json!({}));
                }
                if block.columns.len() != tags.len() {
                    return Err(adapter("stmt tags count not match"));
                }
                let mut values = Vec::with_capacity(tags.len());
                for (column, tag) in block.columns.into_iter().zip(&tags) {
                    values.extend(stmt::from_block(column, &tag.field)?);
                }
                statement.set_tags(connection, values)?;
                Ok(json!({}))
            }),
            2 => self.on_statement("bind", req_id, id, Interface::Stmt, |statement, connection| {
                let block = decode_block(body).ok_or_else(SqlError::parameters)?;
                if !statement.is_insert {
                    statement.bind(connection, block.columns.into_iter().map(|c| c.values).collect())?;
                    return Ok(json!({}));
                }
                let columns = statement.plan(connection)?.columns.clone();
                if block.columns.len() != columns.len() {
                    return Err(adapter("stmt column count not match"));
                }
                let values = block.columns.into_iter().zip(&columns);
                let values = values.map(|(c, bind)| stmt::from_block(c, &bind.field)).collect::<Result<_, _>>()?;
                statement.bind(connection, values)?;
                Ok(json!({}))
            }),
            9 if self.has_stmt2() => {
                self.on_statement("stmt2_bind", req_id, id, Interface::Stmt2, |statement, connection| {
                    let (head, frame) =
                        body.split_at_checked(6).ok_or_else(|| adapter("message length is too short"))?;
                    match head {
                        [1, 0, 0xff, 0xff, 0xff, 0xff] => {}
                        [1, 0, ..] => return Err(SqlError::operation("bind of single columns is not simulated").into()),
                        _ => return Err(adapter("unknown stmt2 bind version")),
                    }
                    let tables = tables(frame, statement, connection)?;
                    statement.bind_tables(connection, tables)?;
                    Ok(json!({}))
                })
            }
            _ => return None,
        })
    }

    fn has_stmt2(&self) -> bool {
        self.server.adapter.at_least(version::STMT2)
    }

    /// Does something with a statement and answers with its number.
    fn on_statement(
        &mut self,
        action: &str,
        req_id: u64,
        id: u64,
        interface: Interface,
        work: impl FnOnce(&mut Statement, Connection<'_>) -> Done,
    ) -> Answer {
        let engine = &self.server.engine;
        let connection = Connection { engine, database: self.database.as_deref(), zone: self.zone };
        let done = match self.statements.open.get_mut(&id) {
            Some(statement) if interface == Interface::Stmt || statement.interface == Interface::Stmt2 => {
                work(statement, connection)
            }
            _ => Err(adapter(if interface == Interface::Stmt { "stmt is nil" } else { "stmt2 is nil" })),
        };
        let (code, message) = match done {
            Ok(more) => {
                let mut reply = json!({"stmt_id": id});
                if let (Some(reply), Json::Object(more)) = (reply.as_object_mut(), more) {
                    reply.extend(more);
                }
                return self.reply(action, req_id, reply);
            }
            Err(Failure::Sql(error)) => (error.code & 0xffff, error.message),
            Err(Failure::Adapter(message)) => (0xffff, message),
        };
        self.answer(action, req_id, code, &message, json!({"stmt_id": id}))
    }

    /// Hands over what a query gave, to be fetched like any other result.
    fn statement_result(&mut self, action: &str, req_id: u64, id: u64, interface: Interface) -> Answer {
        let result: Option<ResultSet> = self.statements.open.get_mut(&id).and_then(|s| s.result.take());
        let Some(result) = result else {
            return self.on_statement(action, req_id, id, interface, |statement, _| {
                Err(adapter(match (interface, statement.is_insert) {
                    (Interface::Stmt2, true) => "stmt is insert, no result set",
                    _ => "result is nil",
                }))
            });
        };
        self.last_handle += 1;
        let mut described = self.described(&result);
        if let Some(described) = described.as_object_mut() {
            let handle = described.remove("id").unwrap_or_default();
            described.retain(|name, _| name.starts_with("fields_") || name == "precision");
            described.insert(if interface == Interface::Stmt { "result_id" } else { "id" }.into(), handle);
        }
        self.handles.insert(self.last_handle, Handle { result, current: None, replayed: None });
        self.on_statement(action, req_id, id, interface, |_, _| Ok(described))
    }
}

/// The text actions that only need their statement.
fn text_action(action: &str, args: &Map<String, Json>, statement: &mut Statement, connection: Connection<'_>) -> Done {
    let text = |name: &str| args.get(name).and_then(Json::as_str).unwrap_or_default();
    let list = |name: &str| args.get(name).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    match action {
        "prepare" => {
            statement.prepare(text("sql"));
            return Ok(json!({"is_insert": statement.is_insert}));
        }
        "stmt2_prepare" => {
            statement.prepare(text("sql"));
            let get_fields = args.get("get_fields").and_then(Json::as_bool).unwrap_or(false);
            return stmt2_prepared(statement, connection, get_fields);
        }
        "set_table_name" => statement.set_table(connection, text("name"))?,
        "get_tag_fields" => {
            let plan = statement.plan(connection)?;
            if plan.tags.is_empty() {
                return Ok(json!({}));
            }
            return Ok(json!({"fields": plan.tags.iter().map(|t| field(&t.field, 0)).collect::<Vec<_>>()}));
        }
        "get_col_fields" => {
            let plan = statement.plan(connection)?;
            let precision = plan.precision.number();
            return Ok(json!({"fields": plan.columns.iter().map(|c| field(&c.field, precision)).collect::<Vec<_>>()}));
        }
        "stmt_num_params" => return Ok(json!({"num_params": statement.parameter_count(connection)?})),
        "stmt_get_param" => {
            let index = args.get("index").and_then(Json::as_u64).unwrap_or(0);
            let column = statement.plan(connection)?.columns.get(index as usize);
            let ty = column.ok_or_else(SqlError::parameters)?.field.ty;
            return Ok(json!({"index": index, "data_type": ty.number(), "length": ty.block_bytes()}));
        }
        "set_tags" => {
            let plan = statement.plan(connection)?;
            if plan.tags.is_empty() {
                return Ok(json!({}));
            }
            let (precision, given) = (plan.precision, list("tags"));
            plan.check_tags(&vec![Value::Null; given.len()])?;
            let tags = given.iter().zip(&plan.tags).map(|(json, tag)| {
                let value = stmt::from_json(json, &tag.field, precision);
                stmt::fit(value.map_err(|why| adapter(format!("stmt parse tag json:{why}")))?, &tag.field)
                    .map_err(Failure::from)
            });
            let tags = tags.collect::<Result<Vec<_>, Failure>>()?;
            statement.set_tags(connection, tags)?;
        }
        "bind" => {
            let plan = statement.plan(connection)?;
            let columns = json_columns(list("columns"), plan)?;
            statement.bind(connection, columns)?;
        }
        "add_batch" => statement.add_batch()?,
        _ => return Err(adapter(format!("unknown action {action}"))),
    }
    Ok(json!({}))
}

fn json_columns(columns: &[Json], plan: &Plan) -> Result<Vec<Vec<Value<'static>>>, Failure> {
    let wrong = |why: String| adapter(format!("stmt parse column json:{why}"));
    let rows = columns.first().and_then(Json::as_array).map_or(0, Vec::len);
    if columns.len() != plan.columns.len() {
        return Err(wrong(format!("want {} columns got {}", plan.columns.len(), columns.len())));
    }
    let mut out = Vec::with_capacity(columns.len());
    for (column, bind) in columns.iter().zip(&plan.columns) {
        let cells = column.as_array().map(Vec::as_slice).unwrap_or_default();
        if cells.len() != rows {
            return Err(wrong(format!("wrong row length: want {rows} rows got {}", cells.len())));
        }
        let values = cells.iter().map(|cell| {
            let value = stmt::from_json(cell, &bind.field, plan.precision).map_err(wrong)?;
            stmt::fit(value, &bind.field).map_err(Failure::from)
        });
        out.push(values.collect::<Result<Vec<_>, Failure>>()?);
    }
    Ok(out)
}

/// A field as both interfaces describe it. `precision` counts for times only.
fn field(field: &Field, precision: u8) -> Json {
    let ty = field.ty;
    let (precision, scale) = match ty.kind {
        Kind::Timestamp => (precision, 0),
        Kind::Decimal | Kind::Decimal64 => (ty.precision, ty.scale),
        _ => (0, 0),
    };
    json!({"name": field.name, "field_type": ty.number(), "precision": precision, "scale": scale, "bytes": ty.block_bytes()})
}

/// What `stmt2_prepare` tells of the `?` of an INSERT, in their order; of a query only how many there are.
fn stmt2_prepared(statement: &mut Statement, connection: Connection<'_>, get_fields: bool) -> Done {
    let is_insert = statement.is_insert;
    if !get_fields {
        return Ok(json!({"is_insert": is_insert, "fields": null, "fields_count": 0}));
    }
    if !is_insert {
        let count = statement.parameter_count(connection)?;
        return Ok(json!({"is_insert": false, "fields": null, "fields_count": count}));
    }
    let plan = statement.plan(connection)?;
    let precision = plan.precision.number();
    let described = |bound: &Field, kind: u8| {
        let mut json = field(bound, precision);
        json["bind_type"] = kind.into();
        json
    };
    let fields: Vec<Json> = plan
        .slots
        .iter()
        .map(|slot| match *slot {
            Slot::Tbname => {
                json!({"name": "tbname", "field_type": 8, "precision": 0, "scale": 0, "bytes": 271, "bind_type": 4})
            }
            Slot::Tag(at) => described(&plan.tags[at].field, 2),
            Slot::Column(at) => described(&plan.columns[at].field, 1),
        })
        .collect();
    let count = fields.len();
    Ok(json!({"is_insert": true, "fields": fields, "fields_count": count}))
}

/// The tables of a frame, with values of their types.
fn tables(body: &[u8], statement: &mut Statement, connection: Connection<'_>) -> Result<Vec<TableBind>, Failure> {
    let frame = stmt::frame::decode_frame(body).map_err(adapter)?;
    let (mut tags, mut columns) = (frame.tags.into_iter(), frame.columns.into_iter());
    let mut names = frame.names.into_iter();
    let mut out = Vec::with_capacity(frame.tables);
    for _ in 0..frame.tables {
        let (name, tags, columns) = (names.next(), tags.next(), columns.next().unwrap_or_default());
        if !statement.is_insert {
            let columns = columns.iter().map(stmt::from_bytes_alone).collect::<Result<_, _>>()?;
            out.push(TableBind { name, tags: None, columns });
            continue;
        }
        let plan = statement.plan_for(connection, name.as_deref())?;
        let number = || SqlError::operation("bind number out of range or not match");
        if columns.len() != plan.columns.len() {
            return Err(number().into());
        }
        let bound = columns.iter().zip(&plan.columns).map(|(c, bind)| stmt::from_bytes(c, &bind.field));
        let columns = bound.collect::<Result<Vec<_>, _>>()?;
        let tags = match tags {
            Some(tags) if tags.len() != plan.tags.len() => return Err(number().into()),
            Some(tags) => {
                let mut values = Vec::with_capacity(tags.len());
                for (column, bind) in tags.iter().zip(&plan.tags) {
                    values.extend(stmt::from_bytes(column, &bind.field)?.into_iter().next());
                }
                Some(values)
            }
            None => None,
        };
        out.push(TableBind { name, tags, columns });
    }
    Ok(out)
}
