//! Loads libtorch's CUDA part when a GPU is requested, so that one program serves machines with and without one.

use std::fs;
use std::path::{Path, PathBuf};

use nasprof_base::env_path::{cache_home, env_path};
use thiserror::Error;

/// The library that registers CUDA with libtorch when it is loaded.
const LIBRARY: &str = "libtorch_cuda.so";
/// Environment variable with the folder of [`LIBRARY`].
pub(super) const VARIABLE: &str = "NASPROF_LIBTORCH_CUDA";
/// Limit of dependencies: the library needs a dozen others, which may need more.
const MAX_LIBRARIES: usize = 100;

/// Why CUDA cannot be used.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum LoadError {
    /// A library was not found.
    #[error(
        "{library} is missing{}; looked in {}; `scripts/install-libtorch-cuda.sh` installs it, or set {VARIABLE} to the \
         folder torch/lib of a PyTorch of the same version with CUDA",
        .needed_by.as_ref().map_or_else(String::new, |by| format!(" ({by} needs it)")),
        .looked.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Missing {
        /// The library.
        library: String,
        /// The library that needs it.
        needed_by: Option<String>,
        /// The searched folders.
        looked: Vec<PathBuf>,
    },
    /// A library exists but does not load: another version of libtorch, another architecture, or a damaged file.
    #[error("{path} cannot be loaded: {problem}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// The loader's message.
        problem: String,
    },
}

/// Loads the CUDA part from the first of `folders` that has it; `open` is the loader. Dependencies that the loader does not
/// find by itself are searched in the same folders, and in the Python packages beside them.
pub(super) fn load(
    folders: &[PathBuf],
    open: &mut dyn FnMut(&Path) -> Result<(), String>,
) -> Result<PathBuf, LoadError> {
    let looked: Vec<PathBuf> = folders.iter().flat_map(|folder| with_packages(folder)).collect();
    let mut budget = MAX_LIBRARIES;
    load_one(LIBRARY, None, &looked, open, &mut budget)
}

fn load_one(
    library: &str,
    needed_by: Option<&str>,
    looked: &[PathBuf],
    open: &mut dyn FnMut(&Path) -> Result<(), String>,
    budget: &mut usize,
) -> Result<PathBuf, LoadError> {
    let missing = || LoadError::Missing {
        library: library.to_owned(),
        needed_by: needed_by.map(ToOwned::to_owned),
        looked: looked.to_vec(),
    };
    let path = looked.iter().map(|folder| folder.join(library)).find(|p| p.is_file()).ok_or_else(missing)?;
    let mut last = None;
    loop {
        let Err(problem) = open(&path) else { return Ok(path) };
        let needed = missing_library(&problem).map(ToOwned::to_owned);
        match needed {
            // If the same library is missing again after it was loaded, the loader does not accept it.
            Some(needed) if last.as_ref() != Some(&needed) && *budget > 0 => {
                *budget -= 1;
                load_one(&needed, Some(library), looked, open, budget)?;
                last = Some(needed);
            }
            _ => return Err(LoadError::Broken { path, problem }),
        }
    }
}

/// The missing library in the loader's message: `libx.so.1: cannot open shared object file: No such file …`.
fn missing_library(problem: &str) -> Option<&str> {
    let name = problem.split(": cannot open shared object file").next().filter(|name| *name != problem)?;
    let name = name.rsplit([' ', ':']).next()?;
    (name.starts_with("lib") && !name.contains('/')).then_some(name)
}

/// A folder and, if it is a `torch/lib`, the folders of the packages `nvidia-*` beside it.
fn with_packages(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    let packages = folder.ancestors().nth(2).map(|site| site.join("nvidia"));
    let mut found: Vec<PathBuf> = packages
        .and_then(|nvidia| fs::read_dir(nvidia).ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|package| package.path().join("lib"))
        .filter(|lib| lib.is_dir())
        .collect();
    found.sort();
    all.extend(found);
    all
}

/// Folders to search for the CUDA part: the folder in the environment variable, else that of the loaded libtorch, then the
/// folder of `scripts/install-libtorch-cuda.sh`.
pub(super) fn folders() -> Vec<PathBuf> {
    if let Some(folder) = env_path(VARIABLE) {
        return vec![folder];
    }
    let loaded = fs::read_to_string("/proc/self/maps").ok().and_then(|maps| {
        let line = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
        Some(Path::new(&line[line.find('/')?..]).parent()?.to_owned())
    });
    let installed =
        cache_home().map(|cache| cache.join("nasprof").join(format!("libtorch-cuda-{}", crate::VERSION)).join("lib"));
    loaded.into_iter().chain(installed).collect()
}

