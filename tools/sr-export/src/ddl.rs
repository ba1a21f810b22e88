//! `--ddl`: the statement of a table, for another cluster. Clauses are taken apart and put together again; properties pass
//! only if they mean the same there (dossier starrocks 5.1).

use clap::Args as ClapArgs;
use fault::{Error, Kind, Result};
use starrocks::sql;

/// How tables are made in the other cluster.
#[derive(ClapArgs, Clone, Debug, Default)]
#[command(next_help_heading = "Options of --ddl")]
pub struct DdlArgs {
    /// The database there (default: the same name)
    #[arg(long, value_name = "NAME", requires = "ddl", hide_short_help = true)]
    pub into_database: Option<String>,
    /// Replicas (default: as here)
    #[arg(long, value_name = "N", requires = "ddl", value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    pub replication_num: Option<u32>,
    /// Storage volume, for shared data (default: the one there)
    #[arg(long, value_name = "NAME", requires = "ddl", hide_short_help = true)]
    pub storage_volume: Option<String>,
    /// Buckets: a number, or auto (default: as here)
    #[arg(long, value_name = "N|auto", requires = "ddl", value_parser = buckets, hide_short_help = true)]
    pub buckets: Option<String>,
    /// Compression: LZ4, ZSTD, ZSTD(3), ZLIB, SNAPPY (default: as here)
    #[arg(long, value_name = "NAME", requires = "ddl", value_parser = compression, hide_short_help = true)]
    pub compression: Option<String>,
    /// Persistent index of primary key tables: true or false (default: as here)
    #[arg(long, value_name = "BOOL", requires = "ddl", hide_short_help = true)]
    pub persistent_index: Option<bool>,
    /// A partition for each month of this column, from the first to the last that has rows (default: partitions as here)
    #[arg(long, value_name = "COL", requires = "ddl", hide_short_help = true)]
    pub monthly: Option<String>,
    /// Let this property pass as well (repeatable)
    #[arg(long, value_name = "NAME", requires = "ddl", hide_short_help = true)]
    pub keep_property: Vec<String>,
}

fn buckets(text: &str) -> std::result::Result<String, String> {
    match text.parse::<u32>() {
        Ok(number) if number > 0 => Ok(text.to_owned()),
        _ if text == "auto" => Ok(text.to_owned()),
        _ => Err(format!("'{text}' is neither a number nor auto")),
    }
}

fn compression(text: &str) -> std::result::Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.split('(').next().unwrap_or("");
    match name {
        "LZ4" | "ZSTD" | "ZLIB" | "SNAPPY" => Ok(upper),
        _ => Err(format!("'{text}' is none of LZ4, ZSTD, ZLIB, SNAPPY")),
    }
}

/// Properties that mean the same everywhere.
const KEPT: [&str; 8] = [
    "compression",
    "bloom_filter_columns",
    "replicated_storage",
    "enable_persistent_index",
    "fast_schema_evolution",
    "write_quorum",
    "bucket_size",
    "replication_num",
];

/// Properties that drop or move partitions by their age: history that is being loaded would be gone at once.
const AGEING: [&str; 5] = [
    "partition_live_number",
    "partition_ttl",
    "partition_ttl_number",
    "partition_retention_condition",
    "storage_cooldown",
];

/// A statement in its clauses, each with its words, in the order in which they must stand.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Create {
    /// From the first parenthesis: columns, indexes, engine, key, comment.
    head: String,
    partition: Option<String>,
    distribution: Option<String>,
    order: Option<String>,
    properties: Vec<(String, String)>,
}

/// The first and the last month that have rows (`2024-01`), and whether the column is a DATETIME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Months {
    pub first: String,
    pub last: String,
    pub datetime: bool,
}

