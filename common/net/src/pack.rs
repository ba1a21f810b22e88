//! Compression of bodies, on the thread that sends them: each has its own state, made once. By zlib-rs itself: through flate2
//! it would be whatever zlib another crate of the workspace asks for, and a C one takes twice the time.

use crate::Bytes;
use zlib_rs::{Deflate, DeflateFlush, Status};

/// gzip at one level; 0 is off.
pub struct Packer {
    level: u32,
    state: Option<Deflate>,
    /// To be filled again.
    spare: Vec<u8>,
}

/// The largest window, as every reader of gzip has it, and 16 for gzip's header and trailer.
const WINDOW_BITS: u8 = 15 + 16;

impl Packer {
    pub fn new(level: u32) -> Packer {
        Packer { level, state: None, spare: Vec::new() }
    }

    /// The body as it goes over the wire, and whether it is compressed. Without a copy where it is not.
    pub fn pack(&mut self, body: &Bytes) -> (Bytes, bool) {
        if self.level == 0 {
            return (body.clone(), false);
        }
        match self.gzip(body) {
            Some(packed) => (Bytes::from(packed), true),
            // In memory nothing fails; if it did, the plain body is as good.
            None => (body.clone(), false),
        }
    }

    /// Takes back what [`Packer::pack`] gave, if nobody else holds it.
    pub fn reuse(&mut self, mut wire: Bytes) {
        // Emptied first: what it holds would be moved else.
        wire.truncate(0);
        if self.level > 0 && wire.is_unique() {
            self.spare = Vec::from(wire);
        }
    }

    fn gzip(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let level = i32::try_from(self.level).ok()?;
        let state = self.state.get_or_insert_with(|| Deflate::new(level, true, WINDOW_BITS));
        state.reset();
        // Line protocol comes down to less than a quarter, at level 1.
        let mut packed = std::mem::take(&mut self.spare);
        packed.clear();
        packed.resize(body.len() / 4 + 1024, 0);
        loop {
            let rest = body.get(usize::try_from(state.total_in()).ok()?..)?;
            let room = packed.get_mut(usize::try_from(state.total_out()).ok()?..)?;
            match state.compress(rest, room, DeflateFlush::Finish).ok()? {
                Status::StreamEnd => {
                    packed.truncate(usize::try_from(state.total_out()).ok()?);
                    return Some(packed);
                }
                Status::Ok | Status::BufError => packed.resize(packed.len() + packed.len() / 2 + 1024, 0),
            }
        }
    }
}

/// A clone is for another thread, and has its own state.
impl Clone for Packer {
    fn clone(&self) -> Packer {
        Packer::new(self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    #[test]
    fn every_body_comes_out_as_it_went_in() {
        let mut noise = 1_u64;
        let noisy: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 33) as u8
        })
        .take(300_000)
        .collect();
        for level in 1..=9 {
            let mut packer = Packer::new(level);
            for body in [&b"m f=1 1\n"[..], &b"cpu,host=a usage=1.5 1\n".repeat(10_000), &noisy, b""] {
                let (packed, is_packed) = packer.pack(&Bytes::copy_from_slice(body));
                let mut out = Vec::new();
                GzDecoder::new(&packed[..]).read_to_end(&mut out).unwrap();
                assert!(is_packed && out == body, "level {level}, {} bytes", body.len());
                let place = packed.as_ptr();
                packer.reuse(packed);
                assert_eq!(packer.spare.as_ptr(), place);
            }
        }
        let body = Bytes::from_static(b"m f=1 1\n");
        let (same, is_packed) = Packer::new(0).clone().pack(&body);
        assert!(!is_packed && same.as_ptr() == body.as_ptr());
    }
}
