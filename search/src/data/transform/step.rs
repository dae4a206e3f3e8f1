//! Transform steps: parameters, checks and functions.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::geometry::Interpolation;
use super::{Planes, color, geometry};

/// One change of an image. Sizes are height and width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Sets a square within the image to 0, as in the reference (which does it before normalising).
    Cutout {
        /// Its side.
        length: usize,
        /// Its probability.
        #[serde(default = "always")]
        probability: f64,
    },
    /// `(value / 255 - mean) / std`, for each channel.
    Normalize {
        /// Of each channel, or one for all.
        mean: Vec<f32>,
        /// Of each channel, or one for all.
        std: Vec<f32>,
    },
    /// A border of zeros.
    Pad {
        /// Rows and columns on each side.
        pad: usize,
    },
    /// A border of zeros, then a window at a random position.
    RandomCrop {
        /// Rows and columns on each side.
        #[serde(default)]
        pad: usize,
        /// Size of the window.
        size: [usize; 2],
    },
    /// The central window.
    CenterCrop {
        /// Size of the window.
        size: [usize; 2],
    },
    /// Swaps left and right.
    HorizontalFlip {
        /// Its probability.
        #[serde(default = "half")]
        probability: f64,
    },
    /// Swaps top and bottom.
    VerticalFlip {
        /// Its probability.
        #[serde(default = "half")]
        probability: f64,
    },
    /// Resizes to a size and ignores the aspect ratio.
    Resize {
        /// The size.
        size: [usize; 2],
        /// Interpolation between pixels.
        #[serde(default)]
        interpolation: Interpolation,
    },
    /// Resizes the shorter side to a length and keeps the aspect ratio.
    ResizeShorterSide {
        /// The length.
        length: usize,
        /// Interpolation between pixels.
        #[serde(default)]
        interpolation: Interpolation,
    },
    /// Resizes a random window to a size (Szegedy et al., "Going deeper with convolutions").
    RandomResizedCrop {
        /// The size.
        size: [usize; 2],
        /// Smallest and largest share of the image's area.
        #[serde(default = "crop_area")]
        area: [f64; 2],
        /// Smallest and largest ratio of width to height.
        #[serde(default = "crop_aspect")]
        aspect: [f64; 2],
    },
    /// Changes brightness, contrast, saturation and hue by random amounts, each uniform in its range. For colour images,
    /// before normalising.
    ColorTwist {
        /// Factor on all values.
        #[serde(default = "unchanged")]
        brightness: [f64; 2],
        /// Factor on the distance from the middle value, 128.
        #[serde(default = "unchanged")]
        contrast: [f64; 2],
        /// Factor on the distance from grey.
        #[serde(default = "unchanged")]
        saturation: [f64; 2],
        /// Rotation of the colour circle in degrees.
        #[serde(default)]
        hue: [f64; 2],
    },
}

fn always() -> f64 {
    1.0
}

fn half() -> f64 {
    0.5
}

fn unchanged() -> [f64; 2] {
    [1.0, 1.0]
}

fn crop_area() -> [f64; 2] {
    [0.08, 1.0]
}

