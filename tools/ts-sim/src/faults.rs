//! Fault knobs shared by all simulators: what to do wrong, and on which request.
//!
//! Grammar of one `--fault` argument: `KIND[=ARG][@[K[-[L]]][/PATHPREFIX]]`.
//! `K` counts the data requests (writes and queries) that match the path prefix, from 1; every rule has its own counter,
//! so `status=503@2/write` is the second write however many queries came between. Without `@`, every request.
//! When several rules match one request, the first on the command line wins, and all of them count it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::starrocks::load::fault::{KINDS as LOAD_KINDS, LoadFault};

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answer with this HTTP status instead of doing the work; `Retry-After` in seconds when given.
    Status { code: u16, retry_after: Option<u64> },
    /// Do the work, and answer this much later.
    Delay(Duration),
    /// Do the work, then reset the connection in the middle of the reply's body.
    CutBody,
    /// Do the work, then end in the middle of a binary block (TDengine only).
    CutBlock,
    /// Do the work, then close without any reply: the client cannot know whether it was done.
    LostReply,
    /// Close the connection while the client is still sending the body; nothing is done.
    ResetUpload,
    /// Read the request's body (or send the reply's) at no more than this many bytes a second.
    SlowRead(u64),
    /// Answer 503 "queue full" with this `Retry-After` (seconds); nothing is done.
    QueueFull { retry_after: u64 },
    /// Answer only the first N rows and say nothing about it (TDengine REST's silent limit).
    TruncateRest(u64),
    /// Do nothing and never answer; the connection stays open until the client goes.
    NoReply,
    /// Answer with this database error instead of doing the work (TDengine; HTTP 200 on REST).
    Code(u32),
    /// Answer a block's request with this database error; the result is gone (TDengine's WebSocket).
    WsError(u32),
    /// Close the WebSocket without a word (TDengine).
    CloseWs,
    /// As if the server had been restarted: all connections are closed, all result handles lost (TDengine).
    Restart,
    /// What only a load can meet (StarRocks).
    Load(LoadFault),
    /// Drop the connection after N rows of the SELECT (StarRocks).
    MysqlKill(u64),
    /// Keep N rows of the SELECT back and end it as if there were no more (StarRocks).
    SilentLoss(u64),
    /// Drop the connection after N rows of a result over Arrow Flight SQL (StarRocks).
    FlightKill(u64),
    /// Keep N rows of such a result back and end it as if there were no more (StarRocks).
    FlightLoss(u64),
    /// Answer the SELECT with a timeout (StarRocks).
    QueryTimeout,
    /// Refuse the SELECT: too many queries (StarRocks).
    Busy,
    /// Refuse the login (StarRocks' MySQL protocol).
    RefuseLogin,
}

impl Fault {
    /// Can happen to any request over HTTP, whatever the database.
    pub fn is_of_http(&self) -> bool {
        use Fault::*;
        matches!(
            self,
            Status { .. } | Delay(_) | CutBody | LostReply | ResetUpload | SlowRead(_) | QueueFull { .. } | NoReply
        )
    }

    /// Can happen to StarRocks' MySQL protocol only.
    pub fn is_of_mysql(&self) -> bool {
        use Fault::*;
        matches!(self, MysqlKill(_) | SilentLoss(_) | QueryTimeout | Busy | RefuseLogin)
    }

    /// Can happen to StarRocks' Arrow Flight SQL only.
    fn is_of_flight(&self) -> bool {
        matches!(self, Fault::FlightKill(_) | Fault::FlightLoss(_))
    }

    /// Counted in blocks of results, not in queries.
    fn is_of_blocks(&self) -> bool {
        matches!(self, Fault::CutBlock | Fault::WsError(_))
    }
}

/// The kinds in the grammar, for messages.
const KINDS: &str = "status delay cut-body cut-block lost-reply reset-upload slow-read queue-full truncate-rest no-reply code ws-error \
    close-ws restart mysql-kill silent-loss query-timeout busy refuse-login \
    flight-kill flight-loss";

/// What a WebSocket's block requests are called in a `/PATHPREFIX`.
pub const BLOCKS: &str = "/ws/fetch";

/// Longest time a `no-reply` holds a connection.
pub const NO_REPLY_HOLD: Duration = Duration::from_secs(3600);

struct Rule {
    fault: Fault,
    first: u64,
    last: u64,
    prefix: String,
    seen: AtomicU64,
}

/// All rules of one simulator. `Default` is a simulator without faults.
#[derive(Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

