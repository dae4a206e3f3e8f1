//! Links libtorch as `nasprof-torch` does, whose build script says where it is.

fn main() {
    if let Some(lib) = std::env::var_os("DEP_NASPROF_TORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
        println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
    }
}
