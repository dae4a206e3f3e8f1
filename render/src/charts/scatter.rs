//! Points in two dimensions.

use maud::{Markup, html};

use super::{BOTTOM, HEIGHT, LEFT, RIGHT, Scale, TOP, WIDTH, axes, frame, legend, mark, pos};

/// A point with the text that is shown for it.
pub struct Point {
    /// Value on the horizontal axis.
    pub x: f64,
    /// Value on the vertical axis.
    pub y: f64,
    /// Index into [`Scatter::groups`].
    pub group: usize,
    /// Text shown when it is pointed at.
    pub title: String,
}

/// A straight line or curve behind the points.
pub struct Guide {
    /// Where it goes, in the order of x.
    pub points: Vec<(f64, f64)>,
    /// What it stands for.
    pub label: String,
    /// The label stands at its right end, and not at its left one.
    pub at_end: bool,
    /// Drawn dashed.
    pub dashed: bool,
}

/// A scatter plot.
pub struct Scatter<'a> {
    /// For those who do not see it.
    pub title: &'a str,
    /// Label of the horizontal axis.
    pub x_name: &'a str,
    /// Label of the vertical axis.
    pub y_name: &'a str,
    /// Both axes are logarithmic.
    pub logarithmic: bool,
    /// Both axes alike, for comparisons of a quantity with itself.
    pub square: bool,
    /// Names of the groups; those without points are not explained.
    pub groups: Vec<String>,
    /// The points.
    pub points: Vec<Point>,
    /// Lines behind the points.
    pub guides: Vec<Guide>,
}

/// Draws it. Points that have no place on the axes are left out by the caller, which says so.
pub fn scatter(plot: &Scatter<'_>) -> Markup {
    let xs = plot.points.iter().map(|p| p.x);
    let ys = plot.points.iter().map(|p| p.y);
    let make = |values: Vec<f64>, from, to| {
        if plot.logarithmic { Scale::logarithmic(values, from, to) } else { Scale::linear(values, from, to) }
    };
    let (xs, ys): (Vec<f64>, Vec<f64>) = if plot.square {
        (xs.clone().chain(ys.clone()).collect(), xs.chain(ys).collect())
    } else {
        (xs.collect(), ys.collect())
    };
    let x = make(xs, LEFT, WIDTH - RIGHT);
    let y = make(ys, HEIGHT - BOTTOM, TOP);
    let content = html! {
        (axes(&x, &y, plot.x_name, plot.y_name))
        @for guide in &plot.guides { (render_guide(guide, &x, &y)) }
        @for point in &plot.points { (mark(point.group, x.at(point.x), y.at(point.y), &point.title)) }
    };
    html! {
        (frame(plot.title, HEIGHT, &content))
        @if plot.groups.len() > 1 { (legend(present(plot))) }
    }
}

/// Groups that have points.
fn present<'a>(plot: &'a Scatter<'_>) -> impl Iterator<Item = (usize, &'a str)> {
    let has_points = |group: usize| plot.points.iter().any(|p| p.group == group);
    plot.groups.iter().enumerate().filter(move |(i, _)| has_points(*i)).map(|(i, name)| (i, name.as_str()))
}

/// Cut at the ends of the axes and not bent along them.
fn render_guide(guide: &Guide, x: &Scale, y: &Scale) -> Markup {
    let inside = |&&(a, b): &&(f64, f64)| {
        let ((xl, xh), (yl, yh)) = (x.ends(), y.ends());
        (xl..=xh).contains(&a) && (yl..=yh).contains(&b)
    };
    let kept: Vec<&(f64, f64)> = guide.points.iter().filter(inside).collect();
    let path: Vec<String> = kept.iter().map(|(a, b)| format!("{} {}", pos(x.at(*a)), pos(y.at(*b)))).collect();
    let class = if guide.dashed { "guide dashed" } else { "guide" };
    html! {
        @if path.len() > 1 { path class=(class) d=(format!("M{}", path.join("L"))) {} }
        @if let (Some(first), Some(last)) = (kept.first(), kept.last()) {
            @if !guide.label.is_empty() {
                @let (end, steep) = if guide.at_end { (last, false) } else { (first, first.1 != last.1) };
                @let (dx, dy) = match (guide.at_end, steep) {
                    // Beside its end: above where it leaves at the top, below where it leaves at the right.
                    (true, _) => if y.at(end.1) < TOP + 12.0 { (8.0, -2.0) } else { (-2.0, 14.0) },
                    (false, true) => (8.0, 16.0),
                    (false, false) => (4.0, -5.0),
                };
                text.note x=(pos(x.at(end.0) + dx)) y=(pos((y.at(end.1) + dy).max(TOP - 2.0))) text-anchor=[guide.at_end.then_some("end")] { (guide.label) }
            }
        }
    }
}
