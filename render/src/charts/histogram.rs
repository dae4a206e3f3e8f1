//! Histograms of errors.

use maud::{Markup, html};
use nasprof_base::text::count;

use super::{BOTTOM, HEIGHT, LEFT, RIGHT, Scale, TOP, WIDTH, axes, frame, pos};

/// Draws values in buckets of equal width; one edge always lies at zero, so that positive and negative errors stay
/// apart.
pub fn histogram(title: &str, x_name: &str, values: &[f64]) -> Markup {
    let (low, counts, step) = buckets(values);
    let most = counts.iter().copied().max().unwrap_or(0);
    let x = Scale::between(low, low + step * counts.len() as f64, LEFT, WIDTH - RIGHT);
    let y = Scale::between(0.0, most as f64 * 1.05, HEIGHT - BOTTOM, TOP);
    let content = html! {
        (axes(&x, &y, x_name, "networks"))
        @for (i, number) in counts.iter().enumerate() {
            @let from = low + step * i as f64;
            @let (left, right, top) = (x.at(from), x.at(from + step), y.at(*number as f64));
            rect.bar.c0 x=(pos(left + 0.5)) y=(pos(top)) width=(pos((right - left - 1.0).max(0.5))) height=(pos(HEIGHT - BOTTOM - top)) {
                title { (format!("{from:.2} to {:.2}: {}", from + step, count(*number, "network"))) }
            }
        }
        line.zero x1=(pos(x.at(0.0))) x2=(pos(x.at(0.0))) y1=(pos(TOP)) y2=(pos(HEIGHT - BOTTOM)) {}
    };
    frame(title, HEIGHT, &content)
}

/// Lower end, counts and width of about twenty buckets with a round width.
fn buckets(values: &[f64]) -> (f64, Vec<usize>, f64) {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite().fold((0.0_f64, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    let span = (high - low).max(1e-6);
    let power = 10_f64.powf((span / 20.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| span / s <= 20.0).unwrap_or(power * 10.0);
    let first = (low / step).floor();
    let number = ((high / step).floor() - first) as usize + 1;
    let mut counts = vec![0; number];
    for value in finite() {
        counts[(((value / step).floor() - first) as usize).min(number - 1)] += 1;
    }
    (first * step, counts, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_every_value_and_break_at_zero() {
        let values: Vec<f64> = (-30..70).map(|i| f64::from(i) / 10.0).collect();
        let (low, counts, step) = buckets(&values);
        assert_eq!((low, step, counts.len()), (-3.0, 0.5, 20));
        assert_eq!(counts.iter().sum::<usize>(), 100);
        assert_eq!(counts[6], 5, "from 0.0 to 0.4");
        for odd in [&[][..], &[0.0], &[f64::NAN], &[1e12, -1e12], &[1e-12]] {
            assert!(buckets(odd).1.len() < 50);
        }
    }
}
