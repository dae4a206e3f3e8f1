//! The device of a run: the first GPU or exactly the requested one, or the CPU with a reason.

use nasprof_search::config::Compute;
use nasprof_torch::cuda::{CudaError, System};
use tch::Device;
use thiserror::Error;

/// The variable that limits the GPUs visible to a process.
pub(crate) const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// A requested device that is not available.
#[derive(Debug, Error)]
#[error("key `training.compute`: `{wanted}`: {problem}")]
pub struct NoGpu {
    wanted: Compute,
    problem: String,
    install: bool,
}

impl NoGpu {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self.install {
            true => "scripts/install-libtorch-cuda.sh".to_owned(),
            false => "`nvidia-smi` shows the driver version and the GPUs; without a GPU, `auto` falls back to the CPU"
                .to_owned(),
        }
    }
}

/// Where a run computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) device: Device,
    /// In words: `cuda:0, NVIDIA H200 at 0000:04:00.0, float32`, or the CPU with the reason.
    pub(crate) words: String,
}

/// Selects the device of a run. `visible` is the value of `CUDA_VISIBLE_DEVICES`.
pub(crate) fn choose(wanted: Compute, system: &dyn System, visible: Option<&str>) -> Result<Place, NoGpu> {
    let index = match wanted {
        Compute::Cpu => return Ok(Place { device: Device::Cpu, words: "the CPU".to_owned() }),
        Compute::Auto => 0,
        Compute::Cuda(index) => index,
    };
    let visible = visible.map_or_else(String::new, |list| format!(" ({VISIBLE} is `{list}`)"));
    match gpu(index, system) {
        Ok(name) => Ok(Place { device: Device::Cuda(index as usize), words: format!("cuda:{index}, {name}{visible}") }),
        Err(reason) => {
            let install = matches!(reason, CudaError::NoCudaPart(_));
            let about = if install { "libtorch's CUDA part cannot be used" } else { "no GPU" };
            let problem = format!("{about}: {reason}{visible}");
            match wanted {
                Compute::Auto => Ok(Place { device: Device::Cpu, words: format!("the CPU; {problem}") }),
                _ => Err(NoGpu { wanted, problem, install }),
            }
        }
    }
}

/// Number of GPUs that processes with this setting share. 0 unless it is `auto` and the first GPU works: on the CPU each
/// process says why.
pub(crate) fn shared_gpus(wanted: Compute, system: &dyn System) -> u32 {
    match wanted {
        Compute::Auto if gpu(0, system).is_ok() => system.gpus().unwrap_or(0),
        _ => 0,
    }
}

