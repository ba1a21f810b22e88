//! `CREATE TABLE` (dossier starrocks 5.1).

use std::collections::BTreeMap;

use super::cursor::{Cursor, Qualified};
use super::lexer::Kind;
use super::partitions;
use crate::starrocks::partition::Bound;
use crate::starrocks::schema::{Combine, Default as Given, Distribution, Field, Model, Partitioning, Schema};

/// A table to make.
#[derive(Debug)]
pub struct CreateTable {
    pub table: Qualified,
    pub if_not_exists: bool,
    pub schema: Schema,
    pub partitions: Vec<(String, Bound)>,
}

/// What follows `CREATE [EXTERNAL|TEMPORARY] TABLE`.
pub fn table(cursor: &mut Cursor<'_>) -> Result<CreateTable, String> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let table = cursor.qualified()?;
    let (mut fields, mut indexes) = (Vec::new(), Vec::new());
    cursor.expect(&["("])?;
    loop {
        if cursor.is(&["INDEX"]) {
            indexes.push(index(cursor)?);
        } else {
            fields.push(field(cursor)?);
        }
        if !cursor.eat(&[","]) {
            break;
        }
    }
    cursor.expect(&[")"])?;
    if cursor.eat(&["ENGINE"]) {
        cursor.expect(&["="])?;
        if !cursor.name()?.eq_ignore_ascii_case("olap") {
            return Err("the simulator has OLAP tables only".to_string());
        }
    }
    let (model, names) = model(cursor, &fields)?;
    let position = |name: &String| {
        fields
            .iter()
            .position(|f: &Field| f.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| format!("Key column({name}) doesn't exist."))
    };
    let keys: Vec<usize> = names.iter().map(position).collect::<Result<_, String>>()?;
    if keys.iter().enumerate().any(|(at, key)| at != *key) {
        return Err("Key columns must be the first few columns of the schema and the order of the key columns must be consistent with the order of the schema".to_string());
    }
    for at in &keys {
        let field = &mut fields[*at];
        field.key = true;
        if !field.ty.can_be_key() {
            return Err(format!("Invalid data type of key column '{}': '{}'", field.name, field.ty));
        }
        if model == Model::Primary {
            field.nullable = false;
        }
    }
    let loose = |f: &&Field| !f.key && f.combine.is_none();
    if model == Model::Aggregate
        && let Some(field) = fields.iter().find(loose)
    {
        return Err(format!("AGG_KEYS table should specify aggregate type for non-key column[{}]", field.name));
    }
    let comment = if cursor.eat(&["COMMENT"]) { cursor.string()? } else { String::new() };
    let mut schema = Schema {
        fields,
        model,
        keys,
        partitioning: Partitioning::None,
        distribution: Distribution { columns: Vec::new(), buckets: None },
        order_by: Vec::new(),
        indexes,
        properties: BTreeMap::new(),
        comment,
    };
    let mut made = Vec::new();
    if cursor.eat(&["PARTITION", "BY"]) {
        made = partitions::clause(cursor, &mut schema)?;
    }
    if cursor.eat(&["DISTRIBUTED", "BY"]) {
        if cursor.eat(&["HASH"]) {
            schema.distribution.columns = cursor.names()?;
        } else {
            cursor.expect(&["RANDOM"])?;
        }
        if cursor.eat(&["BUCKETS"]) && !cursor.eat(&["AUTO"]) {
            schema.distribution.buckets = Some(cursor.integer()?);
        }
    }
    let partition_columns = schema.partitioning.columns().iter().filter_map(|at| schema.fields.get(*at));
    if matches!(model, Model::Primary | Model::Unique | Model::Aggregate)
        && let Some(field) = partition_columns.into_iter().find(|f| !f.key)
    {
        return Err(format!("The partition column[{}] must be a key column", field.name));
    }
    for name in &schema.distribution.columns {
        let at = schema.find(name).ok_or_else(|| format!("Distribution column({name}) doesn't exist."))?;
        if model != Model::Duplicate && !schema.fields[at].key {
            return Err(format!("Distribution column[{name}] is not key column"));
        }
    }
    if cursor.eat(&["ORDER", "BY"]) {
        schema.order_by = cursor.names()?;
    }
    if cursor.eat(&["PROPERTIES"]) {
        schema.properties = cursor.properties()?.into_iter().collect();
    }
    cursor.end()?;
    Ok(CreateTable { table, if_not_exists, schema, partitions: made })
}

