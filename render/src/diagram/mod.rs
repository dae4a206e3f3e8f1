//! Pictures of architectures and graphs as SVG.
//!
//! [`architecture`] draws blocks for MobileNet-like spaces, cells for DARTS-like ones and the graph for all others.
//! [`network`] and [`supernet`] draw graphs; [`dot`] writes Graphviz DOT.

mod blocks;
mod cells;
mod collapse;
mod dot;
mod graph;
mod layout;
mod state;

use maud::{Markup, PreEscaped, html};
use nasprof_base::text::printable;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Graph, passes};
use nasprof_spaces::Space;

pub use self::dot::dot;
pub use self::state::{State, states};

const STYLE: &str = include_str!("style.css");

/// A picture.
#[derive(Debug, Clone)]
pub struct Picture {
    width: f64,
    height: f64,
    title: String,
    body: Markup,
}

impl Picture {
    /// A separate SVG file.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let (width, height) = (self.width.ceil(), self.height.ceil());
        let markup = html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) {
                title { (self.title) }
                style { (PreEscaped(STYLE)) }
                rect.a-paper width=(width) height=(height) {}
                (self.body)
            }
        };
        printable(&markup.into_string())
    }

    /// Markup for a page that has the styles.
    pub fn inline(&self) -> Markup {
        let (width, height) = (self.width.ceil(), self.height.ceil());
        html! {
            div.picture tabindex="0" role="region" aria-label=(self.title) {
                svg viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) role="img" aria-label=(self.title) { (self.body) }
            }
        }
    }
}

/// Draws an architecture. `probabilities`, in the order of the space's choices, are written beside the chosen
/// candidates.
///
/// # Errors
/// If the architecture is not one of the space.
pub fn architecture(
    space: &Space,
    arch: &Arch,
    probabilities: Option<&[Vec<f64>]>,
) -> Result<Picture, passes::SelectError> {
    let selected = passes::select(&space.graph, arch)?;
    if let Some(picture) = blocks::blocks(space, arch, probabilities) {
        return Ok(picture);
    }
    if let Some(picture) = cells::cells(space, arch, probabilities) {
        return Ok(picture);
    }
    Ok(network(&passes::eliminate_dead_code(&selected)))
}

/// Draws a graph. Scopes of large graphs are collapsed.
#[must_use]
pub fn network(graph: &Graph) -> Picture {
    graph::graph(graph, &vec![State::Runs; graph.nodes().len()], &[])
}

/// Draws a supernet: the nodes that an architecture selects, and those of them that the runtime runs.
///
/// # Errors
/// If the architecture is not one of the space.
pub fn supernet(space: &Space, arch: &Arch, runtime: Runtime) -> Result<Picture, passes::SelectError> {
    let states = states(&space.graph, arch, runtime)?;
    Ok(graph::graph(&space.graph, &states, &arch.0))
}

/// A coordinate, rounded.
fn pos(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
}

/// Width of a text in the pictures' font, with a little to spare.
fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 7.1 + 16.0
}
