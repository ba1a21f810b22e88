//! The command line: one subcommand per system, the same few options in all of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};

/// `ts-sim SYSTEM [OPTIONS]`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which system.
    #[command(subcommand)]
    pub system: System,
}

/// The systems that can be simulated.
#[derive(Debug, Subcommand)]
pub enum System {
    /// TDengine: taosAdapter's REST interface and its WebSocket, over an in-memory store.
    Tdengine(TdengineArgs),
    /// InfluxDB 1, 2 or 3: writes with the true behaviour of each version, queries for reading back.
    Influx(InfluxArgs),
    /// StarRocks: MySQL protocol, frontend's and backend's HTTP, over an in-memory store.
    Starrocks(StarrocksArgs),
    /// Any HTTP server, a real one: its requests and replies are passed on, except where a fault says otherwise.
    Proxy(ProxyArgs),
}

impl System {
    /// The options that all systems share.
    pub fn common(&self) -> &Common {
        match self {
            System::Tdengine(args) => &args.common,
            System::Influx(args) => &args.common,
            System::Starrocks(args) => &args.common,
            System::Proxy(args) => &args.common,
        }
    }
}

/// What every simulator understands.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: String,
    /// Write the base URL here (atomically) once requests are answered.
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
    /// Do something wrong: KIND[=ARG][@K[-L][/PATHPREFIX]]; repeatable, the first that matches wins.
    #[arg(long, value_name = "SPEC")]
    pub fault: Vec<String>,
    /// Note every request as a JSON line: n, method, path, bytes, status.
    #[arg(long, value_name = "FILE")]
    pub log_requests: Option<PathBuf>,
}

/// `ts-sim tdengine`.
#[derive(Debug, clap::Args)]
pub struct TdengineArgs {
    #[command(flatten)]
    pub common: Common,
    /// Load a typed CSV into a super table (an ordinary table when it has no tags); `-` is stdin; repeatable.
    #[arg(long, value_name = "DB.TABLE=FILE")]
    pub load: Vec<String>,
    /// Run the SQL statements of a file (one a line) after loading; repeatable.
    #[arg(long, value_name = "FILE")]
    pub sql: Vec<PathBuf>,
    /// Precision of the databases that --load creates; default: what the data have.
    #[arg(long, value_name = "ms|us|ns")]
    pub precision: Option<Precision>,
    /// TDengine type of a column that --load creates, e.g. note=NCHAR(64); repeatable.
    #[arg(long = "type", value_name = "COLUMN=TYPE")]
    pub types: Vec<String>,
    /// Version that the server reports, and behaves like.
    #[arg(long, value_name = "VERSION", default_value = "3.3.6.0")]
    pub server_version: String,
    /// Version that the adapter behaves like, when it is not the server's.
    #[arg(long, value_name = "VERSION")]
    pub adapter_version: Option<String>,
    /// The only account.
    #[arg(long, value_name = "NAME", default_value = "root")]
    pub user: String,
    /// Its password.
    #[arg(long, value_name = "TEXT", default_value = "taosdata")]
    pub password: String,
    /// Accept this token too: `Authorization: Bearer`, or `?token=` as in the cloud.
    #[arg(long, value_name = "TEXT")]
    pub token: Option<String>,
    /// Cut every REST result after N rows, in silence (taosAdapter's restfulRowLimit); default: none on 3.x, 10240 on 2.x.
    #[arg(long, value_name = "N")]
    pub rest_row_limit: Option<u64>,
    /// Seconds between the pings on a WebSocket; a client silent for twice as long and six seconds is dropped.
    #[arg(long, value_name = "SECONDS", default_value_t = 54, value_parser = clap::value_parser!(u64).range(1..))]
    pub ws_ping: u64,
    /// Most rows in a block.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub block_rows: u32,
    /// Encode the reply to a statement once, and send the same bytes to whoever asks again; up to SIZE in all. For
    /// measuring readers: rows that are written later are not seen.
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, default_missing_value = "4GiB", value_parser = cli::args::bytes)]
    pub replay: Option<u64>,
}

/// A database's unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    Ms,
    Us,
    Ns,
}

