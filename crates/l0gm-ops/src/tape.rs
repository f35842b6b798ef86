//! A tape beside candle's graph: the same ops, the same gradients, without what candle's `backward`
//! spends on handing them on.
//!
//! candle adds every gradient to a fresh tensor of zeros, on one thread for most sizes: two passes over
//! memory for each edge of the graph, more than a fused op itself needs. While a [`Tape`] records, this
//! crate's ops note here what they did, and their results are leaves as far as candle knows; the tape's
//! [`backward`](Tape::backward) moves the first gradient of a tensor instead of adding it to zeros, and
//! lets go of what an op noted as soon as its gradients are known. candle's own operations may stand anywhere
//! between ours: each such stretch is differentiated by candle, once for each result of ours that it starts
//! from, so what is cheap to write with our ops (`add` for a residual) is best written with them.

use crate::{check, sum_of};
use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::backprop::GradStore;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, DType, Device, Layout, MetalStorage, Result, Shape, Tensor,
    TensorId, bail,
};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// Gradients of an op's arguments from its result and the result's gradient.
pub(crate) type Backward = Box<dyn Fn(&[Tensor], &Tensor, &Tensor) -> Result<Vec<Option<Tensor>>>>;

struct Node {
    arguments: Vec<Tensor>,
    result: Tensor,
    backward: Backward,
}

/// What was recorded.
#[derive(Default)]
struct Record {
    nodes: Vec<Node>,
    /// Reshaped tensors and what they are a view of.
    views: HashMap<TensorId, Tensor>,
}

thread_local! {
    /// What this thread has recorded; absent while no tape runs.
    static RECORD: RefCell<Option<Record>> = const { RefCell::new(None) };
}

/// Whether ops on this thread are being recorded.
pub(crate) fn recording() -> bool {
    RECORD.with_borrow(Option::is_some)
}

/// Notes that `view` is `of` in another shape, which candle knows too.
pub(crate) fn record_view(of: &Tensor, view: &Tensor) {
    RECORD.with_borrow_mut(|record| {
        if let Some(record) = record {
            record.views.insert(view.id(), of.clone());
        }
    });
}

/// Runs a kernel with the record put aside. While its thread waits for others, rayon may have it run another
/// job of the pool; that job's ops must not be taken for this one's.
pub(crate) fn aside<R>(kernel: impl FnOnce() -> R) -> R {
    struct Back(Option<Record>);
    impl Drop for Back {
        fn drop(&mut self) {
            RECORD.set(self.0.take());
        }
    }
    let _back = Back(RECORD.take());
    kernel()
}

/// Notes one op; `result` must be a leaf for candle.
pub(crate) fn record(arguments: Vec<Tensor>, result: &Tensor, backward: Backward) {
    RECORD.with_borrow_mut(|record| {
        if let Some(record) = record {
            record.nodes.push(Node {
                arguments,
                result: result.clone(),
                backward,
            });
        }
    });
}