impl Faults {
    /// Reads the `--fault` arguments in their order. The error says which argument and why.
    pub fn parse<S: AsRef<str>>(specs: &[S]) -> Result<Faults, String> {
        let rules = specs
            .iter()
            .map(|s| parse_rule(s.as_ref()).map_err(|why| format!("--fault {}: {why}", s.as_ref())))
            .collect::<Result<Vec<_>, String>>()?;
        Ok(Faults { rules })
    }

    /// What may go wrong at all, in the order of the command line.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.rules.iter().map(|rule| &rule.fault)
    }

    /// Counts one data request to `path` and says what must go wrong with it.
    pub fn verdict(&self, path: &str) -> Option<Fault> {
        self.count(|rule| path.starts_with(&rule.prefix))
    }

    /// The same, leaving out what is counted in blocks.
    pub fn query_verdict(&self, path: &str) -> Option<Fault> {
        self.count(|rule| !rule.fault.is_of_blocks() && path.starts_with(&rule.prefix))
    }

    /// Counts one request for a block of a result: `cut-block` and `ws-error` count these, and every rule whose path
    /// prefix is [`BLOCKS`].
    pub fn block_verdict(&self) -> Option<Fault> {
        self.count(|rule| (rule.fault.is_of_blocks() && BLOCKS.starts_with(&rule.prefix)) || rule.prefix == BLOCKS)
    }

    /// Counts one request for every rule that `applies` to it by its fault and its path prefix.
    pub fn verdict_where(&self, applies: impl Fn(&Fault, &str) -> bool) -> Option<Fault> {
        self.count(|rule| applies(&rule.fault, &rule.prefix))
    }

    /// Counts one login (`/mysql/login`) or one SELECT of a table's rows (`/mysql/DB/TABLE`) of StarRocks' MySQL protocol:
    /// the faults of that protocol, and every rule whose path prefix begins with `/mysql`.
    pub fn mysql_verdict(&self, path: &str) -> Option<Fault> {
        let login = path == "/mysql/login";
        self.count(|rule| {
            let ours = rule.fault.is_of_mysql() || rule.prefix.starts_with("/mysql");
            ours && (rule.fault == Fault::RefuseLogin) == login && path.starts_with(&rule.prefix)
        })
    }

    /// The same for Arrow Flight SQL: one login (`/flight/login`), or the rows of one result (`/flight/DB/TABLE`).
    pub fn flight_verdict(&self, path: &str) -> Option<Fault> {
        let login = path == "/flight/login";
        self.count(|rule| {
            let ours = rule.fault.is_of_flight() || rule.prefix.starts_with("/flight");
            ours && (rule.fault == Fault::RefuseLogin) == login && path.starts_with(&rule.prefix)
        })
    }

    fn count(&self, applies: impl Fn(&Rule) -> bool) -> Option<Fault> {
        let mut found = None;
        for rule in &self.rules {
            if !applies(rule) {
                continue;
            }
            let n = rule.seen.fetch_add(1, Ordering::Relaxed) + 1;
            if found.is_none() && n >= rule.first && n <= rule.last {
                found = Some(rule.fault.clone());
            }
        }
        found
    }
}

fn parse_rule(spec: &str) -> Result<Rule, String> {
    let (what, place) = match spec.split_once('@') {
        Some((what, place)) => (what, place),
        None => (spec, ""),
    };
    let (range, prefix) = match place.find('/') {
        Some(i) => place.split_at(i),
        None => (place, ""),
    };
    if spec.contains('@') && range.is_empty() && prefix.is_empty() {
        return Err("nothing after `@`: expected a request number, a range K-L or a /path".into());
    }
    let (first, last) = parse_range(range)?;
    Ok(Rule { fault: parse_fault(what)?, first, last, prefix: prefix.to_string(), seen: AtomicU64::new(0) })
}

fn parse_range(range: &str) -> Result<(u64, u64), String> {
    let number = |text: &str| match text.parse::<u64>() {
        Ok(n) if n >= 1 => Ok(n),
        _ => Err(format!("`{text}` is not a request number (they count from 1)")),
    };
    match range.split_once('-') {
        _ if range.is_empty() => Ok((1, u64::MAX)),
        None => number(range).map(|n| (n, n)),
        Some((from, "")) => Ok((number(from)?, u64::MAX)),
        Some((from, to)) => {
            let (from, to) = (number(from)?, number(to)?);
            if from > to { Err(format!("empty range {from}-{to}")) } else { Ok((from, to)) }
        }
    }
}

