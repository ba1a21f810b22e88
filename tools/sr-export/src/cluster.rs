//! The cluster writes its rows to object storage by itself: INSERT INTO FILES, or EXPORT (dossier starrocks 3.6, 3.7). This
//! tool gives the statement, waits, and compares the numbers.

use crate::args::{Args, Via};
use crate::session::{Connector, Session};
use crate::table::Unit;
use cli::output::Output;
use fault::{Error, Kind, Result};
use net::Side;
use rows::format::Format;
use serde_json::json;
use starrocks::{Client, sql};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::{Scheme, Settings};

/// Where the cluster writes, and how it may.
pub struct Storage {
    /// Without a slash at its end, as it was given.
    url: String,
    /// Its scheme for the cluster.
    scheme: String,
    /// Keys and values, some of them secret.
    credentials: Vec<(String, String)>,
    via: Via,
    format: Format,
    file_bytes: u64,
    poll: Duration,
    query_timeout: Duration,
    /// Of this run: no two write into one folder.
    stamp: u64,
}

impl Storage {
    /// From the command line and the environment, as the store- tools read it: AWS_… for s3://, OSS_… for oss://, never one
    /// for the other. Exit 2 for what cannot be meant.
    pub fn new(args: &Args) -> Result<Storage> {
        let url = args.storage.as_deref().unwrap_or_default().trim_end_matches('/');
        let Some((scheme, _)) = url.split_once("://").filter(|(_, rest)| !rest.is_empty()) else {
            return Err(Error::usage(format!("--storage {url}: write s3://bucket/prefix")));
        };
        let format = args.to.unwrap_or(if args.via == Via::Export { Format::Csv } else { Format::Parquet });
        match (args.via, format) {
            (Via::Export, Format::Csv) | (Via::Files, Format::Csv | Format::Parquet) => {}
            (Via::Export, _) => return Err(Error::usage("--via export writes CSV only")),
            _ => return Err(Error::usage("--via files writes parquet or csv")),
        }
        let account = match scheme {
            "s3" | "s3a" => Some(Scheme::S3),
            "oss" => Some(Scheme::Oss),
            _ => None,
        };
        // OSS is read and written through its S3 interface.
        let scheme = match (account, args.via) {
            (Some(_), Via::Export) => "s3a",
            (Some(_), _) => "s3",
            (None, _) => scheme,
        };
        Ok(Storage {
            url: url.to_owned(),
            scheme: scheme.to_owned(),
            credentials: account.map_or_else(|| Ok(Vec::new()), credentials)?,
            via: args.via,
            format,
            file_bytes: args.file_bytes,
            poll: args.poll,
            query_timeout: args.query_timeout,
            stamp: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        })
    }

    /// A folder that no other attempt has: what a statement leaves behind that fails is nobody's data.
    fn folder(&self, unit: &Unit, version: u64, attempt: u32) -> String {
        let table = &unit.table;
        let (url, stamp) = (&self.url, self.stamp);
        format!("{url}/{}/{}/{}/v{version}-{stamp}-{attempt}/", table.database, table.name, unit.partition_name())
    }

    /// The statement that writes a partition into this folder.
    fn statement(&self, unit: &Unit, folder: &str) -> Result<String> {
        let folder = folder.split_once("://").map_or(String::new(), |(_, rest)| format!("{}://{rest}", self.scheme));
        if self.via == Via::Files {
            let mut pairs = vec![("path".to_owned(), folder.clone()), ("format".to_owned(), self.format.to_string())];
            pairs.push(("compression".into(), if self.format == Format::Csv { "uncompressed" } else { "zstd" }.into()));
            pairs.push(("target_max_file_size".into(), self.file_bytes.to_string()));
            if self.format == Format::Csv {
                // There is no quoting: separators that texts do not hold.
                pairs.push(("csv.column_separator".into(), "\\x01".into()));
                pairs.push(("csv.row_delimiter".into(), "\\x02".into()));
            }
            pairs.extend(self.credentials.iter().cloned());
            return Ok(format!("INSERT INTO FILES({}) {}", sql::pairs(&pairs), unit.select(None)?));
        }
        let table = &unit.table;
        if table.items() != sql::names(&table.columns)? {
            return Err(Error::usage(format!(
                "{}: EXPORT takes columns as they are: leave out those that need a function with --columns, or use --via files",
                unit.name()
            )));
        }
        let partition = match &unit.partition {
            Some(partition) => format!(" PARTITION ({})", sql::name(&partition.name)?),
            None => String::new(),
        };
        let timeout = self.query_timeout.as_secs().to_string();
        let properties = [("column_separator", "\\x01"), ("line_delimiter", "\\x02"), ("timeout", timeout.as_str())];
        Ok(format!(
            "EXPORT TABLE {}{partition} ({}) TO {} PROPERTIES ({}) WITH BROKER ({})",
            sql::table(&table.database, &table.name)?,
            table.items(),
            sql::string(&format!("{folder}part_")),
            sql::pairs(&properties),
            sql::pairs(&self.credentials)
        ))
    }

