//! DARTS-like spaces: each cell as a small graph whose edges are the selected operations.

use std::collections::BTreeMap;

use maud::{Markup, html};
use nasprof_base::text::{count, cut};
use nasprof_graph::{Arch, Choice};
use nasprof_spaces::Space;

use super::graph::curve;
use super::layout::{Size, layout};
use super::{Picture, pos, text_width};

/// Most cells drawn if every cell has choices of its own.
const MAX_CELLS: usize = 12;
const HEADING: f64 = 30.0;
/// Least width of a cell, for its heading; two cells are side by side up to the second width.
const NARROWEST: f64 = 220.0;
const WIDEST: f64 = 1200.0;

/// An edge of a cell.
#[derive(Debug, Clone)]
struct CellEdge {
    from: usize,
    to: usize,
    operation: String,
    probability: Option<f64>,
}

/// A cell: its edges, and how many were left out.
struct Cell {
    name: String,
    edges: Vec<CellEdge>,
    left_out: usize,
}

/// The picture; `None` if the choices are not named `…/edge_<from>_<to>`.
pub(super) fn cells(space: &Space, arch: &Arch, probabilities: Option<&[Vec<f64>]>) -> Option<Picture> {
    let mut cells: BTreeMap<(usize, String), Vec<CellEdge>> = BTreeMap::new();
    for (i, choice) in space.choices.iter().enumerate() {
        let (cell, from, to) = edge(choice)?;
        let index = usize::from(*arch.0.get(i)?);
        let operation = choice.candidates.get(index)?.clone();
        let probability = probabilities.and_then(|p| p.get(i)?.get(index).copied());
        let order = cells.keys().find(|k| k.1 == cell).map_or(cells.len(), |k| k.0);
        cells.entry((order, cell)).or_default().push(CellEdge { from, to, operation, probability });
    }
    if cells.is_empty() {
        return None;
    }
    let all = cells.len();
    let drawn: Vec<(Cell, (Markup, f64, f64))> = cells
        .into_iter()
        .take(MAX_CELLS)
        .map(|((_, name), edges)| keep(name, edges))
        .map(|cell| {
            let picture = render(&cell);
            (cell, picture)
        })
        .collect();
    Some(side_by_side(space, &drawn, all))
}

/// Cell, source and target of a choice's name.
fn edge(choice: &Choice) -> Option<(String, usize, usize)> {
    let (cell, edge) = choice.name.rsplit_once('/')?;
    let (from, to) = edge.strip_prefix("edge_")?.split_once('_')?;
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from < to && to < 64).then(|| (cell.to_owned(), from, to))
}

/// Keeps the edges with an operation other than `none`.
fn keep(name: String, mut edges: Vec<CellEdge>) -> Cell {
    let all = edges.len();
    edges.retain(|e| e.operation != "none");
    Cell { name, left_out: all - edges.len(), edges }
}

/// A cell with its size: nodes and operations are boxes of one layout, so that no labels overlap.
fn render(cell: &Cell) -> (Markup, f64, f64) {
    let last = cell.edges.iter().map(|e| e.to).max().unwrap_or(2).max(2);
    let name = |node: usize| match node {
        0 => "cell k−2".to_owned(),
        1 => "cell k−1".to_owned(),
        n if n == last + 1 => "output".to_owned(),
        n => (n - 2).to_string(),
    };
    // Indices are in the order of the graph: inputs, then for each node its edges and the node itself, then the output.
    let mut labels: Vec<(String, &str)> = vec![(name(0), "a-input"), (name(1), "a-input")];
    let mut place: Vec<usize> = vec![0, 1];
    let mut links: Vec<(usize, usize)> = Vec::new();
    for node in 2..=last {
        let first = labels.len();
        let incoming: Vec<&CellEdge> = cell.edges.iter().filter(|e| e.to == node).collect();
        for (i, edge) in incoming.iter().enumerate() {
            let label = match edge.probability {
                Some(p) => format!("{} {p:.2}", edge.operation),
                None => edge.operation.clone(),
            };
            let class = if edge.operation == "skip_connect" { "a-plain" } else { "a-weights" };
            labels.push((label, class));
            links.extend([(place[edge.from], first + i), (first + i, first + incoming.len())]);
        }
        place.push(labels.len());
        labels.push((name(node), "a-merge"));
    }
    labels.push((name(last + 1), "a-input"));
    links.extend((2..=last).map(|node| (place[node], labels.len() - 1)));
    let sizes: Vec<Size> = labels.iter().map(|l| Size { width: text_width(&cut(&l.0, 24)), height: 24.0 }).collect();
    let placed = layout(&sizes, &links);
    let body = html! {
        @for way in &placed.ways { path.a-edge d=(curve(way)) {} }
        @for (((label, class), size), (x, y)) in labels.iter().zip(&sizes).zip(&placed.centres) {
            g.a-box.(class) {
                title { (label) }
                rect x=(pos(x - size.width / 2.0)) y=(pos(y - 12.0)) width=(pos(size.width)) height="24" rx=(if *class == "a-weights" || *class == "a-plain" { "12" } else { "4" }) {}
                text x=(pos(*x)) y=(pos(y + 4.0)) text-anchor="middle" { (cut(label, 24)) }
            }
        }
    };
    (body, placed.width, placed.height)
}

