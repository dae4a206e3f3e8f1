//! Checks that a LUT fits the space and the options of a command.

use nasprof_graph::Identity;
use nasprof_lut::Lut;

use crate::cli::ContextArgs;
use crate::failure::{Exit, Failure};
use crate::resolve;

/// The LUT, set to the requested kind of GPU latency.
pub(super) fn of_timing(mut lut: Lut, args: &ContextArgs) -> Result<Lut, Failure> {
    if let Some(timing) = args.timing {
        lut.choose_timing(resolve::timing(timing))?;
    }
    Ok(lut)
}

/// Refuses a LUT of another space, or of another context than the options say.
pub(super) fn check_context(lut: &Lut, args: &ContextArgs, space: &str, supernet: &Identity) -> Result<(), Failure> {
    lut.check_space(space, supernet)?;
    Ok(lut.check_context(&[
        ("backend", args.backend.clone()),
        ("threads", args.threads.map(|t| t.to_string())),
        ("batch", args.batch.map(|b| b.to_string())),
        ("allocator", args.allocator.map(|a| resolve::allocator(a).name().to_owned())),
        ("precision", args.precision.map(|p| resolve::precision(p).name().to_owned())),
        ("layout", args.layout.map(|l| resolve::layout(l).name().to_owned())),
    ])?)
}

/// Refuses to compare a measurement with locked clocks to one without.
pub(super) fn check_clocks(lut: &Lut, lock_clocks: bool) -> Result<(), Failure> {
    if lut.context.header.clocks.is_some() == lock_clocks {
        return Ok(());
    }
    let (was, hint) = if lock_clocks { ("not locked", "leave out") } else { ("locked", "pass") };
    let problem = format!("the clocks were {was} when this LUT was measured");
    Err(Failure { exit: Exit::ContextChanged, ..Failure::usage(problem) }.hint(format!("{hint} --lock-clocks")))
}
