//! The launcher for candle's CUDA device.

use super::{Argument, Call, Grid, Launcher, THREADS, source};
use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::cuda_backend::cudarc::driver::{
    CudaStream, DevicePtr, DevicePtrMut, LaunchConfig, PushKernelArg, SyncOnDrop,
};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaStorageSlice, WrapErr};
use candle_core::{CudaDevice, CudaStorage, DType, Device, Error, Result, Shape, Storage, bail};
use std::sync::OnceLock;

/// Largest number of blocks in a launch over items. It fills any GPU many times over, and the threads walk over the
/// remaining items.
const MOST_BLOCKS: usize = 1 << 16;

/// Runs calls on the CUDA device of their tensors.
pub(super) struct Cuda;

/// The name and the machine code of the module for a dtype. It is compiled once per process.
pub(super) fn module(dtype: DType) -> Result<(&'static str, &'static str)> {
    static F32: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    static F64: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    let (name, cell, scalar) = match dtype {
        DType::F32 => ("l0gm_ops_f32", &F32, "float"),
        DType::F64 => ("l0gm_ops_f64", &F64, "double"),
        other => bail!("no kernels for {other:?}, expected f32 or f64"),
    };
    let compiled = cell.get_or_init(|| {
        let options = CompileOptions {
            name: Some(format!("{name}.cu")),
            ..CompileOptions::default()
        };
        match compile_ptx_with_opts(source(scalar), options) {
            Ok(ptx) => Ok(ptx.to_src()),
            Err(error) => Err(format!("{error:?}")),
        }
    });
    match compiled {
        Ok(code) => Ok((name, code)),
        Err(error) => bail!("compiling the kernels {name} with NVRTC failed: {error}"),
    }
}

/// The value of a parameter in the form that the driver takes.
enum Word {
    Whole(u64),
    Single(f32),
    Double(f64),
}

/// The address of entry `start` of a storage, and the guard that orders this use among others.
fn address<'a>(
    storage: &'a CudaStorage,
    start: usize,
    stream: &'a CudaStream,
) -> Result<(u64, SyncOnDrop<'a>)> {
    let ((base, guard), size) = match &storage.slice {
        CudaStorageSlice::F32(values) => (values.device_ptr(stream), 4),
        CudaStorageSlice::F64(values) => (values.device_ptr(stream), 8),
        CudaStorageSlice::U32(values) => (values.device_ptr(stream), 4),
        CudaStorageSlice::U8(values) => (values.device_ptr(stream), 1),
        _ => bail!("a kernel was given a tensor that is neither f32, f64, u32 nor u8"),
    };
    Ok((base + (start * size) as u64, guard))
}

/// The same as `address`, for a storage that is written.
pub(crate) fn address_mut<'a>(
    storage: &'a mut CudaStorage,
    start: usize,
    stream: &'a CudaStream,
) -> Result<(u64, SyncOnDrop<'a>)> {
    let ((base, guard), size) = match &mut storage.slice {
        CudaStorageSlice::F32(values) => (values.device_ptr_mut(stream), 4),
        CudaStorageSlice::F64(values) => (values.device_ptr_mut(stream), 8),
        CudaStorageSlice::U32(values) => (values.device_ptr_mut(stream), 4),
        _ => bail!("a kernel writes f32, f64 or u32"),
    };
    Ok((base + (start * size) as u64, guard))
}

/// Allocates memory for a result, but never 0 bytes, which the driver refuses.
fn allocate(device: &CudaDevice, shape: &Shape, dtype: DType, zeros: bool) -> Result<CudaStorage> {
    let count = Shape::from(shape.elem_count().max(1));
    if zeros {
        return device.zeros_impl(&count, dtype);
    }
    // SAFETY: the kernel writes every entry.
    unsafe { device.alloc_uninit(&count, dtype) }
}