impl Create {
    /// Takes a CREATE TABLE apart. Exit 4 for a text that is none.
    pub fn parse(text: &str) -> Result<Create> {
        let bad = |what: &str| Error::new(Kind::Source, format!("the statement of the table {what}"));
        let text = text.trim().trim_end_matches(';');
        let start = text.find('(').ok_or_else(|| bad("has no columns"))?;
        let mut clauses: Vec<(usize, &str)> = Vec::new();
        for (at, word) in words(text) {
            if at > start && !clauses.iter().any(|(_, seen)| *seen == word) {
                clauses.push((at, word));
            }
        }
        let mut create = Create::default();
        let first = clauses.first().map_or(text.len(), |(at, _)| *at);
        let head = text.get(start..first).unwrap_or_default();
        create.head = head.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        for (index, (at, word)) in clauses.iter().enumerate() {
            let end = clauses.get(index + 1).map_or(text.len(), |(at, _)| *at);
            let clause = text.get(*at..end).unwrap_or_default().trim().to_owned();
            match *word {
                "PARTITION BY" => create.partition = Some(clause),
                "DISTRIBUTED BY" => create.distribution = Some(clause),
                "ORDER BY" => create.order = Some(clause),
                _ => {
                    create.properties = properties(&clause).ok_or_else(|| bad("has properties that cannot be read"))?
                }
            }
        }
        Ok(create)
    }

    fn is(&self, model: &str) -> bool {
        self.head.to_ascii_uppercase().contains(model)
    }

    /// Changes what the flags say; gives what a reader should know.
    pub fn rewrite(&mut self, args: &DdlArgs, months: Option<&Months>) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        if let (Some(column), Some(months)) = (&args.monthly, months) {
            self.partition = Some(monthly(column, months)?);
        }
        self.distribute(args, &mut notes);
        let mut kept = Vec::new();
        for (key, value) in std::mem::take(&mut self.properties) {
            let name = key.to_ascii_lowercase();
            if KEPT.contains(&name.as_str()) || args.keep_property.iter().any(|keep| keep.eq_ignore_ascii_case(&key)) {
                kept.push((key, value));
            } else if name == "dynamic_partition.enable" {
                if value.eq_ignore_ascii_case("true") {
                    notes.push(
                        "dynamic partitions are switched off: on, they would drop old ones while they are loaded"
                            .into(),
                    );
                }
                kept.push((key, "false".into()));
            } else if name.starts_with("dynamic_partition.") {
                kept.push((key, value));
            } else if AGEING.iter().any(|ageing| name.starts_with(ageing)) {
                notes.push(format!("left out, for it ends the life of old partitions: {key} = {value}"));
            } else {
                notes.push(format!("left out: {key} = {value}"));
            }
        }
        if self.partition.is_none() || args.monthly.is_some() {
            kept.retain(|(key, _)| !key.starts_with("dynamic_partition."));
        }
        let mut set = |key: &str, value: String| {
            kept.retain(|(name, _)| !name.eq_ignore_ascii_case(key));
            kept.push((key.to_owned(), value));
        };
        if let Some(number) = args.replication_num {
            set("replication_num", number.to_string());
        }
        if let Some(volume) = &args.storage_volume {
            set("storage_volume", volume.clone());
        }
        if let Some(compression) = &args.compression {
            set("compression", compression.clone());
        }
        if let Some(index) = args.persistent_index.filter(|_| self.is("PRIMARY KEY")) {
            set("enable_persistent_index", index.to_string());
        }
        kept.sort();
        self.properties = kept;
        Ok(notes)
    }

    /// The distribution is always stated: without it newer versions distribute by range, older ones fail.
    fn distribute(&mut self, args: &DdlArgs, notes: &mut Vec<String>) {
        let mut clause = self.distribution.take().unwrap_or_else(|| {
            let by = match key_columns(&self.head).filter(|_| !self.is("DUPLICATE KEY")) {
                Some(first) => format!("HASH({first})"),
                None => "RANDOM".to_owned(),
            };
            notes.push(format!("distributed by {by}: the statement says nothing of it"));
            format!("DISTRIBUTED BY {by}")
        });
        if let Some(buckets) = &args.buckets {
            let upper = clause.to_ascii_uppercase();
            clause.truncate(upper.rfind(" BUCKETS ").unwrap_or(clause.len()));
            clause = clause.trim_end().to_owned();
            if buckets != "auto" {
                clause.push_str(&format!(" BUCKETS {buckets}"));
            }
        }
        self.distribution = Some(clause);
    }

    /// The statement.
    pub fn print(&self, database: &str, table: &str) -> Result<String> {
        let mut text = format!("CREATE TABLE IF NOT EXISTS {} {}", sql::table(database, table)?, self.head);
        for clause in [&self.partition, &self.distribution, &self.order].into_iter().flatten() {
            text.push('\n');
            text.push_str(clause);
        }
        if !self.properties.is_empty() {
            let pairs: Vec<String> =
                self.properties.iter().map(|(key, value)| format!("{} = {}", double(key), double(value))).collect();
            text.push_str(&format!("\nPROPERTIES (\n{}\n)", pairs.join(",\n")));
        }
        text.push_str(";\n");
        Ok(text)
    }
}

