//! `store-cp`: objects from one store to another, each once.

pub mod args;
mod same;

use args::Args;
use cli::{Run, Tool};
use fault::{Error, Kind, Result};
use net::Side;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use store::{Checked, Client, MANIFEST, Object, Upload, note};

/// The tool's texts.
pub static TOOL: Tool = Tool {
    name: "store-cp",
    stage: cli::Stage::Carrier,
    about: "Copy objects between stores (S3, OSS, folders), each once",
    description: "\
Copies an object, or with --recursive everything below a folder, --concurrency objects at once. What is there already with the same size and \
content is skipped: the digest (xxh3) beside the objects, the ETag of the source that was noted when it was copied before, or an MD5 decide; so a \
run that was killed is repeated, and does what is left. Within one store the server copies. A manifest (_manifest.json) goes last, so that it is not seen \
before what it lists. Content is checked against the digest beside its source (exit 4).

The two sides have variables of their own: TS_SOURCE_AWS_… and TS_TARGET_AWS_… before AWS_…, OSS_… alike. Summary keys: bytes (written), objects (copied), skipped, \
server_copies, parts_resumed.",
    examples: &[
        ("from one cloud to another", "store-cp --recursive oss://exports/job1/ s3://lake/job1/"),
        ("a folder into a bucket, again after it was killed", "store-cp --recursive --resume file:///data/job1/ s3://lake/job1/"),
        ("between two S3 endpoints", "TS_SOURCE_AWS_ENDPOINT_URL=http://minio:9000 store-cp s3://exports/a.csv s3://lake/a.csv"),
    ],
    environment: &[
        ("AWS_ACCESS_KEY_ID", "and AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN: the key for s3:// (else the instance's role)"),
        ("AWS_REGION", "the region (us-east-1)"),
        ("AWS_ENDPOINT_URL", "the endpoint of another S3: http://minio:9000"),
        ("OSS_ACCESS_KEY_ID", "and OSS_ACCESS_KEY_SECRET, OSS_ENDPOINT, OSS_REGION: the same for oss://"),
        ("TS_SOURCE_AWS_…", "any of them for FROM alone, before the plain one; TS_SOURCE_OSS_… alike"),
        ("TS_TARGET_AWS_…", "any of them for TO alone; TS_TARGET_OSS_… alike"),
    ],
};

/// Runs the tool.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let (from, to) = args.locations()?;
    run.limit(args.rate.rate_limit);
    for key in ["objects", "skipped"] {
        run.counter(key);
    }
    let copy = Copy {
        source: Client::open(&from, args.options(Side::Source, run))?,
        target: Client::open(&to, args.options(Side::Target, run))?,
        args: &args,
        run,
    };
    let outcome = match args.recursive {
        true => copy.folder(&from.key, &to.key),
        false => copy.source.head(&from.key).and_then(|object| copy.object(&object, &to.key)),
    };
    outcome.or_else(|error| run.stop().check().and(Err(error)))
}

struct Copy<'a> {
    source: Client,
    target: Client,
    args: &'a Args,
    run: &'a Run,
}

/// The first error of the workers.
type Failed = Mutex<Option<Error>>;

impl Copy<'_> {
    fn folder(&self, from: &str, to: &str) -> Result<()> {
        let failed = Failed::default();
        let (give, take) = sync_channel::<String>(0);
        let take = Mutex::new(take);
        let (mut manifests, mut listed_any) = (Vec::new(), false);
        let listed = std::thread::scope(|scope| {
            let give = give;
            for _ in 0..self.args.transfer.concurrency {
                scope.spawn(|| self.work(from, to, &take, &failed));
            }
            self.source.list(from, |object| {
                self.run.stop().check()?;
                listed_any = true;
                if lock(&failed).is_some() {
                    return Err(Error::new(Kind::Bug, "a worker has failed"));
                }
                if object.key.rsplit('/').next() == Some(MANIFEST) {
                    manifests.push(object.key);
                    return Ok(());
                }
                give.send(object.key).map_err(|_| Error::new(Kind::Bug, "the workers are gone"))
            })
        });
        // Why the listing was ended early, if a worker ended it.
        match lock(&failed).take() {
            Some(error) => return Err(error),
            None => listed?,
        }
        if !listed_any {
            return Err(Error::new(Kind::Refused, format!("{}: there is nothing in it", self.source.at(from))));
        }
        manifests.iter().try_for_each(|key| self.named(key, from, to))
    }

    fn work(&self, from: &str, to: &str, take: &Mutex<Receiver<String>>, failed: &Failed) {
        loop {
            let next = lock(take).recv();
            let Ok(key) = next else { return };
            if lock(failed).is_some() {
                continue;
            }
            if let Err(error) = self.named(&key, from, to) {
                lock(failed).get_or_insert(error);
            }
        }
    }

    fn named(&self, key: &str, from: &str, to: &str) -> Result<()> {
        // A listing has no metadata: only a look at the object gives its digest.
        match self.source.look(key)? {
            Some(object) => self.object(&object, &format!("{to}{}", key.strip_prefix(from).unwrap_or(key))),
            None => {
                self.run.warn(format!("{}: it is gone since it was listed", self.source.at(key)));
                self.run.counter("gone").add(1);
                Ok(())
            }
        }
    }

    fn object(&self, object: &Object, to: &str) -> Result<()> {
        self.run.stop().check()?;
        if !self.args.always
            && let Some(there) = self.target.look(to)?
            && same::same(&self.source, object, &self.target, &there)?
        {
            self.run.counter("skipped").add(1);
            return Ok(());
        }
        if self.args.dry_run {
            let line = format!("{}\t{}\t{}\n", object.size, self.source.at(&object.key), self.target.at(to));
            cli::stdout::write_all(line.as_bytes())?;
        } else if self.source.same_store(&self.target) && object.size <= store::LARGEST_COPY && self.source.has_notes()
        {
            self.target.copy(&self.source.at(&object.key), to, object.size)?;
            self.run.counter("server_copies").add(1);
        } else {
            self.stream(object, to)?;
        }
        self.run.counter("objects").add(1);
        Ok(())
    }

    fn stream(&self, object: &Object, to: &str) -> Result<()> {
        let mut what = Upload {
            name: self.source.at(&object.key).to_string(),
            reading: Some(Kind::Source),
            size: Some(object.size),
            digest: object.digest().map(str::to_owned),
            create: false,
            resume: self.args.resume,
            notes: object.notes.clone(),
        };
        for own in [note::WRITER, note::PART, note::ETAG, note::DIGEST, note::SOURCE] {
            what.notes.remove(own);
        }
        if let (Some(etag), true) = (&object.etag, self.source.has_notes()) {
            what.notes.insert(note::SOURCE.to_owned(), etag.clone());
        }
        if what.digest.is_none() && !self.source.has_notes() && self.target.has_notes() {
            // A file can be read twice: its digest then stands beside the object.
            what.digest = self.source.digest(&object.key)?;
        }
        let mut reader = Checked::new(self.source.reader(object, 0)?, object);
        let written = self.target.upload(to, &mut reader, &what)?;
        self.run.counter("parts_resumed").add(written.resumed);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
