//! Two-hop means of attributes that are mostly 0: P (P X) for some nodes, with P the average over a node and its
//! neighbours. The means of a node hold the words of hundreds of others, so they are not written out. A linear model
//! needs only their products, each of which is three sparse products.

use crate::normalise::select_rows;
use crate::{NodeId, Result};
use candle_core::{DType, Device, Tensor};
use l0gm_ops::{Csr, SparseMatrix, csr_matmul};
use l0gm_train::RowProducts;
use std::sync::OnceLock;

/// Number of columns that are written out at a time.
const COLUMNS: usize = 128;

/// P (P X) for some nodes.
#[derive(Debug)]
pub(crate) struct TwoHopMeans {
    /// X: nodes x features.
    features: SparseMatrix,
    /// P: nodes x nodes.
    mean: SparseMatrix,
    /// The wanted nodes' rows of P.
    rows: SparseMatrix,
    /// Mean and mean square of each column, once they were asked for.
    moments: OnceLock<(Vec<f64>, Vec<f64>)>,
}

impl TwoHopMeans {
    pub(crate) fn new(
        features: SparseMatrix,
        mean: SparseMatrix,
        nodes: &[NodeId],
    ) -> Result<Self> {
        Ok(Self {
            rows: select_rows(mean.matrix(), nodes)?,
            features,
            mean,
            moments: OnceLock::new(),
        })
    }

    /// Calls `take` with the first column's number and the written-out values, f32 (wanted, width), of some columns
    /// after the others.
    fn by_columns<E: From<candle_core::Error>>(
        &self,
        mut take: impl FnMut(usize, &Tensor) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (by_column, nodes) = (self.features.transposed(), self.features.matrix().rows());
        for first in (0..by_column.rows()).step_by(COLUMNS) {
            let width = COLUMNS.min(by_column.rows() - first);
            let mut block = vec![0f32; nodes * width];
            for at in 0..width {
                let span = by_column.indptr()[first + at] as usize
                    ..by_column.indptr()[first + at + 1] as usize;
                let entries = by_column.indices()[span.clone()].iter();
                for (&node, &value) in entries.zip(&by_column.values()[span]) {
                    block[node as usize * width + at] = value;
                }
            }
            let block = Tensor::from_vec(block, (nodes, width), &Device::Cpu)?;
            take(
                first,
                &csr_matmul(&self.rows, &csr_matmul(&self.mean, &block)?)?,
            )?;
        }
        Ok(())
    }

    /// The means, written out without their zeros.
    pub(crate) fn to_csr(&self) -> Result<Csr> {
        let (wanted, columns) = (self.count(), self.columns());
        let mut rows: Vec<Vec<(u32, f32)>> = vec![Vec::new(); wanted];
        self.by_columns(|first, means| -> Result<()> {
            let width = means.dim(1)?;
            let means: Vec<f32> = means.flatten_all()?.to_vec1()?;
            for (row, means) in rows.iter_mut().zip(means.chunks_exact(width)) {
                let present = means.iter().enumerate().filter(|(_, value)| **value != 0.0);
                row.extend(present.map(|(at, value)| ((first + at) as u32, *value)));
            }
            Ok(())
        })?;
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for row in rows {
            indices.extend(row.iter().map(|(column, _)| *column));
            values.extend(row.iter().map(|(_, value)| *value));
            indptr.push(indices.len() as u32);
        }
        Ok(Csr::new(wanted, columns, indptr, indices, values)?)
    }
}

impl RowProducts for TwoHopMeans {
    fn count(&self) -> usize {
        self.rows.matrix().rows()
    }

    fn columns(&self) -> usize {
        self.features.matrix().columns()
    }

    fn times(&self, weight: &Tensor) -> candle_core::Result<Tensor> {
        let of_nodes = csr_matmul(&self.features, weight)?;
        csr_matmul(&self.rows, &csr_matmul(&self.mean, &of_nodes)?)
    }

    fn transposed_times(&self, residuals: &Tensor) -> candle_core::Result<Tensor> {
        let of_neighbours = csr_matmul(&self.rows.t(), residuals)?;
        csr_matmul(
            &self.features.t(),
            &csr_matmul(&self.mean.t(), &of_neighbours)?,
        )
    }

    fn moments(&self) -> candle_core::Result<(Vec<f64>, Vec<f64>)> {
        if let Some(moments) = self.moments.get() {
            return Ok(moments.clone());
        }
        let (mut mean, mut square) = (Vec::new(), Vec::new());
        let n = self.count() as f64;
        self.by_columns(|_, means| -> candle_core::Result<()> {
            let means = means.to_dtype(DType::F64)?;
            mean.extend((means.sum(0)? / n)?.to_vec1::<f64>()?);
            square.extend((means.sqr()?.sum(0)? / n)?.to_vec1::<f64>()?);
            Ok(())
        })?;
        Ok(self.moments.get_or_init(|| (mean, square)).clone())
    }

    fn multiplications(&self) -> usize {
        let entries = |matrix: &SparseMatrix| matrix.matrix().values().len();
        entries(&self.features) + entries(&self.mean) + entries(&self.rows)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::GraphTensors;
    use crate::test_graphs::{sparse_copy, two_communities};
    use l0gm_ops::Generator;

    /// `<T w, r>` must equal `<w, T^t r>`, and both what the written-out means give.
    #[test]
    fn products_and_moments_are_those_of_the_means_written_out() {
        let graph = sparse_copy(&two_communities(30, 4));
        let tensors = GraphTensors::new(&graph, &Device::Cpu).unwrap();
        let nodes = [7, 0, 59, 31].map(NodeId);
        let features = tensors.sparse().unwrap().unwrap();
        let means = TwoHopMeans::new(features, tensors.mean().clone(), &nodes).unwrap();
        let csr = SparseMatrix::new(means.to_csr().unwrap());
        let mut random = Generator::new(3);
        let mut drawn = |rows: usize| -> Tensor {
            let values: Vec<f64> = (0..rows * 2).map(|_| random.normal()).collect();
            Tensor::from_vec(values, (rows, 2), &Device::Cpu).unwrap()
        };
        let (weight, residuals) = (drawn(8), drawn(4));
        let pairs = [
            (
                means.times(&weight).unwrap(),
                csr_matmul(&csr, &weight).unwrap(),
            ),
            (
                means.transposed_times(&residuals).unwrap(),
                csr_matmul(&csr.t(), &residuals).unwrap(),
            ),
        ];
        for (found, expected) in pairs {
            let apart = (found - expected).unwrap().abs().unwrap();
            assert!(apart.max_all().unwrap().to_scalar::<f64>().unwrap() < 1e-6);
        }
        let (mean, square) = means.moments().unwrap();
        let column = |column: u32, of: &dyn Fn(f64) -> f64| -> f64 {
            let entries = csr.matrix().indices().iter().zip(csr.matrix().values());
            let own = entries.filter(|(at, _)| **at == column);
            own.map(|(_, v)| of(f64::from(*v))).sum::<f64>() / 4.0
        };
        for at in 0..8 {
            assert!((mean[at as usize] - column(at, &|v| v)).abs() < 1e-6);
            assert!((square[at as usize] - column(at, &|v| v * v)).abs() < 1e-6);
        }
    }
}
