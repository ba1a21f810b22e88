//! Running our binaries and whole pipelines, with a time limit.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A tool or pipeline that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// The directory with the built binaries: beside the running test.
fn directory() -> PathBuf {
    let mut path = std::env::current_exe().unwrap_or_default();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path
}

/// The path of one of our binaries. Cross-tool tests need `cargo build --workspace` first.
pub fn bin(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(path.exists(), "{} is not built: run cargo build --workspace", path.display());
    path
}

/// A tool about to be run.
pub struct Tool {
    command: Command,
    stdin: Vec<u8>,
    limit: Duration,
    terminate: Option<Duration>,
    hang_up: Option<u64>,
}

/// How it ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; 128 + signal if it was killed.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

/// One of our tools, by name. The environment variables that our tools read are removed, so that a test means the same
/// on every machine.
pub fn tool(name: &str) -> Tool {
    Tool::new(Command::new(bin(name)))
}

/// A pipeline under `bash -euo pipefail`, with our binaries first on PATH.
pub fn shell(script: &str) -> Tool {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]);
    Tool::new(command)
}

impl Tool {
    fn new(mut command: Command) -> Tool {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", directory().display()));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TS_")) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("TZ", "UTC");
        Tool { command, stdin: Vec::new(), limit: LIMIT, terminate: None, hang_up: None }
    }

    /// One argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Several arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The working directory.
    pub fn current_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.command.current_dir(path);
        self
    }

    /// What it reads on standard input; nothing by default.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Another time limit than two minutes.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sends SIGTERM after this time, while its standard input stays open.
    pub fn terminate_after(mut self, time: Duration) -> Self {
        self.terminate = Some(time);
        self
    }

    /// Closes its standard output after so many bytes have been read.
    pub fn hang_up_after(mut self, bytes: u64) -> Self {
        self.hang_up = Some(bytes);
        self
    }

    /// Runs it to its end. Panics if it cannot be started or hangs.
    pub fn run(mut self) -> Outcome {
        let shown = format!("{:?}", self.command);
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        if let Some(mut stdin) = child.stdin.take() {
            let bytes = std::mem::take(&mut self.stdin);
            // The tool may end without reading everything: that is its right.
            let open = self.terminate.is_some();
            std::thread::spawn(move || {
                let _ = stdin.write_all(&bytes);
                if open {
                    std::thread::sleep(LIMIT);
                }
            });
        }
        if let Some(time) = self.terminate {
            let pid = child.id().to_string();
            std::thread::spawn(move || {
                std::thread::sleep(time);
                let _ = Command::new("kill").args(["-TERM", &pid]).status();
            });
        }
        let stdout = match self.hang_up {
            Some(bytes) => drain(child.stdout.take().map(|stream| stream.take(bytes))),
            None => drain(child.stdout.take()),
        };
        let stderr = drain(child.stderr.take());
        let code = wait(&mut child, self.limit, &shown);
        Outcome { code, stdout: join(stdout), stderr: String::from_utf8_lossy(&join(stderr)).into_owned() }
    }
}

impl Outcome {
    /// Asserts the exit code, showing both streams if it is another.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(
            self.code,
            expected,
            "exit code\n--- stderr\n{}\n--- stdout (start)\n{}",
            self.stderr,
            String::from_utf8_lossy(&self.stdout[..self.stdout.len().min(2000)])
        );
        self
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The last line of standard error: the summary.
    pub fn summary(&self) -> &str {
        self.stderr.trim_end().lines().last().unwrap_or("")
    }

    /// The number of a key in the summary line.
    #[track_caller]
    pub fn number(&self, key: &str) -> u64 {
        let prefix = format!("{key}=");
        self.summary()
            .split(' ')
            .find_map(|word| word.strip_prefix(&prefix)?.parse().ok())
            .unwrap_or_else(|| panic!("no {key} in the summary: {}", self.stderr))
    }
}

fn drain(stream: Option<impl Read + Send + 'static>) -> Option<JoinHandle<Vec<u8>>> {
    stream.map(|mut stream| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            bytes
        })
    })
}

fn join(thread: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
}

fn wait(child: &mut Child, limit: Duration, shown: &str) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{shown} did not end within {limit:?}");
            }
            Err(error) => panic!("cannot wait for {shown}: {error}"),
        }
    }
}
