//! The input of a graph encoder: the whole graph as tensors, which all batches share, and the nodes whose
//! representation is wanted. A forward pass needs every node up to the last layer. There, only the wanted rows are
//! computed, and only they reach the gate and the head.
use crate::gathering::Gathering;
use crate::normalise::{
    neighbour_means, scale, scale_sparse, select_columns, select_rows, symmetric_normalisation,
};
use crate::settings::FeatureScaling;
use crate::{Features, Graph, NodeId, Result};
use candle_core::{DType, Device, Tensor};
use l0gm_ops::{Csr, SparseMatrix};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A graph's features and normalised adjacency on a device.
#[derive(Debug)]
pub struct GraphTensors {
    device: Device,
    features: Attributes,
    propagation: SparseMatrix,
    neighbours: OnceLock<SparseMatrix>,
    mean: OnceLock<SparseMatrix>,
    sparse: OnceLock<Option<SparseMatrix>>,
    /// What each way of gathering makes of X, where it was asked for.
    gathered: [OnceLock<Tensor>; Gathering::ALL.len()],
    /// The features that were selected last, and the graph with them alone.
    selected: Mutex<Option<Selected>>,
}

/// Some features' numbers, and the graph that has only these features.
type Selected = (Vec<u32>, Arc<GraphTensors>);

/// X, written out or without its zeros.
#[derive(Clone, Debug)]
pub(crate) enum Attributes {
    /// f32 (nodes, features).
    Dense(Tensor),
    /// nodes x features. It stays so, because X would be too large.
    Sparse(SparseMatrix),
}

impl Attributes {
    /// Puts features on a device.
    pub(crate) fn new(features: &Features, device: &Device) -> candle_core::Result<Self> {
        match (features.dense(), features.sparse()) {
            (_, Some(matrix)) => Ok(Self::Sparse(SparseMatrix::new(matrix.clone()))),
            (values, None) => {
                let shape = (features.rows(), features.columns());
                let values = values.unwrap_or_default();
                Ok(Self::Dense(Tensor::from_slice(values, shape, device)?))
            }
        }
    }
}

/// Features are multiplied as a sparse matrix if fewer than one in so many is not 0.
const SPARSE: usize = 8;

