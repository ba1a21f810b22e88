//! `store-put`: files, or stdin, into an object store, with a receipt for each.

pub mod args;
mod receipt;

use args::{Args, Plan};
use cli::{Run, Tool};
use fault::{Error, Kind, Result};
use receipt::Receipt;
use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use store::{Client, Location, Manifest, Put, Upload, note, queue};

/// The tool's texts.
pub static TOOL: Tool = Tool {
    name: "store-put",
    stage: cli::Stage::Carrier,
    about: "Write files, or stdin, into an object store (S3, OSS, a folder)",
    description: "\
Writes each file as an object and prints a receipt for it, a line of JSON: url, size, xxh3 (the digest of the content), etag, rows. An object \
appears under its name only when all of it is there. What is larger than --part-size goes in parts, --concurrency of them at once; a \
failure or a signal aborts the upload, and --resume goes on with one whose process was killed: the server is asked for its parts, and only \
those that differ are sent. The digest is kept beside the object (of stdin only if it fits into one part: else it stands in the receipt, and the ETag of the parts serves), and store-get compares it.

--notify tells a queue of each object, with the line that queue-recv prints. --create never replaces an object. --manifest writes _manifest.json after all objects, with their sizes, digests and rows: whoever waits for it \
finds the set complete. Summary keys: bytes (sent), objects, parts_resumed.",
    examples: &[
        ("a stream into an object", "sr-export --url starrocks://root@fe:9030/db --table t -t parquet | store-put s3://lake/db/t/all.parquet"),
        ("a set of files, and a manifest at the end", "store-put --manifest s3://lake/db/t/ part-*.parquet >receipts"),
        ("a large file again, after it was interrupted", "store-put --resume s3://lake/big.csv big.csv"),
    ],
    environment: &[
        ("AWS_ACCESS_KEY_ID", "and AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN: the key for s3:// (else the instance's role)"),
        ("AWS_REGION", "the region (us-east-1)"),
        ("AWS_ENDPOINT_URL", "the endpoint of another S3: http://minio:9000"),
        ("OSS_ACCESS_KEY_ID", "and OSS_ACCESS_KEY_SECRET, OSS_ENDPOINT, OSS_REGION: the same for oss://"),
        ("TS_TARGET_AWS_…", "any of them for this side alone, before the plain one; TS_TARGET_OSS_… alike"),
    ],
};

/// Runs the tool.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let plan = args.plan()?;
    run.limit(args.rate.rate_limit);
    let objects = run.counter("objects");
    let resumed = run.counter("parts_resumed");
    let options = args.options(run);
    let queue = args.notify.as_deref().map(|url| queue::open(url, options.clone())).transpose()?;
    let client = Client::open(&plan.at, options)?;
    let mut receipts = receipt::read(&args.receipts, run)?;
    let outcome = (|| {
        if let Some(manifest) = &plan.manifest {
            refuse_existing(&client, manifest)?;
        }
        for (file, location) in &plan.files {
            run.stop().check()?;
            let (receipt, parts) = put(file, location, &client, &args, run)?;
            objects.add(1);
            resumed.add(parts);
            if let Some(queue) = &queue {
                queue.send(&receipt.event(location).line())?;
            }
            cli::stdout::write_all(receipt.line().as_bytes())?;
            receipts.push(receipt);
        }
        match &plan.manifest {
            Some(manifest) => write_manifest(&client, &plan, manifest, receipts),
            None => Ok(()),
        }
    })();
    // What a signal cut short failed for that reason.
    outcome.or_else(|error| run.stop().check().and(Err(error)))
}

/// One object. Second value: parts that were there already.
fn put(path: &Path, location: &Location, client: &Client, args: &Args, run: &Run) -> Result<(Receipt, u64)> {
    let mut input = cli::input::open(path, run)?;
    let mut what = Upload { name: input.name.clone(), create: args.create, resume: args.resume, ..Upload::default() };
    if let Some(rows) = args.rows {
        what.notes.insert(note::ROWS.to_owned(), rows.to_string());
    }
    if let Some(file) = &mut input.file {
        let (size, digest) = look(file, client, args.transfer.part_size, &input.name)?;
        (what.size, what.digest) = (Some(size), digest);
    }
    let written = client.upload(&location.key, &mut input.reader, &what)?;
    let receipt = Receipt {
        url: location.to_string(),
        size: written.size,
        xxh3: Some(written.digest),
        etag: written.etag,
        rows: args.rows,
    };
    Ok((receipt, written.resumed))
}

/// Size of a file, and its digest where it has to be known before the first part is sent.
fn look(file: &mut File, client: &Client, part: u64, name: &str) -> Result<(u64, Option<String>)> {
    let fail = |error| Error::io(format!("cannot read {name}"), error);
    let size = file.metadata().map_err(fail)?.len();
    if size <= part || !client.has_notes() {
        return Ok((size, None));
    }
    let (size, digest) = store::digest_of(file).map_err(fail)?;
    file.rewind().map_err(fail)?;
    Ok((size, Some(digest)))
}

fn refuse_existing(client: &Client, manifest: &Location) -> Result<()> {
    match client.look(&manifest.key)? {
        Some(_) => Err(Error::new(Kind::Refused, format!("{manifest}: it exists already: this set is complete"))),
        None => Ok(()),
    }
}

/// After all objects: what is listed must be there as it was written.
fn write_manifest(client: &Client, plan: &Plan, at: &Location, receipts: Vec<Receipt>) -> Result<()> {
    let entries = receipts.into_iter().map(|receipt| receipt.entry(&plan.at)).collect::<Result<Vec<_>>>()?;
    for entry in &entries {
        let there = client.head(&plan.at.child(&entry.name).key)?;
        if there.size != entry.size {
            let text = format!(
                "{}: {} bytes are there, its receipt says {}",
                plan.at.child(&entry.name),
                there.size,
                entry.size
            );
            return Err(Error::new(Kind::Target, text));
        }
    }
    let bytes = Manifest::new(entries)?.to_json()?;
    let mut writer = std::collections::BTreeMap::new();
    writer.insert(note::WRITER.to_owned(), receipt::writer());
    client.put(&at.key, bytes.into(), &Put { create: true, notes: writer }).map(drop)
}
