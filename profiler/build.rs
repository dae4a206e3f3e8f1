//! Tells the loader where libtorch is. torch-sys finds it for the linker; the built agent must find it too.

use std::path::Path;

#[cfg(feature = "torch")]
fn allocator(include: &Path) {
    println!("cargo:rerun-if-changed=src/cuda/allocator.cpp");
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").warnings(false).define("_GLIBCXX_USE_CXX11_ABI", "1").include(include);
    build.file("src/cuda/allocator.cpp").compile("nasprof_cuda_allocator");
}

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if std::env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    let Some(folder) = std::env::var_os("LIBTORCH") else { return };
    // The real folder: the link in the checkout may go away before the built program does.
    let Ok(lib) = Path::new(&folder).join("lib").canonicalize() else { return };
    #[cfg(feature = "torch")]
    allocator(&Path::new(&folder).join("include"));
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    // libtorch_cpu names CUDA libraries that are only needed by parts we do not call.
    println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
}
