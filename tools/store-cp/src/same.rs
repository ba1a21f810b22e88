//! Is what is there already what would be copied?

use fault::{Error, Result};
use md5::{Digest as _, Md5};
use std::io::Read as _;
use store::{Client, Object, note};

/// Same size, and the same content as far as anything proves it; what cannot be proved is copied again.
pub fn same(source: &Client, from: &Object, target: &Client, there: &Object) -> Result<bool> {
    if from.size != there.size {
        return Ok(false);
    }
    // Copied from this very version before.
    if source.has_notes() && from.etag.is_some() && there.notes.get(note::SOURCE) == from.etag.as_ref() {
        return Ok(true);
    }
    match (digest(source, from)?, digest(target, there)?) {
        (Some(from), Some(there)) => return Ok(from == there),
        (None, None) if from.etag == there.etag && from.etag.is_some() => return Ok(true),
        _ => {}
    }
    // The ETag of what others wrote at once is its MD5, unless the store encrypts: then it is only copied again.
    match (source.has_notes(), target.has_notes()) {
        (true, false) => Ok(is_md5(from) && from.etag == Some(md5(target, there)?)),
        (false, true) => Ok(is_md5(there) && there.etag == Some(md5(source, from)?)),
        _ => Ok(is_md5(from) && from.etag == there.etag),
    }
}

/// Beside the object; of a file, of its bytes.
fn digest(client: &Client, object: &Object) -> Result<Option<String>> {
    match client.has_notes() {
        true => Ok(object.digest().map(str::to_owned)),
        false => client.digest(&object.key),
    }
}

fn is_md5(object: &Object) -> bool {
    object.etag.as_ref().is_some_and(|etag| etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn md5(client: &Client, object: &Object) -> Result<String> {
    let (mut reader, mut hash, mut buffer) = (client.reader(object, 0)?, Md5::new(), vec![0; 1 << 20]);
    loop {
        let got = reader
            .read(&mut buffer)
            .map_err(|error| Error::io(format!("cannot read {}", client.at(&object.key)), error))?;
        if got == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(buffer.get(..got).unwrap_or_default());
    }
}
