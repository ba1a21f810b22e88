//! Object storage (S3 and what speaks like it, and folders) and the queues that tell of new objects.

pub mod queue;
