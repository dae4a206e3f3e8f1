//! Links libtorch where the build script of `nasprof-torch` found it, and compiles what its bindings do not have.

use std::path::PathBuf;

fn main() {
    let source = "src/optimizer/update.cpp";
    println!("cargo:rerun-if-changed={source}");
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    if let Some(include) = variable("DEP_NASPROF_TORCH_INCLUDE") {
        let mut build = cc::Build::new();
        build.cpp(true).std("c++17").warnings(false).define("_GLIBCXX_USE_CXX11_ABI", "1").include(include);
        build.file(source).compile("nasprof_update");
    }
    if let Some(lib) = variable("DEP_NASPROF_TORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
        println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
    }
}
