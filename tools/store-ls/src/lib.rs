//! `store-ls`: what is in an object store, and whether it is what a manifest says.

pub mod args;

use args::{Args, To};
use cli::{Run, Tool};
use fault::{Error, Kind, Result};
use serde_json::json;
use std::io::{BufWriter, Write};
use store::{Begun, Client, Location, MANIFEST, Manifest, Object};

/// The tool's texts.
pub static TOOL: Tool = Tool {
    name: "store-ls",
    stage: cli::Stage::Control,
    about: "List objects (S3, OSS, a folder), or compare them with their manifest",
    description: "\
Prints a line for each object, sorted by key: time, size, ETag and URL between tabs, or JSON. Without --recursive one level: folders end with a slash and have \
no other columns. A folder that is not there is an empty one; an object that is not there is exit 6.

--manifest reads _manifest.json of the folder and prints a line for each object that is missing, of another size or not in it, with --deep also \
of another digest: exit 1 if there is any, 6 without a manifest. --uploads lists what was begun and never ended (store-rm --uploads removes it). Summary \
keys: objects, folders, size (sum), uploads, differences.",
    examples: &[
        ("a bucket's first level", "store-ls s3://lake/"),
        ("all objects below a folder, for a script", "store-ls --recursive -t json s3://lake/db/t/"),
        ("is everything there?", "store-ls --manifest --deep s3://lake/db/t/"),
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
    run.counter(if args.uploads { "uploads" } else { "objects" });
    let client = Client::open(&location, args.options(run))?;
    let mut list =
        List { out: BufWriter::with_capacity(64 << 10, cli::stdout::Stdout), client, args, run: run.clone() };
    let listed = if list.args.manifest {
        list.compare(&location)
    } else if list.args.uploads {
        list.uploads(&location)
    } else {
        list.objects(&location)
    };
    let flushed = list.out.flush().map_err(unwritten);
    // Differences are told of although they end with an error.
    let outcome = flushed.and(listed);
    outcome.or_else(|error| run.stop().check().and(Err(error)))
}

struct List {
    out: BufWriter<cli::stdout::Stdout>,
    client: Client,
    args: Args,
    run: Run,
}

impl List {
    fn objects(&mut self, location: &Location) -> Result<()> {
        if !location.is_folder()
            && let Some(object) = self.client.look(&location.key)?
        {
            return self.object(object);
        }
        let folder = location.folder();
        let mut any = false;
        if self.args.recursive {
            let client = self.client.clone();
            client.list(&folder.key, |object| {
                any = true;
                self.object(object)
            })?;
        } else {
            let (folders, objects) = self.client.level(&folder.key)?;
            any = !folders.is_empty() || !objects.is_empty();
            for folder in folders {
                self.run.counter("folders").add(1);
                let url = self.client.at(&folder).to_string();
                match self.args.to {
                    To::Text => self.line(&format!("\t\t\t{url}"))?,
                    To::Json => self.line(&json!({ "url": url }).to_string())?,
                }
            }
            for object in objects {
                self.object(object)?;
            }
        }
        match any || location.is_folder() {
            true => Ok(()),
            false => Err(Error::new(Kind::Refused, format!("{location}: not found"))),
        }
    }

    fn object(&mut self, mut object: Object) -> Result<()> {
        self.run.stop().check()?;
        if self.args.deep {
            match self.client.has_notes() {
                true => object = self.client.head(&object.key)?,
                false => {
                    if let Some(digest) = self.client.digest(&object.key)? {
                        object.notes.insert(store::note::DIGEST.to_owned(), digest);
                    }
                }
            }
        }
        self.run.counter("objects").add(1);
        self.run.counter("size").add(object.size);
        let url = self.client.at(&object.key).to_string();
        match self.args.to {
            To::Json => self.line(&object.json(&url).to_string()),
            To::Text => {
                let etag = object.etag.as_deref().unwrap_or("");
                let mut line = format!("{}\t{}\t{etag}\t{url}", object.time(), object.size);
                if self.args.deep {
                    let rows = object.rows().map(|rows| rows.to_string()).unwrap_or_default();
                    line.push_str(&format!("\t{}\t{rows}", object.digest().unwrap_or("")));
                }
                self.line(&line)
            }
        }
    }

    fn uploads(&mut self, location: &Location) -> Result<()> {
        let client = self.client.clone();
        client.uploads(&location.key, |Begun { key, id, begun, size }| {
            self.run.counter("uploads").add(1);
            let (url, begun) = (self.client.at(&key).to_string(), store::rfc3339(begun));
            match self.args.to {
                To::Text => self
                    .line(&format!("{begun}\t{}\t{id}\t{url}", size.map(|size| size.to_string()).unwrap_or_default())),
                To::Json => self.line(&json!({ "url": url, "upload": id, "begun": begun, "size": size }).to_string()),
            }
        })
    }

    fn compare(&mut self, folder: &Location) -> Result<()> {
        let at = folder.child(MANIFEST);
        let manifest = Manifest::read(&self.client, &at)?;
        let differences = manifest.compare(&self.client, folder, self.args.deep)?;
        self.run.counter("objects").add(manifest.files.len() as u64);
        self.run.counter("size").add(manifest.size);
        self.run.counter("differences").add(differences.len() as u64);
        for difference in &differences {
            let url = folder.child(&difference.name).to_string();
            match self.args.to {
                To::Text => self.line(&format!("{url}\t{}", difference.what))?,
                To::Json => self.line(&json!({ "url": url, "what": difference.what }).to_string())?,
            }
        }
        match differences.len() {
            0 => Ok(()),
            n => Err(Error::new(Kind::Negative, format!("{n} objects are not as {at} says"))),
        }
    }

    fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.out, "{text}").map_err(unwritten)
    }
}

fn unwritten(error: std::io::Error) -> Error {
    Error::io("cannot write to stdout", error)
}
