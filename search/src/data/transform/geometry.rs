//! Steps that move pixels.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Planes;
use crate::data::Size;

/// Interpolation of values between pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Linear; where the image shrinks, the mean of all covered pixels with triangular weights.
    #[default]
    Linear,
    /// The nearest pixel.
    Nearest,
}

/// Sets a square at a random place within the image to 0.
pub(super) fn cut_out(image: &mut Planes, length: usize, rng: &mut ChaCha8Rng) {
    let top = rng.random_range(0..=image.size.height - length);
    let left = rng.random_range(0..=image.size.width - length);
    for channel in 0..image.size.channels {
        for row in top..top + length {
            let start = image.at(channel, row, left);
            image.values[start..start + length].fill(0.0);
        }
    }
}

/// A window of the zero-padded image; `top` and `left` are its corner.
pub(super) fn window(image: &Planes, pad: usize, [top, left]: [usize; 2], [height, width]: [usize; 2]) -> Planes {
    let size = Size { height, width, ..image.size };
    let mut values = vec![0.0; size.elements()];
    // Columns of the window that lie on the image.
    let from = pad.saturating_sub(left).min(width);
    let to = (pad + image.size.width).saturating_sub(left).min(width);
    for (i, target) in values.chunks_exact_mut(width).enumerate() {
        let (channel, row) = (i / height, top + i % height);
        if (pad..pad + image.size.height).contains(&row) && from < to {
            let start = image.at(channel, row - pad, left + from - pad);
            target[from..to].copy_from_slice(&image.values[start..start + to - from]);
        }
    }
    Planes { size, values }
}

/// Swaps left and right.
pub(super) fn flip_horizontally(image: &mut Planes) {
    image.values.chunks_exact_mut(image.size.width).for_each(<[f32]>::reverse);
}

/// Swaps top and bottom.
pub(super) fn flip_vertically(image: &mut Planes) {
    let (height, width) = (image.size.height, image.size.width);
    for plane in image.values.chunks_exact_mut(height * width) {
        let (upper, lower) = plane.split_at_mut(height / 2 * width);
        for (row, other) in upper.chunks_exact_mut(width).zip(lower.chunks_exact_mut(width).rev()) {
            row.swap_with_slice(other);
        }
    }
}

/// The size after scaling the shorter side to `length`.
pub(super) fn shorter_side_to((height, width): (usize, usize), length: usize) -> (usize, usize) {
    let other = |shorter: usize, longer: usize| {
        let scaled = (longer as f64 * length as f64 / shorter.max(1) as f64).round() as usize;
        scaled.max(length)
    };
    if height <= width { (length, other(height, width)) } else { (other(width, height), length) }
}

/// Corner and size of a random window. If ten draws do not fit, it is the largest centred window with an allowed aspect
/// ratio.
pub(super) fn random_window(
    image: &Planes,
    area: [f64; 2],
    aspect: [f64; 2],
    rng: &mut ChaCha8Rng,
) -> ([usize; 2], [usize; 2]) {
    let (height, width) = (image.size.height, image.size.width);
    let all = (height * width) as f64;
    for _ in 0..10 {
        let drawn = all * rng.random_range(area[0]..=area[1]);
        let ratio = rng.random_range(aspect[0].ln()..=aspect[1].ln()).exp();
        let (w, h) = ((drawn * ratio).sqrt().round() as usize, (drawn / ratio).sqrt().round() as usize);
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            return ([rng.random_range(0..=height - h), rng.random_range(0..=width - w)], [h, w]);
        }
    }
    let ratio = (width as f64 / height as f64).clamp(aspect[0], aspect[1]);
    let w = ((height as f64 * ratio).round() as usize).clamp(1, width);
    let h = ((width as f64 / ratio).round() as usize).clamp(1, height);
    ([(height - h) / 2, (width - w) / 2], [h, w])
}

/// Resizes the whole image; pixels are squares, and the outer edges stay in place.
pub(super) fn resize(image: &Planes, [height, width]: [usize; 2], interpolation: Interpolation) -> Planes {
    if (height, width) == (image.size.height, image.size.width) {
        return image.clone();
    }
    let columns = taps(image.size.width, width, interpolation);
    let rows = taps(image.size.height, height, interpolation);
    let mut narrow = Vec::with_capacity(image.size.channels * image.size.height * width);
    for row in image.values.chunks_exact(image.size.width) {
        narrow.extend(
            columns.iter().map(|tap| tap.weights.iter().zip(&row[tap.first..]).map(|(w, v)| w * v).sum::<f32>()),
        );
    }
    let size = Size { height, width, ..image.size };
    let mut values = vec![0.0; size.elements()];
    for (plane, target) in narrow.chunks_exact(image.size.height * width).zip(values.chunks_exact_mut(height * width)) {
        for (tap, target) in rows.iter().zip(target.chunks_exact_mut(width)) {
            for (weight, row) in tap.weights.iter().zip(plane[tap.first * width..].chunks_exact(width)) {
                target.iter_mut().zip(row).for_each(|(t, v)| *t += weight * v);
            }
        }
    }
    Planes { size, values }
}

/// The input pixels of one output pixel.
struct Tap {
    first: usize,
    weights: Vec<f32>,
}

