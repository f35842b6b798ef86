//! A launcher that runs the device kernels on the host. It uses the same sources and the same calls as on a GPU, so
//! that the tests cover them where there is none. Needs a C++ compiler (`CXX`, otherwise `c++`).

use candle_core::{CpuStorage, DType, Result, Shape, Storage, bail};
use l0gm_ops::device::{Argument, Call, Grid, Launcher, source};
use libloading::{Library, Symbol};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Number of blocks in a launch over items. It is small, so that the threads must walk in strides.
const FEW_BLOCKS: usize = 3;

type Run = unsafe extern "C" fn(*const *const u64, u32, bool);

/// The kernels for f32 and f64, compiled for the host. They allow one launch at a time.
struct Kernels(Mutex<[Library; 2]>);

struct Host(&'static Kernels);

/// The launcher, or `None` (with a message) where there is no C++ compiler.
pub fn launcher() -> Option<Rc<dyn Launcher>> {
    static KERNELS: OnceLock<std::result::Result<Kernels, String>> = OnceLock::new();
    let kernels = KERNELS.get_or_init(|| {
        let [single, double] = [compile("float")?, compile("double")?];
        Ok(Kernels(Mutex::new([single, double])))
    });
    match kernels {
        Ok(kernels) => Some(Rc::new(Host(kernels))),
        Err(why) => {
            eprintln!("the device kernels are not tried on the host: {why}");
            None
        }
    }
}

/// The names of the kernels, in the order of the source.
fn names(source: &str) -> Vec<&str> {
    let starts = source.split("__global__ void ").skip(1);
    starts.filter_map(|rest| rest.split('(').next()).collect()
}

fn compile(scalar: &str) -> std::result::Result<Library, String> {
    let kernels = source(scalar);
    let entries: String = names(&kernels)
        .iter()
        .map(|name| {
            format!(
                "extern \"C\" void run_{name}(void** words, unsigned b, bool waits) \
                 {{ start({name}, words, b, waits); }}\n"
            )
        })
        .collect();
    let text = format!("{}\n{kernels}\n{entries}", include_str!("host.cpp"));
    let mut hash = DefaultHasher::new();
    text.hash(&mut hash);
    options().hash(&mut hash);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let library = folder.join(format!("kernels-{scalar}-{:016x}.so", hash.finish()));
    if !library.exists() {
        build(&text, &library)?;
    }
    // SAFETY: this is the library built above, and loading it runs no code.
    unsafe { Library::new(&library) }.map_err(|error| error.to_string())
}

/// Rounds products and sums together where this machine can, as a GPU does.
fn options() -> &'static [&'static str] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") {
        return &["-O2", "-ffp-contract=fast", "-mfma"];
    }
    &["-O2", "-ffp-contract=fast"]
}

fn build(text: &str, library: &Path) -> std::result::Result<(), String> {
    let own = |ending: &str| -> PathBuf {
        let process = std::process::id();
        library.with_extension(format!("{process}.{ending}"))
    };
    let (code, built) = (own("cpp"), own("so"));
    std::fs::write(&code, text).map_err(|error| error.to_string())?;
    let compiler = std::env::var("CXX").unwrap_or("c++".into());
    let run = Command::new(&compiler)
        .args(["-std=c++17", "-w", "-shared", "-fPIC"])
        .args(options())
        .arg("-o")
        .args([&built, &code])
        .output();
    let _ = std::fs::remove_file(&code);
    let output = run.map_err(|error| format!("no C++ compiler {compiler:?} ({error})"))?;
    assert!(
        output.status.success(),
        "the device kernels do not compile: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::rename(&built, library).map_err(|error| error.to_string())
}

/// Allocates memory for a result, filled so that a value a kernel forgets to write is noticed.
fn allocate(shape: &Shape, dtype: DType, zeros: bool) -> Result<CpuStorage> {
    let count = shape.elem_count();
    Ok(match (dtype, zeros) {
        (DType::F32, true) => CpuStorage::F32(vec![0.0; count]),
        (DType::F32, false) => CpuStorage::F32(vec![f32::NAN; count]),
        (DType::F64, true) => CpuStorage::F64(vec![0.0; count]),
        (DType::F64, false) => CpuStorage::F64(vec![f64::NAN; count]),
        (DType::U32, zeros) => CpuStorage::U32(vec![if zeros { 0 } else { u32::MAX }; count]),
        (other, _) => bail!("no result of {other:?}"),
    })
}

fn address(storage: &CpuStorage, start: usize) -> Result<u64> {
    // A view without entries may begin after the end of its storage.
    fn from<T>(values: &[T], start: usize) -> u64 {
        values[start.min(values.len())..].as_ptr() as u64
    }
    Ok(match storage {
        CpuStorage::F32(values) => from(values, start),
        CpuStorage::F64(values) => from(values, start),
        CpuStorage::U32(values) => from(values, start),
        CpuStorage::U8(values) => from(values, start),
        other => bail!("a kernel was given {:?}", other),
    })
}

fn address_mut(storage: &mut CpuStorage) -> Result<u64> {
    Ok(match storage {
        CpuStorage::F32(values) => values.as_mut_ptr() as u64,
        CpuStorage::F64(values) => values.as_mut_ptr() as u64,
        CpuStorage::U32(values) => values.as_mut_ptr() as u64,
        other => bail!("a kernel was to write {:?}", other),
    })
}

impl Launcher for Host {
    fn launch(&self, call: &Call, grid: Grid) -> Result<Vec<Storage>> {
        let single = match call.like.dtype() {
            DType::F32 => true,
            DType::F64 => false,
            other => bail!("no kernels for {other:?}"),
        };
        let mut results = Vec::new();
        let mut words: Vec<u64> = Vec::new();
        for argument in &call.arguments {
            words.push(match argument {
                Argument::Read(x) => {
                    assert!(x.is_contiguous(), "{}: {x:?}", call.kernel);
                    let (storage, layout) = x.storage_and_layout();
                    let Storage::Cpu(storage) = &*storage else {
                        bail!("{}: a tensor of another device", call.kernel);
                    };
                    address(storage, layout.start_offset())?
                }
                Argument::Write(shape, dtype) | Argument::Zeros(shape, dtype) => {
                    let zeros = matches!(argument, Argument::Zeros(..));
                    let mut storage = allocate(shape, *dtype, zeros)?;
                    let at = address_mut(&mut storage)?;
                    results.push(storage);
                    at
                }
                Argument::Nothing => 0,
                Argument::Address(at) => *at,
                Argument::Whole(value) => *value,
                Argument::Real(value) if single => u64::from((*value as f32).to_bits()),
                Argument::Real(value) => value.to_bits(),
            });
        }
        let addresses: Vec<*const u64> = words.iter().map(|word| word as *const u64).collect();
        let (blocks, waits) = match grid {
            Grid::Each(items) => (items.min(FEW_BLOCKS), false),
            Grid::Blocks(blocks) => (blocks, true),
        };
        let libraries = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let library = &libraries[usize::from(!single)];
        let name = format!("run_{}", call.kernel);
        // SAFETY: the function was built with this signature, and the arguments are the kernel's own.
        unsafe {
            let run: Symbol<'_, Run> = library
                .get(name.as_bytes())
                .unwrap_or_else(|_| panic!("there is no kernel {}", call.kernel));
            run(addresses.as_ptr(), blocks as u32, waits);
        }
        drop(libraries);
        Ok(results.into_iter().map(Storage::Cpu).collect())
    }
}
