//! What there is of CUDA in this process, for programs that choose between GPUs and the CPU.

use nasprof_agent::nvidia;
use thiserror::Error;

use super::libraries::{self, LoadError};
use super::runtime::Runtime;

/// GPUs of one machine that are asked for their name, at the most.
const MAX_GPUS: u32 = 64;

/// Why there is no GPU to compute on.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum CudaError {
    /// The CUDA runtime did not come with libtorch; its CUDA part brings it.
    #[error("{0}")]
    NoRuntime(String),
    /// The runtime shows no GPU; its words.
    #[error("{0}")]
    NoGpu(String),
    /// There is a GPU, and libtorch's CUDA part is missing or cannot be loaded.
    #[error("{0}")]
    NoCudaPart(#[from] LoadError),
}

/// CUDA as a program sees it.
pub trait System {
    /// GPUs that this process may use: of those in `CUDA_VISIBLE_DEVICES`, where that is set.
    ///
    /// # Errors
    /// If there is no driver or no GPU, in the runtime's words.
    fn gpus(&self) -> Result<u32, CudaError>;
    /// Loads libtorch's CUDA part for good.
    ///
    /// # Errors
    /// A library that is missing, with the command that installs it, or that does not load.
    fn load(&self) -> Result<(), CudaError>;
    /// Makes a GPU the one that this thread uses, and names it: `NVIDIA H200 at 0000:04:00.0`.
    ///
    /// # Errors
    /// If CUDA cannot use it.
    fn open(&self, index: u32) -> Result<String, CudaError>;
}

/// Whether the GPU works for this process: after some errors it never does again.
///
/// # Errors
/// CUDA's words.
pub fn works() -> Result<(), String> {
    Runtime::find()?.works()
}

/// CUDA in this process. libtorch asks once, when it first needs to know, whether CUDA is there: so [`System::load`] comes before
/// anything is computed or seeded.
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
        // It was asked before the CUDA part was there.
        if i64::from(index) >= tch::Cuda::device_count() {
            return Err(CudaError::NoGpu("libtorch sees no GPU, although CUDA does".to_owned()));
        }
        let place = runtime.bus_id(index).map_err(CudaError::NoGpu)?;
        // The driver numbers GPUs in another way, so the name is that of the one at the same place.
        let here = |gpu: &std::rc::Rc<dyn nvidia::Gpu>| gpu.bus_id().is_some_and(|id| nvidia::same_place(&id, &place));
        let gpu = (0..MAX_GPUS).map_while(|i| nvidia::open(i).ok()).find(here);
        let name = gpu.and_then(|gpu| gpu.facts().get("gpu").cloned());
        Ok(format!("{} at {place}", name.as_deref().unwrap_or("a GPU")))
    }
}
