//! tdengine
