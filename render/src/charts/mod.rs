//! Charts as inline SVG. Colours come from the page's style sheet (classes `c0` to `c7`), so they follow the theme.
//! Groups also differ in the shape of their marks, so colour is never the only cue.

mod guide;
mod heat;
mod histogram;
mod lines;
mod scale;
mod scatter;
mod strip;

use maud::{Markup, html};

pub use self::guide::Guide;
pub use self::heat::{Heat, Shades, heat};
pub use self::histogram::histogram;
pub use self::lines::{Line, lines};
pub use self::scale::Scale;
pub use self::scatter::{Point, Scatter, scatter, scatter_file};
pub use self::strip::{MARKS, Strip, strip};

/// Size of a chart in its own units; pages scale it to the available space.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 340.0;
/// Margins of the plotted area: left, right, top, bottom.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;

/// Groups that have a colour of their own; later ones share the last.
const COLOURS: usize = 8;

/// The class of a group's colour.
fn colour(group: usize) -> String {
    format!("c{}", group.min(COLOURS - 1))
}

/// A coordinate, rounded: a tenth of a unit is finer than a pixel.
fn pos(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
}

/// A chart's frame: an image with a name for readers who cannot see it.
fn frame(title: &str, height: f64, content: &Markup) -> Markup {
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(title) {
            (content)
        }
    }
}

/// Grid lines, tick labels and names of both axes.
fn axes(x: &Scale, y: &Scale, x_name: &str, y_name: &str) -> Markup {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    html! {
        g.axis {
            @for (value, label) in x.ticks() {
                line x1=(pos(x.at(value))) x2=(pos(x.at(value))) y1=(pos(TOP)) y2=(pos(bottom)) {}
                text x=(pos(x.at(value))) y=(pos(bottom + 16.0)) text-anchor="middle" { (label) }
            }
            @for (value, label) in y.ticks() {
                line x1=(pos(LEFT)) x2=(pos(right)) y1=(pos(y.at(value))) y2=(pos(y.at(value))) {}
                text x=(pos(LEFT - 6.0)) y=(pos(y.at(value) + 4.0)) text-anchor="end" { (label) }
            }
            (names(x_name, y_name))
        }
    }
}

fn names(x_name: &str, y_name: &str) -> Markup {
    let middle = f64::midpoint(TOP, HEIGHT - BOTTOM);
    html! {
        text.name x=(pos(f64::midpoint(LEFT, WIDTH - RIGHT))) y=(pos(HEIGHT - 8.0)) text-anchor="middle" { (x_name) }
        text.name transform=(format!("translate(13 {middle}) rotate(-90)")) text-anchor="middle" { (y_name) }
    }
}

/// A group's mark around a point: circle, square, triangle, diamond, cross and similar.
fn mark(group: usize, x: f64, y: f64, title: &str) -> Markup {
    let p = |dx: f64, dy: f64| format!("{} {}", pos(x + dx), pos(y + dy));
    let path = |d: String| html! { path.mark.(colour(group)) d=(d) { title { (title) } } };
    match group % COLOURS {
        0 => html! { circle.mark.(colour(group)) cx=(pos(x)) cy=(pos(y)) r="4" { title { (title) } } },
        1 => path(format!("M{}h7v7h-7z", p(-3.5, -3.5))),
        2 => path(format!("M{}L{}L{}z", p(0.0, -4.8), p(4.4, 3.4), p(-4.4, 3.4))),
        3 => path(format!("M{}L{}L{}L{}z", p(0.0, -5.0), p(5.0, 0.0), p(0.0, 5.0), p(-5.0, 0.0))),
        4 => path(format!("M{}L{}L{}z", p(0.0, 4.8), p(4.4, -3.4), p(-4.4, -3.4))),
        5 => path(format!("M{}h3.5v-3.5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5z", p(-5.0, -1.5))),
        6 => path(format!("M{}h10v5h-10z", p(-5.0, -2.5))),
        _ => path(format!("M{}v10h5v-10z", p(-2.5, -5.0))),
    }
}

/// The legend: the mark and the name of each group.
fn legend<'a>(groups: impl IntoIterator<Item = (usize, &'a str)>) -> Markup {
    html! {
        ul.legend {
            @for (group, name) in groups {
                li { svg viewBox="0 0 14 14" aria-hidden="true" { (mark(group, 7.0, 7.0, "")) } (name) }
            }
        }
    }
}
