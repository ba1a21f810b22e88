//! Every recorded write of real servers (1.6.7, 1.8.10, 1.13.2, 2.9.1): from the reply alone, the client must conclude
//! what the recording shows was stored.

use influx::reply::Which;
use influx::retry::{Reply, Stored, Trouble, Verdict, judge};
use std::path::{Path, PathBuf};

struct Recording {
    name: String,
    sent: String,
    /// The recording left out the middle of the request or of the reply.
    cut: bool,
    status: u16,
    body: String,
    /// Rows that were stored by the recorded request (not by its set-up).
    stored: usize,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/wire/influx")
}

fn section<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    let start = text.find(&format!("\n--- {head}"))? + 1;
    let rest = &text[start..];
    let rest = &rest[rest.find('\n')? + 1..];
    Some(rest.find("\n--- ").map_or(rest, |end| &rest[..end]))
}

/// The part of a section after its `(N bytes)` line.
fn after_count(section: &str) -> &str {
    section.split_once(" bytes)\n").map_or("", |(_, body)| body)
}

fn read(path: &Path) -> Option<Recording> {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let request = section(&text, "request")?;
    let response = section(&text, "response")?;
    let after = section(&text, "stored afterwards").unwrap_or("");
    let setup = section(&text, "setup").map_or(0, |s| s.lines().filter(|l| !l.is_empty()).count());
    let status = response.split(' ').next()?.parse().ok()?;
    // Flux prints a row per field: only "some" or "none" can be told from it.
    let rows = if after.contains("\"results\"") { rows_of_json(after) } else { after.matches(",_result,").count() };
    Some(Recording {
        name: format!("{}/{}", path.parent()?.file_name()?.to_string_lossy(), path.file_stem()?.to_string_lossy()),
        sent: after_count(request).to_owned(),
        cut: request.contains("chars in all]") || response.contains("chars in all]"),
        status,
        body: after_count(response).trim_end_matches('\n').to_owned(),
        stored: rows.saturating_sub(setup),
    })
}

fn rows_of_json(text: &str) -> usize {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(text.trim()) else { return 0 };
    let series = json["results"][0]["series"].as_array().cloned().unwrap_or_default();
    series.iter().map(|s| s["values"].as_array().map_or(0, Vec::len)).sum()
}

fn recordings() -> Vec<Recording> {
    let mut all = Vec::new();
    for folder in ["v16", "v18", "v18v2", "v1latest", "v2"] {
        let mut paths: Vec<_> = std::fs::read_dir(root().join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        all.extend(paths.iter().filter_map(|p| read(p)));
    }
    assert!(all.len() > 780, "only {} recordings were read", all.len());
    all
}

/// Replies that say nothing about lines, by the case's name.
fn not_about_lines(case: &str, status: u16) -> Option<&'static str> {
    Some(match case {
        "missing_db" | "missing_org" | "unknown_db" | "unknown_org" | "unknown_rp" => "refused",
        "bad_token" | "no_token" | "bearer_token" if status == 401 => "refused",
        "method_get" | "method_put" => "fatal",
        "gzip_badcrc" | "gzip_cut_trailer" | "gzip_truncated" | "gzip_header_plain_body" => "retry",
        "line_5MB" if status == 500 => "retry",
        _ if case.starts_with("precision_") && case != "precision_overflow_s" => "fatal",
        _ => return None,
    })
}

#[test]
fn every_recorded_reply_leads_to_what_was_stored() {
    let mut seen = std::collections::BTreeMap::new();
    for r in recordings() {
        let verdict = judge(&Reply { status: r.status, body: r.body.as_bytes(), retry_after: None });
        let case = r.name.split('/').nth(1).unwrap();
        let word = match &verdict {
            Verdict::Done => "done",
            Verdict::Rejected(_) => "rejected",
            Verdict::Split { .. } => "split",
            Verdict::Retry { .. } => "retry",
            Verdict::Refused { .. } => "refused",
            Verdict::Fatal { .. } => "fatal",
        };
        *seen.entry(word).or_insert(0) += 1;
        let expected = match r.status {
            204 => "done",
            status => not_about_lines(case, status).unwrap_or("rejected"),
        };
        // A body that the recording cut is no JSON here, as it would be none for a client that cuts it.
        if !r.cut {
            assert_eq!(word, expected, "{}: HTTP {} {}", r.name, r.status, r.body);
        }
        let Verdict::Rejected(rejected) = verdict else { continue };
        match rejected.stored {
            Stored::Nothing => assert_eq!(r.stored, 0, "{}: {}", r.name, r.body),
            // What the others hold is checked by count: lines sent, less those dropped or named.
            Stored::Rest if !r.cut => {
                let lines = r.sent.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).count();
                let gone = rejected.dropped.unwrap_or(0) as usize + rejected.named.len();
                assert!(r.name.starts_with("v2/") || r.stored <= lines, "{}", r.name);
                if lines > gone && !case.contains("quote") && !case.contains("unterminated") {
                    assert!(r.stored > 0, "{}: nothing was stored, {}", r.name, r.body);
                }
            }
            _ => {}
        }
        if !r.cut {
            for named in &rejected.named {
                let Which::Text(text) = &named.line else { panic!("{}: v1 and v2 name by text", r.name) };
                let sent = r.sent.replace("\\r", "\r");
                // A body under a content encoding that the server does not know was parsed as it came.
                let encoded = case.starts_with("encoding") || case.starts_with("gzip");
                assert!(
                    encoded || !text.is_ascii() || sent.contains(text.as_str()) || r.sent.contains(text.as_str()),
                    "{}: {text:?} is no line of the request",
                    r.name
                );
            }
        }
    }
    assert!(seen["done"] > 350 && seen["rejected"] > 250, "{seen:?}");
}

