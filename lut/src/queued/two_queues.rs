//! Simulates the processor's queue of launches and the GPU's queue of kernels over a network.

/// A layer in both queues.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LaunchedLayer {
    /// The processor's time to launch it.
    pub(crate) launch_ns: f64,
    /// The GPU's time.
    pub(crate) kernel_ns: f64,
}

/// The delay of a network's result by each of its layers, nanoseconds; the sum is the whole time. A kernel starts when
/// it was launched and the previous kernel is done. The result is ready when both processors are done.
pub(super) fn answers_ns(layers: impl IntoIterator<Item = LaunchedLayer>) -> impl Iterator<Item = f64> {
    let (mut launched, mut done, mut answered) = (0.0_f64, 0.0_f64, 0.0_f64);
    layers.into_iter().map(move |layer| {
        launched += layer.launch_ns;
        done = done.max(launched) + layer.kernel_ns;
        let later = done.max(launched) - answered;
        answered += later;
        later
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(layers: &[(f64, f64)]) -> f64 {
        answers_ns(layers.iter().map(|&(launch_ns, kernel_ns)| LaunchedLayer { launch_ns, kernel_ns })).sum()
    }

    #[test]
    fn the_slower_queue_decides_and_the_other_is_hidden() {
        // Bound by launches: only the last kernel is visible. Bound by kernels: only the first launch is visible.
        assert!((answer(&[(5.0, 2.0); 10]) - 52.0).abs() < 1e-9);
        assert!((answer(&[(5.0, 8.0); 10]) - 85.0).abs() < 1e-9);
        // Neither sum, nor the larger of the two: a long kernel hides the launches behind it.
        assert!((answer(&[(5.0, 30.0), (5.0, 1.0), (5.0, 1.0), (5.0, 1.0)]) - 38.0).abs() < 1e-9);
        assert!((answer(&[(5.0, 1.0), (5.0, 1.0), (5.0, 1.0), (5.0, 30.0)]) - 50.0).abs() < 1e-9);
        assert!(answer(&[]).abs() < 1e-9);
    }
}