/// Records the ops of this crate on this thread until it is dropped or its gradients are asked for.
///
/// Meanwhile the gradients of anything computed must come from [`Tape::backward`]: candle's own
/// `backward` would stop at the first result of an op of ours. All that is computed from a variable is kept
/// until then, an evaluation included: record training steps alone. A tape belongs to its thread; one training
/// loop a pool of threads is what it is made for. Gradients may share memory with each other: read them, or copy
/// what you change in place.
///
/// ```
/// use candle_core::{DType, Device, Var};
/// use l0gm_ops::{Tape, gelu, linear};
///
/// let w = Var::ones((2, 3), DType::F32, &Device::Cpu)?;
/// let x = Var::ones((4, 3), DType::F32, &Device::Cpu)?;
/// let tape = Tape::start()?;
/// let y = gelu(&linear(&x, &w, None)?)?;
/// let loss = y.sqr()?.mean_all()?; // candle's own operations
/// let gradients = tape.backward(&loss)?;
/// assert_eq!(gradients.get(&w).map(|g| g.dims().to_vec()), Some(vec![2, 3]));
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Tape {
    /// A tape belongs to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Tape {
    /// Starts recording. An error if this thread records already.
    pub fn start() -> Result<Self> {
        if recording() {
            bail!(
                "Tape: this thread is recording already; ask the running tape for its gradients first"
            );
        }
        RECORD.set(Some(Record::default()));
        Ok(Self {
            _not_send: std::marker::PhantomData,
        })
    }

    /// The gradients of `loss`, a tensor of one entry, with respect to every variable before it, as
    /// candle's `backward` would give them.
    pub fn backward(self, loss: &Tensor) -> Result<GradStore> {
        if loss.elem_count() != 1 {
            bail!(
                "Tape: the loss has shape {:?}, expected one entry; sum or average it first",
                loss.dims()
            );
        }
        self.backward_from(loss, &loss.ones_like()?.detach())
    }

    /// The gradients of sum(y * dy) with respect to every variable before `y`; `dy` has y's shape.
    /// What `backward` is for a loss, this is for any result whose gradient is known.
    pub fn backward_from(self, y: &Tensor, dy: &Tensor) -> Result<GradStore> {
        if y.dims() != dy.dims() {
            bail!(
                "Tape: the gradient {:?} does not fit its tensor {:?}",
                dy.dims(),
                y.dims()
            );
        }
        check::alike("Tape", "gradient", dy, "its tensor", y)?;
        // Recording ends before the gradients are computed: they are no part of the graph.
        let Record { nodes, views } = RECORD.take().unwrap_or_default();
        let mut gradients = Gradients::new(&nodes, views);
        gradients.add(y, dy.clone())?;
        for (number, node) in nodes.into_iter().enumerate().rev() {
            gradients.settle(number)?;
            let Some(gradient) = gradients.leaves.remove(&node.result.id()) else {
                continue;
            };
            let found = (node.backward)(&node.arguments, &node.result, &gradient)?;
            drop(gradient);
            drop(node.result);
            for (argument, gradient) in node.arguments.iter().zip(found) {
                if let Some(gradient) = gradient {
                    gradients.add(argument, gradient)?;
                }
            }
        }
        gradients.settle_rest()?;
        gradients.into_store()
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        RECORD.set(None);
    }
}

/// A result of candle's own operations whose gradient is not complete yet.
struct Stretch {
    output: Tensor,
    gradient: Tensor,
    /// The variables that candle's operations reach from it.
    leaves: Vec<Tensor>,
}

/// Gradients that have arrived so far.
struct Gradients {
    /// Number of the node that made a recorded result.
    numbers: HashMap<TensorId, usize>,
    /// Reshaped tensors and what they are a view of.
    views: HashMap<TensorId, Tensor>,
    /// Of variables and of recorded results.
    leaves: HashMap<TensorId, Tensor>,
    /// Stretches of candle's own operations, by the number of the last node they depend on; those
    /// that depend on none under `None`.
    waiting: HashMap<Option<usize>, Vec<Stretch>>,
    /// Where the stretch with this output waits.
    places: HashMap<TensorId, (Option<usize>, usize)>,
}

impl Gradients {
    fn new(nodes: &[Node], views: HashMap<TensorId, Tensor>) -> Self {
        let numbers = nodes.iter().enumerate();
        Self {
            numbers: numbers.map(|(i, node)| (node.result.id(), i)).collect(),
            views,
            leaves: HashMap::new(),
            waiting: HashMap::new(),
            places: HashMap::new(),
        }
    }

