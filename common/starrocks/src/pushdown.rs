//! Counts and hashes that a cluster makes itself, of a partition or a table: one row comes back, whatever the size.
//!
//! The hash of a row goes over all its columns, each as a mark for NULL and its text, every one an argument of its own: the
//! hash of an argument seeds that of the next, so nothing is joined, no separator can be in a text, and NULL is not ''. The
//! hashes of rows are added up, which keeps rows that are there twice, in whatever order they come.

use crate::catalog::{Column, Version};
use crate::client::Client;
use crate::sql;
use crate::types::SrType;
use fault::{Error, Kind, Result};
use std::fmt;

/// A hash function of the server, for texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// XXH3, 64 bits, from 3.2 on.
    XxHash3,
    /// MurmurHash3, 32 bits, in every version: taken twice, with two beginnings.
    Murmur3,
}

impl Function {
    /// All of them, the better one first.
    pub const ALL: [Function; 2] = [Function::XxHash3, Function::Murmur3];

    /// The best one that both versions have.
    pub fn of(a: Version, b: Version) -> Function {
        Function::ALL.into_iter().find(|function| a.min(b) >= function.since()).unwrap_or(Function::Murmur3)
    }

    /// The first version that has it, by StarRocks' manual.
    pub fn since(self) -> Version {
        match self {
            Function::XxHash3 => Version(3, 2, 0),
            Function::Murmur3 => Version(0, 0, 0),
        }
    }

    /// As SQL calls it.
    pub fn name(self) -> &'static str {
        match self {
            Function::XxHash3 => "xx_hash3_64",
            Function::Murmur3 => "murmur_hash3_32",
        }
    }

    /// The first arguments of each of its sums.
    fn beginnings(self) -> &'static [&'static str] {
        match self {
            Function::XxHash3 => &[""],
            Function::Murmur3 => &["'1', ", "'2', "],
        }
    }

    /// The hashes of ('hello') and of ('hello', 'world') in StarRocks' manual.
    fn known(self) -> [&'static str; 2] {
        match self {
            Function::XxHash3 => ["-7685981735718036227", "7001965798170371843"],
            Function::Murmur3 => ["1321743225", "984713481"],
        }
    }

    /// Asks the server for what the manual says. Kind `NoVerdict` for a server without this function, or with another one
    /// of its name.
    pub fn check(self, client: &mut Client) -> Result<()> {
        let (name, [one, two]) = (self.name(), self.known());
        let no = |what: &str| {
            Error::new(Kind::NoVerdict, format!("{what}: compare digests of the rows instead (ts-verify compare)"))
        };
        let at = client.at().to_owned();
        let found = match client.query(&format!("SELECT {name}('hello'), {name}('hello', 'world')")) {
            Ok(found) => found,
            Err(error) if error.kind() == Kind::Refused => {
                return Err(no(&format!("{at} has no function {name} ({error})")));
            }
            Err(error) => return Err(error),
        };
        let answers: Vec<_> = found.rows.iter().flatten().flatten().map(String::as_str).collect();
        match answers == [one, two] {
            true => Ok(()),
            false => {
                Err(no(&format!("{at}: {name} does not give what StarRocks' manual says ({})", answers.join(", "))))
            }
        }
    }

    /// The sums of its hashes over these arguments, as select items.
    fn sums(self, arguments: &str) -> String {
        let name = self.name();
        let sum = |first: &&str| format!("sum(CAST({name}({first}{arguments}) AS LARGEINT))");
        self.beginnings().iter().map(sum).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is asked of some rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// How many rows there are, and how many values in each column.
    Counts,
    /// How many rows, and the sum of their hashes.
    Rows(Function),
    /// How many rows; for each column its values, and the sum of its hashes.
    Columns(Function),
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub rows: u64,
    /// For each column the number of values, where they were asked for.
    pub values: Vec<u64>,
    /// The sums of hashes: of rows, or for each column (as many as the function has, one after the other).
    pub sums: Vec<i128>,
}

/// Columns in one statement, where each has an item of its own.
const COLUMNS: usize = 100;

impl Question {
    /// Asks it of `from`: what [`sql::source`] says.
    pub fn ask(self, client: &mut Client, columns: &[&Column], from: &str) -> Result<Answer> {
        let mut answer = Answer::default();
        // The hash of a row needs all columns at once.
        let size = if matches!(self, Question::Rows(_)) { columns.len().max(1) } else { COLUMNS };
        let mut parts: Vec<&[&Column]> = columns.chunks(size).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        for (number, part) in parts.into_iter().enumerate() {
            let found = client.query(&format!("SELECT {} FROM {from}", self.items(part)?))?;
            let row = found.rows.first().map(Vec::as_slice).unwrap_or_default();
            let bad =
                || Error::new(client.side().kind(), format!("{}: the answer is not what was asked for", client.at()));
            let mut cells = row.iter();
            // The sum of nothing is NULL.
            let mut next = || {
                let cell = cells.next().ok_or_else(bad)?;
                cell.as_deref().map_or(Ok(0), str::parse::<i128>).map_err(|_| bad())
            };
            let count = |n: i128| u64::try_from(n).map_err(|_| bad());
            let rows = count(next()?)?;
            if number > 0 && rows != answer.rows {
                return Err(Error::new(
                    client.side().kind(),
                    format!("{}: rows came while they were counted", client.at()),
                ));
            }
            answer.rows = rows;
            match self {
                Question::Counts => {
                    for _ in part {
                        answer.values.push(count(next()?)?);
                    }
                }
                Question::Rows(function) => {
                    for _ in function.beginnings() {
                        answer.sums.push(next()?);
                    }
                }
                Question::Columns(function) => {
                    for _ in part {
                        answer.values.push(count(next()?)?);
                        for _ in function.beginnings() {
                            answer.sums.push(next()?);
                        }
                    }
                }
            }
        }
        Ok(answer)
    }

