//! The available CUDA in this process, for programs that choose between GPUs and the CPU.

use nasprof_agent::nvidia;
use thiserror::Error;

use super::libraries::{self, LoadError};
use super::runtime::Runtime;

/// Maximum number of GPUs to search for a name.
const MAX_GPUS: u32 = 64;

/// Why no GPU can be used.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum CudaError {
    /// libtorch came without the CUDA runtime, which is in its CUDA part.
    #[error("{0}")]
    NoRuntime(String),
    /// The runtime reports no GPU; its message.
    #[error("{0}")]
    NoGpu(String),
    /// There is a GPU, but libtorch's CUDA part is missing or cannot be loaded.
    #[error("{0}")]
    NoCudaPart(#[from] LoadError),
}

/// CUDA as a program sees it.
pub trait System {
    /// Number of GPUs that this process may use; `CUDA_VISIBLE_DEVICES` may restrict them.
    ///
    /// # Errors
    /// If there is no driver or no GPU, with the runtime's message.
    fn gpus(&self) -> Result<u32, CudaError>;
    /// Loads libtorch's CUDA part permanently.
    ///
    /// # Errors
    /// If a library is missing, with the command that installs it, or does not load.
    fn load(&self) -> Result<(), CudaError>;
    /// Makes this thread use a GPU, and returns its name, such as `NVIDIA H200 at 0000:04:00.0`.
    ///
    /// # Errors
    /// If CUDA cannot use it.
    fn open(&self, index: u32) -> Result<String, CudaError>;
}

/// Checks that the GPU works for this process; after some errors it never works again.
///
/// # Errors
/// CUDA's message.
pub fn works() -> Result<(), String> {
    Runtime::find()?.works()
}

/// CUDA in this process. libtorch checks only once, at its first use, whether CUDA is available. So call [`System::load`]
/// before anything is computed or seeded.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisProcess;

impl System for ThisProcess {
    fn gpus(&self) -> Result<u32, CudaError> {
        let count = Runtime::find().map_err(CudaError::NoRuntime)?.device_count().map_err(CudaError::NoGpu)?;
        if count == 0 { Err(CudaError::NoGpu("CUDA shows no GPU".to_owned())) } else { Ok(count) }
    }

    fn load(&self) -> Result<(), CudaError> {
        libraries::load(&libraries::folders(), &mut libraries::open_globally)?;
        Ok(())
    }

    fn open(&self, index: u32) -> Result<String, CudaError> {
        let runtime = Runtime::find().map_err(CudaError::NoRuntime)?;
        runtime.set_device(index).map_err(CudaError::NoGpu)?;
        // This happens if libtorch checked for GPUs before the CUDA part was loaded.
        if i64::from(index) >= tch::Cuda::device_count() {
            return Err(CudaError::NoGpu("libtorch sees no GPU, although CUDA does".to_owned()));
        }
        let place = runtime.bus_id(index).map_err(CudaError::NoGpu)?;
        // The driver numbers GPUs differently, so the name is that of the GPU with the same bus address.
        let here = |gpu: &std::rc::Rc<dyn nvidia::Gpu>| gpu.bus_id().is_some_and(|id| nvidia::same_place(&id, &place));
        let gpu = (0..MAX_GPUS).map_while(|i| nvidia::open(i).ok()).find(here);
        let name = gpu.and_then(|gpu| gpu.facts().get("gpu").cloned());
        Ok(format!("{} at {place}", name.as_deref().unwrap_or("a GPU")))
    }
}
