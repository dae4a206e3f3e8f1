//! Steps that change values but not positions.

use super::Planes;

/// `(value / 255 - mean) / std` for each channel.
pub(super) fn normalize(mut image: Planes, mean: &[f32], std: &[f32]) -> Planes {
    let plane = image.size.height * image.size.width;
    for (channel, values) in image.values.chunks_exact_mut(plane).enumerate() {
        let of = |numbers: &[f32]| numbers[channel.min(numbers.len() - 1)];
        let (factor, offset) = (1.0 / (255.0 * of(std)), of(mean) / of(std));
        values.iter_mut().for_each(|v| *v = *v * factor - offset);
    }
    image
}

/// Conversion of red, green, blue to brightness and two colour axes (YIQ), and back.
const TO_YIQ: [[f32; 3]; 3] = [[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]];
const FROM_YIQ: [[f32; 3]; 3] = [[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]];
/// The value that contrast keeps fixed.
const MIDDLE: f32 = 128.0;

/// Saturation scales and hue rotates the colour plane; then contrast and brightness apply. Results are clamped to 0 to 255.
pub(super) fn twist(mut image: Planes, brightness: f32, contrast: f32, saturation: f32, hue: f32) -> Planes {
    let (sin, cos) = hue.to_radians().sin_cos();
    let plane = image.size.height * image.size.width;
    let (red, rest) = image.values.split_at_mut(plane);
    let (green, blue) = rest.split_at_mut(plane);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let rgb = [*r, *g, *b];
        let [y, i, q] = multiply(&TO_YIQ, rgb);
        let turned = [y, saturation * (i * cos - q * sin), saturation * (i * sin + q * cos)];
        // The two matrices are rounded, so an unchanged colour skips them.
        let colored = if saturation == 1.0 && hue == 0.0 { rgb } else { multiply(&FROM_YIQ, turned) };
        [*r, *g, *b] = colored.map(|v| (brightness * (contrast * (v - MIDDLE) + MIDDLE)).clamp(0.0, 255.0));
    }
    image
}

fn multiply(matrix: &[[f32; 3]; 3], vector: [f32; 3]) -> [f32; 3] {
    matrix.map(|row| row.iter().zip(vector).map(|(m, v)| m * v).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Size;

    fn pixel(rgb: [f32; 3]) -> Planes {
        Planes { size: Size::new(3, 1, 1), values: rgb.to_vec() }
    }

    /// Measured on NNabla-NAS' `CIFAR10_transform`.
    #[test]
    fn normalised_values_of_the_reference() {
        let mean = [0.491_399_68, 0.482_158_27, 0.446_531_24];
        let std = [0.247_032_33, 0.243_484_99, 0.261_587_68];
        let white = normalize(pixel([255.0; 3]), &mean, &std).values;
        for (actual, expected) in white.into_iter().zip([2.05884, 2.12679, 2.11581]) {
            assert!((actual - expected).abs() < 1e-5, "{actual} is not {expected}");
        }
        assert!((normalize(pixel([0.0; 3]), &mean, &std).values[0] + 1.98920).abs() < 2e-5);
        assert_eq!(normalize(pixel([255.0, 0.0, 127.5]), &[0.5], &[0.5]).values, [1.0, -1.0, 0.0]);
    }

    #[test]
    fn twisting_colours() {
        let rgb = [200.0, 100.0, 50.0];
        assert_eq!(twist(pixel(rgb), 1.0, 1.0, 1.0, 0.0).values, rgb);
        assert_eq!(twist(pixel(rgb), 0.5, 1.0, 1.0, 0.0).values, [100.0, 50.0, 25.0]);
        assert_eq!(twist(pixel(rgb), 1.0, 0.0, 1.0, 0.0).values, [128.0; 3]);
        assert_eq!(twist(pixel(rgb), 10.0, 1.0, 1.0, 0.0).values, [255.0; 3]);
        let grey = twist(pixel(rgb), 1.0, 1.0, 0.0, 0.0).values;
        let luma = 0.299 * 200.0 + 0.587 * 100.0 + 0.114 * 50.0;
        assert!(grey.iter().all(|v| (v - luma).abs() < 0.01), "{grey:?}");
        let turned = twist(pixel(rgb), 1.0, 1.0, 1.0, 120.0).values;
        assert!(turned.iter().zip(rgb).any(|(a, b)| (a - b).abs() > 20.0), "{turned:?}");
    }
}