    fn items(self, columns: &[&Column]) -> Result<String> {
        let mut items = "count(*)".to_owned();
        match self {
            Question::Counts => {
                for column in columns {
                    items.push_str(&format!(", {}", values(column)?));
                }
            }
            Question::Rows(function) => {
                let all = columns.iter().map(|column| argument(column)).collect::<Result<Vec<_>>>()?;
                items.push_str(&format!(", {}", function.sums(&all.join(", "))));
            }
            Question::Columns(function) => {
                for column in columns {
                    items.push_str(&format!(", {}, {}", values(column)?, function.sums(&argument(column)?)));
                }
            }
        }
        Ok(items)
    }
}

/// The number of values of a column. `count` does not take every type.
fn values(column: &Column) -> Result<String> {
    let name = sql::name(&column.name)?;
    Ok(match column.ty {
        Some(SrType::Json | SrType::Array | SrType::Map | SrType::Struct) | None => not_null(&name),
        Some(SrType::Bitmap | SrType::Hll | SrType::Percentile) => not_null(&name),
        Some(_) => format!("count({name})"),
    })
}

fn not_null(name: &str) -> String {
    format!("count(if({name} IS NULL, NULL, 1))")
}

/// The two arguments of a column: is it NULL, and its text.
fn argument(column: &Column) -> Result<String> {
    let name = sql::name(&column.name)?;
    let text = text(&name, column)?;
    Ok(format!("if({name} IS NULL, 'N', 'V'), ifnull({text}, '')"))
}

/// The text of a column, which two different values must not share.
fn text(name: &str, column: &Column) -> Result<String> {
    Ok(match column.ty {
        Some(SrType::Text) => name.to_owned(),
        // As texts, the document "1" and the number 1 would be the same.
        Some(SrType::Json) => format!("json_string({name})"),
        Some(SrType::Map | SrType::Struct) => format!("json_string(to_json({name}))"),
        Some(SrType::Array) => format!("CAST({name} AS VARCHAR(1048576))"),
        Some(SrType::VarBinary) => format!("hex({name})"),
        Some(SrType::Bitmap) => format!("bitmap_to_base64({name})"),
        Some(SrType::Hll | SrType::Percentile) | None => {
            return Err(Error::usage(format!(
                "column {}: {} has no text that keeps everything, so it cannot be hashed: leave it out with --ignore {}",
                column.name, column.text, column.name
            )));
        }
        // With a length: without one, some versions round floats. None of these is longer.
        Some(_) => format!("CAST({name} AS VARCHAR(128))"),
    })
}

/// Have two columns of these types one text for one value?
pub fn comparable(a: &Column, b: &Column) -> bool {
    use SrType::{BigInt, Int, LargeInt, SmallInt, TinyInt};
    let whole = |column: &Column| matches!(column.ty, Some(TinyInt | SmallInt | Int | BigInt | LargeInt));
    a.ty == b.ty && (a.ty.is_some() || a.text == b.text) || whole(a) && whole(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, text: &str) -> Column {
        let (name, text, comment) = (name.to_owned(), text.to_owned(), String::new());
        Column { name, ty: SrType::parse(&text), text, nullable: true, key: false, comment }
    }

    #[test]
    fn every_column_is_two_arguments() {
        let (v, note) = (column("v", "double"), column("note", "varchar(20)"));
        let items = |question: Question| question.items(&[&v, &note]).unwrap();
        assert_eq!(items(Question::Counts), "count(*), count(`v`), count(`note`)");
        let hashed = "if(`v` IS NULL, 'N', 'V'), ifnull(CAST(`v` AS VARCHAR(128)), ''), \
                      if(`note` IS NULL, 'N', 'V'), ifnull(`note`, '')";
        assert_eq!(
            items(Question::Rows(Function::XxHash3)),
            format!("count(*), sum(CAST(xx_hash3_64({hashed}) AS LARGEINT))")
        );
        assert_eq!(
            items(Question::Rows(Function::Murmur3)),
            format!(
                "count(*), sum(CAST(murmur_hash3_32('1', {hashed}) AS LARGEINT)), sum(CAST(murmur_hash3_32('2', {hashed}) AS LARGEINT))"
            )
        );
        assert!(
            items(Question::Columns(Function::XxHash3))
                .starts_with("count(*), count(`v`), sum(CAST(xx_hash3_64(if(`v`")
        );
    }

    #[test]
    fn types_without_a_text_are_refused() {
        let ask = |column: Column| Question::Rows(Function::XxHash3).items(&[&column]);
        assert!(ask(column("h", "hll")).unwrap_err().to_string().contains("--ignore h"));
        assert!(ask(column("j", "json")).unwrap().contains("json_string(`j`)"));
        assert!(
            Question::Counts.items(&[&column("a", "array<int(11)>")]).unwrap().contains("if(`a` IS NULL, NULL, 1)")
        );
        assert!(comparable(&column("n", "int(11)"), &column("n", "largeint(40)")));
        assert!(!comparable(&column("n", "float"), &column("n", "double")));
        assert!(!comparable(&column("n", "decimal(10,2)"), &column("n", "decimal(10,3)")));
    }

    #[test]
    fn both_sides_must_have_the_function() {
        let of = |a: &str, b: &str| Function::of(Version::parse(a), Version::parse(b));
        assert_eq!(of("3.3.5-6d81f75", "3.2.0"), Function::XxHash3);
        assert_eq!(of("3.3.5", "3.1.16"), Function::Murmur3);
        assert_eq!(of("2.5.0", "main-1"), Function::Murmur3);
    }
}