impl GraphTensors {
    /// Makes the features, f32 (nodes, features), and D^-1/2 (A + I) D^-1/2.
    pub fn new(graph: &Graph, device: &Device) -> Result<Self> {
        let features = Attributes::new(graph.features(), device)?;
        let propagation = symmetric_normalisation(graph.adjacency())?;
        Ok(Self::of(device.clone(), features, propagation))
    }
    fn of(device: Device, features: Attributes, propagation: SparseMatrix) -> Self {
        Self {
            device,
            features,
            propagation,
            neighbours: OnceLock::new(),
            mean: OnceLock::new(),
            sparse: OnceLock::new(),
            gathered: Default::default(),
            selected: Mutex::default(),
        }
    }
    /// The same graph with other features.
    pub(crate) fn with_features(&self, features: Attributes) -> Self {
        Self {
            neighbours: self.neighbours.clone(),
            mean: self.mean.clone(),
            ..Self::of(self.device.clone(), features, self.propagation.clone())
        }
    }
    /// The same graph with other edges, given as their normalised adjacency.
    pub(crate) fn with_propagation(&self, propagation: SparseMatrix) -> Self {
        Self {
            sparse: self.sparse.clone(),
            ..Self::of(self.device.clone(), self.features.clone(), propagation)
        }
    }
    /// The same graph with these of its features alone. The last selection is kept, because a compact model makes the
    /// same one in every pass.
    ///
    /// # Errors
    /// There is no such feature.
    pub(crate) fn with_columns(&self, columns: &[u32]) -> candle_core::Result<Arc<Self>> {
        let mut selected = self.selected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, graph)) = selected.as_ref().filter(|(of, _)| of == columns) {
            debug_assert_eq!(of.len(), graph.columns());
            return Ok(graph.clone());
        }
        let features = match &self.features {
            Attributes::Dense(features) => {
                let columns = Tensor::new(columns, &self.device)?;
                Attributes::Dense(features.index_select(&columns, 1)?)
            }
            Attributes::Sparse(matrix) => {
                let matrix = select_columns(matrix.matrix(), columns)?;
                Attributes::Sparse(SparseMatrix::new(matrix))
            }
        };
        let graph = Arc::new(self.with_features(features));
        *selected = Some((columns.to_vec(), graph.clone()));
        Ok(graph)
    }
    /// The same graph with its features scaled; they must not be scaled yet.
    pub(crate) fn scaled(&self, scaling: FeatureScaling) -> Result<Self> {
        let features = match &self.features {
            Attributes::Dense(features) => {
                let shape = features.dims2()?;
                let mut values: Vec<f32> = features.flatten_all()?.to_vec1()?;
                scale(&mut values, shape.1, scaling);
                Attributes::Dense(Tensor::from_vec(values, shape, &self.device)?)
            }
            Attributes::Sparse(matrix) => {
                let mut matrix = matrix.matrix().clone();
                scale_sparse(&mut matrix, scaling)?;
                Attributes::Sparse(SparseMatrix::new(matrix))
            }
        };
        Ok(self.with_features(features))
    }
    /// Where the tensors are.
    pub fn device(&self) -> &Device {
        &self.device
    }
    /// X: (nodes, features).
    ///
    /// # Errors
    /// X is stored without its zeros, so there is no such tensor.
    pub fn features(&self) -> candle_core::Result<&Tensor> {
        match &self.features {
            Attributes::Dense(features) => Ok(features),
            Attributes::Sparse(matrix) => candle_core::bail!(
                "the features of these {} nodes are stored without their zeros; gates below the interface and residual \
                 connections from features need all {} of each node",
                matrix.matrix().rows(),
                matrix.matrix().columns()
            ),
        }
    }
    /// Number of features of each node.
    pub fn columns(&self) -> usize {
        match &self.features {
            Attributes::Dense(features) => features.dim(1).unwrap_or_default(),
            Attributes::Sparse(matrix) => matrix.matrix().columns(),
        }
    }
    /// Whether X is stored without its zeros.
    pub fn is_sparse(&self) -> bool {
        matches!(self.features, Attributes::Sparse(_))
    }
    /// D^-1/2 (A + I) D^-1/2: nodes x nodes, symmetric.
    pub fn propagation(&self) -> &SparseMatrix {
        &self.propagation
    }
    /// D^-1/2 (A + I) D^-1/2 X: (nodes, features). No weight precedes it in a GCN's first layer, so it is computed
    /// once and used in every step.
    pub fn propagated(&self) -> candle_core::Result<Tensor> {
        self.gathered(Gathering::Normalised)
    }
    /// What a way of gathering makes of X: (nodes, features). Made at the first call, because no weight precedes it in a
    /// network's first layer.
    pub(crate) fn gathered(&self, by: Gathering) -> candle_core::Result<Tensor> {
        let kept = &self.gathered[by as usize];
        if let Some(tensor) = kept.get() {
            return Ok(tensor.clone());
        }
        let tensor = by.of(self.adjacency(by)?, self.features()?)?;
        Ok(kept.get_or_init(|| tensor).clone())
    }
    /// The matrix by which `by` gathers: nodes x nodes.
    pub(crate) fn adjacency(&self, by: Gathering) -> candle_core::Result<&SparseMatrix> {
        match by {
            Gathering::Normalised | Gathering::Own => Ok(&self.propagation),
            Gathering::Mean | Gathering::Max => self.neighbours(),
        }
    }
    /// D^-1 A, which averages over a node's neighbours without the node itself: nodes x nodes. Made at the first call.
    fn neighbours(&self) -> candle_core::Result<&SparseMatrix> {
        if let Some(made) = self.neighbours.get() {
            return Ok(made);
        }
        let made = SparseMatrix::new(neighbour_means(self.propagation.matrix())?);
        Ok(self.neighbours.get_or_init(|| made))
    }
    /// X without its zeros, if nearly all of it is 0. Made at the first call.
    pub(crate) fn sparse(&self) -> candle_core::Result<Option<SparseMatrix>> {
        if let Some(made) = self.sparse.get() {
            return Ok(made.clone());
        }
        let made = match &self.features {
            Attributes::Dense(features) => mostly_zeros(features)?,
            Attributes::Sparse(matrix) => Some(matrix.clone()),
        };
        Ok(self.sparse.get_or_init(|| made).clone())
    }
    /// D^-1 (A + I), which averages over a node and its neighbours: nodes x nodes. Made at the first call.
    pub(crate) fn mean(&self) -> &SparseMatrix {
        let averages = || SparseMatrix::new(self.propagation.matrix().clone().averaging());
        self.mean.get_or_init(averages)
    }
    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.propagation.matrix().rows()
    }
}

