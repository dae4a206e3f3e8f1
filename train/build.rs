//! Links libtorch where the build script of `nasprof-torch` found it, and compiles what its bindings do not have.

use std::path::PathBuf;

fn main() {
    let sources = ["src/device.cpp", "src/optimizer/update.cpp"];
    sources.iter().chain(&["src/caught.h"]).for_each(|file| println!("cargo:rerun-if-changed={file}"));
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    if let Some(include) = variable("DEP_NASPROF_TORCH_INCLUDE") {
        let mut build = cc::Build::new();
        build
            .cpp(true)
            .std("c++17")
            .warnings(false)
            .define("_GLIBCXX_USE_CXX11_ABI", "1")
            .include(include)
            .include("src");
        build.files(sources).compile("nasprof_train");
    }
    if let Some(lib) = variable("DEP_NASPROF_TORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
        println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
    }
}
