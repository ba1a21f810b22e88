//! An object without a digest beside it: what its ETag says of what has come.

use std::path::Path;
use testkit::server::{Asked, Http};
use testkit::{Outcome, temp_dir, tool};

/// 20 bytes in parts of 8, and their ETag (by Python's hashlib).
const BYTES: &[u8] = b"twenty bytes in all.";
const ETAG: &str = "4bc5ddadd504dfdbff6e4940f326f62d-3";
/// Its MD5, and a digest that it has not.
const PLAIN: &str = "448ce4b18346ae09729ae123dfd81f81";
const DIGEST: &str = "99aa06d3014798d86001c324468d497f";

/// A bucket with one object: these bytes, this ETag, these headers.
fn bucket(bytes: &'static [u8], etag: &'static str, headers: &'static [(&'static str, &'static str)]) -> Http {
    Http::serve(move |asked: &Asked| {
        let mut all: Vec<(&'static str, String)> =
            vec![("etag", format!("\"{etag}\"")), ("last-modified", "Sun, 22 Nov 2026 03:58:46 GMT".into())];
        all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let range = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let Some((from, to)) = range else { return (200, all, bytes.to_vec()) };
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        all.push(("content-range", format!("bytes {from}-{to}/{}", bytes.len())));
        (206, all, bytes[from..=to].to_vec())
    })
}

fn get(bucket: &Http, path: &Path, more: &[&str]) -> Outcome {
    tool("store-get")
        .args(["s3://b/k", "-o"])
        .arg(path)
        .args(more)
        .env("AWS_ACCESS_KEY_ID", "a")
        .env("AWS_SECRET_ACCESS_KEY", "b")
        .env("AWS_ENDPOINT_URL", &bucket.base)
        .run()
}

const OURS: [(&str, &str); 2] = [("x-amz-meta-ts-part-bytes", "8"), ("x-amz-meta-ts-etag", "md5")];

#[test]
fn an_etag_that_fits_proves_the_object() {
    let folder = temp_dir();
    let path = folder.path().join("k");
    let whole = bucket(BYTES, ETAG, &OURS);
    for more in [&[][..], &["--resume"]] {
        let outcome = get(&whole, &path, more).code(0);
        assert!(outcome.summary().contains("verified=etag"), "{}", outcome.summary());
        assert_eq!(std::fs::read(&path).unwrap(), BYTES);
        std::fs::remove_file(&path).unwrap();
    }
    // What others wrote at once has its own MD5.
    let plain = bucket(b"twenty bytes in all!", PLAIN, &[]);
    assert!(get(&plain, &path, &[]).code(0).summary().contains("verified=length"));
    let plain = bucket(BYTES, PLAIN, &[]);
    assert!(get(&plain, &path, &[]).code(0).summary().contains("verified=etag"));
}

#[test]
fn an_object_that_is_not_as_its_etag_says_is_9_and_no_file() {
    let folder = temp_dir();
    let path = folder.path().join("k");
    let damaged = bucket(b"twenty bytes in all!", ETAG, &OURS);
    for more in [&[][..], &["--resume"]] {
        let outcome = get(&damaged, &path, more).code(9);
        assert!(outcome.stderr.contains(ETAG) && outcome.stderr.contains("damaged"), "{}", outcome.stderr);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file, and none to go on with");
    }
    // The digest of a receipt wins over it.
    let outcome = get(&damaged, &path, &["--xxh3", DIGEST]).code(9);
    assert!(outcome.stderr.contains(DIGEST), "{}", outcome.stderr);
}

/// Nobody has seen that these ETags are MD5s, or they cannot be.
#[test]
fn an_etag_that_need_not_be_an_md5_accuses_nobody() {
    let folder = temp_dir();
    let path = folder.path().join("k");
    for headers in [
        &[("x-amz-meta-ts-part-bytes", "8")][..],
        &[OURS[0], OURS[1], ("x-amz-server-side-encryption", "aws:kms")],
        &[OURS[0], OURS[1], ("x-amz-server-side-encryption-customer-algorithm", "AES256")],
        // A copy that was put together of other parts.
        &[("x-amz-meta-ts-part-bytes", "5"), OURS[1]],
    ] {
        let odd = bucket(b"twenty bytes in all!", ETAG, headers.to_vec().leak());
        let outcome = get(&odd, &path, &[]).code(0);
        assert!(outcome.summary().contains("verified=length"), "{headers:?}: {}", outcome.summary());
    }
}
