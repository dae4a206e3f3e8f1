//! Named pairs of transforms with the values of NNabla-NAS.

use serde::{Deserialize, Serialize};

use super::Step;

/// A named pair of transforms: one for training and one for evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Unchanged bytes, 0 to 255.
    None,
    /// Scaled to -1 to 1.
    Scale,
    /// For training: normalised, shifted by up to 2 pixels, mirrored with probability 0.5.
    FashionMnist,
    /// For training: cutout of 8x8 before normalising, shifted by up to 4 pixels, mirrored with probability 0.5.
    Cifar10,
    /// For training: a window of 19 to 100 % of the area resized to 224x224, mirrored with probability 0.5. For evaluation:
    /// resized.
    Imagenet,
    /// The ImageNet transforms of the reference's shipped experiments. For training: a window of 8 to 100 % of the area
    /// resized to 224x224, mirrored with probability 0.5. For evaluation: the shorter side resized to 256, then the central
    /// 224x224.
    ImagenetCrop,
    /// As `ImagenetCrop`, with a colour twist for training.
    ImagenetColor,
}

const CIFAR_MEAN: [f32; 3] = [0.491_399_68, 0.482_158_27, 0.446_531_24];
const CIFAR_STD: [f32; 3] = [0.247_032_33, 0.243_484_99, 0.261_587_68];
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
/// Mean over all pixels of the 60,000 training images.
const FASHION_MEAN: f32 = 0.286_040_6;
const FASHION_STD: f32 = 0.353_024_2;

/// The reference zooms in by 1 to 2.3; the window's area is one over the square of the zoom.
const LARGEST_ZOOM: f64 = 2.3;
const ZOOM_ASPECT: f64 = 1.33;

impl Preset {
    /// The steps for training.
    #[must_use]
    pub fn train(self) -> Vec<Step> {
        let mirror = Step::HorizontalFlip { probability: 0.5 };
        let image_net = || Step::Normalize { mean: IMAGENET_MEAN.to_vec(), std: IMAGENET_STD.to_vec() };
        let crop = |area, aspect| Step::RandomResizedCrop { size: [224, 224], area, aspect };
        let inception = || crop([0.08, 1.0], [3.0 / 4.0, 4.0 / 3.0]);
        match self {
            Self::None | Self::Scale => self.test(),
            Self::FashionMnist => {
                let mut steps = self.test();
                steps.extend([Step::RandomCrop { pad: 2, size: [28, 28] }, mirror]);
                steps
            }
            Self::Cifar10 => {
                let mut steps = vec![Step::Cutout { length: 8, probability: 1.0 }];
                steps.extend(self.test());
                steps.extend([Step::RandomCrop { pad: 4, size: [32, 32] }, mirror]);
                steps
            }
            Self::Imagenet => {
                let area = [1.0 / (LARGEST_ZOOM * LARGEST_ZOOM), 1.0];
                vec![crop(area, [1.0 / ZOOM_ASPECT, ZOOM_ASPECT]), image_net(), mirror]
            }
            Self::ImagenetCrop => vec![inception(), image_net(), mirror],
            Self::ImagenetColor => {
                let color = Step::ColorTwist {
                    brightness: [1.0 - 32.0 / 255.0, 1.0 + 32.0 / 255.0],
                    contrast: [0.0, 1.0],
                    saturation: [0.5, 1.5],
                    hue: [0.0, 1.0],
                };
                vec![inception(), color, image_net(), mirror]
            }
        }
    }

    /// The steps for evaluation.
    #[must_use]
    pub fn test(self) -> Vec<Step> {
        let normalize = |mean: &[f32], std: &[f32]| Step::Normalize { mean: mean.to_vec(), std: std.to_vec() };
        let resize = |size| Step::Resize { size, interpolation: super::geometry::Interpolation::Linear };
        let shorter_side =
            |length| Step::ResizeShorterSide { length, interpolation: super::geometry::Interpolation::Linear };
        match self {
            Self::None => Vec::new(),
            Self::Scale => vec![normalize(&[0.5], &[0.5])],
            Self::FashionMnist => vec![normalize(&[FASHION_MEAN], &[FASHION_STD])],
            Self::Cifar10 => vec![normalize(&CIFAR_MEAN, &CIFAR_STD)],
            Self::Imagenet => vec![resize([224, 224]), normalize(&IMAGENET_MEAN, &IMAGENET_STD)],
            Self::ImagenetCrop | Self::ImagenetColor => {
                vec![shorter_side(256), Step::CenterCrop { size: [224, 224] }, normalize(&IMAGENET_MEAN, &IMAGENET_STD)]
            }
        }
    }
}
