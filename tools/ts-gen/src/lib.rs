//! ts-gen
