//! The allocator of the binaries. Every tensor operation allocates a new buffer, and with the system's allocator the
//! kernel spends a third of a training step mapping and clearing pages. mimalloc keeps its pages if purging is off.

use std::ffi::{c_int, c_long};

/// The allocator's type. A binary sets it with `#[global_allocator]`; a library must not.
pub use mimalloc::MiMalloc as Allocator;

/// The allocator's value, for `#[global_allocator]`.
pub const ALLOCATOR: Allocator = mimalloc::MiMalloc;

/// Number of `mi_option_purge_delay` in the enum `mi_option_e` of mimalloc 3. The binding does not name it.
const PURGE_DELAY: c_int = 15;
/// A purge delay of -1 turns purging off, according to mimalloc's header.
const NEVER: c_long = -1;

/// Tells the allocator never to return freed pages to the kernel, unless `MIMALLOC_PURGE_DELAY` is set.
pub fn keep_pages() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        // SAFETY: sets one integer option of the allocator that this binary links; any value is valid.
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, NEVER) }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn purging_is_off_and_the_option_number_is_the_right_one() {
        super::keep_pages();
        // SAFETY: only reads integer options.
        let (delay, numa) = unsafe {
            (
                libmimalloc_sys::mi_option_get(super::PURGE_DELAY),
                libmimalloc_sys::mi_option_use_numa_nodes,
            )
        };
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!(delay, super::NEVER);
        }
        // The binding names the option that follows, so this shows that the numbering has not changed.
        assert_eq!(numa, super::PURGE_DELAY + 1);
    }
}
