//! Curves over steps.

use maud::{Markup, html};
use nasprof_base::text::significant;

use super::{BOTTOM, COLOURS, HEIGHT, LEFT, RIGHT, Scale, TOP, WIDTH, axes, colour, frame, legend, mark, pos};

/// A curve: points in the order of x, gaps where y is not finite.
pub struct Line {
    /// Label in the legend.
    pub name: String,
    /// Step and value.
    pub points: Vec<(f64, f64)>,
    /// A limit or target: dashed, without marks.
    pub limit: bool,
}

/// A curve with more points has no marks.
const MARKED: usize = 60;

/// Draws curves over steps, on common axes.
pub fn lines(title: &str, x_name: &str, y_name: &str, curves: &[Line]) -> Markup {
    let all = || curves.iter().flat_map(|c| &c.points);
    let x = Scale::counted(all().map(|p| p.0), LEFT, WIDTH - RIGHT);
    let y = Scale::linear(all().map(|p| p.1), HEIGHT - BOTTOM, TOP);
    let content = html! {
        (axes(&x, &y, x_name, y_name))
        @for (i, curve) in curves.iter().enumerate() {
            path.curve.(colour(i)).dashed[i >= COLOURS || curve.limit] d=(path(curve, &x, &y)) { title { (curve.name) } }
            @if curve.points.len() <= MARKED && !curve.limit {
                @for (a, b) in curve.points.iter().filter(|p| p.1.is_finite()) {
                    (mark(i, x.at(*a), y.at(*b), &format!("{}: {} at {}", curve.name, significant(*b), significant(*a))))
                }
            }
        }
    };
    html! {
        (frame(title, HEIGHT, &content))
        @if curves.len() > 1 { (legend(curves.iter().enumerate().map(|(i, c)| (i, c.name.as_str())))) }
    }
}

fn path(curve: &Line, x: &Scale, y: &Scale) -> String {
    let mut d = String::new();
    let mut drawing = false;
    for &(a, b) in &curve.points {
        if b.is_finite() {
            d.push_str(&format!("{}{} {}", if drawing { 'L' } else { 'M' }, pos(x.at(a)), pos(y.at(b))));
        }
        drawing = b.is_finite();
    }
    d
}
