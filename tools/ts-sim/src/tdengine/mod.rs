//! TDengine behind taosAdapter: the REST interface, the WebSocket, and an in-memory columnar store.

use fault::Result;

use crate::args::TdengineArgs;
use crate::faults::Faults;
use crate::listen::Listener;

/// Serves until the process is killed.
pub async fn serve(_args: TdengineArgs, _faults: Faults, listener: Listener) -> Result<()> {
    listener.announce()?;
    loop {
        drop(listener.accept().await);
    }
}
