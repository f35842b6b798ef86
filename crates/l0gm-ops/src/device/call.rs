//! One launch of a kernel: an op describes it, and a launcher carries it out.

use super::launcher;
use candle_core::op::BackpropOp;
use candle_core::{DType, Result, Shape, Storage, Tensor, bail};

/// Number of threads in a block of [`Grid::Blocks`]. The sources call it `THREADS`.
pub const THREADS: usize = 128;

/// An argument of a kernel, in the order of its parameters.
#[derive(Debug)]
pub enum Argument {
    /// The contiguous values of a tensor: `const T*`.
    Read(Tensor),
    /// A null pointer.
    Nothing,
    /// A result to be allocated: `T*` (or a pointer to its own dtype).
    Write(Shape, DType),
    /// A result to be allocated and filled with zeros.
    Zeros(Shape, DType),
    /// An address that the caller holds exclusively.
    Address(u64),
    /// A number in the call's dtype: `T`.
    Real(f64),
    /// A count, or 64 arbitrary bits: `u64`.
    Whole(u64),
}

/// The number of threads that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// At least one thread for each of this many items, or fewer threads that walk over them in strides.
    Each(usize),
    /// This many blocks of [`THREADS`] threads.
    Blocks(usize),
}

/// One launch.
#[derive(Debug)]
pub struct Call {
    /// The kernel's name in the source.
    pub kernel: &'static str,
    /// A tensor on the device on which the kernel runs. `T` stands for its dtype.
    pub like: Tensor,
    /// The kernel's arguments, in the order of its parameters.
    pub arguments: Vec<Argument>,
}

/// Runs kernels on a device.
pub trait Launcher {
    /// Runs the call with this grid and returns the results, in the order of their arguments. Every tensor in the
    /// call is contiguous.
    fn launch(&self, call: &Call, grid: Grid) -> Result<Vec<Storage>>;
}

/// The output of a kernel, before it is made a tensor.
#[derive(Debug)]
pub struct Fresh {
    pub(crate) storage: Storage,
    pub(crate) shape: Shape,
}

impl Fresh {
    /// Makes it a tensor that is not part of a graph.
    pub(crate) fn tensor(self) -> Tensor {
        self.into_tensor(false)
    }

    /// The same values in another shape with the same number of entries.
    pub(crate) fn shaped(self, shape: impl Into<Shape>) -> Self {
        Self {
            storage: self.storage,
            shape: shape.into(),
        }
    }

    /// Makes it a tensor, which candle treats as a variable if `leaf`.
    pub(crate) fn into_tensor(self, leaf: bool) -> Tensor {
        Tensor::from_storage(self.storage, self.shape, BackpropOp::none(), leaf)
    }
}

impl Call {
    /// A call of `kernel` on the device of `like`. `T` is the dtype of `like`, f32 or f64.
    pub(crate) fn new(kernel: &'static str, like: &Tensor) -> Self {
        Self {
            kernel,
            like: like.clone(),
            arguments: Vec::new(),
        }
    }

    fn with(mut self, argument: Argument) -> Self {
        self.arguments.push(argument);
        self
    }

    /// Passes the values of `x`.
    pub(crate) fn read(self, x: &Tensor) -> Self {
        self.with(Argument::Read(x.clone()))
    }

    /// Passes the values of `x`, or a null pointer.
    pub(crate) fn read_or_null(self, x: Option<&Tensor>) -> Self {
        match x {
            Some(x) => self.read(x),
            None => self.with(Argument::Nothing),
        }
    }

    /// Passes memory for a result of the call's dtype.
    pub(crate) fn write(self, shape: impl Into<Shape>) -> Self {
        let dtype = self.like.dtype();
        self.write_as(shape, dtype)
    }

    /// Passes memory for a result of another dtype.
    pub(crate) fn write_as(self, shape: impl Into<Shape>, dtype: DType) -> Self {
        self.with(Argument::Write(shape.into(), dtype))
    }

    /// Passes memory for a result of the call's dtype that the kernel fills in part; the rest is 0.
    pub(crate) fn write_on_zeros(self, shape: impl Into<Shape>) -> Self {
        let dtype = self.like.dtype();
        self.with(Argument::Zeros(shape.into(), dtype))
    }

    /// Passes an address that the caller holds exclusively until the call returns.
    pub(crate) fn address(self, address: u64) -> Self {
        self.with(Argument::Address(address))
    }

    /// Passes a number as `T`.
    pub(crate) fn real(self, value: f64) -> Self {
        self.with(Argument::Real(value))
    }

    /// Passes a count.
    pub(crate) fn size(self, value: usize) -> Self {
        self.bits(value as u64)
    }

    /// Passes 64 bits.
    pub(crate) fn bits(self, value: u64) -> Self {
        self.with(Argument::Whole(value))
    }

    /// Runs one thread per item and returns the `N` results.
    pub(crate) fn each<const N: usize>(self, items: usize) -> Result<[Fresh; N]> {
        self.run(items, Grid::Each(items))
    }

    /// Runs one block per item and returns the `N` results.
    pub(crate) fn blocks<const N: usize>(self, items: usize) -> Result<[Fresh; N]> {
        self.run(items, Grid::Blocks(items))
    }

    fn run<const N: usize>(mut self, items: usize, grid: Grid) -> Result<[Fresh; N]> {
        let Some(launcher) = launcher(&self.like) else {
            bail!("{}: no kernels for this device", self.kernel);
        };
        let mut shapes = Vec::new();
        for argument in &mut self.arguments {
            match argument {
                Argument::Read(x) => *x = x.contiguous()?,
                Argument::Write(shape, dtype) if items == 0 => {
                    shapes.push(shape.clone());
                    *argument = Argument::Zeros(shape.clone(), *dtype);
                }
                Argument::Write(shape, _) | Argument::Zeros(shape, _) => shapes.push(shape.clone()),
                _ => {}
            }
        }
        let results = launcher.launch(&self, grid)?;
        let fresh: Vec<Fresh> = results
            .into_iter()
            .zip(shapes)
            .map(|(storage, shape)| Fresh { storage, shape })
            .collect();
        let kernel = self.kernel;
        <[Fresh; N]>::try_from(fresh).map_err(|found| {
            let count = found.len();
            candle_core::Error::Msg(format!("{kernel}: {count} results, expected {N}"))
        })
    }
}