fn crop_aspect() -> [f64; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

/// Largest side of an image that a step makes.
const MAX_SIDE: usize = 1 << 14;

impl Step {
    /// What is wrong with its parameters, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let probability = |value: f64| {
            let fine = (0.0..=1.0).contains(&value);
            (!fine).then(|| format!("`probability` {value} is not in [0, 1]"))
        };
        let range = |name: &str, [low, high]: [f64; 2], least: f64, most: f64| {
            let fine = low <= high && low >= least && high <= most;
            (!fine).then(|| format!("`{name}` [{low}, {high}] is not a range within [{least}, {most}]"))
        };
        let side = |name: &str, sides: &[usize]| {
            let fine = sides.iter().all(|s| (1..=MAX_SIDE).contains(s));
            (!fine).then(|| format!("`{name}` {sides:?} is not in 1 to {MAX_SIDE}"))
        };
        match self {
            Self::Cutout { length, probability: p } => side("length", &[*length]).or_else(|| probability(*p)),
            Self::Normalize { mean, std } => {
                if mean.is_empty() || mean.iter().any(|m| !m.is_finite()) {
                    return Some("`mean` must have one number, or one for each channel".to_owned());
                }
                let fine = !std.is_empty() && std.iter().all(|s| *s > 0.0 && s.is_finite());
                (!fine).then(|| "`std` must have one positive number, or one for each channel".to_owned())
            }
            Self::Pad { pad } => (*pad > MAX_SIDE).then(|| format!("`pad` {pad} is more than {MAX_SIDE}")),
            Self::RandomCrop { pad, size } => {
                side("size", size).or_else(|| (*pad > MAX_SIDE).then(|| format!("`pad` {pad} is more than {MAX_SIDE}")))
            }
            Self::CenterCrop { size } | Self::Resize { size, .. } => side("size", size),
            Self::HorizontalFlip { probability: p } | Self::VerticalFlip { probability: p } => probability(*p),
            Self::ResizeShorterSide { length, .. } => side("length", &[*length]),
            Self::RandomResizedCrop { size, area, aspect } => side("size", size)
                .or_else(|| range("area", *area, f64::MIN_POSITIVE, 1.0))
                .or_else(|| range("aspect", *aspect, 0.01, 100.0)),
            Self::ColorTwist { brightness, contrast, saturation, hue } => range("brightness", *brightness, 0.0, 100.0)
                .or_else(|| range("contrast", *contrast, 0.0, 100.0))
                .or_else(|| range("saturation", *saturation, 0.0, 100.0))
                .or_else(|| range("hue", *hue, -360.0, 360.0)),
        }
    }

    /// Height and width of its output for an input size; `None` stands for any size.
    pub(super) fn output_size(
        &self,
        channels: usize,
        input: Option<(usize, usize)>,
    ) -> Result<Option<(usize, usize)>, String> {
        let window = |[height, width]: [usize; 2], pad: usize| {
            let too_small = input.filter(|&(h, w)| h + 2 * pad < height || w + 2 * pad < width);
            match too_small {
                Some((h, w)) => Err(format!(
                    "a window of {height}x{width} does not fit an image of {h}x{w} with a padding of {pad}"
                )),
                None => Ok(Some((height, width))),
            }
        };
        match self {
            Self::Cutout { length, .. } => match input.filter(|&(h, w)| h < *length || w < *length) {
                Some((h, w)) => Err(format!("a square of {length} does not fit an image of {h}x{w}")),
                None => Ok(input),
            },
            Self::Normalize { mean, std } => {
                for (name, length) in [("mean", mean.len()), ("std", std.len())] {
                    if length != 1 && length != channels {
                        return Err(format!("`{name}` has {length} numbers, but the images have {channels} channels"));
                    }
                }
                Ok(input)
            }
            Self::Pad { pad } => Ok(input.map(|(h, w)| (h + 2 * pad, w + 2 * pad))),
            Self::RandomCrop { pad, size } => window(*size, *pad),
            Self::CenterCrop { size } => window(*size, 0),
            Self::HorizontalFlip { .. } | Self::VerticalFlip { .. } => Ok(input),
            Self::Resize { size, .. } | Self::RandomResizedCrop { size, .. } => Ok(Some((size[0], size[1]))),
            Self::ResizeShorterSide { length, .. } => {
                match input.map(|size| geometry::shorter_side_to(size, *length)) {
                    Some((h, w)) if h.max(w) > MAX_SIDE => Err(format!("the result would be an image of {h}x{w}")),
                    size => Ok(size),
                }
            }
            Self::ColorTwist { .. } if channels != 3 => {
                Err(format!("needs 3 channels, but the images have {channels}"))
            }
            Self::ColorTwist { .. } => Ok(input),
        }
    }

    /// Transforms an image that [`Step::output_size`] accepts.
    pub(super) fn apply(&self, mut image: Planes, rng: &mut ChaCha8Rng) -> Planes {
        match self {
            Self::Cutout { length, probability } => {
                if rng.random_bool(*probability) {
                    geometry::cut_out(&mut image, *length, rng);
                }
                image
            }
            Self::Normalize { mean, std } => color::normalize(image, mean, std),
            Self::Pad { pad } => {
                let size = [image.size.height + 2 * pad, image.size.width + 2 * pad];
                geometry::window(&image, *pad, [0, 0], size)
            }
            Self::RandomCrop { pad, size } => {
                let row = rng.random_range(0..=image.size.height + 2 * pad - size[0]);
                let column = rng.random_range(0..=image.size.width + 2 * pad - size[1]);
                geometry::window(&image, *pad, [row, column], *size)
            }
            Self::CenterCrop { size } => {
                let corner = [(image.size.height - size[0]) / 2, (image.size.width - size[1]) / 2];
                geometry::window(&image, 0, corner, *size)
            }
            Self::HorizontalFlip { probability } => {
                if rng.random_bool(*probability) {
                    geometry::flip_horizontally(&mut image);
                }
                image
            }
            Self::VerticalFlip { probability } => {
                if rng.random_bool(*probability) {
                    geometry::flip_vertically(&mut image);
                }
                image
            }
            Self::Resize { size, interpolation } => geometry::resize(&image, *size, *interpolation),
            Self::ResizeShorterSide { length, interpolation } => {
                let (height, width) = geometry::shorter_side_to((image.size.height, image.size.width), *length);
                geometry::resize(&image, [height, width], *interpolation)
            }
            Self::RandomResizedCrop { size, area, aspect } => {
                let (corner, window) = geometry::random_window(&image, *area, *aspect, rng);
                let window = geometry::window(&image, 0, corner, window);
                geometry::resize(&window, *size, Interpolation::Linear)
            }
            Self::ColorTwist { brightness, contrast, saturation, hue } => {
                let mut draw = |[low, high]: [f64; 2]| rng.random_range(low..=high) as f32;
                let [brightness, contrast] = [draw(*brightness), draw(*contrast)];
                let [saturation, hue] = [draw(*saturation), draw(*hue)];
                color::twist(image, brightness, contrast, saturation, hue)
            }
        }
    }
}
