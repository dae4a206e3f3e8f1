//! What floats the integers of a value stand for.

/// A scale and a zero point.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// Floats to an integer.
    pub(super) scale: f32,
    /// Names of its scale and its zero point in the model.
    pub(super) names: [String; 2],
}
