//! What an interrupted command leaves behind.

/// What is left of the work when it is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A journal, which `--resume` goes on with.
    Journal,
    /// A run's folder, which `--resume` goes on with.
    Epochs,
    /// The records of networks that were trained, which `--resume` goes on with.
    Networks,
    /// A run's folder that only lacks the measurement of its winner.
    Run,
    /// Nothing.
    Nothing,
}
