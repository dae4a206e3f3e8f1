//! Context switches and page faults during a timed run.

use nix::sys::resource::{Usage, UsageWho, getrusage};

/// Counters at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    switches: i64,
    faults: i64,
}

/// Reads the counters: with one thread, those of the calling thread. With several threads, the involuntary switches of the
/// whole process count, because a preempted worker delays a layer as much as the main thread does. Only the main thread's
/// voluntary switches count: workers also sleep voluntarily, which disturbs nothing.
pub fn counters(threads: usize) -> Counters {
    let Ok(own) = getrusage(UsageWho::RUSAGE_THREAD) else {
        return Counters::default();
    };
    let wide: Usage = match (threads > 1).then(|| getrusage(UsageWho::RUSAGE_SELF)) {
        Some(Ok(process)) => process,
        _ => own,
    };
    Counters {
        switches: own.voluntary_context_switches() + wide.involuntary_context_switches(),
        faults: wide.minor_page_faults(),
    }
}

/// Involuntary context switches of the calling thread so far; voluntary ones are not counted, because a thread may sleep while it waits
/// for a GPU.
#[must_use]
pub fn preemptions() -> u64 {
    let switches = getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |own| own.involuntary_context_switches());
    u64::try_from(switches).unwrap_or(0)
}

impl Counters {
    /// Switches and faults since `before`.
    pub fn since(self, before: Self) -> (u64, u64) {
        let delta = |now: i64, then: i64| u64::try_from(now - then).unwrap_or(0);
        (delta(self.switches, before.switches), delta(self.faults, before.faults))
    }
}