/// Opens a GPU and returns its name.
fn gpu(index: u32, system: &dyn System) -> Result<String, CudaError> {
    // Counts the GPUs first: without a GPU a missing CUDA part is no error. But only the CUDA part may bring the runtime
    // that counts them.
    let before = match system.gpus() {
        Err(CudaError::NoRuntime(_)) => None,
        other => Some(other?),
    };
    let check = |count: u32| match index < count {
        true => Ok(()),
        false if count == 1 => Err(CudaError::NoGpu("CUDA shows 1 GPU, number 0".to_owned())),
        false => Err(CudaError::NoGpu(format!("CUDA shows {count} GPUs, 0 to {}", count - 1))),
    };
    // The same holds for a GPU number that does not exist.
    before.map_or(Ok(()), check)?;
    system.load()?;
    if before.is_none() {
        check(system.gpus()?)?;
    }
    system.open(index)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::PathBuf;

    use nasprof_torch::cuda::LoadError;

    use super::*;

    /// A machine without CUDA, or with some of it.
    #[derive(Default)]
    struct Machine {
        gpus: Option<u32>,
        runtime_comes_with_the_part: bool,
        part_is_missing: bool,
        done: RefCell<Vec<String>>,
    }

    impl System for Machine {
        fn gpus(&self) -> Result<u32, CudaError> {
            if self.runtime_comes_with_the_part && self.done.borrow().is_empty() {
                return Err(CudaError::NoRuntime("the CUDA runtime has no cudaGetDeviceCount".to_owned()));
            }
            self.gpus.ok_or_else(|| CudaError::NoGpu("CUDA: no CUDA-capable device is detected (error 100)".to_owned()))
        }

        fn load(&self) -> Result<(), CudaError> {
            self.done.borrow_mut().push("load".to_owned());
            if !self.part_is_missing {
                return Ok(());
            }
            let (library, looked) = ("libtorch_cuda.so".to_owned(), vec![PathBuf::from("lib")]);
            Err(LoadError::Missing { library, needed_by: None, looked }.into())
        }

        fn open(&self, index: u32) -> Result<String, CudaError> {
            assert!(!self.done.borrow().is_empty(), "libtorch is asked for GPUs before its CUDA part is there");
            self.done.borrow_mut().push(format!("open {index}"));
            Ok("NVIDIA H200 at 0000:04:00.0".to_owned())
        }
    }

    fn on(machine: &Machine, wanted: Compute) -> Result<Place, NoGpu> {
        choose(wanted, machine, None)
    }

    #[test]
    fn a_gpu_is_taken_where_there_is_one_and_named() {
        for comes_late in [false, true] {
            let machine = || Machine { gpus: Some(2), runtime_comes_with_the_part: comes_late, ..Machine::default() };
            for (wanted, index) in [(Compute::Auto, 0), (Compute::Cuda(0), 0), (Compute::Cuda(1), 1)] {
                let machine = machine();
                let place = on(&machine, wanted).unwrap();
                assert_eq!(place.device, Device::Cuda(index));
                assert_eq!(place.words, format!("cuda:{index}, NVIDIA H200 at 0000:04:00.0"));
                assert_eq!(*machine.done.borrow(), ["load".to_owned(), format!("open {index}")]);
            }
            // The control: asked for the CPU, nothing of CUDA is touched.
            let machine = machine();
            assert_eq!(on(&machine, Compute::Cpu).unwrap().device, Device::Cpu);
            assert!(machine.done.borrow().is_empty());
        }
    }

    #[test]
    fn without_a_gpu_auto_says_why_and_the_others_are_refused() {
        let machine = Machine::default();
        let place = on(&machine, Compute::Auto).unwrap();
        assert_eq!(place.device, Device::Cpu);
        assert!(place.words.starts_with("the CPU; no GPU: CUDA: no CUDA-capable device"), "{}", place.words);
        assert!(machine.done.borrow().is_empty(), "gigabytes were loaded for no GPU");
        let error = on(&machine, Compute::Cuda(0)).unwrap_err();
        assert!(error.to_string().starts_with("key `training.compute`: `cuda`: no GPU: CUDA: no"), "{error}");
        assert!(error.hint().contains("nvidia-smi"));
    }

    #[test]
    fn a_missing_cuda_part_is_named_with_what_installs_it() {
        let machine = Machine { gpus: Some(1), part_is_missing: true, ..Machine::default() };
        let error = on(&machine, Compute::Cuda(0)).unwrap_err();
        assert!(error.to_string().contains("libtorch_cuda.so is missing"), "{error}");
        assert_eq!(error.hint(), "scripts/install-libtorch-cuda.sh");
        // It is never silently the CPU.
        let place = on(&machine, Compute::Auto).unwrap();
        let words = &place.words;
        assert!(
            words.starts_with("the CPU; libtorch's CUDA part cannot be used: ")
                && words.contains("install-libtorch-cuda.sh"),
            "{words}"
        );
    }

    #[test]
    fn processes_share_only_gpus_that_work() {
        let machine = |part_is_missing| Machine { gpus: Some(2), part_is_missing, ..Machine::default() };
        // Without libtorch's CUDA part every process is on the CPU, as one process is; `cuda:0` would be an error.
        assert_eq!(shared_gpus(Compute::Auto, &machine(true)), 0);
        assert_eq!(on(&machine(true), Compute::Auto).unwrap().device, Device::Cpu);
        // The control: with it they share both.
        assert_eq!(shared_gpus(Compute::Auto, &machine(false)), 2);
        assert_eq!([Compute::Cpu, Compute::Cuda(1)].map(|asked| shared_gpus(asked, &machine(false))), [0, 0]);
        assert_eq!(shared_gpus(Compute::Auto, &Machine::default()), 0);
    }

    #[test]
    fn gpus_are_counted_among_those_that_are_shown() {
        let machine = Machine { gpus: Some(1), ..Machine::default() };
        let error = choose(Compute::Cuda(1), &machine, Some("GPU-8a2f")).unwrap_err().to_string();
        assert!(error.contains("`cuda:1`: no GPU: CUDA shows 1 GPU, number 0"), "{error}");
        assert!(error.contains("CUDA_VISIBLE_DEVICES is `GPU-8a2f`"), "{error}");
        assert!(machine.done.borrow().is_empty(), "gigabytes were loaded for a GPU that is not there");
        let late = Machine { gpus: Some(1), runtime_comes_with_the_part: true, ..Machine::default() };
        assert!(on(&late, Compute::Cuda(1)).unwrap_err().to_string().contains("CUDA shows 1 GPU, number 0"));
        let place = choose(Compute::Auto, &machine, Some("GPU-8a2f")).unwrap();
        assert!(place.words.ends_with("(CUDA_VISIBLE_DEVICES is `GPU-8a2f`)"), "{}", place.words);
    }
}
