//! The processor's queue of launches and the GPU's queue of kernels, run over a network.

/// A layer as both queues see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LaunchedLayer {
    /// The processor's time to launch it.
    pub(crate) launch_ns: f64,
    /// The GPU's time.
    pub(crate) kernel_ns: f64,
}

/// How much later the answer of a network comes because of each of its layers, nanoseconds; the sum is the whole time. A
/// kernel starts when it was launched and the one before is done; the answer is there when both processors are.
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
        // Bound by launches: the last kernel alone shows. Bound by kernels: the first launch alone shows.
        assert!((answer(&[(5.0, 2.0); 10]) - 52.0).abs() < 1e-9);
        assert!((answer(&[(5.0, 8.0); 10]) - 85.0).abs() < 1e-9);
        // Neither sum, nor the larger of the two: a long kernel hides the launches behind it.
        assert!((answer(&[(5.0, 30.0), (5.0, 1.0), (5.0, 1.0), (5.0, 1.0)]) - 38.0).abs() < 1e-9);
        assert!((answer(&[(5.0, 1.0), (5.0, 1.0), (5.0, 1.0), (5.0, 30.0)]) - 50.0).abs() < 1e-9);
        assert!(answer(&[]).abs() < 1e-9);
    }
}
