//! `nasprof-agent`: runs on the measured device and speaks [`nasprof_profiler::protocol`] on stdin and stdout.
//! `nasprof` starts it. It links no runtime: its devices are synthetic.

use std::process::ExitCode;

use nasprof_agent::program;
use nasprof_profiler::backend::AGENT;

fn main() -> ExitCode {
    program::run(AGENT, &[], |_| None)
}