fn mostly_zeros(features: &Tensor) -> candle_core::Result<Option<SparseMatrix>> {
    let columns = features.dim(1)?;
    let values: Vec<f32> = features.flatten_all()?.to_vec1()?;
    let stored = values.iter().filter(|v| **v != 0.0).count();
    if stored.saturating_mul(SPARSE) >= values.len() {
        return Ok(None);
    }
    let (mut indptr, mut indices, mut kept) = (vec![0u32], Vec::new(), Vec::new());
    for row in values.chunks_exact(columns) {
        for (column, value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            indices.push(column as u32);
            kept.push(*value);
        }
        indptr.push(indices.len() as u32);
    }
    let rows = indptr.len() - 1;
    let matrix = Csr::new(rows, columns, indptr, indices, kept)?;
    Ok(Some(SparseMatrix::new(matrix)))
}

/// Some nodes and their rows of the normalised adjacency.
#[derive(Debug)]
pub struct NodeRows {
    ids: Tensor,
    nodes: Vec<NodeId>,
    propagation: SparseMatrix,
    neighbours: OnceLock<SparseMatrix>,
}

impl NodeRows {
    /// Selects the rows of `nodes`, in their order.
    pub fn new(graph: &GraphTensors, nodes: &[NodeId]) -> Result<Self> {
        let ids: Vec<u32> = nodes.iter().map(|n| n.0).collect();
        let count = ids.len();
        Ok(Self {
            ids: Tensor::from_vec(ids, count, graph.device())?,
            nodes: nodes.to_vec(),
            propagation: select_rows(graph.propagation.matrix(), nodes)?,
            neighbours: OnceLock::new(),
        })
    }
    /// The same nodes of a graph that has other edges.
    pub(crate) fn of_graph(&self, graph: &GraphTensors) -> candle_core::Result<Self> {
        Ok(Self {
            ids: self.ids.clone(),
            nodes: self.nodes.clone(),
            propagation: select_rows(graph.propagation.matrix(), &self.nodes)?,
            neighbours: OnceLock::new(),
        })
    }
    /// The nodes' rows of the matrix by which `by` gathers: n x nodes.
    pub(crate) fn adjacency(
        &self,
        by: Gathering,
        graph: &GraphTensors,
    ) -> candle_core::Result<&SparseMatrix> {
        match by {
            Gathering::Normalised | Gathering::Own => Ok(&self.propagation),
            Gathering::Mean | Gathering::Max => {
                if let Some(made) = self.neighbours.get() {
                    return Ok(made);
                }
                let made = select_rows(graph.adjacency(by)?.matrix(), &self.nodes)?;
                Ok(self.neighbours.get_or_init(|| made))
            }
        }
    }
    /// The nodes' numbers: (n,) u32.
    pub fn ids(&self) -> &Tensor {
        &self.ids
    }
    /// The nodes' rows of D^-1/2 (A + I) D^-1/2: n x nodes.
    pub fn propagation(&self) -> &SparseMatrix {
        &self.propagation
    }
    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.propagation.matrix().rows()
    }
    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The input of a graph encoder for one batch.
#[derive(Clone, Debug)]
pub struct GraphInput {
    /// The whole graph.
    pub graph: Arc<GraphTensors>,
    /// The nodes whose representation is wanted.
    pub rows: Arc<NodeRows>,
}

/// All tensors are f32, because the gate and the losses work in f32.
pub(crate) const DTYPE: DType = DType::F32;
