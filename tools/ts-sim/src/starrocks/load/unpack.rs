//! Compressed bodies.

use std::io::Read;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    None,
    Gzip,
    Deflate,
    Zstd,
    Lz4Frame,
}

impl Packing {
    /// The value of the header `compression` (or `Content-Encoding`); the error is the server's.
    pub fn parse(text: &str) -> Result<Packing, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "gzip" => Packing::Gzip,
            "deflate" => Packing::Deflate,
            "zstd" => Packing::Zstd,
            "lz4_frame" => Packing::Lz4Frame,
            // bzip2 is real and not simulated.
            _ => return Err(format!("unsupported compression type: {text}")),
        })
    }
}

/// Most bytes that a body may become (`streaming_load_max_mb`).
const MOST: u64 = 10_240 << 20;

/// The body as it was before; the error is a reason to fail the load.
pub fn unpack(packing: Packing, body: &[u8]) -> Result<Vec<u8>, String> {
    let mut whole = Vec::with_capacity(body.len().saturating_mul(3).min(256 << 20));
    let mut read = |mut reader: Box<dyn Read + '_>| {
        reader.by_ref().take(MOST).read_to_end(&mut whole).map_err(|e| format!("decompress failed: {e}"))
    };
    match packing {
        Packing::None => {
            whole.extend_from_slice(body);
            Ok(0)
        }
        Packing::Gzip => read(Box::new(flate2::read::MultiGzDecoder::new(body))),
        Packing::Deflate => read(Box::new(flate2::read::ZlibDecoder::new(body))),
        Packing::Zstd => {
            let decoder = zstd::stream::read::Decoder::new(body).map_err(|e| format!("decompress failed: {e}"))?;
            read(Box::new(decoder))
        }
        Packing::Lz4Frame => read(Box::new(lz4_flex::frame::FrameDecoder::new(body))),
    }?;
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn every_packing_gives_the_body_back_and_damage_is_seen() {
        let body: Vec<u8> = (0..100_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&body).unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&body).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&body).unwrap();
        for (name, packed) in [
            ("gzip", gzip.finish().unwrap()),
            ("deflate", zlib.finish().unwrap()),
            ("zstd", zstd::stream::encode_all(&body[..], 1).unwrap()),
            ("LZ4_FRAME", lz4.finish().unwrap()),
        ] {
            let packing = Packing::parse(name).unwrap();
            assert_eq!(unpack(packing, &packed).unwrap(), body, "{name}");
            assert!(unpack(packing, b"not packed at all").is_err(), "{name}");
            assert!(unpack(packing, &packed[..packed.len() / 2]).is_err(), "{name}");
        }
        assert!(Packing::parse("rar").is_err());
    }
}