/// The other recordings are transcripts of curl: the last status line, then the body after a blank line.
fn transcript(name: &str) -> Vec<Verdict> {
    let text = String::from_utf8_lossy(&std::fs::read(root().join(name)).unwrap()).replace("\r\n", "\n");
    let mut verdicts = Vec::new();
    for part in text.split("HTTP/1.1 ").skip(1) {
        let status = part[..3].parse().unwrap();
        let body = part.split_once("\n\n").map_or("", |(_, body)| body.trim_end());
        if status != 100 {
            verdicts.push(judge(&Reply { status, body: body.as_bytes(), retry_after: None }));
        }
    }
    assert!(!verdicts.is_empty(), "{name}");
    verdicts
}

#[test]
fn recorded_limits_and_refusals() {
    for name in [
        "write_noauth",
        "write_badpw",
        "write_token_bad",
        "write_bearer",
        "write_readonly_user",
        "write_nopriv_unknown_db",
        "v2write_noauth",
    ] {
        let verdicts = transcript(&format!("v18_auth_limits/{name}.txt"));
        assert!(matches!(verdicts[..], [Verdict::Refused { .. }]), "{name}: {verdicts:?}");
    }
    for name in [
        "write_ro_token",
        "write_wo_token_other_bucket",
        "write_wo_token_unknown_bucket",
        "compat_write_up",
        "compat_write_unknown",
    ] {
        let verdicts = transcript(&format!("v2_api/{name}.txt"));
        assert!(matches!(verdicts[..], [Verdict::Refused { .. }]), "{name}: {verdicts:?}");
    }
    for name in ["too_large_chunked", "too_large_contentlength", "v2write_too_large", "huge_413_midbody"] {
        let verdicts = transcript(&format!("v18_auth_limits/{name}.txt"));
        assert!(matches!(verdicts[..], [Verdict::Split { .. }]), "{name}: {verdicts:?}");
    }
    for name in [
        "v18_limits/cache_max_memory",
        "v18_limits/cache_max_memory_again",
        "v2_limits/cache_max_memory",
        "v2_limits/cache_max_memory_again",
    ] {
        let verdicts = transcript(&format!("{name}.txt"));
        assert!(matches!(verdicts[..], [Verdict::Retry { trouble: Trouble::Full, .. }]), "{name}: {verdicts:?}");
    }
    let series = transcript("v18_limits/max_series_per_database.txt");
    assert!(
        matches!(&series[..], [Verdict::Rejected(r)] if r.dropped == Some(2000) && r.stored == Stored::Rest),
        "{series:?}"
    );
    let throttled = transcript("v18_auth_limits/throttle_503.txt");
    assert!(
        throttled.iter().skip(1).all(|v| matches!(v, Verdict::Retry { trouble: Trouble::Throttled, .. })),
        "{throttled:?}"
    );
    for name in
        ["v18_auth_limits/write_token_ok", "v18_auth_limits/write_basic_ok", "v2_api/big_50MB", "v2_api/write_by_ids"]
    {
        assert_eq!(transcript(&format!("{name}.txt")), [Verdict::Done], "{name}");
    }
    let mixed = transcript("v2_api/compat_write_mixed.txt");
    assert!(
        matches!(&mixed[..], [Verdict::Rejected(r)] if r.named.len() == 1 && r.stored == Stored::Nothing),
        "{mixed:?}"
    );
}
