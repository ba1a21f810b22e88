//! A session with a front end for large results: rows of text are given as they lie in the socket's buffer.
//!
//! [`crate::Client`] does everything else. Its library makes an allocation of every cell and several more of every row, two
//! thirds of what an export over it costs (measured: 3,700 of 5,600 instructions for a row of seven columns).

use crate::client::{Options, in_sql, setup};
use crate::login::{ERROR, OK, login, server_error};
use crate::packets::{Cells, Packets};
use crate::target::Target;
use fault::Result;
use mysql_common::constants::CapabilityFlags;
use net::Stream;

/// The command that runs a statement.
const QUERY: u8 = 0x03;
/// The end of a result: this byte, and less than a cell of 16 MiB, which begins like it.
const END: u8 = 0xfe;
const END_LENGTH: usize = 9;

/// The session. After an error it is to be dropped.
pub struct RowStream {
    packets: Packets,
    options: Options,
    at: String,
    spent: bool,
}

impl RowStream {
    /// Logs in to this front end and sets up the session as [`crate::Client::open`] does. A login that is refused is exit 6.
    pub fn open(target: &Target, (host, port): &(String, u16), options: &Options) -> Result<RowStream> {
        let at = format!("starrocks://{host}:{port}");
        let stream = Stream::connect(host, *port, options.connect_timeout, options.timeout, &options.stop)
            .map_err(|failure| failure.context(&at).error(options.side))?;
        let mut packets = Packets::new(stream);
        login(&mut packets, target, host, &at, options)?;
        let mut rows = RowStream { packets, options: options.clone(), at, spent: false };
        for sql in setup(options) {
            rows.read(&sql, |_| Ok(true))?;
        }
        Ok(rows)
    }

    /// Has a result been abandoned? Then the rest of it is still to come, and the session of no use.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// Runs a query and gives each row as it comes; gives their number. `false` from `each` abandons the result.
    ///
    /// # Errors
    /// A result that ends before its end is an error: rows that were given stay given.
    pub fn read(&mut self, sql: &str, each: impl FnMut(Cells<'_>) -> Result<bool>) -> Result<u64> {
        self.spent = true;
        self.result(sql, each).map_err(|error| in_sql(error, sql))
    }

    fn result(&mut self, sql: &str, mut each: impl FnMut(Cells<'_>) -> Result<bool>) -> Result<u64> {
        let command = [&[QUERY], sql.as_bytes()].concat();
        self.packets.command(&command).map_err(|failure| failure.context(&self.at).error(self.options.side))?;
        let mut rows = 0;
        // Of a statement without a result this is all.
        if self.next("waiting for a reply")?.first() != Some(&OK) {
            while !is_end(self.next("waiting for rows")?) {
                // Definitions of columns: the caller knows what it asked for.
            }
            loop {
                let row = self.next("waiting for rows")?;
                if is_end(row) {
                    break;
                }
                rows += 1;
                if !each(Cells::new(row))? {
                    return Ok(rows);
                }
            }
        }
        self.spent = false;
        Ok(rows)
    }

    /// The next packet of a result, which is no error.
    #[inline]
    fn next(&mut self, doing: &str) -> Result<&[u8]> {
        let RowStream { packets, options, at, .. } = self;
        let packet = packets.next(doing).map_err(|failure| failure.context(&*at).error(options.side))?;
        match packet.first() {
            Some(&ERROR) => Err(server_error(packet, CapabilityFlags::CLIENT_PROTOCOL_41, at, options)),
            _ => Ok(packet),
        }
    }
}

#[inline]
fn is_end(packet: &[u8]) -> bool {
    packet.len() < END_LENGTH && packet.first() == Some(&END)
}
