//! A stream of several parts: what is written beside the object before its digest is known.

use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::server::{Answer, Asked, Http};
use testkit::{Outcome, tool};

const PART: usize = 5 << 20;

/// A bucket that takes uploads in parts. `part` gives the ETag of a part by its number, `whole` that of the object.
fn bucket(part: fn(usize) -> &'static str, whole: &'static str) -> Http {
    let size = AtomicUsize::new(0);
    Http::serve(move |asked: &Asked| -> Answer {
        let xml = |text: &str| (200, Vec::new(), text.as_bytes().to_vec());
        match (asked.method.as_str(), asked.path.split_once('?').map_or("", |(_, query)| query)) {
            ("POST", query) if query.starts_with("uploads") => {
                size.store(0, Ordering::Relaxed);
                xml("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            ("PUT", query) => {
                size.fetch_add(asked.body.len(), Ordering::Relaxed);
                let number = query.split('&').find_map(|pair| pair.strip_prefix("partNumber=")?.parse().ok());
                (200, vec![("etag", format!("\"{}\"", part(number.unwrap())))], Vec::new())
            }
            ("POST", _) => {
                xml(&format!("<CompleteMultipartUploadResult><ETag>\"{whole}\"</ETag></CompleteMultipartUploadResult>"))
            }
            ("DELETE", _) => (204, Vec::new(), Vec::new()),
            ("HEAD", _) => {
                let headers = vec![
                    ("etag", format!("\"{whole}\"")),
                    ("last-modified", "Sun, 22 Nov 2026 03:58:46 GMT".to_owned()),
                    ("content-length", size.load(Ordering::Relaxed).to_string()),
                ];
                (200, headers, Vec::new())
            }
            other => panic!("{other:?}"),
        }
    })
}

fn put(bucket: &Http) -> Outcome {
    tool("store-put")
        .args(["s3://b/k", "--part-size", "5MiB", "--concurrency", "1", "--retries", "0"])
        .stdin(vec![0; PART + 1])
        .env("AWS_ACCESS_KEY_ID", "a")
        .env("AWS_SECRET_ACCESS_KEY", "b")
        .env("AWS_ENDPOINT_URL", &bucket.base)
        .run()
}

/// What was noted beside each upload that was begun.
fn begun(bucket: &Http) -> Vec<Option<String>> {
    let asked = bucket.asked();
    let begins = asked.iter().filter(|asked| asked.method == "POST" && asked.path.contains("uploads"));
    begins.map(|asked| asked.headers.get("x-amz-meta-ts-etag").cloned()).collect()
}

/// 5 MiB of zeros, and one (by Python's hashlib).
fn md5(number: usize) -> &'static str {
    if number == 1 { "5f363e0e58a95f06cbe9bbc662c5dfb6" } else { "93b885adfe0da089cdf634904fd59f71" }
}

#[test]
fn where_etags_are_md5s_that_is_noted_and_the_object_is_compared() {
    let good = bucket(md5, "92f3a08aa3b1d7eb318ab9c2fc4a6ec3-2");
    let outcome = put(&good).code(0);
    assert_eq!((begun(&good), outcome.number("parts_resumed")), (vec![Some("md5".to_owned())], 0));
    let parts = good.asked().iter().filter(|asked| asked.method == "PUT").count();
    assert_eq!(parts, 2, "the first part is sent once");
    // The store has made its object of something else.
    let other = bucket(md5, "93b885adfe0da089cdf634904fd59f71-2");
    let outcome = put(&other).code(5);
    assert!(
        outcome.stderr.contains("92f3a08aa3b1d7eb318ab9c2fc4a6ec3-2")
            && outcome.stderr.contains("93b885adfe0da089cdf634904fd59f71-2"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn where_they_are_none_nothing_is_promised() {
    let sealed = bucket(|_| "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef-2");
    put(&sealed).code(0);
    assert_eq!(begun(&sealed), [Some("md5".to_owned()), None]);
    let asked = sealed.asked();
    assert_eq!(asked.iter().filter(|asked| asked.method == "DELETE").count(), 1, "the first upload is aborted");
    assert_eq!(asked.iter().filter(|asked| asked.method == "PUT").count(), 3);
}
