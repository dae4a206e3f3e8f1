//! Tells the loader where libtorch is. torch-sys finds it for the linker; built programs must find it too.

use std::path::{Path, PathBuf};

/// The folder of libtorch, if the feature `torch` is on and there is one.
pub(crate) fn libtorch() -> Option<PathBuf> {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    std::env::var_os("CARGO_FEATURE_TORCH")?;
    let folder = PathBuf::from(std::env::var_os("LIBTORCH")?);
    // The real folder: the link in the checkout may go away before the built program does.
    let lib = Path::new(&folder).join("lib").canonicalize().ok()?;
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    // libtorch_cpu names CUDA libraries that are only needed by parts we do not call.
    println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
    Some(folder)
}
