//! Links libtorch, and compiles the part of the back end that CUDA calls.

mod link;

#[cfg(feature = "torch")]
fn allocator(include: &std::path::Path) {
    println!("cargo:rerun-if-changed=src/cuda/allocator.cpp");
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").warnings(false).define("_GLIBCXX_USE_CXX11_ABI", "1").include(include);
    build.file("src/cuda/allocator.cpp").compile("nasprof_cuda_allocator");
}

fn main() {
    let _folder = link::libtorch();
    #[cfg(feature = "torch")]
    if let Some(folder) = _folder {
        allocator(&folder.join("include"));
    }
}
