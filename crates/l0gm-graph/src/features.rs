//! The features of a graph's nodes, written out in full or without their zeros.
use crate::settings::FeatureScaling;
use crate::{Error, NodeId, Result};
use l0gm_ops::Csr;

/// A matrix of nodes x features.
#[derive(Clone, Debug, PartialEq)]
pub struct Features(Store);

#[derive(Clone, Debug, PartialEq)]
enum Store {
    /// Row by row.
    Dense { columns: usize, values: Vec<f32> },
    /// Only what is not 0. Nothing ever writes the zeros out.
    Sparse(Csr),
}

impl Features {
    /// Makes the matrix from nodes x columns values. A value that is not finite is an error that names its row and
    /// column.
    pub fn new(columns: usize, values: Vec<f32>) -> Result<Self> {
        some_columns(columns)?;
        if !values.len().is_multiple_of(columns) {
            return Err(Error::Graph(format!(
                "{} feature values do not fill rows of {columns} columns",
                values.len()
            )));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(not_finite(at / columns, at % columns, values[at]));
        }
        Ok(Self(Store::Dense { columns, values }))
    }
    /// Makes the matrix from one that keeps no zeros, for features of which nearly all are 0: an array of nodes x
    /// features is then never made. A value that is not finite is an error that names its row and column.
    pub fn from_sparse(matrix: Csr) -> Result<Self> {
        some_columns(matrix.columns())?;
        if let Some(at) = matrix.values().iter().position(|v| !v.is_finite()) {
            let row = matrix.indptr().partition_point(|&end| end as usize <= at) - 1;
            let column = matrix.indices()[at] as usize;
            return Err(not_finite(row, column, matrix.values()[at]));
        }
        Ok(Self(Store::Sparse(matrix)))
    }
    /// Number of nodes.
    pub fn rows(&self) -> usize {
        match &self.0 {
            Store::Dense { columns, values } => values.len() / columns,
            Store::Sparse(matrix) => matrix.rows(),
        }
    }
    /// Number of features of each node.
    pub fn columns(&self) -> usize {
        match &self.0 {
            Store::Dense { columns, .. } => *columns,
            Store::Sparse(matrix) => matrix.columns(),
        }
    }
    /// Features of one node, zeros written out.
    pub fn row(&self, node: NodeId) -> Vec<f32> {
        let at = node.0 as usize;
        match &self.0 {
            Store::Dense { columns, values } => values[at * columns..(at + 1) * columns].to_vec(),
            Store::Sparse(matrix) => {
                let mut row = vec![0.0; matrix.columns()];
                let span = matrix.indptr()[at] as usize..matrix.indptr()[at + 1] as usize;
                for (&column, &value) in matrix.indices()[span.clone()]
                    .iter()
                    .zip(&matrix.values()[span])
                {
                    row[column as usize] = value;
                }
                row
            }
        }
    }
    /// All values, row by row; `None` if the features keep no zeros.
    pub fn dense(&self) -> Option<&[f32]> {
        match &self.0 {
            Store::Dense { values, .. } => Some(values),
            Store::Sparse(_) => None,
        }
    }
    /// The matrix without zeros; `None` if the features are written out.
    pub fn sparse(&self) -> Option<&Csr> {
        match &self.0 {
            Store::Dense { .. } => None,
            Store::Sparse(matrix) => Some(matrix),
        }
    }
    /// The values that may differ from 0: all of them, or those that are stored.
    pub(crate) fn stored(&self) -> &[f32] {
        match &self.0 {
            Store::Dense { values, .. } => values,
            Store::Sparse(matrix) => matrix.values(),
        }
    }
    /// Scales the features in place.
    ///
    /// # Errors
    /// Features without their zeros cannot be standardised.
    pub(crate) fn scale(&mut self, scaling: FeatureScaling) -> Result<()> {
        match &mut self.0 {
            Store::Dense { columns, values } => {
                crate::normalise::scale(values, *columns, scaling);
                Ok(())
            }
            Store::Sparse(matrix) => crate::normalise::scale_sparse(matrix, scaling),
        }
    }
}

fn some_columns(columns: usize) -> Result<()> {
    match columns {
        0 => Err(Error::Graph(
            "the nodes have no features: at least one column is needed".into(),
        )),
        _ => Ok(()),
    }
}

fn not_finite(row: usize, column: usize, value: f32) -> Error {
    Error::Graph(format!(
        "feature of row {row}, column {column} is {value}; every feature must be a finite number"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_feature_that_is_nan_is_named_by_row_and_column() {
        let dense = Features::new(2, vec![0.0, 1.0, 2.0, f32::NAN]);
        let csr = Csr::new(2, 2, vec![0, 1, 2], vec![0, 1], vec![1.0, f32::NAN]).unwrap();
        for made in [dense, Features::from_sparse(csr)] {
            let error = made.unwrap_err().to_string();
            assert!(error.contains("row 1, column 1"), "{error}");
        }
    }

    #[test]
    fn features_without_zeros_have_the_same_rows_and_scale_to_the_same() {
        let values = vec![0.0, 3.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0];
        let mut dense = Features::new(3, values).unwrap();
        let (indptr, indices) = (vec![0, 2, 2, 3], vec![1, 2, 0]);
        let csr = Csr::new(3, 3, indptr, indices, vec![3.0, 1.0, 2.0]).unwrap();
        let mut sparse = Features::from_sparse(csr).unwrap();
        for scaling in [FeatureScaling::None, FeatureScaling::Row] {
            dense.scale(scaling).unwrap();
            sparse.scale(scaling).unwrap();
            for node in (0..3).map(NodeId) {
                assert_eq!(sparse.row(node), dense.row(node), "{scaling:?}");
            }
        }
        let error = sparse.scale(FeatureScaling::Standard).unwrap_err();
        assert!(error.to_string().contains("\"row\""), "{error}");
    }
}
