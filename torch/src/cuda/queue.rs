//! Timing behind a full queue.
//!
//! Kernels of small layers are shorter than the time to launch them, so events around them would measure launches. The
//! GPU therefore gets other work first (nvbench uses a blocking kernel), and the layers are queued while it is busy.
//! Every event checks that the GPU is still busy; otherwise the run is repeated with more work in front of it.

/// A GPU's queue with marks (events) in it.
pub(crate) trait Stream {
    /// Queues work that keeps the GPU busy for some tens of microseconds or more, this many times.
    fn fill(&mut self, times: u32) -> Result<(), String>;
    /// Queues a mark.
    fn mark(&mut self, number: usize) -> Result<(), String>;
    /// Whether the GPU has come past a mark.
    fn is_past(&self, number: usize) -> Result<bool, String>;
    /// Waits until the queue is empty.
    fn wait(&mut self) -> Result<(), String>;
    /// Nanoseconds of the GPU between two marks that it has come past.
    fn between(&self, from: usize, to: usize) -> Result<u64, String>;
}

/// Times repeated with more filling before giving up.
const MAX_FILL: u32 = 1 << 14;

/// Queues work and times it.
pub(crate) struct Queue<S> {
    stream: S,
    fill: u32,
}

/// Puts marks into the queue while work is queued; remembers whether the GPU had to wait.
pub(crate) struct Marks<'a, S> {
    stream: &'a mut S,
    count: usize,
    starved: bool,
}

impl<S: Stream> Marks<'_, S> {
    /// A mark behind what was queued so far.
    pub(crate) fn mark(&mut self) -> Result<(), String> {
        self.stream.mark(self.count)?;
        // If the GPU is past the mark before, it may have had nothing to do until this work came.
        if self.count > 0 {
            self.starved |= self.stream.is_past(self.count - 1)?;
        }
        self.count += 1;
        Ok(())
    }
}

impl<S: Stream> Queue<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, fill: 1 }
    }

    /// Nanoseconds between the marks that `work` sets; the first mark, before it, is set here. `prepare` is queued
    /// before that, untimed.
    ///
    /// # Errors
    /// If the GPU fails, or cannot be kept busy while the work is queued.
    pub(crate) fn timed(
        &mut self,
        mut prepare: impl FnMut() -> Result<(), String>,
        mut work: impl FnMut(&mut Marks<'_, S>) -> Result<(), String>,
    ) -> Result<Vec<u64>, String> {
        loop {
            self.stream.fill(self.fill)?;
            prepare()?;
            let mut marks = Marks { stream: &mut self.stream, count: 0, starved: false };
            marks.mark()?;
            work(&mut marks)?;
            let (count, starved) = (marks.count, marks.starved);
            self.stream.wait()?;
            if !starved {
                return (1..count).map(|mark| self.stream.between(mark - 1, mark)).collect();
            }
            if self.fill >= MAX_FILL {
                return Err("the GPU always waits for the processor, however full its queue is".to_owned());
            }
            self.fill *= 2;
        }
    }

    /// Waits until the queue is empty.
    pub(crate) fn wait(&mut self) -> Result<(), String> {
        self.stream.wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Simulated time of a processor that queues and of a GPU that works.
    #[derive(Default)]
    struct World {
        host: u64,
        gpu: u64,
        marks: Vec<u64>,
    }

    #[derive(Clone, Default)]
    struct Simulated(Rc<RefCell<World>>);

    const LAUNCH: u64 = 5_000;
    const FILL: u64 = 20_000;

    impl Simulated {
        fn launch(&self, kernel: u64) {
            let mut world = self.0.borrow_mut();
            world.host += LAUNCH;
            world.gpu = world.gpu.max(world.host) + kernel;
        }
    }

    impl Stream for Simulated {
        fn fill(&mut self, times: u32) -> Result<(), String> {
            (0..times).for_each(|_| self.launch(FILL));
            Ok(())
        }
        fn mark(&mut self, number: usize) -> Result<(), String> {
            let mut world = self.0.borrow_mut();
            let at = world.gpu.max(world.host);
            world.marks.truncate(number);
            world.marks.push(at);
            Ok(())
        }
        fn is_past(&self, number: usize) -> Result<bool, String> {
            let world = self.0.borrow();
            Ok(world.marks[number] <= world.host)
        }
        fn wait(&mut self) -> Result<(), String> {
            let mut world = self.0.borrow_mut();
            world.host = world.host.max(world.gpu);
            Ok(())
        }
        fn between(&self, from: usize, to: usize) -> Result<u64, String> {
            let world = self.0.borrow();
            Ok(world.marks[to] - world.marks[from])
        }
    }

    /// Layers of 2 microseconds that take 5 to launch.
    fn queue_layers(world: &Simulated, marks: &mut Marks<'_, Simulated>, layers: usize) -> Result<(), String> {
        for _ in 0..layers {
            world.launch(2_000);
            marks.mark()?;
        }
        Ok(())
    }

    #[test]
    fn launch_latency_is_kept_out() {
        for layers in [1, 20, 500] {
            let world = Simulated::default();
            let mut queue = Queue::new(world.clone());
            let times = queue.timed(|| Ok(()), |marks| queue_layers(&world, marks, layers)).unwrap();
            assert_eq!(times, vec![2_000; layers]);
        }
    }

    /// The control: without filling, the same events show the launches.
    #[test]
    fn without_filling_events_show_launches() {
        let world = Simulated::default();
        let mut stream = world.clone();
        let mut marks = Marks { stream: &mut stream, count: 0, starved: false };
        marks.mark().unwrap();
        queue_layers(&world, &mut marks, 20).unwrap();
        assert!(marks.starved);
        assert_eq!(stream.between(10, 11).unwrap(), LAUNCH);
    }

    /// A GPU that never stays busy, for example because every layer waits for it.
    #[test]
    fn what_cannot_be_kept_out_is_refused() {
        let world = Simulated::default();
        let mut queue = Queue::new(world.clone());
        let mut waiting = world.clone();
        let result = queue.timed(
            || Ok(()),
            |marks| {
                waiting.wait()?;
                queue_layers(&world, marks, 2)
            },
        );
        assert!(result.unwrap_err().contains("waits for the processor"));
    }

    #[test]
    fn preparation_is_not_timed() {
        let world = Simulated::default();
        let mut queue = Queue::new(world.clone());
        let prepare = || {
            world.launch(1_000_000);
            Ok(())
        };
        let times = queue.timed(prepare, |marks| queue_layers(&world, marks, 3)).unwrap();
        assert_eq!(times, vec![2_000; 3]);
    }
}
