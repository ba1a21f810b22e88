//! The scanner of REST rows against the careful way: whatever a reply holds, both give the same columns or the same
//! error. A reader that gives one byte at a time leaves nothing to the scanner, which wants whole rows.

mod support;

use rows::time::Unit;
use support::{Slow, config, reply, said};
use tdengine::json::Body;
use tdengine::rest::Stream;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::select;

/// Everything that a reply says: the rows as text (NaN and all), or the error.
fn read(reply: &[u8], step: usize, unit: Option<Unit>, dictionary: bool) -> Result<Vec<String>, String> {
    let mut stream = Stream::open(Body::open(Slow(reply, step)).map_err(said)?, unit).map_err(said)?;
    stream.columns.iter_mut().for_each(|column| column.dictionary = dictionary);
    let mut out = Vec::new();
    while let Some(rows) = stream.next_rows().map_err(|failure| said(failure.error))? {
        for row in 0..rows.len {
            let values: Vec<_> = rows.columns.iter().map(|c| tdengine::value::at(c.as_ref(), row)).collect();
            out.push(format!("{values:?}"));
        }
    }
    Ok(out)
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn the_scanner_reads_what_the_careful_way_reads(
        reply in reply(), step in 2usize..200, dictionary in any::<bool>(), units in select(vec![None, Some(Unit::Ms)]),
    ) {
        let careful = read(&reply, 1, units, dictionary);
        prop_assert_eq!(&read(&reply, usize::MAX, units, dictionary), &careful);
        prop_assert_eq!(&read(&reply, step, units, dictionary), &careful);
    }

    #[test]
    fn damaged_replies_fail_alike(reply in reply(), at in any::<prop::sample::Index>(), byte in any::<u8>(), dictionary in any::<bool>()) {
        let mut reply = reply;
        let at = at.index(reply.len());
        for byte in [byte, b"\"\\,[]{}.-e09 n"[usize::from(byte) % 14]] {
            reply[at] = byte;
            prop_assert_eq!(read(&reply, usize::MAX, Some(Unit::Ms), dictionary), read(&reply, 1, Some(Unit::Ms), dictionary));
        }
    }
}

#[test]
fn rows_larger_than_the_buffer_and_many_small_ones() {
    let wide = format!("[\"{}\",1]", "x".repeat(700_000));
    let mut data: Vec<String> = (0..9000).map(|n| format!("[\"{}\",{n}]", n / 7)).collect();
    data.insert(4500, wide);
    let reply = format!(
        "{{\"code\":0,\"column_meta\":[[\"s\",\"VARCHAR\",9],[\"n\",\"INT\",4]],\"data\":[{}],\"rows\":{}}}",
        data.join(","),
        data.len()
    );
    let whole = read(reply.as_bytes(), usize::MAX, None, false).unwrap();
    assert_eq!(whole.len(), 9001);
    assert_eq!(whole[7], "[Text(\"1\"), Int(7)]");
    assert_eq!(whole, read(reply.as_bytes(), 16 << 10, None, true).unwrap());
}
