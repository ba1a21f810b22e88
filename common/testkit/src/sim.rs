//! Starting a simulator on a free port, and ending it with the test.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running `ts-sim`. Ended when dropped.
pub struct Sim {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub base: String,
    /// `127.0.0.1:PORT`
    pub host: String,
    directory: tempfile::TempDir,
}

impl Sim {
    /// `ts-sim tdengine …`
    pub fn tdengine<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Sim {
        Sim::start("tdengine", "127.0.0.1:0", args)
    }

    /// `ts-sim influx …`
    pub fn influx<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Sim {
        Sim::start("influx", "127.0.0.1:0", args)
    }

    /// `ts-sim proxy --upstream …`: a real server (`http://HOST:PORT`) with faults.
    pub fn proxy(upstream: &str, args: &[&str]) -> Sim {
        Sim::proxy_on("127.0.0.1:0", upstream, args)
    }

    /// The same on this address, where one may have been before.
    pub fn proxy_on(address: &str, upstream: &str, args: &[&str]) -> Sim {
        Sim::start("proxy", address, ["--upstream", upstream].iter().chain(args))
    }

    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(
        system: &str,
        address: &str,
        args: impl IntoIterator<Item = S>,
    ) -> Sim {
        let directory = crate::temp_dir();
        let ready = directory.path().join("ready");
        let mut command = Command::new(crate::bin("ts-sim"));
        command.arg(system).args(["--listen", address, "--ready-file"]).arg(&ready);
        command.arg("--log-requests").arg(directory.path().join("requests.jsonl"));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start ts-sim: {error}"));
        let end = Instant::now() + Duration::from_secs(60);
        let base = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break text.trim().to_owned();
            }
            if let Ok(Some(status)) = child.try_wait() {
                panic!("ts-sim {system} ended at once: {status}");
            }
            assert!(Instant::now() < end, "ts-sim {system} is not ready after 60 s");
            std::thread::sleep(Duration::from_millis(5));
        };
        let host = base.trim_start_matches("http://").to_owned();
        Sim { child, base, host, directory }
    }

    /// The requests that it has seen, one JSON object a line.
    pub fn requests(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.directory.path().join("requests.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
