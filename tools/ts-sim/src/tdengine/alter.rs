//! Changes of schemas and tags: what has the same name keeps its values, and every change is noted in the logs.

use std::sync::Arc;

use super::changelog::{Altered, Change, TagSet};
use super::store::{Database, Stable, now_ms};
use super::types::Field;
use super::value::Value;

/// The server's numbers of the changes.
mod kind {
    pub const ADD_TAG: u8 = 1;
    pub const DROP_TAG: u8 = 2;
    pub const RENAME_TAG: u8 = 3;
    pub const ADD_COLUMN: u8 = 5;
    pub const DROP_COLUMN: u8 = 6;
    pub const WIDEN_COLUMN: u8 = 7;
    pub const WIDEN_TAG: u8 = 8;
}

impl Database {
    /// Gives a super table and its children other columns and tags; false when there is none.
    pub fn alter_stable(&mut self, name: &str, fields: Arc<[Field]>, tags: Arc<[Field]>) -> bool {
        self.alter_stable_by(name, fields, tags, None, None)
    }

    /// The same by a statement, which may have given a tag another name: the old one and the new one.
    pub fn alter_stable_by(
        &mut self,
        name: &str,
        fields: Arc<[Field]>,
        tags: Arc<[Field]>,
        renamed: Option<(&str, &str)>,
        sql: Option<&str>,
    ) -> bool {
        let Some(at) = self.stables.iter().position(|s| s.name == name) else { return false };
        let old = self.stables[at].clone();
        // Under which name a tag was known before.
        let before = |tag: &Field| match renamed {
            Some((from, to)) if to == tag.name => from.to_string(),
            _ => tag.name.clone(),
        };
        let mut next = old.ids.iter().chain(&*old.tag_ids).max().map_or(1, |id| id + 1);
        let mut number = |list: &[Field], ids: &[i16], name: &str| {
            let known = list.iter().position(|f| f.name == name).and_then(|at| ids.get(at)).copied();
            known.unwrap_or_else(|| {
                next += 1;
                next - 1
            })
        };
        let new = Arc::new(Stable {
            ids: fields.iter().map(|f| number(&old.fields, &old.ids, &f.name)).collect(),
            tag_ids: tags.iter().map(|f| number(&old.tags, &old.tag_ids, &before(f))).collect(),
            version: old.version + i32::from(fields != old.fields),
            tag_version: old.tag_version + i32::from(tags != old.tags),
            fields: fields.clone(),
            tags: tags.clone(),
            ..Stable::clone(&old)
        });
        self.stables[at] = new.clone();
        let children: Vec<String> = self.children(name).map(|t| t.name.to_string()).collect();
        for child in children {
            let Some(table) = self.table_mut(&child) else { continue };
            let kept = |tag: &Field| {
                let name = before(tag);
                let at = old.tags.iter().position(|t| t.name == name);
                at.and_then(|at| table.tags.get(at)).cloned().unwrap_or(Value::Null)
            };
            table.tags = tags.iter().map(kept).collect();
            table.rows = Arc::new(table.rows.with_fields(fields.clone()));
            table.fields = fields.clone();
            table.stable = Some(new.clone());
        }
        self.note_altered(&old, &new, renamed, sql);
        true
    }

    /// Notes each difference of two forms of a super table.
    fn note_altered(&mut self, old: &Stable, new: &Arc<Stable>, renamed: Option<(&str, &str)>, sql: Option<&str>) {
        let mut changes: Vec<(u8, &str, &Field, Option<String>)> = Vec::new();
        if let Some((from, to)) = renamed
            && let Some(field) = old.tags.iter().find(|f| f.name == from)
        {
            changes.push((kind::RENAME_TAG, "RENAME TAG", field, Some(to.to_string())));
        }
        let lists = [
            (
                &old.fields,
                &new.fields,
                [
                    (kind::ADD_COLUMN, "ADD COLUMN"),
                    (kind::DROP_COLUMN, "DROP COLUMN"),
                    (kind::WIDEN_COLUMN, "MODIFY COLUMN"),
                ],
            ),
            (
                &old.tags,
                &new.tags,
                [(kind::ADD_TAG, "ADD TAG"), (kind::DROP_TAG, "DROP TAG"), (kind::WIDEN_TAG, "MODIFY TAG")],
            ),
        ];
        let is_renamed = |f: &Field| renamed.is_some_and(|(from, to)| f.name == from || f.name == to);
        for (old, new, [add, drop, widen]) in lists {
            for field in old.iter().filter(|f| !is_renamed(f) && new.iter().all(|n| n.name != f.name)) {
                changes.push((drop.0, drop.1, field, None));
            }
            for field in new.iter().filter(|f| !is_renamed(f)) {
                match old.iter().find(|o| o.name == field.name) {
                    None => changes.push((add.0, add.1, field, None)),
                    Some(before) if before.ty != field.ty => changes.push((widen.0, widen.1, field, None)),
                    Some(_) => {}
                }
            }
        }
        let full = format!("`{}`.`{}`", self.name, new.name);
        let altered: Vec<Altered> = changes
            .into_iter()
            .map(|(kind, verb, field, new_name)| {
                let ty = if matches!(kind, kind::DROP_COLUMN | kind::DROP_TAG) {
                    String::new()
                } else {
                    field.ty.full_name()
                };
                let written = format!("ALTER STABLE {full} {verb} `{}` {ty}", field.name);
                let sql = sql.map_or_else(|| written.trim_end().to_string(), str::to_string);
                Altered { kind, field: field.clone(), new_name, sql }
            })
            .collect();
        for altered in altered {
            self.log_everywhere(&Change::AlterStable(new.clone(), Box::new(altered)));
        }
    }

    /// Gives an ordinary table other columns; false when there is none. Subscriptions do not hear of it.
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
    pub fn set_tag(&mut self, name: &str, tag: &str, value: Value<'static>) -> bool {
        let place = self.place(name);
        let Some(table) = self.table_mut(name) else { return false };
        let Some(stable) = table.stable.clone() else { return false };
        let at = stable.tags.iter().position(|t| t.name == tag).filter(|at| *at < table.tags.len());
        let Some(at) = at else { return false };
        let mut tags = table.tags.to_vec();
        tags[at] = value.clone();
        table.tags = tags.into();
        let set = TagSet {
            table: table.name.clone(),
            stable: stable.name.clone(),
            id: stable.tag_ids.get(at).copied().unwrap_or_default(),
            tag: stable.tags[at].clone(),
            value,
            at: now_ms(),
        };
        self.log.append(place, Change::SetTag(Box::new(set)));
        true
    }
}
