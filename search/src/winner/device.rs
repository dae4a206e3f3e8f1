//! What selecting a winner needs: the search that selects, and the device that measures.

use nasprof_graph::arch::ArchFile;

use super::latency::{Latency, Measured};

/// The result of a search.
pub trait Found {
    /// The architecture; `None` if it is not a selection of the space's choices.
    fn arch(&self) -> Option<&ArchFile>;

    /// Its latency.
    fn latency(&mut self) -> &mut Latency;
}

/// Measures networks on the target device of a search.
pub trait DeviceEvaluator {
    /// Its errors.
    type Error;

    /// The current level of the device: measured over estimated latency of known networks. The first winner is selected at
    /// this level. `None` if it is unknown.
    ///
    /// # Errors
    /// A device that cannot be measured.
    fn level(&mut self) -> Result<Option<f64>, Self::Error> {
        Ok(None)
    }

    /// Measures the whole network of an architecture.
    ///
    /// # Errors
    /// Those of [`DeviceEvaluator::level`].
    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, Self::Error>;

    /// Measures several whole networks by turns in the same sessions, so that they share a level. Returns them in the order
    /// of `archs`.
    ///
    /// # Errors
    /// Those of [`DeviceEvaluator::level`].
    fn measure_side_by_side(&mut self, archs: &[ArchFile]) -> Result<Vec<Measured>, Self::Error>;
}

/// Selects winners of a finished search.
pub trait Selector {
    /// The result of a search.
    type Found: Found;
    /// Its errors.
    type Error;

    /// Selects again, with the LUT's latencies multiplied by a factor.
    ///
    /// # Errors
    /// A failure to select.
    fn select(&mut self, factor: f64) -> Result<Self::Found, Self::Error>;

    /// Writes the result so far, and at the end the winner.
    ///
    /// # Errors
    /// A result that cannot be written.
    fn keep(&mut self, found: &Self::Found) -> Result<(), Self::Error>;
}
