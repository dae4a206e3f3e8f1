//! `nasprof validate --memory`: peak memory of new networks, each in its own process.

use nasprof_base::text::percent;
use nasprof_devices::Link;
use nasprof_graph::arch::ArchFile;
use nasprof_graph::{Arch, Overhead};
use nasprof_lut::{Lut, MemoryRow, MemoryValidation};
use nasprof_profiler::engine::setup;
use nasprof_profiler::protocol::{Allocator, Setup};
use nasprof_spaces::Space;

use super::{print, print_json};
use crate::failure::Failure;

/// Measures each network's peak and compares it with the estimate.
pub(super) fn run(space: &Space, lut: &Lut, archs: &[Arch], link: &mut Link, as_json: bool) -> Result<(), Failure> {
    let rows = archs.iter().map(|arch| measure(space, lut, arch, link)).collect::<Result<_, _>>()?;
    let validation = MemoryValidation::of(rows).ok_or_else(|| Failure::usage("no networks"))?;
    if as_json {
        return print_json(&validation);
    }
    print(format!("networks        {} holdout, each in its own process", validation.n))?;
    print(format!("peak memory     MAPE {} (bias {})", percent(validation.mape), percent(validation.bias)))?;
    print(format!("within 2/5 %    {} / {}", percent(validation.within_2), percent(validation.within_5)))?;
    print(format!("worst           {}", percent(validation.worst)))?;
    print(format!("graph alone     MAPE {} without measured workspaces", percent(validation.static_mape)))
}

fn measure(space: &Space, lut: &Lut, arch: &Arch, link: &mut Link) -> Result<MemoryRow, Failure> {
    let header = &lut.context.header;
    let network = header.runtime.subnet(&space.graph, arch)?;
    let mut device = link.agent(&header.backend)?;
    // As for the layers: an allocator that keeps freed memory would hide it.
    device.configure(&Setup { allocator: Allocator::System, ..setup(header, 0) })?;
    let memory = device.memory(&network)?;
    let measured_bytes = memory.network_bytes.ok_or_else(|| {
        Failure::usage("the device does not report the peak of resident memory")
            .hint("nasprof reads /proc/self/status after writing to /proc/self/clear_refs; both must be accessible")
    })?;
    Ok(MemoryRow {
        arch: ArchFile::new(&space.name, &space.choices, arch),
        measured_bytes,
        estimated_bytes: lut.peak_memory_bytes(&network),
        static_bytes: network.peak_memory_bytes(Overhead::none),
    })
}
