//! Runs Python with packages that this workspace neither builds nor links.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::skip::skip;

/// Packages of a virtual environment that a script of ours installs.
#[derive(Debug, Clone, Copy)]
pub struct Packages {
    name: &'static str,
    imports: &'static str,
    /// Its folder in `.deps`, and its name for the script.
    folder: &'static str,
    /// Environment variable that names another Python with the packages.
    variable: &'static str,
}

/// ONNX and ONNX Runtime.
pub const ONNX: Packages = Packages {
    name: "ONNX and ONNX Runtime",
    imports: "onnx, onnxruntime",
    folder: "onnx",
    variable: "NASPROF_TEST_ONNX_PYTHON",
};
/// TensorBoard.
pub const TENSORBOARD: Packages = Packages {
    name: "TensorBoard",
    imports: "tensorboard",
    folder: "tensorboard",
    variable: "NASPROF_TEST_TENSORBOARD_PYTHON",
};

/// Runs a Python script on ONNX models, whose files are its arguments; `None`, with a message, if the packages are
/// missing.
pub fn on_models(script: &str, models: &[Vec<u8>]) -> Option<Output> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..models.len()).map(|i| folder.path().join(format!("{i}.onnx"))).collect();
    paths.iter().zip(models).for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    python(ONNX, script, &paths.iter().map(PathBuf::as_path).collect::<Vec<_>>())
}

/// Runs a Python script with arguments; `None`, with a message, if the packages are missing.
pub fn python(packages: Packages, script: &str, arguments: &[&Path]) -> Option<Output> {
    let Packages { name, imports, folder, variable } = packages;
    let installed = format!("{}/../.deps/{folder}/bin/python", env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var(variable).ok();
    let has = |python: &String| {
        // Run in another folder: in the repository, Python takes the folder `onnx` for the package.
        let mut import = Command::new(python);
        import.args(["-c", &format!("import {imports}")]).current_dir("/");
        let status = import.stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let Some(python) = named.into_iter().chain([installed, "python3".to_owned()]).find(has) else {
        let hint =
            format!("`scripts/install-python-tool.sh {folder}` installs it, {variable} names a Python that has it");
        skip(format_args!("no {name}; {hint}"));
        return None;
    };
    Some(Command::new(python).arg("-c").arg(script).args(arguments).output().unwrap())
}
