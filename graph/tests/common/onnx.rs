//! Running Python with ONNX and ONNX Runtime, which are neither built nor linked here. Tests of other crates use it too.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a Python script says to some arguments; `None`, said aloud, where there is no ONNX.
pub(crate) fn python(script: &str, arguments: &[&Path]) -> Option<Output> {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../.deps/onnx/bin/python").to_owned();
    let named = std::env::var("NASPROF_TEST_ONNX_PYTHON").ok();
    let has = |python: &String| {
        let status = Command::new(python).args(["-c", "import onnx, onnxruntime"]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let Some(python) = named.into_iter().chain([installed, "python3".to_owned()]).find(has) else {
        let hint = "scripts/install-onnx.sh installs it, NASPROF_TEST_ONNX_PYTHON names a Python that has it";
        let _ = writeln!(std::io::stderr(), "SKIPPED: no ONNX and ONNX Runtime; {hint}");
        return None;
    };
    Some(Command::new(python).arg("-c").arg(script).args(arguments).output().unwrap())
}
