//! ts-convert
