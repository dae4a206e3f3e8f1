//! One visit to a network on a processor with a queue: measures its latencies in turn.

use super::queue::{Fill, Queue, Stream};
use crate::protocol::{QueuedRuns, Run, Timing, VisitRequest};

/// In a run that is timed as a whole: number of layers between two checks that the GPU did not wait.
const CHECK_EVERY: usize = 256;
/// Replays of a graph between two marks: a mark's resolution is half a microsecond, and a replay may take only a hundred.
const REPLAYS: u32 = 4;

/// A network that is ready to be queued.
pub trait QueuedNetwork {
    /// Queues one run; `after_layer` is called when each layer is queued.
    ///
    /// # Errors
    /// If a layer does not run or `after_layer` fails.
    fn queue(&mut self, after_layer: &mut dyn FnMut() -> Result<(), String>) -> Result<(), String>;
    /// Whether its run was captured as a graph.
    fn is_captured(&self) -> bool;
    /// Queues a replay of the captured graph.
    ///
    /// # Errors
    /// If no graph was captured, or the GPU fails.
    fn replay(&mut self) -> Result<(), String>;
}

/// The learnt number of fills for each kind of run of one network.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fills {
    layers: Fill,
    whole: Fill,
    graph: Fill,
}

/// What a visit measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visited {
    /// GPU time of each layer behind a full queue, including the mark's own time.
    pub layers: Vec<Run>,
    /// GPU time of runs as a whole.
    pub whole: Vec<Run>,
    /// The other requested latencies.
    pub queued: Option<QueuedRuns>,
}

/// Measures the requested latencies. With `flush`, every timed run starts with a cold cache; otherwise an untimed run
/// precedes each.
///
/// # Errors
/// If a layer does not run, or the GPU fails or cannot be kept busy.
pub fn visit<S: Stream>(
    queue: &mut Queue<S>,
    network: &mut dyn QueuedNetwork,
    fills: &mut Fills,
    request: &VisitRequest,
    flush: bool,
) -> Result<Visited, String> {
    for _ in 0..request.warm_up_runs {
        network.queue(&mut || Ok(()))?;
    }
    queue.wait()?;
    let wants = |timing| request.timings.contains(&timing);
    let repeat = request.repeat.max(1);
    let (mut visited, mut queued) = (Visited::default(), QueuedRuns::default());
    for i in 0..request.layer_runs.max(request.whole_runs) {
        let mut visit = OneOf { queue, network, fills, flush };
        if i < request.layer_runs {
            visited.layers.push(run(visit.layers()?));
        }
        if i < request.whole_runs {
            visited.whole.push(run(vec![visit.whole(repeat)?]));
            if wants(Timing::Graph) && visit.network.is_captured() {
                queued.graph.push(run(vec![visit.graph(repeat)?]));
            }
        }
        if !wants(Timing::Wall) {
            continue;
        }
        // These depend on the processor, which is seldom as steady as the GPU.
        let before = visit.reference()?;
        if i < request.layer_runs {
            queued.launches.push(visit.on_processor(OneOf::launches)?);
        }
        if i < request.whole_runs {
            queued.wall.push(visit.on_processor(|visit| Ok(vec![visit.wall(repeat)?]))?);
        }
        let after = visit.reference()?;
        let switches = before.switches + after.switches;
        queued.references.push(Run { ns: [before.ns, after.ns].concat(), switches, faults: 0 });
    }
    visited.queued = (wants(Timing::Graph) || wants(Timing::Wall)).then_some(queued);
    Ok(visited)
}

/// A run timed by the GPU. Context switches and page faults do not matter on a processor that only queues: a delay makes the GPU wait,
/// which is detected.
fn run(ns: Vec<u64>) -> Run {
    Run { ns, switches: 0, faults: 0 }
}

/// The kinds of runs.
struct OneOf<'a, S> {
    queue: &'a mut Queue<S>,
    network: &'a mut dyn QueuedNetwork,
    fills: &'a mut Fills,
    flush: bool,
}

