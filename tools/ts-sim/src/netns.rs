//! Listening in another network namespace than the one that the simulator runs in: a cluster whose machines are as far apart
//! as those of a real one, in one process.

use std::fs::File;
use std::net::TcpListener as Socket;
use std::path::Path;

use fault::{Error, Kind, Result};
use tokio::net::TcpListener;

/// Where `ip netns add` puts them.
const FOLDER: &str = "/run/netns";

/// A socket of this namespace. A socket stays where it was made, whoever accepts its connections; so does a thread that has
/// moved, which is why it is one of its own.
pub fn listen(name: &str, address: &str) -> Result<TcpListener> {
    let path = Path::new(FOLDER).join(name);
    let shown = || format!("cannot listen on {address} in the network namespace {name}");
    let place = File::open(&path).map_err(|e| Error::caused(Kind::Usage, shown(), e))?;
    let socket = std::thread::scope(|scope| {
        let bound = scope.spawn(|| {
            enter(&place)?;
            let socket = Socket::bind(address)?;
            socket.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(socket)
        });
        bound.join()
    });
    let socket = socket.map_err(|_| Error::new(Kind::LocalIo, shown()))?;
    let socket = socket.map_err(|e| Error::caused(Kind::Usage, shown(), e))?;
    TcpListener::from_std(socket).map_err(|e| Error::caused(Kind::LocalIo, shown(), e))
}

/// Moves this thread.
#[cfg(target_os = "linux")]
fn enter(place: &File) -> std::io::Result<()> {
    use std::os::fd::AsRawFd as _;
    // SAFETY: the descriptor is open as long as `place` lives, and the call touches no memory of ours.
    if unsafe { libc::setns(place.as_raw_fd(), libc::CLONE_NEWNET) } == 0 {
        return Ok(());
    }
    Err(std::io::Error::last_os_error())
}

#[cfg(not(target_os = "linux"))]
fn enter(_: &File) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
