//! Points in two dimensions.

use maud::{Markup, html};

use super::guide::{Guide, guides};
use super::{BOTTOM, HEIGHT, LEFT, RIGHT, Scale, TOP, WIDTH, axes, frame, legend, mark};

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
        (guides(&plot.guides, &x, &y))
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