fn model(cursor: &mut Cursor<'_>, fields: &[Field]) -> Result<(Model, Vec<String>), String> {
    for model in [Model::Duplicate, Model::Aggregate, Model::Unique, Model::Primary] {
        let words: Vec<&str> = model.clause().split(' ').collect();
        if cursor.eat(&words) {
            return Ok((model, cursor.names()?));
        }
    }
    if fields.iter().any(|f| f.combine.is_some()) {
        let keys = fields.iter().filter(|f| f.combine.is_none());
        return Ok((Model::Aggregate, keys.map(|f| f.name.clone()).collect()));
    }
    // Without a clause: a duplicate key of the first columns that can be one, three at most ([memory]).
    let keys = fields.iter().take(3).take_while(|f| f.ty.can_be_key());
    Ok((Model::Duplicate, keys.map(|f| f.name.clone()).collect()))
}

fn index(cursor: &mut Cursor<'_>) -> Result<String, String> {
    let start = cursor.here();
    cursor.expect(&["INDEX"])?;
    cursor.name()?;
    cursor.names()?;
    if cursor.eat(&["USING"]) {
        cursor.name()?;
        if *cursor.peek() == Kind::Mark("(") {
            cursor.properties()?;
        }
    }
    if cursor.eat(&["COMMENT"]) {
        cursor.string()?;
    }
    Ok(cursor.since(start).to_string())
}

/// One column.
pub fn field(cursor: &mut Cursor<'_>) -> Result<Field, String> {
    let name = cursor.name()?;
    let ty = cursor.ty()?;
    let mut field = Field {
        name,
        ty,
        key: false,
        nullable: true,
        combine: None,
        default: None,
        auto_increment: false,
        generated: None,
        comment: String::new(),
    };
    loop {
        if let Some((name, combine)) = Combine::ALL.iter().find(|(name, _)| cursor.is(&[name])) {
            cursor.expect(&[name])?;
            field.combine = Some(*combine);
        } else if cursor.eat(&["NOT", "NULL"]) {
            field.nullable = false;
        } else if cursor.eat(&["NULL"]) {
            field.nullable = true;
        } else if cursor.eat(&["KEY"]) {
            // `k INT KEY` is an old spelling; the key clause decides.
        } else if cursor.eat(&["DEFAULT"]) {
            field.default = default(cursor)?;
        } else if cursor.eat(&["AUTO_INCREMENT"]) {
            field.auto_increment = true;
            field.nullable = false;
        } else if cursor.eat(&["AS"]) {
            let start = cursor.here();
            super::expr::expression(cursor)?;
            field.generated = Some(cursor.since(start).to_string());
        } else if cursor.eat(&["COMMENT"]) {
            field.comment = cursor.string()?;
        } else {
            return Ok(field);
        }
    }
}

fn default(cursor: &mut Cursor<'_>) -> Result<Option<Given>, String> {
    if cursor.eat(&["NULL"]) {
        return Ok(None);
    }
    if cursor.eat(&["CURRENT_TIMESTAMP"]) {
        if cursor.eat(&["("]) {
            if !cursor.is(&[")"]) {
                cursor.integer::<u8>()?;
            }
            cursor.expect(&[")"])?;
        }
        return Ok(Some(Given::Now));
    }
    let negative = cursor.eat(&["-"]);
    match cursor.take() {
        Kind::Text(text) => Ok(Some(Given::Text(String::from_utf8_lossy(&text).into_owned()))),
        Kind::Number(text) => Ok(Some(Given::Text(if negative { format!("-{text}") } else { text }))),
        Kind::Word(word) if word.eq_ignore_ascii_case("true") => Ok(Some(Given::Text("1".to_string()))),
        Kind::Word(word) if word.eq_ignore_ascii_case("false") => Ok(Some(Given::Text("0".to_string()))),
        _ => Err(cursor.error("a default value")),
    }
}
