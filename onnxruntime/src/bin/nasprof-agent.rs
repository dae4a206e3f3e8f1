//! `nasprof-agent`: runs on the measured device and speaks [`nasprof_profiler::protocol`] on stdin and stdout.
//! `nasprof` starts it. It has synthetic devices, and ONNX Runtime, which it loads when it is asked for.
//!
//! `nasprof-agent library` prints where it would load ONNX Runtime from: a host asks that before it puts a library onto a board.

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

/// Nobody may be left to read it.
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
