//! A graph as boxes and lines.

use maud::{Markup, html};
use nasprof_base::text::{count, cut};
use nasprof_graph::Graph;

use super::collapse::{Collapsed, Group, collapse};
use super::layout::{Layout, Size, layout};
use super::{Picture, State, pos, text_width};

const LINE: f64 = 15.0;
/// Longest text in a box.
const LONGEST: usize = 28;

/// Draws a graph; `selection` has the chosen candidates, if any.
pub(super) fn graph(graph: &Graph, states: &[State], selection: &[u16]) -> Picture {
    let collapsed = collapse(graph, states, selection);
    let placed = render(&collapsed);
    let legend = legend(&collapsed);
    let title = format!("Graph of {}", count(graph.nodes().len(), "node"));
    let height = placed.1.height + if legend.is_some() { 30.0 } else { 0.0 };
    let outermost = collapsed.groups.iter().zip(&placed.1.centres).map(|(g, c)| c.0 + text_width(&g.shape));
    let width = outermost.fold(placed.1.width, f64::max).max(if legend.is_some() { 520.0 } else { 0.0 });
    let body = html! {
        (placed.0)
        @if let Some(legend) = legend { g transform=(format!("translate(18 {})", pos(placed.1.height + 14.0))) { (legend) } }
    };
    Picture { width, height, title, body }
}

fn render(collapsed: &Collapsed) -> (Markup, Layout) {
    let sizes: Vec<Size> = collapsed.groups.iter().map(size).collect();
    let edges: Vec<(usize, usize)> = collapsed.edges.iter().map(|e| (e.from, e.to)).collect();
    let placed = layout(&sizes, &edges);
    let body = html! {
        @for (edge, way) in collapsed.edges.iter().zip(&placed.ways) {
            path.a-edge.a-off[!edge.active] d=(curve(way)) {}
        }
        @for ((group, size), (x, y)) in collapsed.groups.iter().zip(&sizes).zip(&placed.centres) {
            (a_box(group, *size, *x, *y))
        }
        // Shapes are written where a value leaves its box, on top of all lines.
        @for (i, (group, (size, (x, y)))) in collapsed.groups.iter().zip(sizes.iter().zip(&placed.centres)).enumerate() {
            @if collapsed.edges.iter().any(|e| e.from == i) {
                text.a-shape x=(pos(x + 5.0)) y=(pos(y + size.height / 2.0 + 12.0)) { (group.shape) }
            }
        }
    };
    (body, placed)
}

fn size(group: &Group) -> Size {
    let widest = group.lines.iter().map(|l| text_width(&cut(l, LONGEST))).fold(40.0, f64::max);
    Size { width: widest.max(text_width(&group.shape)), height: LINE * group.lines.len() as f64 + 10.0 }
}

fn a_box(group: &Group, size: Size, x: f64, y: f64) -> Markup {
    let state = match group.state {
        State::Runs => "",
        State::Elided => "a-elided",
        State::Pruned => "a-pruned",
    };
    let top = y - size.height / 2.0;
    html! {
        g.a-box.{ "a-" (group.kind) }.(state) {
            title { (group.title) }
            rect x=(pos(x - size.width / 2.0)) y=(pos(top)) width=(pos(size.width)) height=(pos(size.height)) rx="5" {}
            @for (i, line) in group.lines.iter().enumerate() {
                text.a-first[i == 0] x=(pos(x)) y=(pos(top + 17.0 + LINE * i as f64)) text-anchor="middle" { (cut(line, LONGEST)) }
            }
        }
    }
}

/// A smooth line through points from top to bottom.
pub(super) fn curve(way: &[(f64, f64)]) -> String {
    let mut d = format!("M{} {}", pos(way[0].0), pos(way[0].1));
    for pair in way.windows(2) {
        let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
        let middle = f64::midpoint(y1, y2);
        if (x1 - x2).abs() < 0.05 {
            d.push_str(&format!("L{} {}", pos(x2), pos(y2)));
        } else {
            d.push_str(&format!("C{} {} {} {} {} {}", pos(x1), pos(middle), pos(x2), pos(middle), pos(x2), pos(y2)));
        }
    }
    d
}

/// The legend of the kinds of boxes, if not all boxes run.
fn legend(collapsed: &Collapsed) -> Option<Markup> {
    collapsed.groups.iter().any(|g| g.state != State::Runs).then(|| {
        let entry = |x: f64, class: &str, words: &str| {
            html! {
                g.a-box.a-plain.(class) {
                    rect x=(pos(x)) y="-10" width="22" height="12" rx="3" {}
                    text x=(pos(x + 28.0)) y="1" { (words) }
                }
            }
        };
        html! { (entry(0.0, "", "runs")) (entry(90.0, "a-elided", "chosen, costs nothing")) (entry(280.0, "a-pruned", "pruned")) }
    })
}
