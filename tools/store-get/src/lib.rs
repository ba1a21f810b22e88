//! `store-get`: an object to stdout or into a file; a cut one is never taken for a whole one.

pub mod args;
mod partial;

use args::Args;
use cli::output::Output;
use cli::{Run, Tool};
use fault::{Error, Kind, Result};
use partial::Partial;
use std::io::{Read as _, Write};
use store::{Client, Content, Location, Manifest, Object};

/// The tool's texts.
pub static TOOL: Tool = Tool {
    name: "store-get",
    stage: cli::Stage::Carrier,
    about: "Read an object (S3, OSS, a folder) to stdout or into a file",
    description: "\
Reads one version of the object by ranges of --part-size, --concurrency of them at once, and writes them in order. The length must be the \
object's and the digest (xxh3) the one that store-put has kept beside it, or that --xxh3 or --manifest name; \
without any, what came must fit the ETag where that is an MD5: else exit 9, and a file \
does not appear under its name. A range that is cut is asked for again from where it ended; an object that changes in the meantime is an error (exit 6).

With --resume a file that is incomplete stays beside its place (.NAME.ts-get-…), and the next run goes on from its end, if the object is \
still the same. Summary keys: bytes (written), resumed_bytes (found), verified (xxh3; where no digest is known etag, if that is an MD5, else length).",
    examples: &[
        ("an object into a pipe", "store-get s3://lake/db/t/all.csv | sr-stream-load --url starrocks://root@fe:9030/db --table t"),
        ("into a file, in one go or two", "store-get --resume s3://lake/big.parquet -o big.parquet"),
        ("as the manifest says, or not at all", "store-get s3://lake/db/t/part-1.parquet --manifest s3://lake/db/t/_manifest.json -o part-1.parquet"),
    ],
    environment: &[
        ("AWS_ACCESS_KEY_ID", "and AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN: the key for s3:// (else the instance's role)"),
        ("AWS_REGION", "the region (us-east-1)"),
        ("AWS_ENDPOINT_URL", "the endpoint of another S3: http://minio:9000"),
        ("OSS_ACCESS_KEY_ID", "and OSS_ACCESS_KEY_SECRET, OSS_ENDPOINT, OSS_REGION: the same for oss://"),
        ("TS_SOURCE_AWS_…", "any of them for this side alone, before the plain one; TS_SOURCE_OSS_… alike"),
    ],
};

/// Runs the tool.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let location = args.location()?;
    run.limit(args.rate.rate_limit);
    let bytes = run.counter("bytes");
    let outcome = (|| {
        let client = Client::open(&location, args.options(run))?;
        match args.path().filter(|_| args.resume) {
            Some(path) => {
                let object = wanted(&client, &location, &args, run)?;
                let mut partial = Partial::open(&path, &location, &object)?;
                let mut hash = Content::of(&object);
                let from = partial.read(&mut hash)?;
                run.counter("resumed_bytes").add(from);
                let copied = copy(&client, &object, from, &mut hash, &mut partial, run, &bytes);
                match copied.and_then(|()| verify(&object, hash, run)) {
                    Ok(()) => partial.finish(&path),
                    // What came whole but is not what was wanted cannot be gone on with.
                    Err(error) if error.kind() == Kind::Incomplete => partial.remove().and(Err(error)),
                    Err(error) => Err(error),
                }
            }
            None => {
                // A bad path fails before the first request.
                let mut output = Output::create(args.path().as_deref())?;
                let object = wanted(&client, &location, &args, run)?;
                let mut hash = Content::of(&object);
                copy(&client, &object, 0, &mut hash, &mut output, run, &bytes)?;
                verify(&object, hash, run)?;
                output.finish()
            }
        }
    })();
    outcome.or_else(|error| run.stop().check().and(Err(error)))
}

/// The object, with the digest that it must have.
fn wanted(client: &Client, location: &Location, args: &Args, run: &Run) -> Result<Object> {
    let mut object = client.head(&location.key)?;
    let mut expected = args.xxh3.clone();
    if let Some(url) = &args.manifest {
        let at = Location::parse(url)?;
        let manifest = Manifest::read(&Client::open(&at, args.options(run))?, &at)?;
        let folder = at.key.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let name = location.key.strip_prefix(&folder).unwrap_or(&location.key);
        let entry = manifest.files.into_iter().find(|file| file.name == name);
        let entry = entry.ok_or_else(|| Error::new(Kind::Refused, format!("{location} is not in {at}")))?;
        if entry.size != object.size {
            let text = format!("{location}: {} bytes, the manifest says {}", object.size, entry.size);
            return Err(Error::new(Kind::Incomplete, text));
        }
        expected = entry.xxh3;
    }
    if let Some(expected) = expected {
        object.notes.insert(store::note::DIGEST.to_owned(), expected);
    }
    Ok(object)
}

fn copy(
    client: &Client,
    object: &Object,
    from: u64,
    hash: &mut Content,
    to: &mut dyn Write,
    run: &Run,
    bytes: &cli::Counter,
) -> Result<()> {
    let mut reader = client.reader(object, from)?;
    let (mut buffer, stop) = (vec![0; 256 << 10], run.stop());
    loop {
        stop.check()?;
        let got = reader
            .read(&mut buffer)
            .map_err(|error| Error::io(format!("cannot read {}", client.at(&object.key)), error))?;
        let piece = buffer.get(..got).unwrap_or_default();
        if piece.is_empty() {
            return Ok(());
        }
        run.take(0, got as u64)?;
        hash.update(piece);
        to.write_all(piece).map_err(|error| Error::io("cannot write", error))?;
        bytes.add(got as u64);
    }
}

/// The reader has given every byte; are they the right ones?
fn verify(object: &Object, content: Content, run: &Run) -> Result<()> {
    let by = content
        .check(object)
        .map_err(|what| Error::new(Kind::Incomplete, format!("{}: {what}: changed or damaged", object.key)))?;
    run.note("verified", by.as_str());
    Ok(())
}
