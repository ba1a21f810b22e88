//! Running a library's decoder that asserts what damaged input breaks.

use crate::{Error, Result};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a foreign decoder on untrusted bytes: a panic in it is malformed input, not a bug of ours. Whatever `decode`
/// works on must not be used again after an error. Our own code needs no guard: it must not panic.
pub fn guard<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(before);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it gave up");
        Err(Error::malformed(format!("damaged data that the decoder cannot handle: {text}")))
    })
}

/// Is this thread within [`guard`]? A panic hook then has nothing to say.
pub fn guarded() -> bool {
    GUARDED.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn a_panic_is_malformed_input_and_the_guard_ends() {
        let error = guard::<()>(|| {
            assert!(guarded());
            panic!("offset {}", 7)
        })
        .unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert!(error.to_string().ends_with("offset 7"), "{error}");
        assert!(!guarded());
        assert_eq!(guard(|| Ok(1)).unwrap(), 1);
    }
}
