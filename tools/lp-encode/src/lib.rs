//! lp-encode
