//! `store-rm`: removes objects, and uploads that were never ended.

pub mod args;

use args::Args;
use cli::{Run, Tool};
use fault::Result;
use store::{Client, Location, Object};

/// The tool's texts.
pub static TOOL: Tool = Tool {
    name: "store-rm",
    stage: cli::Stage::Control,
    about: "Remove objects (S3, OSS, a folder), and uploads that were never ended",
    description: "\
Removes each object. What is not there is as good as removed, so that a run can be repeated. A folder (a URL with a slash at its end) and \
a whole bucket are refused without --recursive. With --uploads nothing but the remains of writers that were killed: uploads in parts that were begun and never \
ended, which a server keeps and bills; --older-than spares those that may still be going on. Of files: temporary ones that no living process holds.

--dry-run prints the URLs. Summary keys: objects (removed; one that was not there counts too), size (of those that were listed), uploads.",
    examples: &[
        ("two objects", "store-rm s3://lake/a.csv s3://lake/b.csv"),
        ("what would go with a folder", "store-rm --recursive --dry-run s3://lake/tmp/"),
        ("what killed uploads left, but not of today", "store-rm --uploads --older-than 1d s3://lake/"),
    ],
    environment: &[
        ("AWS_ACCESS_KEY_ID", "and AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN: the key for s3:// (else the instance's role)"),
        ("AWS_REGION", "the region (us-east-1)"),
        ("AWS_ENDPOINT_URL", "the endpoint of another S3: http://minio:9000"),
        ("OSS_ACCESS_KEY_ID", "and OSS_ACCESS_KEY_SECRET, OSS_ENDPOINT, OSS_REGION: the same for oss://"),
        ("TS_TARGET_AWS_…", "any of them for this side alone, before the plain one; TS_TARGET_OSS_… alike"),
    ],
};

/// As many as a request may name.
const BATCH: usize = 1000;

/// Runs the tool.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let locations = args.locations()?;
    run.counter(if args.uploads { "uploads" } else { "objects" });
    let outcome = locations.iter().try_for_each(|location| {
        run.stop().check()?;
        let remove = Remove { client: Client::open(location, args.options(run))?, args: &args, run };
        if args.uploads {
            remove.uploads(location)
        } else if location.is_folder() {
            remove.folder(location)
        } else {
            remove.batch(&mut vec![location.key.clone()])?;
            match args.recursive {
                // `rm -r NAME` is the object and what is below a folder of that name.
                true => remove.folder(&location.folder()),
                false => Ok(()),
            }
        }
    });
    outcome.or_else(|error| run.stop().check().and(Err(error)))
}

struct Remove<'a> {
    client: Client,
    args: &'a Args,
    run: &'a Run,
}

impl Remove<'_> {
    fn folder(&self, folder: &Location) -> Result<()> {
        let mut keys = Vec::new();
        self.client.list(&folder.key, |Object { key, size, .. }| {
            self.run.stop().check()?;
            self.run.counter("size").add(size);
            keys.push(key);
            // What is listed is behind the listing: removing it does not disturb what comes.
            if keys.len() == BATCH { self.batch(&mut keys) } else { Ok(()) }
        })?;
        self.batch(&mut keys)
    }

    fn batch(&self, keys: &mut Vec<String>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        if self.args.dry_run {
            for key in keys.iter() {
                self.print(key)?;
            }
        } else {
            self.client.delete(keys)?;
        }
        self.run.counter("objects").add(keys.len() as u64);
        keys.clear();
        Ok(())
    }

    fn uploads(&self, location: &Location) -> Result<()> {
        let oldest = self.args.older_than.map(|age| {
            // An age beyond the calendar spares everything.
            let age = chrono::TimeDelta::from_std(age).unwrap_or(chrono::TimeDelta::MAX);
            chrono::Utc::now().checked_sub_signed(age).unwrap_or(chrono::DateTime::<chrono::Utc>::MIN_UTC)
        });
        // All first: ending one would disturb the listing.
        let mut begun = Vec::new();
        self.client.uploads(&location.key, |upload| {
            if oldest.is_none_or(|oldest| upload.begun < oldest) {
                begun.push(upload);
            }
            Ok(())
        })?;
        for upload in begun {
            self.run.stop().check()?;
            match self.args.dry_run {
                true => self.print(&upload.key)?,
                false => self.client.abort_upload(&upload.key, &upload.id)?,
            }
            self.run.counter("uploads").add(1);
        }
        Ok(())
    }

    fn print(&self, key: &str) -> Result<()> {
        let line = format!("{}\n", self.client.at(key));
        cli::stdout::write_all(line.as_bytes())
    }
}
