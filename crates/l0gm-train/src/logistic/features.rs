//! The features of some rows, in whatever form they are at hand.

use super::{LogisticRegression, RowProducts, dense};
use crate::Result;
use candle_core::Tensor;
use l0gm_ops::Csr;

/// The features of some rows.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// rows x features, without zeros.
    Sparse(&'a Csr),
    /// f32 (rows, features), on the host. The products are in single precision, so that results differ from those on
    /// sparse rows by rounding.
    Dense(&'a Tensor),
    /// Rows that are not written out.
    Products(&'a dyn RowProducts),
}

impl<'a> From<&'a Csr> for Rows<'a> {
    fn from(rows: &'a Csr) -> Self {
        Self::Sparse(rows)
    }
}

impl Rows<'_> {
    /// Number of rows.
    pub fn count(self) -> usize {
        match self {
            Self::Sparse(rows) => rows.rows(),
            Self::Dense(rows) => rows.dim(0).unwrap_or_default(),
            Self::Products(rows) => rows.count(),
        }
    }

    /// Number of features.
    pub fn columns(self) -> usize {
        match self {
            Self::Sparse(rows) => rows.columns(),
            Self::Dense(rows) => rows.dim(1).unwrap_or_default(),
            Self::Products(rows) => rows.columns(),
        }
    }

    /// Multiplications for one output of a linear model, over all rows.
    pub(super) fn multiplications(self) -> usize {
        match self {
            Self::Sparse(rows) => rows.values().len(),
            Self::Dense(rows) => rows.elem_count(),
            Self::Products(rows) => rows.multiplications(),
        }
    }

    /// Mean and mean square of every feature.
    pub(super) fn moments(self) -> Result<(Vec<f64>, Vec<f64>)> {
        let rows = match self {
            Self::Sparse(rows) => rows,
            Self::Dense(rows) => return dense::moments(rows),
            Self::Products(rows) => return Ok(rows.moments()?),
        };
        let n = rows.rows() as f64;
        let (mut mean, mut square) = (vec![0.0; rows.columns()], vec![0.0; rows.columns()]);
        for (&column, &value) in rows.indices().iter().zip(rows.values()) {
            mean[column as usize] += f64::from(value) / n;
            square[column as usize] += f64::from(value).powi(2) / n;
        }
        Ok((mean, square))
    }
}

impl LogisticRegression {
    /// Logits of rows in any form, rows x classes. Of two classes the first one's logit is 0.
    ///
    /// # Errors
    /// The rows have another number of features than those the model was fitted on.
    pub fn logits_of(&self, rows: Rows<'_>) -> Result<Vec<f32>> {
        match rows {
            Rows::Sparse(rows) => self.logits(rows),
            Rows::Dense(rows) => self.matrix_logits(rows),
            Rows::Products(rows) => self.product_logits(rows),
        }
    }
}
