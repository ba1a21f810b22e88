//! The command line.

use cli::args::{RetryArgs, TlsArgs};
use std::path::PathBuf;

/// `queue-ack --url QUEUE [INPUT]`
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The queue: sqs+https://HOST/ACCOUNT/QUEUE or dir:///FOLDER
    #[arg(long, value_name = "URL", env = "TS_QUEUE_URL")]
    pub url: Option<String>,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Lines of queue-recv, one for each event that is done; - is stdin
    #[arg(value_name = "INPUT", default_value = "-")]
    pub input: PathBuf,
}
