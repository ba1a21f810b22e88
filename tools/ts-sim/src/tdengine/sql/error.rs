//! What the server says when a statement fails: code and text, as recorded.

/// A failed statement. The code is the low 16 bits of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    pub code: u32,
    pub message: String,
}

impl SqlError {
    pub fn new(code: u32, message: impl Into<String>) -> SqlError {
        SqlError { code, message: message.into() }
    }

    /// 9728, with the rest of the statement from where it went wrong.
    pub fn syntax(rest: &str) -> SqlError {
        SqlError::new(0x2600, format!("syntax error near \"{rest}\""))
    }

    /// 9729: the statement ends too early.
    pub fn incomplete() -> SqlError {
        SqlError::new(0x2601, "Incomplete SQL statement")
    }

    /// 534, INSERT's own syntax error: `near 'abc' (invalid int data)`.
    pub fn insert(near: &str, why: &str) -> SqlError {
        SqlError::new(0x0216, format!("syntax error near '{near}' ({why})"))
    }

    /// 512, with what is not possible.
    pub fn operation(why: &str) -> SqlError {
        SqlError::new(0x0200, why)
    }

    /// 263.
    pub fn internal() -> SqlError {
        SqlError::new(0x0107, "Internal error")
    }

    /// 280.
    pub fn parameters() -> SqlError {
        SqlError::new(0x0118, "Invalid parameters")
    }

    /// 9730.
    pub fn column(name: &str) -> SqlError {
        SqlError::new(0x2602, format!("Invalid column name: {name}"))
    }

    /// 9826: SELECT, DESCRIBE and the like.
    pub fn no_table() -> SqlError {
        SqlError::new(0x2662, "Fail to get table info, error: Table does not exist")
    }

    /// 9826 for the database of a qualified name.
    pub fn no_database_of_table() -> SqlError {
        SqlError::new(0x2662, "Fail to get table info, error: Database not exist")
    }

    /// 904.
    pub fn no_database() -> SqlError {
        SqlError::new(0x0388, "Database not exist")
    }

    /// 9750.
    pub fn no_current_database() -> SqlError {
        SqlError::new(0x2616, "Database not specified")
    }

    /// 9731: the table of an INSERT or DROP.
    pub fn table_missing() -> SqlError {
        SqlError::new(0x2603, "Table does not exist")
    }

    /// 9733: a literal that does not fit what it is compared with.
    pub fn value_type(text: &str) -> SqlError {
        SqlError::new(0x2605, format!("Invalid value type: {text}"))
    }

    /// 9740: a column beside aggregates that is no group key.
    pub fn not_grouped() -> SqlError {
        SqlError::new(0x260C, "Not a single-group group function")
    }
}
