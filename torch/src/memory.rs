//! Memory of a network. The peak of a run comes from the kernel's high-water mark of resident memory; the memory kept
//! between runs comes from the allocator's count.
//!
//! Two effects can hide a layer's memory. Free but resident memory absorbs new blocks, so it is returned or filled first.
//! And the kernel counts a process's pages in batches for each processor, so its mark misses up to a batch. Therefore the
//! run is repeated with different numbers of pages already in the batch, and the highest mark counts.

use std::time::Instant;

use nasprof_agent::resident::{reset_peak, status};
use nasprof_agent::{allocator, timer};
use nasprof_profiler::protocol::{DeviceError, Memory};
use nix::unistd::{SysconfVar, sysconf};

/// Number of runs to determine a peak.
const PEAK_RUNS: usize = 8;
/// Minimum batch: the pages that a processor counts before it updates the kernel's counter. The batch is larger than 32 only
/// with more than 16 processors.
const MIN_BATCH: usize = 32;

/// Number of copies of a network to measure its stored memory; fewer if they fill [`STORED_BYTES`].
const STORED_COPIES: usize = 32;
const STORED_BYTES: u32 = 4 << 20;

/// Builds and runs the network, and measures how far resident memory rises above the process without the network, and above
/// the state before a run. `filling` fills up the heap; it is kept between networks, because filling takes long.
pub(super) fn peak<N>(
    filling: &mut Vec<Vec<u8>>,
    build: impl Fn() -> Result<N, DeviceError>,
    run: impl Fn(&mut N) -> Result<(), String>,
    drop_values: impl Fn(&mut N),
) -> Result<Memory, DeviceError> {
    let run = |network: &mut N| run(network).map_err(DeviceError::Refused);
    // Memory of earlier graphs must be returned, because reused memory would not show.
    allocator::return_memory().map_err(DeviceError::Refused)?;
    // The runtime fills its caches (compiled kernels) once; they do not belong to a network.
    let first_ns = {
        let mut network = build()?;
        let start = Instant::now();
        run(&mut network)?;
        timer::nanoseconds(start)
    };
    allocator::fill_holes(filling);
    await_stable_counters();
    let without = status("VmRSS:");
    let mut network = build()?;
    run(&mut network)?;
    let counted = Counted::new();
    let mut above: Option<(u64, u64)> = None;
    for phase in 0..PEAK_RUNS {
        // Pages that a run leaves free in the heap would absorb the next run's tensors and hide them.
        allocator::trim();
        let before = counted.before(phase);
        run(&mut network)?;
        let Some(marked) = before.peak() else { break };
        let over = |base: u64| marked.saturating_sub(base);
        let (run, network) = (over(before.resident), over(without.unwrap_or(before.resident)));
        above = Some(above.map_or((run, network), |(r, n)| (run.max(r), network.max(n))));
    }
    drop(network);
    Ok(Memory {
        first_ns,
        peak_bytes: above.map(|(run, _)| run),
        network_bytes: above.filter(|_| without.is_some()).map(|(_, network)| network),
        stored_bytes: stored(filling, &build, &drop_values)?,
        method: format!("highest of {PEAK_RUNS} VmHWM after clear_refs, minus VmRSS; kept: the allocator's count"),
        resolution_bytes: (counted.step() * counted.page) as u64,
    })
}

/// How the kernel counts resident pages.
struct Counted {
    page: usize,
    batch: usize,
}

/// The state before a run: resident bytes, and bytes of the pages touched since then to shift the batch.
struct Before {
    resident: u64,
    added: u64,
    _pages: Vec<u8>,
}

impl Counted {
    fn new() -> Self {
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| usize::try_from(size).ok());
        let processors = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().and_then(|n| usize::try_from(n).ok());
        Self { page: page.unwrap_or(4096), batch: MIN_BATCH.max(2 * processors.unwrap_or(1)) }
    }

    /// Number of pages between two phases: the remaining error of the highest mark.
    fn step(&self) -> usize {
        self.batch.div_ceil(PEAK_RUNS)
    }

    /// Touches a number of pages that differs by phase, and resets the mark.
    fn before(&self, phase: usize) -> Before {
        let mut pages = Vec::with_capacity(2 * self.batch * self.page);
        await_stable_counters();
        let resident = status("VmRSS:").unwrap_or(0);
        // The block begins after its header, in a page that is already resident.
        let touched = phase * self.step();
        pages.resize(touched * self.page, 1);
        // If the mark cannot be reset, there is no peak to read.
        let reset = reset_peak() && resident > 0;
        let resident = if reset { resident } else { 0 };
        Before { resident, added: (touched * self.page) as u64, _pages: pages }
    }
}

impl Before {
    /// The mark minus the added pages.
    fn peak(&self) -> Option<u64> {
        let marked = status("VmHWM:").filter(|_| self.resident > 0)?;
        Some(marked.saturating_sub(self.added))
    }
}

/// Makes the kernel add up the counts of its processors: returning a large block updates the counter at once.
fn await_stable_counters() {
    drop(std::hint::black_box(vec![1_u8; 4 << 20]));
}

/// Memory of a network without its values: its blocks, and the gaps due to their alignment. glibc caches up to seven freed
/// blocks of each size below a kilobyte, and takes memory in whole pages. To make these errors small, several copies of a
/// small network are built, and the result is their average.
fn stored<N>(
    filling: &mut Vec<Vec<u8>>,
    build: &impl Fn() -> Result<N, DeviceError>,
    drop_values: &impl Fn(&mut N),
) -> Result<Option<u64>, DeviceError> {
    let mut copies = Vec::new();
    allocator::fill_holes(filling);
    let Some(before) = allocator::taken() else { return Ok(None) };
    let mut above = 0;
    while copies.len() < STORED_COPIES && above < STORED_BYTES {
        let mut network = build()?;
        drop_values(&mut network);
        copies.push(network);
        // A decrease counts as zero.
        above = allocator::taken().unwrap_or(before).wrapping_sub(before);
        above = if above > u32::MAX / 2 { 0 } else { above };
    }
    Ok(Some(u64::from(above) / copies.len() as u64))
}
