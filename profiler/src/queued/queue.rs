//! Timing behind a full queue.
//!
//! Kernels of small layers take less time than their launches, so events around them would measure launches. The GPU
//! therefore gets other work first (nvbench uses a blocking kernel), and the layers are queued while it is busy. At every
//! event the host checks that the GPU is still busy; if not, the run is repeated with more work before it.

/// A GPU's queue with marks (events), and the clock of the processor that fills it.
pub trait Stream {
    /// Queues filling work this many times; each keeps the GPU busy for some tens of microseconds or more.
    ///
    /// # Errors
    /// If the GPU fails, as in all functions here.
    fn fill(&mut self, times: u32) -> Result<(), String>;
    /// Queues a mark.
    ///
    /// # Errors
    /// As [`Stream::fill`].
    fn mark(&mut self, number: usize) -> Result<(), String>;
    /// Whether the GPU has reached a mark.
    ///
    /// # Errors
    /// As [`Stream::fill`].
    fn is_past(&self, number: usize) -> Result<bool, String>;
    /// Waits until the queue is empty.
    ///
    /// # Errors
    /// As [`Stream::fill`].
    fn wait(&mut self) -> Result<(), String>;
    /// GPU time in nanoseconds between two marks that the GPU has reached.
    ///
    /// # Errors
    /// As [`Stream::fill`].
    fn between(&self, from: usize, to: usize) -> Result<u64, String>;
    /// The processor's clock in nanoseconds.
    fn now(&self) -> u64;
    /// How often the processor was taken from this thread so far.
    fn preemptions(&self) -> u64;
    /// Queues a fixed number of launches, always the same ones, which together take the processor about a millisecond.
    ///
    /// # Errors
    /// As [`Stream::fill`].
    fn launch_reference(&mut self) -> Result<(), String>;
}

/// Maximum number of fills before giving up.
const MAX_FILL: u32 = 1 << 14;
/// Filling lasts this many times as long as the launches that it hides.
const MARGIN: f64 = 1.5;
/// Fills per try, and tries, to measure the duration of one fill.
const FILLS_TIMED: u32 = 8;
const FILL_TRIES: usize = 3;

/// The number of fills that one kind of work needs, learnt from the duration of its launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill(u32);

impl Default for Fill {
    fn default() -> Self {
        Self(1)
    }
}

/// Queues work and times it.
pub struct Queue<S> {
    stream: S,
    /// Nanoseconds for which one fill keeps the GPU busy.
    fill_ns: u64,
}

/// Puts marks into the queue while work is queued, and remembers whether the GPU had to wait.
pub struct Marks<'a, S> {
    stream: &'a mut S,
    count: usize,
    starved: bool,
}

impl<S: Stream> Marks<'_, S> {
    /// Queues a mark after the work so far.
    ///
    /// # Errors
    /// If the GPU fails.
    pub fn mark(&mut self) -> Result<(), String> {
        self.stream.mark(self.count)?;
        // If the GPU has reached the previous mark, it may have been idle before this work came.
        if self.count > 0 {
            self.starved |= self.stream.is_past(self.count - 1)?;
        }
        self.count += 1;
        Ok(())
    }
}

impl<S: Stream> Queue<S> {
    /// Makes a queue and measures the duration of a fill.
    ///
    /// # Errors
    /// If the GPU fails.
    pub fn new(mut stream: S) -> Result<Self, String> {
        let mut fill_ns = u64::MAX;
        for _ in 0..FILL_TRIES {
            stream.fill(FILLS_TIMED)?;
            stream.mark(0)?;
            stream.fill(FILLS_TIMED)?;
            stream.mark(1)?;
            stream.wait()?;
            fill_ns = fill_ns.min(stream.between(0, 1)? / u64::from(FILLS_TIMED));
        }
        Ok(Self { stream, fill_ns: fill_ns.max(1) })
    }

