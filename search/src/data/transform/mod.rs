//! Image transforms: the steps of NNabla-NAS' `utils.data.transforms`, and their combination.

mod color;
mod geometry;
mod preset;
mod step;

use rand_chacha::ChaCha8Rng;

use super::{Image, Size};

pub use preset::Preset;
pub use step::Step;

/// An image during a transform: 32-bit floats, channel by channel, each row by row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planes {
    pub(super) size: Size,
    pub(super) values: Vec<f32>,
}

impl Planes {
    /// Channel, row, column to index.
    fn at(&self, channel: usize, row: usize, column: usize) -> usize {
        (channel * self.size.height + row) * self.size.width + column
    }
}

/// A sequence of steps. Values start as the bytes of the image, from 0 to 255.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transform {
    steps: Vec<Step>,
}

impl Transform {
    /// A transform of checked steps.
    ///
    /// # Errors
    /// The number of the step at fault, counted from 0, and what is wrong with it.
    pub fn new(steps: Vec<Step>) -> Result<Self, String> {
        for (i, step) in steps.iter().enumerate() {
            if let Some(problem) = step.problem() {
                return Err(format!("step {i}: {problem}"));
            }
        }
        Ok(Self { steps })
    }

    /// The output size for an input size. `None` stands for inputs of any height and width.
    ///
    /// # Errors
    /// If a step does not work on such images, or if the output size depends on the unknown input size.
    pub fn output_size(&self, channels: usize, input: Option<(usize, usize)>) -> Result<Size, String> {
        let mut size = input;
        for (i, step) in self.steps.iter().enumerate() {
            size = step.output_size(channels, size).map_err(|problem| format!("step {i}: {problem}"))?;
        }
        let (height, width) = size.ok_or("the images have different sizes; add a crop or resize step")?;
        Ok(Size::new(channels, height, width))
    }

    /// Transforms an image.
    ///
    /// # Errors
    /// If a step does not work on an image of this size.
    pub(super) fn apply(&self, image: &Image, rng: &mut ChaCha8Rng) -> Result<Planes, String> {
        let values = image.pixels.iter().map(|&byte| f32::from(byte)).collect();
        let mut planes = Planes { size: image.size, values };
        for step in &self.steps {
            step.output_size(planes.size.channels, Some((planes.size.height, planes.size.width)))?;
            planes = step.apply(planes, rng);
        }
        Ok(planes)
    }
}