/// `ts-sim influx`.
#[derive(Debug, clap::Args)]
pub struct InfluxArgs {
    #[command(flatten)]
    pub common: Common,
    /// Which version's behaviour.
    #[arg(long, value_name = "1.6|1.8|1.13|2.9|3", default_value = "1.8")]
    pub flavor: String,
    /// Database to create (v1, v3); repeatable.
    #[arg(long, value_name = "NAME")]
    pub database: Vec<String>,
    /// Bucket to create (v2); repeatable.
    #[arg(long, value_name = "NAME")]
    pub bucket: Vec<String>,
    /// Organisation of the buckets.
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// Token that is accepted.
    #[arg(long, value_name = "TEXT")]
    pub token: Option<String>,
    /// Load line protocol into the first database or bucket; repeatable.
    #[arg(long, value_name = "FILE")]
    pub load: Vec<PathBuf>,
    /// Require this account.
    #[arg(long, value_name = "USER:PASSWORD")]
    pub auth: Option<String>,
    /// Refuse larger bodies with 413.
    #[arg(long, value_name = "N")]
    pub max_body_bytes: Option<u64>,
    /// Drop points older than this, e.g. 7d.
    #[arg(long, value_name = "DURATION")]
    pub retention: Option<String>,
    /// Accept every write and forget it: for measuring a client by itself.
    #[arg(long)]
    pub discard: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What a full server refuses. What `--load` brings is never refused, but its series count.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits of the server")]
pub struct LimitArgs {
    /// 1.x: refuse points of new series once a database would have more (max-series-per-database).
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_series: u64,
    /// 1.x: refuse points with new values of a tag that has as many (max-values-per-tag).
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_values_per_tag: u64,
    /// 1.x, 2.x: answer 500 once a shard's points take more memory (cache-max-memory-size); it never empties.
    #[arg(long, value_name = "SIZE", value_parser = cli::args::bytes)]
    pub cache_max_memory: Option<u64>,
    /// 1.x: `/write` requests served at once (max-concurrent-write-limit).
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_concurrent_writes: u32,
    /// 1.x: `/write` requests that may wait, others get 503; 0: any number (max-enqueued-write-limit).
    #[arg(long, value_name = "N", default_value_t = 0, requires = "max_concurrent_writes")]
    pub max_enqueued_writes: u32,
    /// 1.x: how long they wait, then 503 (enqueued-write-timeout).
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = cli::args::duration, requires = "max_concurrent_writes")]
    pub enqueued_write_timeout: Duration,
    /// 2.x: Flux queries that run at once.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub query_concurrency: u32,
    /// 2.x: Flux queries that may wait, others get 400.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "query_concurrency")]
    pub query_queue_size: u32,
}

/// `ts-sim starrocks`: `--listen` is the frontend's HTTP port.
#[derive(Debug, clap::Args)]
pub struct StarrocksArgs {
    #[command(flatten)]
    pub common: Common,
    /// Address and port of the frontend's MySQL protocol.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub mysql_listen: String,
    /// Address and port of a backend's HTTP; repeatable: the frontend sends loads to them in turn.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub be_listen: Vec<String>,
    /// What the frontend calls a backend in redirects; default: where it listens; repeatable, in the order of --be-listen.
    #[arg(long, value_name = "HOST:PORT")]
    pub be_name: Vec<String>,
    /// Linux, as root: the backends listen in this network namespace (`ip netns`), the frontend in the one it was started in.
    #[arg(long, value_name = "NAME")]
    pub be_netns: Option<String>,
    /// Speak Arrow Flight SQL too, from 3.5.1 on: address and port of the frontend's (arrow_flight_port).
    #[arg(long, value_name = "ADDRESS")]
    pub flight_listen: Option<String>,
    /// Address and port of the first backend's Arrow Flight SQL, which rows come from; its host is that of --be-name.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", requires = "flight_listen")]
    pub be_flight_listen: String,
    /// Load a typed CSV; database and table (DUPLICATE KEY, a partition a month) are made if they are not there; `-` is
    /// stdin; repeatable.
    #[arg(long, value_name = "DB.TABLE=FILE")]
    pub load: Vec<String>,
    /// Run the SQL statements of a file before loading; repeatable.
    #[arg(long, value_name = "FILE")]
    pub sql: Vec<PathBuf>,
    /// Version that the server reports, and behaves like: 2.5 to 4.2.
    #[arg(long, value_name = "VERSION", default_value = "3.3.5")]
    pub server_version: String,
    /// The only account.
    #[arg(long, value_name = "NAME", default_value = "root")]
    pub user: String,
    /// Its password.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub password: String,
    /// Labels of finished loads that are remembered in each database (label_keep_max_num).
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub label_keep: usize,
    /// Transactions of a database that may run at once (max_running_txn_num_per_db).
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_running_txns: usize,
    /// Load of the backend as JSON lines, one step a request: names of SHOW BACKENDS and of /metrics.
    #[arg(long, value_name = "FILE")]
    pub metrics_tape: Option<PathBuf>,
}

/// `ts-sim proxy`.
#[derive(Debug, clap::Args)]
pub struct ProxyArgs {
    #[command(flatten)]
    pub common: Common,
    /// The real server.
    #[arg(long, value_name = "http://HOST:PORT")]
    pub upstream: String,
}
