//! A directory of files: a partition's appear under their names only when all of its rows are in them and agree with the
//! server's numbers.

use crate::args::Args;
use crate::export::{Exported, Message, Settings, Sink, export, with_workers};
use crate::manifest::{Manifest, Part, hex};
use crate::session::{Connector, Session};
use crate::table::Unit;
use arrow_array::RecordBatch;
use cli::Run;
use cli::output::{Output, file_name};
use fault::{Error, Kind, Result};
use rows::format::WriteOptions;
use rows::{SchemaRef, Writer, format};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Exports the units into the directory; passes over those that are there already.
pub fn export_into(
    directory: &Path,
    units: Vec<Unit>,
    settings: Settings,
    args: &Args,
    connector: &Connector,
) -> Result<()> {
    let manifest = Manifest::open(directory)?;
    let options = args.write_options(None);
    let run = &connector.run;
    let (done, rows) = (run.counter("skipped"), run.counter("rows"));
    let mut open = Vec::new();
    for unit in units {
        let table = &unit.table;
        let parts = manifest.parts(&table.database, &table.name, unit.partition_name());
        let (version, id) = unit.partition.as_ref().map_or((0, ""), |found| (found.version, found.id.as_str()));
        match manifest.is_done(parts, version, id, &request(&unit, &options, args), args.rehash)? {
            true => done.add(1),
            false => open.push(unit),
        }
    }
    let work = |session: &mut Session, unit: &Unit, _: &SyncSender<Message>| {
        let mut files = Files::new(directory, unit, &options, args, run)?;
        let exported = export(session, unit, settings, &mut files)?;
        let request = request(unit, &options, args);
        let count = exported.rows;
        let bytes = files.commit(&manifest, unit, &exported, &request)?;
        rows.add(count);
        run.counter("bytes").add(bytes);
        Ok(())
    };
    // Rows go from the worker to its file: nothing comes this way.
    with_workers(connector, &open, args.workers(), &work, |_| Ok(true))
}

