//! StarRocks: an FE and a BE over one store.

pub mod load;
