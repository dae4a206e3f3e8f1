//! `nasprof-agent`: runs on the measured device and speaks [`nasprof_profiler::protocol`] on stdin and stdout. `nasprof`
//! starts it. It has synthetic devices, and loads ONNX Runtime on request.
//!
//! `nasprof-agent library` prints the path from which it would load ONNX Runtime. The host runs this before it uploads a
//! library to a board.

use std::io::{self, Write};
use std::process::ExitCode;

use nasprof_agent::program;
use nasprof_onnxruntime::{Library, OnnxRuntimeDevice};
use nasprof_profiler::backend::{AGENT, LIBRARY_ARGUMENT, NO_LIBRARY};
use nasprof_profiler::protocol::Device;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == LIBRARY_ARGUMENT) {
        return library();
    }
    program::run(AGENT, &["onnxruntime"], |backend| {
        let device = OnnxRuntimeDevice::named(backend)?;
        Some(device.map(|device| Box::new(device) as Box<dyn Device>))
    })
}

/// Prints the library's path. Write errors are ignored, because the reader may be gone.
fn library() -> ExitCode {
    match Library::find() {
        Ok(path) => {
            let _ = writeln!(io::stdout(), "{}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(NO_LIBRARY)
        }
    }
}
