//! Finds and loads the library of ONNX Runtime.

use std::ffi::{CStr, c_char};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nasprof_base::env_path::{env_path, home};
use nasprof_base::libraries::{beginning, cached, in_folder};
use nasprof_profiler::backend::ONNX_RUNTIME_LIBRARY as FILE;
use ort::environment::Environment;
use thiserror::Error;

/// Folders that hold a `python3.*/site-packages`.
const PYTHONS: [&str; 3] = ["/usr/local/lib", "/usr/lib", "/opt/venv/lib"];

/// Why the library cannot be loaded.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// None was found.
    #[error(
        "found no {FILE}: looked in {looked}; install the Python package onnxruntime, or set NASPROF_ONNXRUNTIME to the library"
    )]
    NotFound {
        /// The searched places.
        looked: String,
    },
    /// The file is not a library for this machine.
    #[error("{path}: {problem}")]
    Unusable {
        /// The file.
        path: String,
        /// Why.
        problem: String,
    },
}

/// The loaded library.
pub struct Library {
    pub(crate) environment: Environment,
    /// Its version, as it reports it.
    pub version: String,
    /// Its path.
    pub path: PathBuf,
}

impl Library {
    /// Finds and loads the library; returns the loaded one if there is one.
    ///
    /// # Errors
    /// If there is no library, or it is for another architecture or too old.
    pub fn load() -> Result<Arc<Self>, LibraryError> {
        // ONNX Runtime has one environment per process. The crate checks this without a lock, so two threads at the same
        // time would crash.
        static LOADED: Mutex<Option<Arc<Library>>> = Mutex::new(None);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*loaded {
            return Ok(Arc::clone(library));
        }
        let library = Arc::new(Self::open()?);
        *loaded = Some(Arc::clone(&library));
        Ok(library)
    }

    /// The library's file. The order is: `NASPROF_ONNXRUNTIME`, the folders of `LD_LIBRARY_PATH`, the folder of this
    /// program, the cache of the install script, Python packages, system folders.
    ///
    /// # Errors
    /// If no library is found.
    pub fn find() -> Result<PathBuf, LibraryError> {
        let mut looked = Vec::new();
        if let Some(named) = env_path("NASPROF_ONNXRUNTIME") {
            if named.is_file() {
                return Ok(named);
            }
            return in_folder(&named, FILE)
                .ok_or_else(|| LibraryError::NotFound { looked: format!("{} only", named.display()) });
        }
        for folder in folders() {
            if let Some(found) = in_folder(&folder, FILE) {
                return Ok(found);
            }
            looked.push(folder.display().to_string());
        }
        Err(LibraryError::NotFound { looked: looked.join(", ") })
    }

    fn open() -> Result<Self, LibraryError> {
        let path = Self::find()?;
        check_architecture(&path)?;
        let unusable = |problem: String| LibraryError::Unusable { path: path.display().to_string(), problem };
        let version = version(&path).map_err(unusable)?;
        let environment = ort::init_from(&path)
            .map_err(|e| unusable(e.to_string()))?
            .with_telemetry(false)
            // Errors already contain the problems, and stderr belongs to the agent.
            .with_logger(Arc::new(|_, _, _, _, _| {}))
            .build()
            .map_err(|e| unusable(e.to_string()))?;
        Ok(Self { environment, version, path })
    }
}

fn folders() -> Vec<PathBuf> {
    let listed = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = listed.split(':').filter(|f| f.starts_with('/')).map(PathBuf::from).collect();
    folders.extend(std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned())));
    folders.extend(cached("onnxruntime", None));
    let environment = env_path("VIRTUAL_ENV").map(|folder| folder.join("lib"));
    let own = home().map(|home| home.join(".local/lib"));
    for root in environment.into_iter().chain(own).chain(PYTHONS.map(PathBuf::from)) {
        for python in beginning(&root, "python3").into_iter().rev() {
            folders.extend(["site-packages", "dist-packages"].map(|p| python.join(p).join("onnxruntime/capi")));
        }
    }
    folders.extend(["/usr/local/lib", "/usr/lib"].map(PathBuf::from));
    folders
}

/// Refuses a file for another architecture, because the loader's own message would not state the reason.
fn check_architecture(path: &Path) -> Result<(), LibraryError> {
    let unusable = |problem: String| LibraryError::Unusable { path: path.display().to_string(), problem };
    let header = |path: &Path| {
        let mut header = [0_u8; 20];
        File::open(path).and_then(|mut file| file.read_exact(&mut header)).map(|()| header)
    };
    let found = header(path).map_err(|e| unusable(e.to_string()))?;
    if !found.starts_with(b"\x7fELF") {
        return Err(unusable("is not a Linux library".to_owned()));
    }
    // The header of this program shows the class and machine that this system runs.
    let Ok(own) = header(Path::new("/proc/self/exe")) else { return Ok(()) };
    if (found[4], &found[18..20]) == (own[4], &own[18..20]) {
        return Ok(());
    }
    Err(unusable(format!("is built for another architecture than {}", std::env::consts::ARCH)))
}

/// The version that the library reports.
fn version(path: &Path) -> Result<String, String> {
    /// `OrtApiBase` of the C interface, which never changes.
    #[repr(C)]
    struct ApiBase {
        get_api: extern "C" fn(u32) -> *const std::ffi::c_void,
        get_version_string: extern "C" fn() -> *const c_char,
    }
    #[expect(unsafe_code, reason = "dlopen, and the two functions that ONNX Runtime promises for all versions")]
    unsafe {
        let library = libloading::Library::new(path).map_err(|e| e.to_string())?;
        let base = library
            .get::<unsafe extern "C" fn() -> *const ApiBase>(b"OrtGetApiBase")
            .map_err(|_| "does not export `OrtGetApiBase`, so it is not ONNX Runtime".to_owned())?();
        let base = base.as_ref().ok_or("its `OrtGetApiBase` returns nothing")?;
        let text = (base.get_version_string)();
        let version = if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() };
        // The library stays loaded, because its initialisation cannot be undone.
        std::mem::forget(library);
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_library_of_this_machine_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut other = std::fs::read("/proc/self/exe").unwrap()[..20].to_vec();
        other[18] ^= 0xff;
        for (bytes, words) in
            [(b"text that is long enough for it".to_vec(), "not a Linux library"), (other, "another architecture")]
        {
            std::fs::write(&path, bytes).unwrap();
            let error = check_architecture(&path).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains(FILE), "{error}");
        }
        // The control: this program is of this machine's architecture, and is not ONNX Runtime.
        let own = std::env::current_exe().unwrap();
        check_architecture(&own).unwrap();
        assert!(version(&own).is_err());
    }
}
