//! Checks that several kinds of space files share. A typing error gives a message about its key, not about a node deep
//! in the network.

use std::ops::RangeInclusive;

use super::error::SpaceError;

/// Refuses a number outside its range.
pub(super) fn within(key: &'static str, value: usize, range: RangeInclusive<usize>) -> Result<(), SpaceError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(SpaceError::value(key, format!("{value} is not in {} to {}", range.start(), range.end())))
}

/// Most channels: above this, the error should name the key.
const MAX_CHANNELS: usize = 1 << 16;

/// Refuses a number of channels that makes no sense.
pub(super) fn channels(key: &'static str, value: usize) -> Result<(), SpaceError> {
    within(key, value, 1..=MAX_CHANNELS)
}

/// Refuses a kernel that is even (padding would not keep the size) or larger than any network has.
pub(super) fn kernel(key: &'static str, value: usize) -> Result<(), SpaceError> {
    within(key, value, 1..=99)?;
    if value % 2 == 1 {
        return Ok(());
    }
    Err(SpaceError::value(key, format!("{value} is even: padding keeps the size of a map for odd kernels only")))
}

/// Refuses a list without exactly one value for each stage.
pub(super) fn of_each_stage<T>(key: &'static str, values: &[T], stages: usize) -> Result<(), SpaceError> {
    if values.len() == stages {
        return Ok(());
    }
    Err(SpaceError::value(key, format!("{} values for {stages} stages", values.len())))
}

/// Refuses a number that is no drop probability.
pub(super) fn probability(key: &'static str, value: f64) -> Result<(), SpaceError> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(SpaceError::value(key, format!("{value} is not in [0, 1)")))
}

/// Refuses an image that the network's strides would shrink to nothing.
pub(super) fn image(input: [usize; 3], total_stride: usize) -> Result<(), SpaceError> {
    let [channels, height, width] = input;
    if channels == 0 || height == 0 || width == 0 {
        return Err(SpaceError::value("input", format!("{channels}x{height}x{width} has no elements")));
    }
    if height.min(width) < total_stride {
        let problem = format!("{height}x{width} is too small for strides that multiply to {total_stride}");
        return Err(SpaceError::value("input", problem));
    }
    Ok(())
}
