//! Binary messages of the WebSocket (dossier tdengine 2.2, and as recorded). All numbers are little-endian.

/// A binary request.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Action 6: a statement.
    Query {
        req_id: u64,
        version: u16,
        sql: &'a [u8],
    },
    /// Action 7: the next block of a result.
    Fetch {
        req_id: u64,
        id: u64,
        version: u16,
    },
    /// Anything else.
    Unknown {
        req_id: u64,
        action: u64,
    },
    TooShort {
        req_id: u64,
        action: u64,
    },
}

pub const QUERY: u64 = 6;
pub const FETCH: u64 = 7;

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let word: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_le_bytes(word))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let word: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_le_bytes(word))
}

/// Reads a binary request; `None` when there is not even an action.
pub fn parse(bytes: &[u8]) -> Option<Request<'_>> {
    let (req_id, id, action) = (u64_at(bytes, 0)?, u64_at(bytes, 8)?, u64_at(bytes, 16)?);
    let too_short = Request::TooShort { req_id, action };
    Some(match action {
        QUERY => {
            let Some(version) = u16_at(bytes, 24) else { return Some(too_short) };
            let Some(length) = bytes.get(26..30) else { return Some(too_short) };
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
            match bytes.get(30..30 + length) {
                Some(sql) if length > 0 => Request::Query { req_id, version, sql },
                _ => too_short,
            }
        }
        FETCH => match u16_at(bytes, 24) {
            Some(version) => Request::Fetch { req_id, id, version },
            None => too_short,
        },
        _ => Request::Unknown { req_id, action },
    })
}

/// The reply to `fetch_block`: `u64 timing | u64 id | block`.
pub fn fetch_block(timing: u64, id: u64, block: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + block.len());
    out.extend_from_slice(&timing.to_le_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(block);
    out
}

/// What a reply to action 7 carries.
pub enum Fetched<'a> {
    /// A block of this length, which is sent behind the reply.
    Follows(usize),
    End,
    Error(u32, &'a str),
}

/// The reply to action 7.
pub fn fetch_raw_block(timing: u64, req_id: u64, id: u64, fetched: Fetched<'_>) -> Vec<u8> {
    let (code, message, block) = match fetched {
        Fetched::Follows(length) => (0, "", Some(length)),
        Fetched::End => (0, "", None),
        Fetched::Error(code, message) => (code, message, None),
    };
    let mut out = Vec::with_capacity(55 + message.len());
    out.extend_from_slice(&u64::MAX.to_le_bytes());
    out.extend_from_slice(&FETCH.to_le_bytes());
    out.extend_from_slice(&1_u16.to_le_bytes());
    out.extend_from_slice(&timing.to_le_bytes());
    out.extend_from_slice(&req_id.to_le_bytes());
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&(message.len() as u32).to_le_bytes());
    out.extend_from_slice(message.as_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    out.push(u8::from(block.is_none()));
    if let Some(length) = block {
        out.extend_from_slice(&(length as u32).to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_requests_are_read() {
        let query =
            hex::decode("29000000000000000000000000000000060000000000000001000900000073656c656374742031").unwrap();
        assert_eq!(parse(&query), Some(Request::Query { req_id: 41, version: 1, sql: b"selectt 1" }));
        let fetch = hex::decode("1f00000000000000020000000000000007000000000000000100").unwrap();
        assert_eq!(parse(&fetch), Some(Request::Fetch { req_id: 31, id: 2, version: 1 }));
        let short = hex::decode("2e0000000000000000000000000000000600000000000000").unwrap();
        assert_eq!(parse(&short), Some(Request::TooShort { req_id: 46, action: 6 }));
        let unknown = hex::decode("2f0000000000000000000000000000004d000000000000000100").unwrap();
        assert_eq!(parse(&unknown), Some(Request::Unknown { req_id: 47, action: 0x4d }));
        assert_eq!(parse(&query[..20]), None);
    }

    #[test]
    fn recorded_replies_are_written() {
        let end = fetch_raw_block(271_184, 32, 2, Fetched::End);
        assert_eq!(
            hex::encode(end),
            "ffffffffffffffff070000000000000001005023040000000000200000000000000000000000000000000200000000000000\
                                      01"
        );
        let error = fetch_raw_block(14_281, 33, 2, Fetched::Error(0xffff, "result is nil"));
        assert_eq!(
            hex::encode(error),
            "ffffffffffffffff07000000000000000100c9370000000000002100000000000000ffff00000d000000726573756c\
                                        74206973206e696c020000000000000001"
        );
    }
}