impl<S: Stream> OneOf<'_, S> {
    /// GPU time of each layer.
    fn layers(&mut self) -> Result<Vec<u64>, String> {
        let (network, flush) = (std::cell::RefCell::new(&mut *self.network), self.flush);
        // Filling the queue flushes the cache; the untimed run restores the cache as a run leaves it.
        let prepare = || if flush { Ok(()) } else { network.borrow_mut().queue(&mut || Ok(())) };
        self.queue.timed(&mut self.fills.layers, prepare, |marks| network.borrow_mut().queue(&mut || marks.mark()))
    }

    /// GPU time of `repeat` runs.
    fn whole(&mut self, repeat: u32) -> Result<u64, String> {
        let (network, flush) = (std::cell::RefCell::new(&mut *self.network), self.flush);
        let prepare = || if flush { Ok(()) } else { network.borrow_mut().queue(&mut || Ok(())) };
        let ns = self.queue.timed(&mut self.fills.whole, prepare, |marks| {
            let mut count = 0;
            for _ in 0..repeat {
                network.borrow_mut().queue(&mut || {
                    count += 1;
                    if count % CHECK_EVERY == 0 { marks.mark() } else { Ok(()) }
                })?;
            }
            marks.mark()
        })?;
        Ok(ns.iter().sum())
    }

    /// GPU time of `repeat` replays of the captured graph.
    fn graph(&mut self, repeat: u32) -> Result<u64, String> {
        let (network, flush) = (std::cell::RefCell::new(&mut *self.network), self.flush);
        // A second replay would find the cache as the first one left it.
        let replays = if flush { 1 } else { REPLAYS };
        let prepare = || if flush { Ok(()) } else { network.borrow_mut().replay() };
        let ns = self.queue.timed(&mut self.fills.graph, prepare, |marks| {
            (0..repeat * replays).try_for_each(|_| network.borrow_mut().replay())?;
            marks.mark()
        })?;
        Ok(ns.iter().sum::<u64>() / u64::from(replays))
    }

    /// The processor's time of `repeat` calls, each until its result is there.
    fn wall(&mut self, repeat: u32) -> Result<u64, String> {
        self.idle()?;
        let begun = self.queue.stream().now();
        for _ in 0..repeat {
            self.network.queue(&mut || Ok(()))?;
            self.queue.wait()?;
        }
        Ok(self.queue.stream().now().saturating_sub(begun))
    }

    /// The processor's time to launch each layer of such a call.
    fn launches(&mut self) -> Result<Vec<u64>, String> {
        self.idle()?;
        let Self { queue, network, .. } = self;
        let mut ns = Vec::new();
        let mut last = queue.stream().now();
        network.queue(&mut || {
            let now = queue.stream().now();
            ns.push(now.saturating_sub(last));
            last = now;
            Ok(())
        })?;
        queue.wait()?;
        Ok(ns)
    }

    /// A run timed by the processor, with its context switches.
    fn on_processor(&mut self, time: impl FnOnce(&mut Self) -> Result<Vec<u64>, String>) -> Result<Run, String> {
        let before = self.queue.stream().preemptions();
        let ns = time(self)?;
        Ok(Run { ns, switches: self.queue.stream().preemptions().saturating_sub(before), faults: 0 })
    }

    /// The processor's time for a fixed number of launches.
    fn reference(&mut self) -> Result<Run, String> {
        self.queue.wait()?;
        self.on_processor(|visit| {
            let stream = visit.queue.stream();
            let begun = stream.now();
            stream.launch_reference()?;
            let ns = stream.now().saturating_sub(begun);
            visit.queue.wait()?;
            Ok(vec![ns])
        })
    }

    /// Waits until the GPU is idle; flushes the cache first if requested.
    fn idle(&mut self) -> Result<(), String> {
        if self.flush {
            self.queue.stream().fill(1)?;
        }
        self.queue.wait()
    }
}
