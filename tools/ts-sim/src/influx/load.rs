//! `--load`: line protocol (ns) put into a database before the server answers anything; every line has to be good.

use super::server::Server;
use super::{points, write_api};
use fault::{Error, Kind, Result};
use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

/// Bytes that are read at a time.
const BLOCK: usize = 4 << 20;

/// Loads a file, or stdin for `-`, block by block.
pub fn load(server: &Server, target: &str, path: &Path) -> Result<()> {
    let shown = path.display();
    let failed = |e| Error::caused(Kind::LocalIo, format!("cannot read {shown}"), e);
    let mut input: Box<dyn Read> =
        if path.as_os_str() == "-" { Box::new(stdin().lock()) } else { Box::new(File::open(path).map_err(failed)?) };
    let mut held: Vec<u8> = Vec::new();
    loop {
        let read = input.by_ref().take(BLOCK as u64).read_to_end(&mut held).map_err(failed)?;
        let end = if read == 0 { held.len() } else { points::complete_lines(&held) };
        let lines = held.get(..end).unwrap_or_default();
        write_api::load(server, target, lines).map_err(|why| Error::malformed(format!("{shown}: {why}")))?;
        if read == 0 {
            return Ok(());
        }
        held.drain(..end);
    }
}
