//! Reads arrays from numpy's .npz archives by name. A damaged archive gives an error and never wrong numbers: each
//! requested array is read to its end, where the archive's checksum is compared, and a size in a header is compared
//! with the actual number of bytes before it is used. Other arrays, including pickled ones, are never read.

use crate::error::io;
use crate::limits::{Limited, UNPACKED};
use crate::{Error, Result};
use candle_core::npy::NpzTensors;
use candle_core::{DType, Tensor};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// An .npz archive that gives arrays by name.
pub struct Npz {
    path: PathBuf,
    arrays: NpzTensors,
    names: BTreeSet<String>,
}

impl std::fmt::Debug for Npz {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Npz");
        out.field("path", &self.path).field("names", &self.names);
        out.finish_non_exhaustive()
    }
}

impl Npz {
    /// Opens the file.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is not a complete .npz.
    pub fn open(path: &Path) -> Result<Self> {
        let broken = |e: &dyn std::fmt::Display| {
            Error::file(path, format!("not a whole .npz file: {e}; fetch it again"))
        };
        let file = File::open(path).map_err(io(path, "cannot open"))?;
        let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| broken(&e))?;
        let mut names = BTreeSet::new();
        for i in 0..zip.len() {
            let member = zip.by_index_raw(i).map_err(|e| broken(&e))?;
            let name = member.name().map_err(|e| broken(&e))?;
            names.extend(name.strip_suffix(".npy").map(str::to_owned));
        }
        Ok(Npz {
            path: path.to_path_buf(),
            arrays: NpzTensors::new(path).map_err(|e| broken(&e))?,
            names,
        })
    }

    /// Makes an error about one array.
    pub fn fault(&self, name: &str, what: impl std::fmt::Display) -> Error {
        Error::file(&self.path, format!("array {name}: {what}"))
    }

    /// Reads one array, of any numeric type and shape.
    ///
    /// # Errors
    /// Fails if the array is missing or damaged, or its number of bytes differs from its header.
    pub fn array(&self, name: &str) -> Result<Tensor> {
        if !self.names.contains(name) {
            let has: Vec<&str> = self.names.iter().map(String::as_str).collect();
            let what = format!("not in the file, which has {}", has.join(", "));
            return Err(self.fault(name, what));
        }
        let (preamble, size) = self.measure(name)?;
        let unreadable = |e: candle_core::Error| self.fault(name, format!("cannot be read: {e}"));
        let (shape, dtype) = self.arrays.get_shape_and_dtype(name).map_err(unreadable)?;
        let promised = (shape.dims().iter())
            .try_fold(dtype.size_in_bytes() as u64, |bytes, &dim| {
                bytes.checked_mul(dim as u64)
            })
            .and_then(|bytes| bytes.checked_add(preamble));
        if promised != Some(size) {
            let what = format!(
                "its header says {dtype:?} {shape:?}, but it has {} bytes",
                size.saturating_sub(preamble)
            );
            return Err(self.fault(name, what));
        }
        let array = self.arrays.get(name).map_err(unreadable)?;
        array.ok_or_else(|| self.fault(name, "not in the file"))
    }

    /// Reads a vector of whole numbers from 0, stored in any shape and in an integer or float type.
    ///
    /// # Errors
    /// Fails like [`array`](Self::array), or if an entry is negative or not whole.
    pub fn whole_numbers(&self, name: &str) -> Result<Vec<usize>> {
        self.whole_numbers_of(name, &self.array(name)?)
    }

    /// Like [`whole_numbers`](Self::whole_numbers), for an array that has been read already.
    ///
    /// # Errors
    /// Fails if an entry is negative or not whole.
    pub fn whole_numbers_of(&self, name: &str, array: &Tensor) -> Result<Vec<usize>> {
        let read = |e: candle_core::Error| self.fault(name, format!("cannot be read: {e}"));
        let wrong = |at: usize, value: &dyn std::fmt::Display| {
            let what = format!("entry {at} is {value}; expected a whole number from 0");
            self.fault(name, what)
        };
        let flat = array.flatten_all().map_err(read)?;
        if flat.dtype().is_float() {
            let values: Vec<f64> = flat
                .to_dtype(DType::F64)
                .and_then(|a| a.to_vec1())
                .map_err(read)?;
            let whole = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v < 9e15).then_some(v as usize);
            return (values.iter().enumerate())
                .map(|(at, &v)| whole(v).ok_or_else(|| wrong(at, &v)))
                .collect();
        }
        let values: Vec<i64> = flat
            .to_dtype(DType::I64)
            .and_then(|a| a.to_vec1())
            .map_err(read)?;
        (values.iter().enumerate())
            .map(|(at, &v)| usize::try_from(v).map_err(|_| wrong(at, &v)))
            .collect()
    }

    /// Reads the entries of an array of any numeric type as f32.
    ///
    /// # Errors
    /// Fails like [`array`](Self::array).
    pub fn numbers(&self, name: &str) -> Result<Vec<f32>> {
        let array = self.array(name)?.to_dtype(DType::F32);
        array
            .and_then(|a| a.flatten_all()?.to_vec1())
            .map_err(|e| self.fault(name, format!("cannot be read: {e}")))
    }

    /// Number of bytes before an array's numbers, and in total. Reads the member to its end, because its checksum is
    /// compared only there: a reader that stops at the last number would miss a damaged one.
    fn measure(&self, name: &str) -> Result<(u64, u64)> {
        let damaged = |e: &dyn std::fmt::Display| {
            let what = format!("damaged in the archive: {e}; fetch it again");
            self.fault(name, what)
        };
        let file = File::open(&self.path).map_err(io(&self.path, "cannot open"))?;
        let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(&e))?;
        let member = zip
            .by_name(&format!("{name}.npy"))
            .map_err(|e| damaged(&e))?;
        let mut member = Limited::new(member, UNPACKED);
        let mut start = Vec::with_capacity(12);
        (&mut member)
            .take(12)
            .read_to_end(&mut start)
            .map_err(|e| damaged(&e))?;
        let rest = std::io::copy(&mut member, &mut std::io::sink()).map_err(|e| damaged(&e))?;
        let size = start.len() as u64 + rest;
        // The preamble is "\x93NUMPY", two bytes of version, then the header's length in two bytes (version 1) or
        // four.
        let preamble = match start.as_slice() {
            [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
                10 + u64::from(u16::from_le_bytes([*a, *b]))
            }
            [0x93, b'N', b'U', b'M', b'P', b'Y', 2, _, a, b, c, d] => {
                12 + u64::from(u32::from_le_bytes([*a, *b, *c, *d]))
            }
            _ => return Err(self.fault(name, "not an array in numpy's format")),
        };
        if preamble > size {
            let what = format!("its header would take {preamble} bytes of {size}");
            return Err(self.fault(name, what));
        }
        Ok((preamble, size))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    /// An archive of one packed array "x" with this version, this stated length of the header, its text and its
    /// numbers.
    fn npz_of(version: u8, said: u32, shape: &str, values: &[f32]) -> tempfile::NamedTempFile {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut array = b"\x93NUMPY".to_vec();
        array.extend([version, 0]);
        let said = if said == 0 { header.len() as u32 } else { said };
        let length = said.to_le_bytes();
        array.extend(if version == 1 {
            &length[..2]
        } else {
            &length[..]
        });
        array.extend(header.as_bytes());
        array.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("x.npy", options).unwrap();
        zip.write_all(&array).unwrap();
        zip.finish().unwrap();
        file
    }

    fn refusal(file: &tempfile::NamedTempFile) -> String {
        let npz = Npz::open(file.path()).unwrap();
        npz.array("x").unwrap_err().to_string()
    }

    #[test]
    fn both_versions_are_read_and_a_header_is_held_against_the_bytes_there_are() {
        for version in [1, 2] {
            let file = npz_of(version, 0, "(2, 2)", &[1.0, 2.0, 3.0, 4.0]);
            let npz = Npz::open(file.path()).unwrap();
            assert_eq!(npz.array("x").unwrap().dims(), [2, 2]);
            assert_eq!(npz.whole_numbers("x").unwrap(), [1, 2, 3, 4]);
            assert!(npz.array("y").unwrap_err().to_string().contains("has x"));
        }
        for shape in ["(9,)", "(3,)", "(4611686018427387904, 4)"] {
            let error = refusal(&npz_of(1, 0, shape, &[1.0, 2.0, 3.0, 4.0]));
            assert!(error.contains("but it has 16 bytes"), "{error}");
        }
        let error = refusal(&npz_of(2, u32::MAX, "(4,)", &[1.0]));
        assert!(error.contains("would take"), "{error}");
    }

    #[test]
    fn a_flipped_bit_anywhere_is_an_error_or_changes_nothing() {
        let values = [1.5, -2.0, 3.25, 0.0, 7.0, 7.0, 7.0];
        let file = npz_of(1, 0, "(7,)", &values);
        let whole = std::fs::read(file.path()).unwrap();
        for bit in 0..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(file.path(), &flipped).unwrap();
            let read = Npz::open(file.path()).and_then(|npz| npz.numbers("x"));
            if let Ok(read) = read {
                assert_eq!(read, values, "bit {bit}");
            }
        }
    }
}
