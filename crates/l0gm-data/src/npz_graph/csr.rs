//! Sparse matrices in an .npz: scipy's CSR parts `NAME_{data,indices,indptr,shape}`. Everything is checked
//! before it is used, and an error names file and array. Arrays that are not asked for, pickled ones among
//! them, are never read.

use crate::error::io;
use crate::{Error, Result};
use candle_core::npy::NpzTensors;
use candle_core::{DType, Tensor};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// An .npz whose members can be asked for by name.
pub(super) struct Npz {
    path: PathBuf,
    arrays: NpzTensors,
    /// Bytes of each array's member, unpacked, as the archive's directory says.
    sizes: BTreeMap<String, u64>,
}

/// A sparse matrix in rows.
pub(super) struct Csr {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Where each row begins in `columns_of` and `values`; one more than there are rows.
    starts: Vec<usize>,
    columns_of: Vec<usize>,
    values: Vec<f32>,
}

impl Npz {
    /// Opens the file.
    ///
    /// # Errors
    /// A file that cannot be read or is not a whole .npz.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let broken =
            |e: &dyn std::fmt::Display| Error::file(path, format!("not a whole .npz file: {e}"));
        let file = File::open(path).map_err(io(path, "cannot open"))?;
        let length = file.metadata().map_err(io(path, "cannot read"))?.len();
        let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| broken(&e))?;
        let mut sizes = BTreeMap::new();
        for i in 0..zip.len() {
            let member = zip.by_index_raw(i).map_err(|e| broken(&e))?;
            let name = member.name().map_err(|e| broken(&e))?;
            if let Some(name) = name.strip_suffix(".npy") {
                // Deflate packs at most 1,032 to 1: a directory that says more is not believed.
                let most = length.saturating_mul(1_032);
                sizes.insert(name.to_owned(), member.size().min(most));
            }
        }
        Ok(Npz {
            path: path.to_path_buf(),
            arrays: NpzTensors::new(path).map_err(|e| broken(&e))?,
            sizes,
        })
    }

    /// An error about one array.
    pub(super) fn fault(&self, name: &str, what: impl std::fmt::Display) -> Error {
        Error::file(&self.path, format!("array {name}: {what}"))
    }

    /// The sparse matrix of four arrays.
    ///
    /// # Errors
    /// An array that is missing, damaged or of another kind; parts that do not fit each other; a
    /// column that the matrix does not have; a value that is not finite.
    pub(super) fn csr(&self, name: &str) -> Result<Csr> {
        let array = |part: &str| format!("{name}_{part}");
        let shape = self.whole_numbers(&array("shape"))?;
        let &[rows, columns] = shape.as_slice() else {
            let what = format!("{} numbers; a matrix has rows and columns", shape.len());
            return Err(self.fault(&array("shape"), what));
        };
        let starts = self.whole_numbers(&array("indptr"))?;
        let columns_of = self.whole_numbers(&array("indices"))?;
        let values = self.numbers(&array("data"))?;
        let stored = columns_of.len();
        if values.len() != stored {
            let what = format!(
                "{} values for {stored} indices; there must be one each",
                values.len()
            );
            return Err(self.fault(&array("data"), what));
        }
        if Some(starts.len()) != rows.checked_add(1) {
            let what = format!(
                "{} entries for {rows} rows; there must be one more than rows",
                starts.len()
            );
            return Err(self.fault(&array("indptr"), what));
        }
        if let Some(at) = starts.windows(2).position(|w| w[0] > w[1]) {
            let what = format!(
                "falls from {} to {} after row {at}",
                starts[at],
                starts[at + 1]
            );
            return Err(self.fault(&array("indptr"), what));
        }
        if starts[0] != 0 || starts[rows] != stored {
            let what = format!(
                "runs from {} to {}; expected 0 to {stored}, the number of indices",
                starts[0], starts[rows]
            );
            return Err(self.fault(&array("indptr"), what));
        }
        if let Some(at) = columns_of.iter().position(|&c| c >= columns) {
            let what = format!(
                "entry {at} is {}, but the matrix has {columns} columns (0 to {})",
                columns_of[at],
                columns.saturating_sub(1)
            );
            return Err(self.fault(&array("indices"), what));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let what = format!("entry {at} is {}; it must be a finite number", values[at]);
            return Err(self.fault(&array("data"), what));
        }
        Ok(Csr {
            rows,
            columns,
            starts,
            columns_of,
            values,
        })
    }

    /// A vector of whole numbers from 0, whatever integer or float type it is stored as.
    pub(super) fn whole_numbers(&self, name: &str) -> Result<Vec<usize>> {
        let array = self.vector(name)?;
        let read = |e: candle_core::Error| self.fault(name, format!("cannot be read: {e}"));
        let wrong = |at: usize, value: &dyn std::fmt::Display| {
            self.fault(
                name,
                format!("entry {at} is {value}; expected a whole number from 0"),
            )
        };
        if array.dtype().is_float() {
            let values: Vec<f64> = array
                .to_dtype(DType::F64)
                .and_then(|a| a.to_vec1())
                .map_err(read)?;
            let whole = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v < 9e15).then_some(v as usize);
            return (values.iter().enumerate())
                .map(|(at, &v)| whole(v).ok_or_else(|| wrong(at, &v)))
                .collect();
        }
        let values: Vec<i64> = array
            .to_dtype(DType::I64)
            .and_then(|a| a.to_vec1())
            .map_err(read)?;
        (values.iter().enumerate())
            .map(|(at, &v)| usize::try_from(v).map_err(|_| wrong(at, &v)))
            .collect()
    }

    /// A vector of any numeric type as f32, which is what loaders read.
    fn numbers(&self, name: &str) -> Result<Vec<f32>> {
        let array = self.vector(name)?.to_dtype(DType::F32);
        array
            .and_then(|a| a.to_vec1())
            .map_err(|e| self.fault(name, format!("cannot be read: {e}")))
    }

    /// One array, flat.
    fn vector(&self, name: &str) -> Result<Tensor> {
        let Some(&size) = self.sizes.get(name) else {
            let has: Vec<&str> = self.sizes.keys().map(String::as_str).collect();
            return Err(self.fault(
                name,
                format!("not in the file, which has {}", has.join(", ")),
            ));
        };
        let unreadable = |e: candle_core::Error| self.fault(name, format!("cannot be read: {e}"));
        let (shape, dtype) = self.arrays.get_shape_and_dtype(name).map_err(unreadable)?;
        // A header that promises more than the member holds would be allocated before it is missed.
        let promised = (shape.dims().iter())
            .try_fold(dtype.size_in_bytes(), |bytes, &dim| bytes.checked_mul(dim));
        if promised.is_none_or(|bytes| bytes as u64 > size) {
            let what = format!("its header says {dtype:?} {shape:?}, but it has only {size} bytes");
            return Err(self.fault(name, what));
        }
        self.check_sum(name)?;
        let array = self.arrays.get(name).map_err(unreadable)?;
        let array = array.ok_or_else(|| self.fault(name, "not in the file"))?;
        array.flatten_all().map_err(unreadable)
    }

    /// Reads a member to its end, where the archive's checksum is held against its bytes: a reader that
    /// stops at the last number would not notice a damaged one.
    fn check_sum(&self, name: &str) -> Result<()> {
        let damaged =
            |e: &dyn std::fmt::Display| self.fault(name, format!("damaged in the archive: {e}"));
        let file = File::open(&self.path).map_err(io(&self.path, "cannot open"))?;
        let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(&e))?;
        let mut member = zip
            .by_name(&format!("{name}.npy"))
            .map_err(|e| damaged(&e))?;
        std::io::copy(&mut member, &mut std::io::sink()).map_err(|e| damaged(&e))?;
        Ok(())
    }
}

impl Csr {
    /// The stored entries of a row as (column, value), in the file's order.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = (usize, f32)> {
        let range = self.starts[row]..self.starts[row + 1];
        let columns = &self.columns_of[range.clone()];
        columns
            .iter()
            .copied()
            .zip(self.values[range].iter().copied())
    }
}