/// `"text"`.
fn double(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The places of the clauses' words that stand outside of quotes and parentheses. A range `[("a"), ("b"))` opens with a
/// bracket and closes with a parenthesis.
fn words(text: &str) -> Vec<(usize, &'static str)> {
    const WORDS: [&str; 4] = ["PARTITION BY", "DISTRIBUTED BY", "ORDER BY", "PROPERTIES"];
    let (mut found, mut depth, mut quote) = (Vec::new(), 0usize, None);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match quote {
            Some(open) => match byte {
                b'\\' if open != b'`' => at += 1,
                _ if byte == open => quote = None,
                _ => {}
            },
            None => match byte {
                b'"' | b'\'' | b'`' => quote = Some(byte),
                b'(' | b'[' => depth += 1,
                b')' | b']' => depth = depth.saturating_sub(1),
                _ if depth == 0 => {
                    let begins = at == 0 || bytes.get(at - 1).is_some_and(|before| !before.is_ascii_alphanumeric());
                    let rest = bytes.get(at..).unwrap_or_default();
                    let word = WORDS.into_iter().find(|word| {
                        rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
                    });
                    if let (true, Some(word)) = (begins, word) {
                        found.push((at, word));
                        at += word.len() - 1;
                    }
                }
                _ => {}
            },
        }
        at += 1;
    }
    found
}

/// `PROPERTIES ("a" = "b", …)`.
fn properties(clause: &str) -> Option<Vec<(String, String)>> {
    let inner = clause.get(clause.find('(')? + 1..clause.rfind(')')?)?;
    let mut texts = Vec::new();
    let mut rest = inner;
    while let Some(at) = rest.find(['"', '\'']) {
        let quote = rest.get(at..)?.chars().next()?;
        let (mut text, mut end, mut escaped) = (String::new(), None, false);
        for (offset, c) in rest.get(at + 1..)?.char_indices() {
            if escaped {
                text.push(c);
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                end = Some(at + 1 + offset + 1);
                break;
            } else {
                text.push(c);
            }
        }
        texts.push(text);
        rest = rest.get(end?..)?;
    }
    let pairs = texts.chunks(2).map(|pair| match pair {
        [key, value] => Some((key.clone(), value.clone())),
        _ => None,
    });
    pairs.collect()
}

/// The columns of the key, as they stand in its parentheses.
fn key_columns(head: &str) -> Option<&str> {
    let at = ["PRIMARY KEY", "UNIQUE KEY", "AGGREGATE KEY", "DUPLICATE KEY"]
        .into_iter()
        .find_map(|word| head.to_ascii_uppercase().rfind(word).map(|at| at + word.len()))?;
    let rest = head.get(at..)?;
    rest.get(rest.find('(')? + 1..rest.find(')')?)
}

