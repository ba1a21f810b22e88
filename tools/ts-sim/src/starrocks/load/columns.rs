//! From the fields of a body to the columns of a table: the header `columns`, and `where`.

use super::evaluate::{check, evaluate};
use super::expression::{Entry, Expr, parse_columns, parse_condition};

/// The pseudo-column of PRIMARY KEY tables: 0 or `upsert`, 1 or `delete`.
pub const OPERATION: &str = "__op";

/// Where a column of the table gets its value.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    /// A field of the body.
    Field(usize),
    /// A derived column.
    Derived(usize),
}

/// What is done with every row of a body.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Names of a row's fields.
    pub fields: Vec<String>,
    /// Columns of the table in the order of [`Mapped::cells`].
    pub columns: Vec<String>,
    places: Vec<Place>,
    derived: Vec<(String, Expr)>,
    operation: Option<Place>,
    condition: Option<Expr>,
    plain: bool,
}

/// A row of the table before its types are looked at.
pub struct Mapped {
    /// Cells that are not in the body as they are.
    made: Vec<Option<Vec<u8>>>,
    /// Deleted instead of written.
    pub delete: bool,
}

/// What becomes of a row.
pub enum Fate {
    /// It goes to the table.
    Row(Mapped),
    /// `where` leaves it out.
    Unselected,
    /// It is bad, for this reason.
    Filtered(String),
}

impl Plan {
    /// Plans a load into a table with these columns (without generated ones). `positional` (CSV) bodies have their fields
    /// in the table's order when the header is missing; `primary` tables know `__op`.
    pub fn new(
        table: &[String],
        columns: Option<&str>,
        condition: Option<&str>,
        primary: bool,
    ) -> Result<Plan, String> {
        let entries = match columns {
            Some(text) => parse_columns(text).map_err(|why| format!("parse columns header failed: {why}"))?,
            None => table.iter().map(|name| Entry { name: name.clone(), expr: None }).collect(),
        };
        let is_column = |name: &str| table.iter().find(|column| column.eq_ignore_ascii_case(name));
        let is_operation = |name: &str| primary && name.eq_ignore_ascii_case(OPERATION);
        let mut plan = Plan {
            fields: Vec::new(),
            columns: Vec::new(),
            places: Vec::new(),
            derived: Vec::new(),
            operation: None,
            condition: None,
            plain: false,
        };
        for entry in entries {
            match entry.expr {
                Some(expr) => plan.derived.push((entry.name, expr)),
                None if plan.fields.iter().any(|name| name.eq_ignore_ascii_case(&entry.name)) => {
                    return Err(format!("Duplicate column: {}", entry.name));
                }
                None => plan.fields.push(entry.name),
            }
        }
        for (at, (name, expr)) in plan.derived.iter().enumerate() {
            let known = |name: &str| plan.fields.iter().any(|field| field.eq_ignore_ascii_case(name));
            check(expr, &known).map_err(|why| format!("Expr '{name}' analyze error: {why}"))?;
            match is_column(name) {
                Some(column) => {
                    plan.columns.push(column.clone());
                    plan.places.push(Place::Derived(at));
                }
                None if is_operation(name) => plan.operation = Some(Place::Derived(at)),
                None => return Err(format!("Column is not found. column: {name}")),
            }
        }
        for (at, name) in plan.fields.iter().enumerate() {
            let derived = plan.derived.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
            match is_column(name) {
                _ if derived => {}
                Some(column) => {
                    plan.columns.push(column.clone());
                    plan.places.push(Place::Field(at));
                }
                None if is_operation(name) => plan.operation = Some(Place::Field(at)),
                // A field that only derived columns use.
                None => {}
            }
        }
        if let Some(text) = condition {
            let expr = parse_condition(text).map_err(|why| format!("parse where header failed: {why}"))?;
            let known =
                |name: &str| plan.columns.iter().chain(&plan.fields).any(|other| other.eq_ignore_ascii_case(name));
            check(&expr, &known).map_err(|why| format!("Where expr analyze error: {why}"))?;
            plan.condition = Some(expr);
        }
        let in_order = plan.places.iter().enumerate().all(|(at, place)| *place == Place::Field(at));
        plan.plain = plan.derived.is_empty()
            && plan.condition.is_none()
            && plan.operation.is_none()
            && in_order
            && plan.places.len() == plan.fields.len();
        Ok(plan)
    }

