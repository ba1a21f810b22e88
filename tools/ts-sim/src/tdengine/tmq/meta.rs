//! Changes of schemas as JSON (`fetch_json_meta`), with the keys in the server's order.

use serde_json::{Map, Value as Json, json};

use super::super::changelog::{Altered, Change, Created, Deleted, TagSet};
use super::super::store::Stable;
use super::super::types::{Field, Kind as TypeKind, Type};
use super::super::value::Value;
use super::message::Message;

/// The JSON of a message; null when it has none.
pub fn json(message: &Message) -> Json {
    match &message.meta {
        Some(change) => change_json(change),
        None if message.created.is_empty() => Json::Null,
        None => {
            let mut json = created_json(&message.created[0]);
            if message.created.len() > 1
                && let Some(json) = json.as_object_mut()
            {
                json.insert("createList".into(), message.created.iter().map(|c| Json::Object(child(c))).collect());
            }
            json
        }
    }
}

fn change_json(change: &Change) -> Json {
    match change {
        Change::CreateStable(stable) => json!({
            "type": "create",
            "tableType": "super",
            "tableName": stable.name,
            "columns": stable.fields.iter().map(column).collect::<Vec<_>>(),
            "tags": stable.tags.iter().map(|f| Json::Object(named_type("name", "type", "length", f))).collect::<Vec<_>>(),
        }),
        Change::AlterStable(stable, altered) => alter(stable, altered),
        Change::DropStable(stable) => json!({"type": "drop", "tableType": "super", "tableName": stable.name}),
        Change::Create(created) => created_json(created),
        Change::SetTag(set) => set_tag(set),
        Change::Drop { name, .. } => json!({"type": "drop", "tableNameList": [&**name]}),
        Change::Delete(deleted) => delete(deleted),
        Change::Other | Change::Data { .. } => Json::Null,
    }
}

fn named_type(name: &str, ty: &str, length: &str, field: &Field) -> Map<String, Json> {
    let mut json = Map::new();
    json.insert(name.into(), field.name.clone().into());
    json.insert(ty.into(), field.ty.number().into());
    if field.ty.width().is_none() && field.ty.kind != TypeKind::Json {
        json.insert(length.into(), field.ty.declared().into());
    }
    json
}

fn column(field: &Field) -> Json {
    let mut json = named_type("name", "type", "length", field);
    json.insert("isPrimarykey".into(), field.key.into());
    json.insert("encode".into(), field.ty.encoding().0.into());
    json.insert("compress".into(), "lz4".into());
    json.insert("level".into(), "medium".into());
    Json::Object(json)
}

fn created_json(created: &Created) -> Json {
    let mut json = Map::new();
    json.insert("type".into(), "create".into());
    if created.stable.is_some() {
        json.extend(child(created));
        json.insert("createList".into(), json!([]));
    } else {
        json.insert("tableType".into(), "normal".into());
        json.insert("tableName".into(), (*created.name).into());
        json.insert("columns".into(), created.fields.iter().map(column).collect());
        json.insert("tags".into(), json!([]));
    }
    Json::Object(json)
}

fn child(created: &Created) -> Map<String, Json> {
    let mut json = Map::new();
    json.insert("tableType".into(), "child".into());
    json.insert("tableName".into(), (*created.name).into());
    if let Some(stable) = &created.stable {
        json.insert("using".into(), stable.name.clone().into());
        json.insert("tagNum".into(), stable.tags.len().into());
        let given = stable.tags.iter().zip(created.tags.iter()).filter(|(_, value)| !value.is_null());
        let tag = |(field, value): (&Field, &Value<'_>)| json!({"name": field.name, "type": field.ty.number(), "value": tag_value(field.ty, value)});
        json.insert("tags".into(), given.map(tag).collect());
    }
    json
}

/// A tag's value: numbers as they are, text inside its quotes (recorded).
fn tag_value(ty: Type, value: &Value<'_>) -> Json {
    match value {
        Value::Bytes(bytes) if ty.kind == TypeKind::Json => String::from_utf8_lossy(bytes).into(),
        Value::Bytes(_) => text(ty, value).into(),
        Value::Bool(b) => u8::from(*b).into(),
        // The server's JSON library keeps all numbers as doubles.
        _ => match value.integer().and_then(|i| i64::try_from(i).ok()).filter(|i| i.unsigned_abs() <= 1 << 53) {
            Some(whole) => whole.into(),
            None => value.double().map_or(Json::Null, Json::from),
        },
    }
}

/// The same as text, for ALTER TABLE .. SET TAG.
fn text(ty: Type, value: &Value<'_>) -> String {
    match value {
        Value::Bytes(bytes) if matches!(ty.kind, TypeKind::VarBinary | TypeKind::Geometry | TypeKind::Blob) => {
            format!("\"\\x{}\"", hex::encode_upper(bytes))
        }
        Value::Bytes(bytes) => format!("\"{}\"", String::from_utf8_lossy(bytes)),
        other => tag_value(ty, other).to_string(),
    }
}

fn alter(stable: &Stable, altered: &Altered) -> Json {
    let mut json = Map::new();
    json.insert("type".into(), "alter".into());
    json.insert("tableType".into(), "super".into());
    json.insert("tableName".into(), stable.name.clone().into());
    json.insert("alterType".into(), altered.kind.into());
    match (&altered.new_name, altered.kind) {
        (Some(new_name), _) => {
            json.insert("colName".into(), altered.field.name.clone().into());
            json.insert("colNewName".into(), new_name.clone().into());
        }
        (None, 2 | 6) => {
            json.insert("colName".into(), altered.field.name.clone().into());
        }
        _ => json.extend(named_type("colName", "colType", "colLength", &altered.field)),
    }
    Json::Object(json)
}

fn set_tag(set: &TagSet) -> Json {
    let mut json = Map::new();
    json.insert("type".into(), "alter".into());
    json.insert("tableType".into(), "child".into());
    json.insert("tableName".into(), (*set.table).into());
    json.insert("alterType".into(), 4.into());
    json.insert("colName".into(), set.tag.name.clone().into());
    if !set.value.is_null() {
        json.insert("colValue".into(), text(set.tag.ty, &set.value).into());
    }
    json.insert("colValueNull".into(), set.value.is_null().into());
    Json::Object(json)
}

fn delete(deleted: &Deleted) -> Json {
    let Deleted { name, time_column: time, from, to, .. } = deleted;
    json!({"type": "delete", "sql": format!("delete from `{name}` where `{time}` >= {from} and `{time}` <= {to}")})
}
