//! A tape that replaces candle's graph for our ops. It gives the same gradients, without the time that candle's
//! `backward` spends on passing them on.
//!
//! candle adds every gradient to a new tensor of zeros, on one thread for most sizes. That costs two passes over
//! memory for each edge of the graph, more than a fused op itself needs. While a [`Tape`] records, the ops of this
//! crate record here what they did, and candle sees their results as leaves. The tape's [`backward`](Tape::backward)
//! moves the first gradient of a tensor instead of adding it to zeros, and frees what an op recorded as soon as its
//! gradients are known. candle's own operations may stand anywhere between ours. candle differentiates each such
//! stretch, once for each of our results from which it starts, so operations that our ops can express (`add` for a
//! residual) are best written with our ops.

use crate::{check, sum_of};
use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::backprop::GradStore;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, DType, Device, Layout, MetalStorage, Result, Shape, Tensor,
    TensorId, bail,
};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// Computes the gradients of an op's arguments from the arguments, its result and the result's gradient.
pub(crate) type Backward = Box<dyn Fn(&[Tensor], &Tensor, &Tensor) -> Result<Vec<Option<Tensor>>>>;

struct Node {
    arguments: Vec<Tensor>,
    result: Tensor,
    backward: Backward,
}

/// Everything that a tape has recorded.
#[derive(Default)]
struct Record {
    nodes: Vec<Node>,
    /// Reshaped tensors, and the tensors of which they are views.
    views: HashMap<TensorId, Tensor>,
}

thread_local! {
    /// The record of this thread. Absent while no tape runs.
    static RECORD: RefCell<Option<Record>> = const { RefCell::new(None) };
}

/// Whether ops on this thread are being recorded.
pub(crate) fn recording() -> bool {
    RECORD.with_borrow(Option::is_some)
}

/// Records that `view` is `of` in another shape. candle also knows this.
pub(crate) fn record_view(of: &Tensor, view: &Tensor) {
    RECORD.with_borrow_mut(|record| {
        if let Some(record) = record {
            record.views.insert(view.id(), of.clone());
        }
    });
}

/// Runs a kernel with the record put aside. While the kernel's thread waits for others, rayon may let it run another
/// job of the pool, whose ops must not be recorded with this job's.
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

/// Records one op. `result` must be a leaf for candle.
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

/// Records the ops of this crate on this thread until it is dropped or asked for gradients.
///
/// Meanwhile all gradients must come from [`Tape::backward`], because candle's own `backward` would stop at the first
/// result of one of our ops. Everything that is computed from a variable is kept until then, even during an
/// evaluation, so record training steps only. A tape belongs to its thread; it is made for one training loop per pool
/// of threads. Gradients may share memory with each other, so only read them, or copy those that you change in place.
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
    /// Prevents the tape from being sent to another thread, because the record belongs to this one.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Tape {
    /// Starts recording. It is an error if this thread is already recording.
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

    /// The gradients of `loss`, a tensor with one entry, with respect to every variable that it depends on. They are
    /// those that candle's `backward` would give.
    pub fn backward(self, loss: &Tensor) -> Result<GradStore> {
        if loss.elem_count() != 1 {
            bail!(
                "Tape: the loss has shape {:?}, expected one entry; sum or average it first",
                loss.dims()
            );
        }
        self.backward_from(loss, &loss.ones_like()?.detach())
    }

    /// The gradients of sum(y * dy) with respect to every variable that `y` depends on; `dy` has y's shape. Like
    /// `backward`, but for any result whose gradient is known.
    pub fn backward_from(self, y: &Tensor, dy: &Tensor) -> Result<GradStore> {
        if y.dims() != dy.dims() {
            bail!(
                "Tape: the gradient {:?} does not fit its tensor {:?}",
                dy.dims(),
                y.dims()
            );
        }
        check::alike("Tape", "gradient", dy, "its tensor", y)?;
        // Stop recording before the gradients are computed, because they are not part of the graph.
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
    /// The variables that it depends on through candle's operations.
    leaves: Vec<Tensor>,
}

/// The gradients that have arrived so far.
struct Gradients {
    /// For each recorded result, the number of the node that computed it.
    numbers: HashMap<TensorId, usize>,
    /// Reshaped tensors, and the tensors of which they are views.
    views: HashMap<TensorId, Tensor>,
    /// Gradients of variables and of recorded results.
    leaves: HashMap<TensorId, Tensor>,
    /// Stretches of candle's own operations, by the number of the last node that they depend on. Those that depend on
    /// no node are under `None`.
    waiting: HashMap<Option<usize>, Vec<Stretch>>,
    /// For the output of a stretch, where the stretch waits.
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

    /// Adds to the gradient of `tensor`, if it depends on any variable.
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
        // The gradient is complete once all nodes after the last one that it depends on are done.
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

    /// Passes on the gradients of the stretches for which node `number` is the last that they depend on.
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

    /// Calls candle's `backward` once for all of them, so that shared parts are visited only once.
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
        // candle cannot create an empty store, so this one holds the gradient of a scalar that nobody else uses.
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

/// A root for candle's `backward` that passes on a given gradient.
struct Given(Tensor);

impl CustomOp1 for Given {
    fn name(&self) -> &'static str {
        "given_gradient"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    // This does not depend on the features of this crate, because a tape may also run over candle's operations alone.
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
