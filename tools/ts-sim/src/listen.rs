//! The listening socket, and how the world learns its address.

use std::path::{Path, PathBuf};

use fault::{Error, Kind, Result};
use tokio::net::{TcpListener, TcpStream};

use crate::args::Common;
use crate::request_log::RequestLog;

/// A bound socket. Connections wait in its queue until the simulator has loaded its data and accepts them.
pub struct Listener {
    socket: TcpListener,
    url: String,
    ready_file: Option<PathBuf>,
    /// Where every request is noted.
    pub log: RequestLog,
}

impl Listener {
    /// Binds the address and opens the request log, before any other work: a bad path or a used port shows at once.
    pub async fn open(common: &Common) -> Result<Listener> {
        let socket = TcpListener::bind(&common.listen)
            .await
            .map_err(|e| Error::caused(Kind::Usage, format!("cannot listen on {}", common.listen), e))?;
        let address =
            socket.local_addr().map_err(|e| Error::caused(Kind::LocalIo, "cannot read the socket's address", e))?;
        let log = RequestLog::open(common.log_requests.as_deref())?;
        Ok(Listener { socket, url: format!("http://{address}"), ready_file: common.ready_file.clone(), log })
    }

    /// The base URL, `http://ADDRESS:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Says that requests are answered from now on: the base URL goes to stdout and, atomically, into the ready file.
    pub fn announce(&self) -> Result<()> {
        if let Some(path) = &self.ready_file {
            write_atomically(path, &format!("{}\n", self.url)).map_err(|e| {
                Error::caused(Kind::LocalIo, format!("cannot write the ready file {}", path.display()), e)
            })?;
        }
        cli::stdout::write_all(format!("{}\n", self.url).as_bytes())
    }

    /// The next connection. Errors of a single connection (aborted before it was accepted, no file handles) are waited out.
    pub async fn accept(&self) -> TcpStream {
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    // Replies are small and complete: waiting for more to send would only add 40 ms.
                    let _ = stream.set_nodelay(true);
                    return stream;
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    }
}

/// Writes a file that is there whole or not at all.
pub fn write_atomically(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    std::fs::write(&temporary, text)?;
    std::fs::rename(&temporary, path)
}
