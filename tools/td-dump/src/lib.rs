//! td-dump
