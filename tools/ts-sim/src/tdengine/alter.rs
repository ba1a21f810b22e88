//! Changes of schemas and tags: what has the same name keeps its values.

use std::sync::Arc;

use super::store::{Database, Stable};
use super::types::Field;
use super::value::Value;

impl Database {
    /// Gives a super table and its children other columns and tags; false when there is none.
    pub fn alter_stable(&mut self, name: &str, fields: Arc<[Field]>, tags: Arc<[Field]>) -> bool {
        let Some(at) = self.stables.iter().position(|s| s.name == name) else { return false };
        let old = self.stables[at].clone();
        let new = Arc::new(Stable {
            name: name.to_string(),
            fields: fields.clone(),
            tags: tags.clone(),
            created: old.created,
        });
        self.stables[at] = new.clone();
        let children: Vec<String> = self.children(name).map(|t| t.name.to_string()).collect();
        for child in children {
            let Some(table) = self.table_mut(&child) else { continue };
            let kept = |tag: &Field| {
                let before = old.tags.iter().position(|t| t.name == tag.name).and_then(|at| table.tags.get(at));
                before.cloned().unwrap_or(Value::Null)
            };
            table.tags = tags.iter().map(kept).collect();
            table.rows = Arc::new(table.rows.with_fields(fields.clone()));
            table.fields = fields.clone();
            table.stable = Some(new.clone());
        }
        true
    }

    /// Gives an ordinary table other columns; false when there is none.
    pub fn alter_table(&mut self, name: &str, fields: Arc<[Field]>) -> bool {
        match self.table_mut(name) {
            Some(table) if table.stable.is_none() => {
                table.rows = Arc::new(table.rows.with_fields(fields.clone()));
                table.fields = fields;
                true
            }
            _ => false,
        }
    }

    /// Changes a tag of a child; false when there is no such table or tag.
    pub fn set_tag(&mut self, table: &str, tag: &str, value: Value<'static>) -> bool {
        let Some(table) = self.table_mut(table) else { return false };
        let at = table.stable.as_ref().and_then(|s| s.tags.iter().position(|t| t.name == tag));
        let Some(at) = at.filter(|at| *at < table.tags.len()) else { return false };
        let mut tags = table.tags.to_vec();
        tags[at] = value;
        table.tags = tags.into();
        true
    }
}