fn taps(from: usize, to: usize, interpolation: Interpolation) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    // Where the image shrinks, the triangle covers all input pixels of an output pixel.
    let reach = scale.max(1.0);
    let tap = |i: usize| {
        let center = (i as f64 + 0.5) * scale;
        if interpolation == Interpolation::Nearest {
            return Tap { first: (center as usize).min(from - 1), weights: vec![1.0] };
        }
        // Pixels whose centre is nearer than `reach`.
        let first = ((center - reach - 0.5).ceil().max(0.0) as usize).min(from - 1);
        let last = ((center + reach - 0.5).ceil() as usize).clamp(first + 1, from);
        let weight = |pixel: usize| (1.0 - ((pixel as f64 + 0.5 - center) / reach).abs()).max(0.0);
        let weights: Vec<f64> = (first..last).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        Tap { first, weights: weights.into_iter().map(|w| (w / sum) as f32).collect() }
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Purpose, stream};

    fn planes(channels: usize, height: usize, width: usize) -> Planes {
        let size = Size::new(channels, height, width);
        Planes { size, values: (0..size.elements()).map(|v| v as f32 + 1.0).collect() }
    }

    #[test]
    fn windows_with_a_border_of_zeros() {
        let image = planes(1, 2, 2);
        assert_eq!(window(&image, 0, [0, 0], [2, 2]), image);
        assert_eq!(window(&image, 1, [1, 1], [2, 2]), image);
        assert_eq!(window(&image, 1, [0, 0], [2, 2]).values, [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(window(&image, 1, [2, 2], [2, 2]).values, [4.0, 0.0, 0.0, 0.0]);
        assert_eq!(window(&image, 3, [0, 0], [2, 2]).values, [0.0; 4]);
        assert_eq!(window(&image, 3, [6, 6], [2, 2]).values, [0.0; 4]);
        let two = window(&planes(2, 2, 2), 1, [0, 1], [4, 2]).values;
        assert_eq!(two, [0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 5.0, 6.0, 7.0, 8.0, 0.0, 0.0]);
    }

    #[test]
    fn flips_are_their_own_inverse() {
        let image = planes(2, 3, 2);
        let mut flipped = image.clone();
        flip_horizontally(&mut flipped);
        assert_eq!(flipped.values[..6], [2.0, 1.0, 4.0, 3.0, 6.0, 5.0]);
        flip_horizontally(&mut flipped);
        assert_eq!(flipped, image);
        flip_vertically(&mut flipped);
        assert_eq!(flipped.values[..6], [5.0, 6.0, 3.0, 4.0, 1.0, 2.0]);
        flip_vertically(&mut flipped);
        assert_eq!(flipped, image);
    }

    #[test]
    fn a_cutout_lies_within_the_image() {
        for index in 0..200 {
            let mut image = planes(3, 10, 9);
            cut_out(&mut image, 4, &mut stream(1, Purpose::Augment, 0, index));
            assert_eq!(image.values.iter().filter(|v| **v == 0.0).count(), 3 * 16);
        }
    }

    #[test]
    fn resizing_keeps_lines_and_means() {
        let ramp = planes(1, 1, 8);
        let half = resize(&ramp, [1, 4], Interpolation::Linear).values;
        // Away from the edges a line stays a line: pixel i of the half covers pixels 2i and 2i + 1.
        assert!((half[1] - 3.5).abs() < 1e-6 && (half[2] - 5.5).abs() < 1e-6, "{half:?}");
        let double = resize(&ramp, [1, 16], Interpolation::Linear).values;
        assert_eq!(double[0], 1.0);
        assert!((double[7] - 4.25).abs() < 1e-6 && (double[8] - 4.75).abs() < 1e-6, "{double:?}");
        assert_eq!(resize(&ramp, [1, 4], Interpolation::Nearest).values, [2.0, 4.0, 6.0, 8.0]);
        let flat = Planes { size: Size::new(2, 5, 7), values: vec![0.5; 70] };
        for size in [[3, 3], [13, 11], [1, 1], [5, 20]] {
            assert!(resize(&flat, size, Interpolation::Linear).values.iter().all(|v| (v - 0.5).abs() < 1e-6));
        }
    }

    #[test]
    fn the_shorter_side() {
        assert_eq!(shorter_side_to((500, 375), 256), (341, 256));
        assert_eq!(shorter_side_to((375, 500), 256), (256, 341));
        assert_eq!(shorter_side_to((64, 64), 256), (256, 256));
    }

    #[test]
    fn random_windows_fit_and_have_the_wanted_area() {
        let image = planes(1, 60, 80);
        for index in 0..500 {
            let rng = &mut stream(2, Purpose::Augment, 0, index);
            let ([top, left], [height, width]) = random_window(&image, [0.2, 0.5], [0.75, 4.0 / 3.0], rng);
            assert!(top + height <= 60 && left + width <= 80);
            let share = (height * width) as f64 / 4800.0;
            assert!((0.18..0.53).contains(&share), "{share}");
        }
        // No window of the whole area has this aspect ratio: the largest one in the middle is taken.
        let rng = &mut stream(2, Purpose::Augment, 0, 0);
        assert_eq!(random_window(&image, [1.0, 1.0], [1.0, 1.0], rng), ([0, 10], [60, 60]));
        let thin = planes(1, 1, 300);
        let (corner, window) = random_window(&thin, [0.08, 1.0], [0.75, 1.33], rng);
        assert_eq!((corner[0], window), (0, [1, 1]));
    }
}