/// A hash of everything that decides what stands in the files.
fn request(unit: &Unit, options: &WriteOptions, args: &Args) -> String {
    let text = format!("{}|{options:?}|{:?}", unit.table.fingerprint(), args.part_rows);
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

/// The files of a partition under construction.
struct Files {
    /// Of the files, below the output directory.
    folder: PathBuf,
    directory: PathBuf,
    schema: SchemaRef,
    options: WriteOptions,
    part_rows: u64,
    open: Option<(Box<dyn Writer>, Shared, u64)>,
    /// Keeps to the rate.
    run: Run,
    ended: Vec<(Target, u64)>,
}

/// A file that is written, and what is known of its bytes.
struct Target {
    output: Output,
    hasher: Xxh3,
    bytes: u64,
    name: PathBuf,
}

/// The writer has one, we keep the other: the file gets its name long after its last byte.
#[derive(Clone)]
struct Shared(Arc<Mutex<Option<Target>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(target) => {
                let written = target.output.write(bytes)?;
                target.hasher.update(bytes.get(..written).unwrap_or_default());
                target.bytes += written as u64;
                Ok(written)
            }
            None => Err(io::Error::other("the file has ended")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Files {
    fn new(directory: &Path, unit: &Unit, options: &WriteOptions, args: &Args, run: &Run) -> Result<Files> {
        let folder: PathBuf = [&unit.table.database, &unit.table.name, unit.partition_name()]
            .map(|name| file_name(name, " "))
            .iter()
            .collect();
        let path = directory.join(&folder);
        std::fs::create_dir_all(&path)
            .map_err(|error| Error::io(format!("cannot create {}", path.display()), error))?;
        remove_leftovers(&path)?;
        Ok(Files {
            folder,
            directory: directory.to_owned(),
            schema: unit.table.schema.clone(),
            options: options.clone(),
            part_rows: args.part_rows.unwrap_or(u64::MAX),
            open: None,
            run: run.clone(),
            ended: Vec::new(),
        })
    }

    /// Of all files so far.
    fn bytes(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |(_, shared, _)| {
            shared.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |target| target.bytes)
        });
        open + self.ended.iter().map(|(target, _)| target.bytes).sum::<u64>()
    }

    fn begin(&mut self) -> Result<()> {
        let name = self.folder.join(format!("part-{}.{}", self.ended.len(), self.options.to));
        let output = Output::create(Some(&self.directory.join(&name)))?;
        let shared = Shared(Arc::new(Mutex::new(Some(Target { output, hasher: Xxh3::new(), bytes: 0, name }))));
        let writer = format::create(shared.clone(), |_| Ok(()), self.schema.clone(), self.options.clone())?;
        self.open = Some((writer, shared, 0));
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let Some((writer, shared, rows)) = self.open.take() else { return Ok(()) };
        writer.finish()?;
        if let Some(target) = shared.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.ended.push((target, rows));
        }
        Ok(())
    }

    /// Every row is in the files: they get their names, then the manifest gets their lines. Gives their bytes.
    fn commit(mut self, manifest: &Manifest, unit: &Unit, exported: &Exported, request: &str) -> Result<u64> {
        self.end()?;
        let written: u64 = self.ended.iter().map(|(_, rows)| rows).sum();
        if written != exported.rows {
            let text = format!("{written} rows are in files, {} came", exported.rows);
            return Err(Error::new(Kind::Bug, text));
        }
        let table = &unit.table;
        let empty = Part {
            database: table.database.clone(),
            table: table.name.clone(),
            partition: unit.partition_name().to_owned(),
            partition_id: unit.partition.as_ref().map_or(String::new(), |partition| partition.id.clone()),
            visible_version: exported.version.unwrap_or(0),
            state: if exported.changed { "changed" } else { "verified" }.to_owned(),
            part: 0,
            parts: self.ended.len() as u64,
            file: String::new(),
            rows: 0,
            bytes: 0,
            xxh3: String::new(),
            request: request.to_owned(),
        };
        let mut parts = Vec::new();
        for (number, (target, rows)) in self.ended.into_iter().enumerate() {
            let part = Part {
                part: number as u64,
                file: target.name.display().to_string(),
                rows,
                bytes: target.bytes,
                xxh3: hex(&target.hasher),
                ..empty.clone()
            };
            target.output.finish()?;
            parts.push(part);
        }
        for old in manifest.parts(&table.database, &table.name, unit.partition_name()) {
            // Of an export with more files, or in another format.
            if !old.file.is_empty() && !parts.iter().any(|part| part.file == old.file) {
                remove(&manifest.directory().join(&old.file))?;
            }
        }
        let bytes = parts.iter().map(|part| part.bytes).sum();
        if parts.is_empty() {
            parts.push(empty);
        }
        manifest.add(&parts)?;
        Ok(bytes)
    }
}

impl Sink for Files {
    fn write(&mut self, batch: RecordBatch) -> Result<bool> {
        let (before, mut at) = (self.bytes(), 0);
        while at < batch.num_rows() {
            if self.open.is_none() {
                self.begin()?;
            }
            let Some((writer, _, rows)) = &mut self.open else { return Ok(true) };
            let room = usize::try_from(self.part_rows - *rows).unwrap_or(usize::MAX);
            let some = room.min(batch.num_rows() - at);
            writer.write(&batch.slice(at, some))?;
            *rows += some as u64;
            at += some;
            if *rows == self.part_rows {
                self.end()?;
            }
        }
        self.run.take(batch.num_rows() as u64, self.bytes().saturating_sub(before))?;
        Ok(true)
    }

    fn take_back(&mut self) -> Result<bool> {
        self.open = None;
        self.ended.clear();
        Ok(true)
    }
}

/// What runs that were killed have left beside the files: nobody else writes here, the manifest is locked.
fn remove_leftovers(folder: &Path) -> Result<()> {
    let fail = |error| Error::io(format!("cannot read {}", folder.display()), error);
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".part-") && name.contains(".tmp-") {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(format!("cannot remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}
