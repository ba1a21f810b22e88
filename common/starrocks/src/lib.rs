//! StarRocks: its MySQL interface for queries and the catalogue, and Stream Load over HTTP.
