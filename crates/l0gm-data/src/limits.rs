//! Limits for the size of files when they are unpacked. A few kilobytes can unpack to more than a disk holds, and a
//! file without line ends is a single line. Both give an error that names the environment variable for a higher
//! limit, instead of using up the memory.

use std::io::{Error, ErrorKind, Read};

/// One limit: an environment variable in MiB, and the default if it is not set.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    variable: &'static str,
    default_mib: u64,
    /// Describes what is limited, for the message.
    what: &'static str,
}

/// Number of bytes to which one compressed file, or one member of an archive, may unpack. The largest file of
/// ogbn-products needs less than a tenth of it.
pub const UNPACKED: Limit = Limit {
    variable: "L0GM_MAX_UNPACKED_MIB",
    default_mib: 32 << 10,
    what: "unpacks to",
};

/// Number of bytes of a file of rows after unpacking, because it is held in memory.
pub const ROWS: Limit = Limit {
    default_mib: 4 << 10,
    ..UNPACKED
};

/// Number of bytes of a line of text.
pub const LINE: Limit = Limit {
    variable: "L0GM_MAX_LINE_MIB",
    default_mib: 64,
    what: "has a line of",
};

impl Limit {
    /// The environment variable that sets the limit.
    pub const fn variable(self) -> &'static str {
        self.variable
    }

    /// The limit in bytes: the variable's value if it is a whole number above 0, else the default.
    pub fn bytes(self) -> u64 {
        let set = std::env::var(self.variable).ok();
        let mib = set.and_then(|text| text.trim().parse().ok());
        mib.filter(|&mib| mib > 0)
            .unwrap_or(self.default_mib)
            .saturating_mul(1 << 20)
    }

    /// The message about a file that exceeds the limit.
    pub fn message(self) -> String {
        format!(
            "the file {} more than {} MiB; it is damaged or not what it is taken for. Where it is right as it is, \
             set the variable {} to a larger number of MiB",
            self.what,
            self.bytes() >> 20,
            self.variable
        )
    }

    /// The message as an I/O error.
    pub fn error(self) -> Error {
        Error::new(ErrorKind::FileTooLarge, self.message())
    }
}

/// A reader that fails if it would return more bytes than a limit allows.
#[derive(Debug)]
pub struct Limited<R> {
    inner: R,
    left: u64,
    limit: Limit,
}

impl<R: Read> Limited<R> {
    /// Limits the reader `inner` to what `limit` allows.
    pub fn new(inner: R, limit: Limit) -> Self {
        Limited {
            inner,
            left: limit.bytes(),
            limit,
        }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| self.limit.error())?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TINY: Limit = Limit {
        variable: "L0GM_NO_SUCH_LIMIT",
        default_mib: 1,
        what: "unpacks to",
    };

    #[test]
    fn what_fits_is_read_whole_and_one_byte_more_names_the_variable() {
        let mut out = Vec::new();
        let fits = vec![7u8; 1 << 20];
        Limited::new(&fits[..], TINY).read_to_end(&mut out).unwrap();
        assert_eq!(out, fits);
        let more = vec![7u8; (1 << 20) + 1];
        let error = Limited::new(&more[..], TINY).read_to_end(&mut Vec::new());
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        let text = error.to_string();
        assert!(
            text.contains("1 MiB") && text.contains("L0GM_NO_SUCH_LIMIT"),
            "{text}"
        );
    }
}