/// Loads a library permanently, with its symbols visible to libraries loaded later.
pub(super) fn open_globally(path: &Path) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    #[expect(unsafe_code, reason = "loading runs the library's initialisers; it is libtorch's own CUDA part")]
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map_err(|e| e.to_string())?;
    // The library is never unloaded, because libtorch keeps pointers into it.
    std::mem::forget(library);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nasprof_testkit::machine::tree;

    fn cannot_open(library: &str) -> String {
        format!("{library}: cannot open shared object file: No such file or directory")
    }

    /// A loader for which each library needs others, by file name.
    fn loader(needs: &'static [(&'static str, &'static [&'static str])]) -> impl FnMut(&Path) -> Result<(), String> {
        let mut loaded: Vec<String> = Vec::new();
        move |path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let needed = needs.iter().find(|(library, _)| *library == name).map_or(&[][..], |(_, needed)| needed);
            match needed.iter().find(|needed| !loaded.iter().any(|l| l == *needed)) {
                Some(missing) => Err(cannot_open(missing)),
                None => {
                    loaded.push(name);
                    Ok(())
                }
            }
        }
    }

    #[test]
    fn what_is_needed_is_loaded_first_from_the_packages_beside() {
        let root = tree(&[
            ("site/torch/lib/libtorch_cuda.so", ""),
            ("site/nvidia/cudnn/lib/libcudnn.so.9", ""),
            ("site/nvidia/cu13/lib/libcublas.so.13", ""),
            ("site/nvidia/cu13/lib/libcublasLt.so.13", ""),
        ]);
        let mut open = loader(&[
            ("libtorch_cuda.so", &["libcudnn.so.9", "libcublas.so.13"]),
            ("libcublas.so.13", &["libcublasLt.so.13"]),
        ]);
        let folder = root.join("site/torch/lib");
        assert_eq!(load(std::slice::from_ref(&folder), &mut open), Ok(folder.join("libtorch_cuda.so")));
    }

    #[test]
    fn what_is_missing_is_named_with_where_it_was_looked_for() {
        let root = tree(&[("a/torch/lib/libtorch_cuda.so", ""), ("a/nvidia/cu13/lib/x", "")]);
        let folders = [root.join("none/torch/lib"), root.join("a/torch/lib")];
        let mut open = loader(&[("libtorch_cuda.so", &["libcudnn.so.9"])]);
        let error = load(&folders, &mut open).unwrap_err().to_string();
        for part in ["libcudnn.so.9 is missing", "libtorch_cuda.so needs it", "nvidia/cu13/lib", VARIABLE, "scripts/"] {
            assert!(error.contains(part), "no `{part}` in {error}");
        }
        let error = load(&folders[..1], &mut open).unwrap_err().to_string();
        assert!(error.contains("libtorch_cuda.so is missing; looked in"), "{error}");
    }

    #[test]
    fn a_library_that_does_not_load_is_not_tried_for_ever() {
        let root = tree(&[("torch/lib/libtorch_cuda.so", ""), ("torch/lib/libcudnn.so.9", "")]);
        let folders = [root.join("torch/lib")];
        let words = "/x/libtorch_cuda.so: undefined symbol: _ZN3c10";
        let error = load(&folders, &mut |_| Err(words.to_owned())).unwrap_err();
        assert!(matches!(error, LoadError::Broken { ref problem, .. } if problem == words), "{error}");
        // A loader that never finds what was just loaded.
        let mut stubborn = |path: &Path| match path.file_name().and_then(|n| n.to_str()) {
            Some("libtorch_cuda.so") => Err(cannot_open("libcudnn.so.9")),
            _ => Ok(()),
        };
        assert!(matches!(load(&folders, &mut stubborn), Err(LoadError::Broken { .. })));
        // Libraries that need one another.
        let mut circle = |path: &Path| match path.file_name().and_then(|n| n.to_str()) {
            Some("libtorch_cuda.so") => Err(cannot_open("libcudnn.so.9")),
            _ => Err(cannot_open("libtorch_cuda.so")),
        };
        assert!(matches!(load(&folders, &mut circle), Err(LoadError::Broken { .. })));
    }

    #[test]
    fn the_loader_s_words_are_understood() {
        assert_eq!(missing_library(&cannot_open("libcudnn.so.9")), Some("libcudnn.so.9"));
        let wrapped = format!("/x/libtorch_cuda.so: {}", cannot_open("libnccl.so.2"));
        assert_eq!(missing_library(&wrapped), Some("libnccl.so.2"));
        for other in ["", "invalid ELF header", "/abs/libx.so: cannot open shared object file: No such file"] {
            assert_eq!(missing_library(other), None, "{other}");
        }
    }
}