    /// Every row's fields are the cells as they are.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Maps one row of fields.
    pub fn map(&self, fields: &[Option<&[u8]>]) -> Fate {
        let field = |name: &str| {
            let at = self.fields.iter().position(|field| field.eq_ignore_ascii_case(name))?;
            fields.get(at).copied().flatten().map(<[u8]>::to_vec)
        };
        let made: Vec<_> = self.derived.iter().map(|(_, expr)| evaluate(expr, &field).into_text()).collect();
        if let Some(condition) = &self.condition {
            let column = |name: &str| {
                let at = self.derived.iter().position(|(derived, _)| derived.eq_ignore_ascii_case(name));
                match at.and_then(|at| made.get(at)) {
                    Some(value) => value.clone(),
                    None => field(name),
                }
            };
            if evaluate(condition, &column).truth() != Some(true) {
                return Fate::Unselected;
            }
        }
        let operation = match &self.operation {
            None => None,
            Some(Place::Field(at)) => fields.get(*at).copied().flatten(),
            Some(Place::Derived(at)) => made.get(*at).and_then(Option::as_deref),
        };
        let delete = match operation {
            _ if self.operation.is_none() => false,
            Some(b"0") => false,
            Some(b"1") => true,
            Some(word) if word.eq_ignore_ascii_case(b"upsert") => false,
            Some(word) if word.eq_ignore_ascii_case(b"delete") => true,
            // [memory]: the column is a TINYINT that must not be NULL.
            other => {
                let shown = String::from_utf8_lossy(other.unwrap_or(b"NULL")).into_owned();
                return Fate::Filtered(format!("invalid value '{shown}' for '{OPERATION}'"));
            }
        };
        Fate::Row(Mapped { made, delete })
    }

    /// The cells of a mapped row, one for each of [`Plan::columns`].
    pub fn cells<'r>(&self, fields: &[Option<&'r [u8]>], mapped: &'r Mapped, out: &mut Vec<Option<&'r [u8]>>) {
        out.clear();
        out.extend(self.places.iter().map(|place| match place {
            Place::Field(at) => fields.get(*at).copied().flatten(),
            Place::Derived(at) => mapped.made.get(*at).and_then(Option::as_deref),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<String> {
        ["id", "ts", "v"].map(str::to_owned).to_vec()
    }

    fn row(plan: &Plan, fields: &[Option<&[u8]>]) -> (Vec<Option<String>>, bool) {
        let Fate::Row(mapped) = plan.map(fields) else { panic!("not a row") };
        let mut cells = Vec::new();
        plan.cells(fields, &mapped, &mut cells);
        (cells.into_iter().map(|c| c.map(|c| String::from_utf8_lossy(c).into_owned())).collect(), mapped.delete)
    }

    #[test]
    fn without_header_fields_are_columns() {
        let plan = Plan::new(&table(), None, None, false).unwrap();
        assert_eq!((&plan.fields, &plan.columns), (&table(), &table()));
        assert_eq!(
            row(&plan, &[Some(b"1"), None, Some(b"")]),
            (vec![Some("1".into()), None, Some(String::new())], false)
        );
    }

    #[test]
    fn derived_columns_skipped_fields_and_conditions() {
        let plan = Plan::new(
            &table(),
            Some("raw, skip, ID, ts = from_unixtime(raw)"),
            Some("id > 1 and ts is not null"),
            false,
        )
        .unwrap();
        assert_eq!(
            (&plan.fields[..], &plan.columns[..]),
            (&["raw", "skip", "ID"].map(str::to_owned)[..], &["ts", "id"].map(str::to_owned)[..])
        );
        let (cells, _) = row(&plan, &[Some(b"0"), Some(b"x"), Some(b"2")]);
        assert_eq!(cells, [Some("1970-01-01 00:00:00".into()), Some("2".into())]);
        assert!(matches!(plan.map(&[Some(b"0"), None, Some(b"1")]), Fate::Unselected));
        assert!(matches!(plan.map(&[None, None, Some(b"2")]), Fate::Unselected));
    }

    #[test]
    fn the_operation_of_primary_key_tables() {
        let plan = Plan::new(&table(), Some("id,v,__op"), None, true).unwrap();
        assert_eq!(plan.columns, ["id", "v"]);
        assert!(!row(&plan, &[Some(b"1"), None, Some(b"0")]).1);
        assert!(row(&plan, &[Some(b"1"), None, Some(b"1")]).1);
        assert!(matches!(plan.map(&[Some(b"1"), None, Some(b"2")]), Fate::Filtered(_)));
        let fixed = Plan::new(&table(), Some("id, __op='delete'"), None, true).unwrap();
        assert!(row(&fixed, &[Some(b"1")]).1);
        // another model does not know it: a field that nothing uses
        assert!(!row(&Plan::new(&table(), Some("id,__op"), None, false).unwrap(), &[Some(b"1"), Some(b"1")]).1);
    }

    #[test]
    fn mistakes_are_refused_before_any_row() {
        for (columns, condition, why) in [
            (Some("id,id"), None, "Duplicate column"),
            (Some("id, w = 1"), None, "w"),
            (Some("id, v = nope(id)"), None, "nope"),
            (Some("id, v = other"), None, "other"),
            (Some("id,"), None, "columns"),
            (None, Some("x = 1"), "'x'"),
            (None, Some("id ="), "where"),
        ] {
            let error = Plan::new(&table(), columns, condition, false).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
