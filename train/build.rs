//! Links libtorch where the build script of `nasprof-torch` found it.

fn main() {
    if let Some(lib) = std::env::var_os("DEP_NASPROF_TORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
        println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
    }
}
