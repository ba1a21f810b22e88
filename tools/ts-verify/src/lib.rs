//! ts-verify