fn parse_fault(what: &str) -> Result<Fault, String> {
    let (kind, arg) = match what.split_once('=') {
        Some((kind, arg)) => (kind, Some(arg)),
        None => (what, None),
    };
    let need = |example: &str| arg.ok_or_else(|| format!("`{kind}` needs a value, e.g. {kind}={example}"));
    let none = |fault: Fault| match arg {
        None => Ok(fault),
        Some(_) => Err(format!("`{kind}` takes no value")),
    };
    match kind {
        "status" => parse_status(need("503")?),
        "delay" => parse_duration(need("500ms")?).map(Fault::Delay),
        "cut-body" => none(Fault::CutBody),
        "cut-block" => none(Fault::CutBlock),
        "lost-reply" => none(Fault::LostReply),
        "reset-upload" => none(Fault::ResetUpload),
        "slow-read" => parse_rate(need("1MB/s")?).map(Fault::SlowRead),
        "queue-full" => {
            let retry_after = arg.map_or(Ok(1), |a| a.strip_prefix("retry-after=").unwrap_or(a).parse());
            retry_after
                .map(|retry_after| Fault::QueueFull { retry_after })
                .map_err(|_| "`queue-full` takes seconds, e.g. queue-full=2".into())
        }
        "truncate-rest" => match need("1000")?.parse() {
            Ok(rows) => Ok(Fault::TruncateRest(rows)),
            Err(_) => Err("`truncate-rest` takes a number of rows".into()),
        },
        "no-reply" => none(Fault::NoReply),
        "code" => parse_code(need("0x0216")?).map(Fault::Code),
        "ws-error" => parse_code(need("0x022D")?).map(Fault::WsError),
        "close-ws" => none(Fault::CloseWs),
        "restart" => none(Fault::Restart),
        "mysql-kill" => rows(need("1000")?).map(Fault::MysqlKill),
        "silent-loss" => rows(need("1")?).map(Fault::SilentLoss),
        "flight-kill" => rows(need("1000")?).map(Fault::FlightKill),
        "flight-loss" => rows(need("1")?).map(Fault::FlightLoss),
        "query-timeout" => none(Fault::QueryTimeout),
        "busy" => none(Fault::Busy),
        "refuse-login" => none(Fault::RefuseLogin),
        _ => LoadFault::parse(kind, arg)
            .unwrap_or_else(|| Err(format!("unknown kind `{kind}`; there are: {KINDS} {LOAD_KINDS}")))
            .map(Fault::Load),
    }
}

fn rows(arg: &str) -> Result<u64, String> {
    arg.parse().map_err(|_| format!("`{arg}` is not a number of rows"))
}

fn parse_code(arg: &str) -> Result<u32, String> {
    let parsed = match arg.strip_prefix("0x").or_else(|| arg.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => arg.parse(),
    };
    parsed.ok().filter(|code| *code > 0).ok_or_else(|| format!("`{arg}` is not an error code, e.g. 0x0216 or 534"))
}

fn parse_status(arg: &str) -> Result<Fault, String> {
    let mut parts = arg.split(':');
    let code = parts.next().unwrap_or_default();
    let code = match code.parse::<u16>() {
        Ok(n) if (200..600).contains(&n) => n,
        _ => return Err(format!("`{code}` is not an HTTP status (200..599)")),
    };
    let mut retry_after = None;
    for part in parts {
        match part.strip_prefix("retry-after=").map(str::parse) {
            Some(Ok(seconds)) => retry_after = Some(seconds),
            _ => return Err(format!("`{part}`: expected retry-after=SECONDS")),
        }
    }
    Ok(Fault::Status { code, retry_after })
}

/// `500ms`, `2s`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a duration, e.g. 500ms or 2s"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(format!("`{text}`: the unit must be ms or s")),
    }
}

fn parse_rate(text: &str) -> Result<u64, String> {
    let amount = text.strip_suffix("/s").ok_or_else(|| format!("`{text}` is not a rate, e.g. 1MB/s"))?;
    let digits = amount.len() - amount.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = amount.split_at(digits);
    let factor = match unit {
        "B" | "" => 1,
        "kB" | "KB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        _ => return Err(format!("`{text}`: the unit must be B, kB, KiB, MB or MiB")),
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)) {
        Some(rate) if rate > 0 => Ok(rate),
        _ => Err(format!("`{text}` is not a rate, e.g. 1MB/s")),
    }
}
