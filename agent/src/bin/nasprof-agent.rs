//! `nasprof-agent`: runs on the device that is measured and speaks [`nasprof_profiler::protocol`] on its standard
//! input and output. `nasprof` starts it; there is nothing to type. It links no runtime: its devices are synthetic ones.

use std::process::ExitCode;

use nasprof_agent::program;
use nasprof_profiler::backend::AGENT;

fn main() -> ExitCode {
    program::run(AGENT, &[], |_| None)
}
