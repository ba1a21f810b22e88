//! What goes wrong with a Stream Load and with no other request: the kinds of `--fault` that only StarRocks has.

use std::time::Duration;

/// One thing that goes wrong with one load, commit or redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadFault {
    /// The work is done and committed, the reply says `Publish Timeout`; the rows are visible this much later.
    PublishTimeout(Duration),
    /// The connection ends without a reply while the load is still running; it is committed this much later.
    LateCommit(Duration),
    /// Every finished label of the database is forgotten before the request is looked at, as count eviction does.
    LabelEvict,
    /// `Fail`: a tablet has more versions than it may have.
    TooManyVersions,
    /// `Fail`: the database has as many running transactions as it may have.
    RunningTxns,
    /// `Fail`: as many loads run on this BE as it has HTTP workers.
    HttpLimit,
    /// `Fail`: the BE has no memory for it.
    MemLimit,
    /// `Fail`: the BE counted fewer bytes than `Content-Length` said.
    TruncatedBody,
    /// `Fail` with these words.
    Fail(String),
    /// The first N rows are filtered, as if they were bad.
    Filtered(u64),
    /// The first N rows are dropped in silence: a `Success` that counts only the others.
    LoseRows(u64),
    /// The FE redirects to a BE name that leads nowhere.
    BeUnreachable,
}

/// The kinds, for messages.
pub const KINDS: &str = "publish-timeout late-commit label-evict too-many-versions running-txns http-limit mem-limit \
    truncated-body fail filtered lose-rows be-unreachable";

impl LoadFault {
    /// Reads `KIND` and its value; `None` when it is not one of these kinds.
    pub fn parse(kind: &str, arg: Option<&str>) -> Option<Result<LoadFault, String>> {
        let none = |fault: LoadFault| match arg {
            None => Ok(fault),
            Some(_) => Err(format!("`{kind}` takes no value")),
        };
        let time = |make: fn(Duration) -> LoadFault| match arg {
            None => Ok(make(Duration::from_secs(1))),
            Some(text) => crate::faults::parse_duration(text).map(make),
        };
        let rows = |make: fn(u64) -> LoadFault| match arg.map(str::parse) {
            None => Ok(make(1)),
            Some(Ok(rows)) => Ok(make(rows)),
            Some(Err(_)) => Err(format!("`{kind}` takes a number of rows")),
        };
        Some(match kind {
            "publish-timeout" => time(LoadFault::PublishTimeout),
            "late-commit" => time(LoadFault::LateCommit),
            "label-evict" => none(LoadFault::LabelEvict),
            "too-many-versions" => none(LoadFault::TooManyVersions),
            "running-txns" => none(LoadFault::RunningTxns),
            "http-limit" => none(LoadFault::HttpLimit),
            "mem-limit" => none(LoadFault::MemLimit),
            "truncated-body" => none(LoadFault::TruncatedBody),
            "fail" => arg.map(|text| LoadFault::Fail(text.to_owned())).ok_or_else(|| "`fail` needs a text".to_owned()),
            "filtered" => rows(LoadFault::Filtered),
            "lose-rows" => rows(LoadFault::LoseRows),
            "be-unreachable" => none(LoadFault::BeUnreachable),
            _ => return None,
        })
    }

    /// The words of the `Fail` that this is.
    pub fn message(&self) -> Option<String> {
        Some(match self {
            // Dossier starrocks 1.5; the wording of the tablet writer is [memory].
            LoadFault::TooManyVersions => "Failed to load data into tablet 10008, because of too many versions, current/limit: 1001/1000. You can reduce the loading job concurrency, or increase loading data batch size. tablet writer write failed".to_owned(),
            LoadFault::RunningTxns => "current running txns on db 10001 is 1000, larger than limit 1000".to_owned(),
            // The typing error is the server's own (read in stream_load.cpp).
            LoadFault::HttpLimit => "Stream Load exceed http cuncurrent limit 47, please try again later".to_owned(),
            LoadFault::MemLimit => "Memory of process exceed limit. Used: 10737418240, Limit: 10737418240. Mem usage has exceed the limit of BE".to_owned(),
            LoadFault::TruncatedBody => "receive body don't equal with body bytes".to_owned(),
            LoadFault::Fail(text) => text.clone(),
            _ => return None,
        })
    }
}