    /// Adds to the gradient of `tensor`, if anything is to be learned behind it.
    fn add(&mut self, tensor: &Tensor, gradient: Tensor) -> Result<()> {
        if tensor.is_variable() {
            return self.add_to_leaf(tensor, gradient);
        }
        if !tensor.track_op() {
            return Ok(());
        }
        if let Some(of) = self.views.get(&tensor.id()).cloned() {
            return self.add(&of, gradient.reshape(of.shape())?);
        }
        if let Some((last, at)) = self.places.get(&tensor.id())
            && let Some(stretch) = self.waiting.get_mut(last).and_then(|all| all.get_mut(*at))
        {
            stretch.gradient = sum_of(&stretch.gradient, &gradient)?;
            return Ok(());
        }
        let nodes = tensor.sorted_nodes();
        let leaves: Vec<Tensor> = nodes
            .into_iter()
            .filter(|node| node.is_variable())
            .cloned()
            .collect();
        // Its gradient is complete when every node after the last one it depends on is done.
        let last = leaves
            .iter()
            .filter_map(|leaf| self.numbers.get(&leaf.id()));
        let last = last.max().copied();
        let waiting = self.waiting.entry(last).or_default();
        self.places.insert(tensor.id(), (last, waiting.len()));
        waiting.push(Stretch {
            output: tensor.clone(),
            gradient,
            leaves,
        });
        Ok(())
    }

    fn add_to_leaf(&mut self, leaf: &Tensor, gradient: Tensor) -> Result<()> {
        let total = match self.leaves.remove(&leaf.id()) {
            Some(so_far) => sum_of(&so_far, &gradient)?,
            None => gradient,
        };
        self.leaves.insert(leaf.id(), total);
        Ok(())
    }

    /// Hands on the gradients of the stretches that depend on node `number` and on no later one.
    fn settle(&mut self, number: usize) -> Result<()> {
        match self.waiting.remove(&Some(number)) {
            Some(stretches) => self.hand_on(stretches),
            None => Ok(()),
        }
    }

    fn settle_rest(&mut self) -> Result<()> {
        match self.waiting.remove(&None) {
            Some(stretches) => self.hand_on(stretches),
            None => Ok(()),
        }
    }

    /// One `backward` of candle's for all of them, so that what they share is walked once.
    fn hand_on(&mut self, stretches: Vec<Stretch>) -> Result<()> {
        let mut leaves: Vec<Tensor> = Vec::new();
        let mut known = HashSet::new();
        let mut root: Option<Tensor> = None;
        for stretch in stretches {
            let fresh = stretch
                .leaves
                .into_iter()
                .filter(|leaf| known.insert(leaf.id()));
            leaves.extend(fresh);
            let given = stretch.output.apply_op1(Given(stretch.gradient))?;
            root = Some(match root {
                Some(root) => (root + given)?,
                None => given,
            });
        }
        let Some(root) = root else {
            return Ok(());
        };
        let mut found = root.backward()?;
        for leaf in &leaves {
            if let Some(gradient) = found.remove(leaf) {
                self.add_to_leaf(leaf, gradient)?;
            }
        }
        Ok(())
    }

    fn into_store(self) -> Result<GradStore> {
        // candle offers no empty store; this one holds the gradient of a scalar nobody knows.
        let mut store = Tensor::zeros((), DType::F32, &Device::Cpu)?.backward()?;
        for (id, gradient) in self.leaves {
            store.insert_id(id, gradient);
        }
        Ok(store)
    }
}

/// A scalar on the device of `storage`.
fn scalar_zero<S: BackendStorage>(storage: &S) -> Result<(S, Shape)>
where
    S::Device: BackendDevice<Storage = S>,
{
    let shape = Shape::from(());
    let root = storage.device().zeros_impl(&shape, DType::F32)?;
    Ok((root, shape))
}

/// A root for candle's `backward` that hands a given gradient on.
struct Given(Tensor);

impl CustomOp1 for Given {
    fn name(&self) -> &'static str {
        "given_gradient"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    // Whatever this crate's features are: a tape may run over candle's operations alone.
    fn cuda_fwd(&self, storage: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        scalar_zero(storage)
    }

    fn metal_fwd(&self, storage: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        scalar_zero(storage)
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}