    /// Runs it and waits; gives the rows where the server says them.
    fn run(&self, client: &mut Client, unit: &Unit, folder: &str, connector: &Connector) -> Result<Option<u64>> {
        // The server may be silent as long as it works.
        let done = client.execute(&self.statement(unit, folder)?, self.query_timeout)?;
        if self.via == Via::Files {
            return Ok(Some(done.rows));
        }
        let id = client.value("SELECT LAST_QUERY_ID()")?;
        let show =
            format!("SHOW EXPORT FROM {} WHERE QUERYID = {}", sql::name(&unit.table.database)?, sql::string(&id));
        loop {
            let table = client.query(&show)?;
            // Not there yet: it is not known to have failed.
            let row = (0..table.rows.len()).find(|row| table.get(*row, "QueryId") == Some(id.as_str()));
            let cell = |name: &str| row.and_then(|row| table.get(row, name));
            match cell("State").unwrap_or("PENDING") {
                "FINISHED" => return Ok(None),
                "CANCELLED" => {
                    let why = cell("ErrorMsg").unwrap_or("no reason was given");
                    return Err(Error::new(
                        Kind::Source,
                        format!("the EXPORT was cancelled: {}", fault::excerpt(why.as_bytes())),
                    ));
                }
                _ => {}
            }
            if !net::retry::sleep(self.poll, &|| connector.options.stop.is_raised()) {
                connector.run.stop().check()?;
                return Err(Error::new(Kind::Bug, "abandoned"));
            }
        }
    }
}

/// What the cluster shows to the object store. It sees the same endpoint as we do.
fn credentials(scheme: Scheme) -> Result<Vec<(String, String)>> {
    let settings = Settings::from_env(scheme, Side::Source)?;
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: String| pairs.push((format!("aws.s3.{key}"), value));
    match settings.key() {
        Some(key) => {
            add("access_key", key.id);
            // A secret that is known as one: servers repeat statements in their errors.
            add("secret_key", key.secret.expose().to_owned());
            if let Some(token) = key.token {
                add("session_token", token.expose().to_owned());
            }
        }
        None if scheme == Scheme::Oss => {
            return Err(Error::usage("no key for oss://: set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET"));
        }
        None => add("use_instance_profile", "true".into()),
    }
    add("region", settings.region());
    if let Some(endpoint) = settings.endpoint() {
        add("enable_ssl", (!endpoint.starts_with("http://")).to_string());
        add("endpoint", endpoint);
        add("enable_path_style_access", settings.path_style()?.to_string());
    }
    Ok(pairs)
}

/// Lets the cluster write the units; a JSON line for each on the output.
pub fn write(output: Output, units: &[Unit], storage: &Storage, args: &Args, connector: &Connector) -> Result<()> {
    let output = Mutex::new(output);
    let line = |unit: &Unit, folder: &str, rows: u64, version: u64| -> Result<()> {
        let table = &unit.table;
        let line = json!({
            "database": table.database, "table": table.name, "partition": unit.partition_name(),
            "visible_version": version, "rows": rows, "path": folder, "format": storage.format.to_string(),
        });
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(output, "{line}").map_err(|error| Error::io("cannot write", error))
    };
    let work = |session: &mut Session, unit: &Unit, _: &std::sync::mpsc::SyncSender<crate::export::Message>| {
        let (rows, version, folder) = written(session, unit, storage, args.allow_changes)?;
        connector.run.counter("rows").add(rows);
        line(unit, &folder, rows, version)
    };
    crate::export::with_workers(connector, units, args.workers(), &work, |_| Ok(true))?;
    output.into_inner().unwrap_or_else(PoisonError::into_inner).finish()
}

/// Rows, version, folder.
fn written(session: &mut Session, unit: &Unit, storage: &Storage, allow: bool) -> Result<(u64, u64, String)> {
    let connector = session.connector.clone();
    let mut patience = connector.patience();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let tried = session.client().and_then(|client| {
            let version = |client: &mut Client| match &unit.partition {
                Some(found) => {
                    client.partition(&unit.table.database, &unit.table.name, &found.name).map(|found| found.version)
                }
                None => Ok(0),
            };
            let before = version(client)?;
            let expected = client.count(&unit.from()?)?;
            let folder = storage.folder(unit, before, attempt);
            let rows = storage.run(client, unit, &folder, &connector)?.unwrap_or(expected);
            let after = version(client)?;
            if before != after && !allow {
                let text = format!("it changed while it was written (version {before} before, {after} after): {folder} is not to be used");
                return Err(Error::new(Kind::Source, text));
            }
            if rows != expected && before == after {
                let text = format!("{rows} rows were written of the {expected} that the server counts: {folder} is not to be used");
                return Err(Error::new(Kind::Source, text));
            }
            Ok((rows, before, folder))
        });
        match tried {
            Ok(done) => return Ok(done),
            Err(error) => {
                session.drop_client();
                patience.again(error.context(unit.name()))?;
            }
        }
    }
}

/// The statements, without secrets.
pub fn explain(units: &[Unit], storage: &Storage) -> Result<String> {
    let mut text = String::new();
    for unit in units {
        let version = unit.partition.as_ref().map_or(0, |partition| partition.version);
        text.push_str(&fault::conceal(&storage.statement(unit, &storage.folder(unit, version, 1))?));
        text.push_str(";\n");
    }
    Ok(text)
}