/// A partition for each month. Bounds are "less than", so that the first also takes what is older, and NULL.
fn monthly(column: &str, months: &Months) -> Result<String> {
    let parse = |text: &str| -> Option<(i32, u32)> {
        let (year, month) = text.split_once('-')?;
        Some((year.parse().ok()?, month.parse().ok().filter(|month| (1..=12).contains(month))?))
    };
    let bad = || Error::new(Kind::Source, format!("'{}' and '{}' are no months", months.first, months.last));
    let ((mut year, mut month), last) = parse(&months.first).zip(parse(&months.last)).ok_or_else(bad)?;
    let mut partitions = Vec::new();
    while (year, month) <= last {
        let name = format!("p{year:04}{month:02}");
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        let time = if months.datetime { " 00:00:00" } else { "" };
        partitions.push(format!("PARTITION {name} VALUES LESS THAN (\"{year:04}-{month:02}-01{time}\")"));
        // The limit of partitions that one load may make.
        if partitions.len() > 4096 {
            let text = format!("{} to {} are more than 4096 months", months.first, months.last);
            return Err(Error::usage(format!("--monthly {column}: {text}")));
        }
    }
    Ok(format!("PARTITION BY RANGE({})\n({})", sql::name(column)?, partitions.join(",\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "CREATE TABLE `meters` (\n  `ts` datetime NOT NULL COMMENT \"PARTITION BY (no)\",\n  `id` varchar(64) NULL COMMENT \"\",\n  `v` double NULL DEFAULT \"1\" COMMENT \"\",\n  INDEX i (`id`) USING BITMAP\n) ENGINE=OLAP \nPRIMARY KEY(`ts`, `id`)\nCOMMENT \"OLAP\"\nPARTITION BY RANGE(`ts`)\n(PARTITION p1 VALUES [(\"2024-01-01 00:00:00\"), (\"2024-02-01 00:00:00\")),\nPARTITION p2 VALUES [(\"2024-02-01 00:00:00\"), (\"2024-03-01 00:00:00\")))\nDISTRIBUTED BY HASH(`id`) BUCKETS 4 \nORDER BY(`id`)\nPROPERTIES (\n\"compression\" = \"LZ4\",\n\"datacache.enable\" = \"true\",\n\"dynamic_partition.enable\" = \"true\",\n\"dynamic_partition.start\" = \"-3\",\n\"enable_persistent_index\" = \"true\",\n\"partition_live_number\" = \"3\",\n\"replication_num\" = \"3\",\n\"storage_volume\" = \"builtin\"\n);";

    #[test]
    fn clauses_keep_their_order_and_properties_are_chosen() {
        let mut create = Create::parse(TEXT).unwrap();
        assert!(create.head.contains("PARTITION BY (no)") && create.head.ends_with("COMMENT \"OLAP\""));
        let notes = create.rewrite(&DdlArgs::default(), None).unwrap();
        let text = create.print("d2", "meters").unwrap();
        let expected = TEXT
            .replace("CREATE TABLE `meters`", "CREATE TABLE IF NOT EXISTS `d2`.`meters`")
            .replace("\"datacache.enable\" = \"true\",\n", "")
            .replace("partition.enable\" = \"true\"", "partition.enable\" = \"false\"")
            .replace("\"partition_live_number\" = \"3\",\n", "")
            .replace("\"replication_num\" = \"3\",\n\"storage_volume\" = \"builtin\"", "\"replication_num\" = \"3\"");
        let tidy = |text: &str| text.replace(" \n", "\n").trim().to_owned();
        assert_eq!(tidy(&text), tidy(&expected));
        assert_eq!(notes.len(), 4, "{notes:?}");
        // What was printed is read again as the same.
        let again = Create::parse(&text.replace("IF NOT EXISTS `d2`.", "")).unwrap();
        assert_eq!(again, create);
    }

    #[test]
    fn flags_change_what_they_name() {
        let args = DdlArgs {
            replication_num: Some(1),
            storage_volume: Some("vol".into()),
            buckets: Some("auto".into()),
            compression: Some("ZSTD".into()),
            persistent_index: Some(false),
            monthly: Some("ts".into()),
            ..DdlArgs::default()
        };
        let months = Months { first: "2023-12".into(), last: "2024-01".into(), datetime: true };
        let mut create = Create::parse(TEXT).unwrap();
        create.rewrite(&args, Some(&months)).unwrap();
        let text = create.print("d", "meters").unwrap();
        for wanted in [
            "PARTITION BY RANGE(`ts`)\n(PARTITION p202312 VALUES LESS THAN (\"2024-01-01 00:00:00\"),\nPARTITION p202401 VALUES LESS THAN (\"2024-02-01 00:00:00\"))",
            "DISTRIBUTED BY HASH(`id`)\n",
            "\"compression\" = \"ZSTD\"",
            "\"enable_persistent_index\" = \"false\"",
            "\"replication_num\" = \"1\"",
            "\"storage_volume\" = \"vol\"",
        ] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
        assert!(!text.contains("dynamic_partition"), "{text}");
        let mut bare = Create::parse("CREATE TABLE `t` (`a` int) ENGINE=OLAP UNIQUE KEY(`a`)").unwrap();
        let notes = bare.rewrite(&DdlArgs::default(), None).unwrap();
        assert!(bare.print("d", "t").unwrap().contains("\nDISTRIBUTED BY HASH(`a`);") && notes.len() == 1);
        assert!(Create::parse("CREATE VIEW").is_err());
        let endless = Months { first: "0001-01".into(), last: "9999-12".into(), datetime: true };
        assert!(monthly("ts", &endless).is_err());
    }
}
