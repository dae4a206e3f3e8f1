//! Links libtorch, and compiles the part of the back end that calls CUDA.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let sources = ["src/cuda/allocator.cpp", "src/cuda/capture.cpp", "src/cuda/context.cpp"];
    sources.iter().for_each(|source| println!("cargo:rerun-if-changed={source}"));
    let Some(folder) = std::env::var_os("LIBTORCH").map(PathBuf::from) else { return };
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").warnings(false).define("_GLIBCXX_USE_CXX11_ABI", "1").include(folder.join("include"));
    build.files(sources).compile("nasprof_cuda");
    // The real folder: the link in the checkout may go away before the built program does.
    let Ok(lib) = folder.join("lib").canonicalize() else { return };
    for argument in [
        // torch-sys finds libtorch for the linker; built programs must find it too.
        format!("-Wl,-rpath,{}", lib.display()),
        // libtorch_cpu names CUDA libraries that are only needed by parts we do not call.
        "-Wl,--allow-shlib-undefined".to_owned(),
    ] {
        println!("cargo:rustc-link-arg={argument}");
    }
    // For the build scripts of the crates that link this one: link arguments are a package's own.
    println!("cargo:lib={}", lib.display());
    println!("cargo:include={}", folder.join("include").display());
}
