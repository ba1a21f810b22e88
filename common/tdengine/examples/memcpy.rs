//! Copies as many bytes as a result has, once, in pieces of a block's size: what td-dump's CPU time over WebSocket is
//! compared with.
//!
//! `memcpy BYTES [BLOCK]`. The source is 32 MiB, more than a core's caches hold, as blocks come from the network; the copies
//! go into one place of a block's size. Prints `bytes=…`.

use std::hint::black_box;

fn main() {
    let mut args = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let (bytes, block) = (args.next().unwrap_or(0), args.next().unwrap_or(128 << 10).max(1));
    let source = vec![1u8; (32usize << 20).max(block)];
    let mut target = vec![0u8; block];
    let (mut done, mut at) = (0, 0);
    while done < bytes {
        let size = block.min(bytes - done);
        if at + size > source.len() {
            at = 0;
        }
        target[..size].copy_from_slice(black_box(&source[at..at + size]));
        black_box(&mut target);
        done += size;
        at += size;
    }
    println!("bytes={done}");
}
