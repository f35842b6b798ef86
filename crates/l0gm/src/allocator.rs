//! The allocator of the binaries. Every tensor operation asks for a fresh buffer; with the system's
//! allocator a third of a training step is the kernel handing out and clearing pages. mimalloc with
//! purging off keeps the pages it has.

use std::ffi::{c_int, c_long};

/// The allocator's type; a binary names it with `#[global_allocator]`, a library must not.
pub use mimalloc::MiMalloc as Allocator;

/// The allocator.
pub const ALLOCATOR: Allocator = mimalloc::MiMalloc;

/// `mi_option_purge_delay` in mimalloc 3's `mi_option_e`; the binding does not name it.
const PURGE_DELAY: c_int = 15;
/// "No purging at all", says mimalloc's header.
const NEVER: c_long = -1;

/// Never gives freed pages back to the kernel, unless `MIMALLOC_PURGE_DELAY` says otherwise.
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
        // SAFETY: reads integer options.
        let (delay, numa) = unsafe {
            (
                libmimalloc_sys::mi_option_get(super::PURGE_DELAY),
                libmimalloc_sys::mi_option_use_numa_nodes,
            )
        };
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!(delay, super::NEVER);
        }
        // The option after it is named by the binding: the numbering has not moved.
        assert_eq!(numa, super::PURGE_DELAY + 1);
    }
}
