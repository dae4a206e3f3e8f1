//! Points in two dimensions.

use maud::{Markup, html};

use super::guide::{Guide, guides};
use super::{BOTTOM, HEIGHT, LEFT, RIGHT, Scale, TOP, WIDTH, axes, frame, legend, mark};

/// A point with its tooltip.
pub struct Point {
    /// Value on the horizontal axis.
    pub x: f64,
    /// Value on the vertical axis.
    pub y: f64,
    /// Index into [`Scatter::groups`].
    pub group: usize,
    /// Tooltip.
    pub title: String,
}

/// A scatter plot.
pub struct Scatter<'a> {
    /// Text for readers who cannot see the plot.
    pub title: &'a str,
    /// Label of the horizontal axis.
    pub x_name: &'a str,
    /// Label of the vertical axis.
    pub y_name: &'a str,
    /// Both axes are logarithmic.
    pub logarithmic: bool,
    /// Both axes have the same range, to compare a quantity with itself.
    pub square: bool,
    /// Names of the groups; the legend omits groups without points.
    pub groups: Vec<String>,
    /// The points.
    pub points: Vec<Point>,
    /// Lines behind the points.
    pub guides: Vec<Guide>,
}

/// Draws it. The caller leaves out points that have no place on the axes, and says so.
pub fn scatter(plot: &Scatter<'_>) -> Markup {
    html! {
        (frame(plot.title, HEIGHT, &content(plot)))
        @if plot.groups.len() > 1 { (legend(present(plot))) }
    }
}

/// The same as a separate SVG file, in colours that are legible on paper. It has no legend: it is for a single group,
/// or for groups that guides name.
#[must_use]
pub fn scatter_file(plot: &Scatter<'_>) -> String {
    const STYLE: &str = "text{font-family:sans-serif;font-size:11px;fill:#57606a}.name{font-size:12px;fill:#1b1f24}\
        .axis line{stroke:#d0d7de}.mark{fill:#0072b2;fill-opacity:.72}.mark.c1{fill:#d55e00}.mark.c2{fill:#009e73}.mark.c3{fill:#cc79a7}.guide{fill:none;stroke:#57606a;stroke-dasharray:5 4}";
    let (width, height) = (WIDTH * 1.5, HEIGHT * 1.5);
    let file = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" {
            title { (plot.title) }
            style { (STYLE) }
            rect width="100%" height="100%" fill="#fff" {}
            (content(plot))
        }
    };
    file.into_string()
}

/// Axes, guides and marks.
fn content(plot: &Scatter<'_>) -> Markup {
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
    html! {
        (axes(&x, &y, plot.x_name, plot.y_name))
        (guides(&plot.guides, &x, &y))
        @for point in &plot.points { (mark(point.group, x.at(point.x), y.at(point.y), &point.title)) }
    }
}

/// Groups that have points.
fn present<'a>(plot: &'a Scatter<'_>) -> impl Iterator<Item = (usize, &'a str)> {
    let has_points = |group: usize| plot.points.iter().any(|p| p.group == group);
    plot.groups.iter().enumerate().filter(move |(i, _)| has_points(*i)).map(|(i, name)| (i, name.as_str()))
}
