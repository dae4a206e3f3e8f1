//! Floats with a total order, for heaps.

/// A float with a total order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Total(pub(super) f64);

impl Eq for Total {}

impl PartialOrd for Total {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Total {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