impl Launcher for Cuda {
    fn launch(&self, call: &Call, grid: Grid) -> Result<Vec<Storage>> {
        let Device::Cuda(device) = call.like.device() else {
            bail!("{}: a tensor that is not on a CUDA device", call.kernel);
        };
        let mut results = Vec::new();
        for argument in &call.arguments {
            match argument {
                Argument::Write(shape, dtype) => {
                    results.push(allocate(device, shape, *dtype, false)?);
                }
                Argument::Zeros(shape, dtype) => {
                    results.push(allocate(device, shape, *dtype, true)?);
                }
                _ => {}
            }
        }
        let blocks = match grid {
            Grid::Each(items) => items.div_ceil(THREADS).min(MOST_BLOCKS),
            Grid::Blocks(blocks) => blocks,
        };
        if blocks > 0 {
            run(device, call, blocks, &mut results)?;
        }
        Ok(results.into_iter().map(Storage::Cuda).collect())
    }
}

fn run(device: &CudaDevice, call: &Call, blocks: usize, results: &mut [CudaStorage]) -> Result<()> {
    let (name, code) = module(call.like.dtype())?;
    let function = device.get_or_load_custom_func(call.kernel, name, code)?;
    let stream = device.cuda_stream();
    // Hold the tensors' locks and the guards of their memory until the kernel is in the stream.
    let held: Vec<_> = call
        .arguments
        .iter()
        .map(|argument| match argument {
            Argument::Read(x) => Some(x.storage_and_layout()),
            _ => None,
        })
        .collect();
    let mut guards = Vec::new();
    let mut results = results.iter_mut();
    let mut words = Vec::with_capacity(call.arguments.len());
    for (argument, held) in call.arguments.iter().zip(&held) {
        words.push(match (argument, held) {
            (Argument::Read(_), Some((storage, layout))) => {
                let Storage::Cuda(storage) = &**storage else {
                    bail!(
                        "{}: an argument is not on {:?}, where the others are",
                        call.kernel,
                        device.location()
                    );
                };
                // An address is only valid on its own GPU.
                let at = storage.device().location();
                if at != device.location() {
                    bail!(
                        "{}: an argument is on {at:?}, but the others are on {:?}; move it there first",
                        call.kernel,
                        device.location()
                    );
                }
                let (at, guard) = address(storage, layout.start_offset(), &stream)?;
                guards.push(guard);
                Word::Whole(at)
            }
            (Argument::Write(..) | Argument::Zeros(..), _) => match results.next() {
                Some(storage) => {
                    let (at, guard) = address_mut(storage, 0, &stream)?;
                    guards.push(guard);
                    Word::Whole(at)
                }
                None => bail!("{}: a result without memory", call.kernel),
            },
            (Argument::Address(at), _) => Word::Whole(*at),
            (Argument::Whole(value), _) => Word::Whole(*value),
            (Argument::Real(value), _) if call.like.dtype() == DType::F32 => {
                Word::Single(*value as f32)
            }
            (Argument::Real(value), _) => Word::Double(*value),
            _ => Word::Whole(0),
        });
    }
    let mut builder = function.builder();
    for word in &words {
        match word {
            Word::Whole(value) => builder.arg(value),
            Word::Single(value) => builder.arg(value),
            Word::Double(value) => builder.arg(value),
        };
    }
    let config = LaunchConfig {
        grid_dim: (
            u32::try_from(blocks).map_err(|_| Error::Msg(format!("{blocks} blocks")))?,
            1,
            1,
        ),
        block_dim: (THREADS as u32, 1, 1),
        shared_mem_bytes: 0,
    };
    // SAFETY: the arguments are those of the kernel, whose sizes follow from the tensors' shapes; the tests
    // run every call on every device.
    unsafe { builder.launch(config) }.w()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nvrtc_compiles_the_kernels_in_both_precisions() {
        for dtype in [DType::F32, DType::F64] {
            let (name, code) = module(dtype).unwrap();
            assert!(code.contains(".visible .entry"), "{name} has no kernel");
        }
    }
}
