//! A yardstick for `lp-decode`: the crate influxdb-line-protocol parses the same file, block by block. `lp_crate FILE` prints
//! lines and fields.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use testkit::influxdb_line_protocol::parse_lines;

fn main() -> Result<(), Box<dyn Error>> {
    let mut file = File::open(std::env::args().nth(1).ok_or("usage: lp_crate FILE")?)?;
    let (mut buffer, mut have) = (vec![0; 256 << 10], 0);
    let (mut lines, mut fields) = (0_u64, 0_u64);
    loop {
        let read = file.read(&mut buffer[have..])?;
        have += read;
        if have == 0 {
            println!("{lines} {fields}");
            return Ok(());
        }
        let end = match buffer[..have].iter().rposition(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None if read == 0 => have,
            None => return Err("a line is longer than a block".into()),
        };
        for line in parse_lines(std::str::from_utf8(&buffer[..end])?) {
            let line = line?;
            lines += 1;
            fields += line.field_set.len() as u64;
        }
        buffer.copy_within(end..have, 0);
        have -= end;
    }
}