    /// Nanoseconds between consecutive marks: one set here before `work`, then those that `work` sets. `prepare` is queued
    /// before the first mark, untimed. `fill` is updated for the next run of the same work.
    ///
    /// # Errors
    /// If the GPU fails, or cannot be kept busy while the work is queued.
    pub fn timed(
        &mut self,
        fill: &mut Fill,
        mut prepare: impl FnMut() -> Result<(), String>,
        mut work: impl FnMut(&mut Marks<'_, S>) -> Result<(), String>,
    ) -> Result<Vec<u64>, String> {
        loop {
            self.stream.fill(fill.0)?;
            let begun = self.stream.now();
            prepare()?;
            let mut marks = Marks { stream: &mut self.stream, count: 0, starved: false };
            marks.mark()?;
            work(&mut marks)?;
            let (count, starved) = (marks.count, marks.starved);
            let launching = self.stream.now().saturating_sub(begun);
            self.stream.wait()?;
            let needed = self.needed(launching);
            if !starved {
                // Only decreases here: a full queue makes the processor wait, which looks like long launches.
                fill.0 = fill.0.min(needed);
                return (1..count).map(|mark| self.stream.between(mark - 1, mark)).collect();
            }
            if fill.0 >= MAX_FILL {
                return Err("the GPU waits for the processor even with a full queue".to_owned());
            }
            fill.0 = needed.max(fill.0 * 2).min(MAX_FILL);
        }
    }

    /// Number of fills that cover such launches, with a margin.
    fn needed(&self, launching_ns: u64) -> u32 {
        let fills = (launching_ns as f64 * MARGIN / self.fill_ns as f64).ceil() + 1.0;
        fills.min(f64::from(MAX_FILL)) as u32
    }

    /// The stream itself, for work that is not timed by marks.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Waits until the queue is empty.
    ///
    /// # Errors
    /// If the GPU fails.
    pub fn wait(&mut self) -> Result<(), String> {
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
        filled: u32,
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

        fn queue(&self) -> Queue<Self> {
            let queue = Queue::new(self.clone()).unwrap();
            self.0.borrow_mut().filled = 0;
            queue
        }
    }

    impl Stream for Simulated {
        fn fill(&mut self, times: u32) -> Result<(), String> {
            self.0.borrow_mut().filled += times;
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
        fn now(&self) -> u64 {
            self.0.borrow().host
        }
        fn preemptions(&self) -> u64 {
            0
        }
        fn launch_reference(&mut self) -> Result<(), String> {
            (0..100).for_each(|_| self.launch(1_000));
            Ok(())
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
            let mut queue = world.queue();
            let times =
                queue.timed(&mut Fill::default(), || Ok(()), |marks| queue_layers(&world, marks, layers)).unwrap();
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
        let mut queue = world.queue();
        let mut waiting = world.clone();
        let result = queue.timed(
            &mut Fill::default(),
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
        let mut queue = world.queue();
        let prepare = || {
            world.launch(1_000_000);
            Ok(())
        };
        let times = queue.timed(&mut Fill::default(), prepare, |marks| queue_layers(&world, marks, 3)).unwrap();
        assert_eq!(times, vec![2_000; 3]);
    }

    /// Filling lasts about as long as the launches, also after work that needed much more, and is right at once after the
    /// first time.
    #[test]
    fn filling_lasts_as_long_as_the_launches() {
        let world = Simulated::default();
        let mut queue = world.queue();
        for layers in [500, 4] {
            let mut fill = Fill::default();
            for time in 0..3 {
                world.0.borrow_mut().filled = 0;
                queue.timed(&mut fill, || Ok(()), |marks| queue_layers(&world, marks, layers)).unwrap();
                let (filled, launching) = (u64::from(world.0.borrow().filled) * FILL, layers as u64 * LAUNCH);
                assert!(time == 0 || (launching..=2 * launching + 2 * FILL).contains(&filled), "{layers}: {filled}");
            }
        }
        // A control: work that was given far too much is given less the next time.
        let mut fill = Fill(1000);
        queue.timed(&mut fill, || Ok(()), |marks| queue_layers(&world, marks, 4)).unwrap();
        assert!(fill.0 < 10, "{fill:?}");
    }
}
