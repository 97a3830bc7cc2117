//! How the system's allocator treats large blocks.

/// Blocks from this size on are mapped by themselves, and unmapped when they are freed.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES_MIN: libc::c_int = 128 * 1024;

/// Free memory that each thread's heap keeps at its end. Less would be given back and faulted in again
/// with every batch of messages.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: libc::c_int = 1024 * 1024;

/// Has large blocks given back to the system when they are freed.
///
/// glibc begins like that, but raises the threshold to the size of the largest block it has seen
/// freed, up to 32 MiB. Journal blocks then stay with the process for ever: after a backlog of
/// 200 MB it kept 150 MB instead of 30, and a memory alarm might never have cleared.
#[allow(
    unsafe_code,
    reason = "there is no safe way to set a parameter of the allocator"
)]
pub(super) fn give_back_large_blocks() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallopt takes two integers, touches no memory of ours and may be called at any
        // time from any thread.
        let set = unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN) != 0
                && libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES) != 0
        };
        if !set {
            tracing::warn!("the allocator does not take its threshold: memory may stay in use");
        }
    }
}
