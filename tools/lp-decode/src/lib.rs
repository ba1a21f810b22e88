//! lp-decode