fn side_by_side(space: &Space, drawn: &[(Cell, (Markup, f64, f64))], all: usize) -> Picture {
    let mut corners = Vec::new();
    let (mut top, mut width) = (0.0_f64, 0.0_f64);
    let beside =
        |row: &[(Cell, (Markup, f64, f64))]| row.iter().map(|(_, (_, w, _))| w.max(NARROWEST) + 20.0).sum::<f64>();
    let columns = if drawn.chunks(2).any(|row| beside(row) > WIDEST) { 1 } else { 2 };
    for row in drawn.chunks(columns) {
        let mut left = 0.0;
        for (_, (_, w, _)) in row {
            corners.push((left, top));
            left += w.max(NARROWEST) + 20.0;
        }
        width = width.max(left);
        top += row.iter().map(|(_, (_, _, h))| h + HEADING + 14.0).fold(0.0, f64::max);
    }
    let body = html! {
        @for ((cell, (markup, _, _)), (x, y)) in drawn.iter().zip(&corners) {
            g transform=(format!("translate({} {})", pos(*x), pos(*y))) {
                text.a-big x="18" y="20" { (heading(&cell.name)) }
                @if cell.left_out > 0 { text.a-shape x="18" y="34" { (count(cell.left_out, "edge")) (if cell.left_out == 1 { " is none" } else { " are none" }) } }
                g transform=(format!("translate(0 {HEADING})")) { (markup) }
            }
        }
        @if all > drawn.len() { text.a-shape x="18" y=(pos(top + 14.0)) { (all - drawn.len()) " more cells are not drawn" } }
    };
    let height = if all > drawn.len() { top + 24.0 } else { top };
    Picture { width, height, title: format!("Cells of {}", space.name), body }
}

fn heading(cell: &str) -> String {
    match cell {
        "normal" => "Normal cell".to_owned(),
        "reduce" => "Reduction cell".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use nasprof_spaces::Space;

    use super::*;

    #[test]
    fn cells_show_the_chosen_operations_with_their_probabilities() {
        let space = Space::builtin("darts-cifar10").unwrap();
        let candidate = |name: &str| space.choices[0].candidates.iter().position(|c| c == name).unwrap();
        let (none, skip) = (candidate("none"), candidate("skip_connect"));
        let mut arch = Arch(vec![none as u16; space.choices.len()]);
        arch.0[0] = skip as u16;
        let mut probabilities = vec![vec![0.125; 8]; space.choices.len()];
        probabilities[0][skip] = 0.43;
        let svg = cells(&space, &arch, Some(&probabilities)).unwrap().to_svg();
        assert_eq!(svg.matches("skip_connect 0.43").count(), 2, "in the box and in its tooltip");
        assert!(svg.contains("13 edges are none") && svg.contains("14 edges are none"));
        assert!(cells(&space, &arch, None).unwrap().to_svg().contains("skip_connect<"));
    }
}
