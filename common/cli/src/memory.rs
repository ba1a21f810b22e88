//! What the allocator may reserve.

/// Keeps glibc's allocator from reserving 64 MiB of address space for every thread (up to eight times the number of
/// cores). Without it a tool of ten threads that holds 25 MiB fails under a limit of 256 MiB of address space, as
/// operators set it with `ulimit -v`. Our threads hand each other recycled buffers: two pools, one for the main thread
/// and one for all others, are enough. Where the variable MALLOC_ARENA_MAX is set, it wins.
pub(crate) fn bound_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        // SAFETY: mallopt takes two numbers and changes a setting of the allocator; no other thread exists yet.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 2);
        }
    }
}
