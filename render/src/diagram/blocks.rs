//! MobileNet-like networks: a row of blocks. Colour shows the kernel, height the expansion; skipped blocks are dashed.

use maud::{Markup, html};
use nasprof_base::text::{cut, percent};
use nasprof_graph::{Arch, Choice};
use nasprof_spaces::Space;

use super::{Picture, pos};

const WIDTH: f64 = 116.0;
const STEP: f64 = 150.0;
const ROW: f64 = 128.0;
const PER_ROW: usize = 7;
const MARGIN: f64 = 20.0;

/// A part of the network in its order.
struct Block {
    name: String,
    what: What,
    /// Shape of its output.
    shape: String,
    probability: Option<f64>,
}

enum What {
    /// An inverted residual.
    Residual {
        expansion: u32,
        kernel: u32,
    },
    Skip,
    /// A part without a choice.
    Fixed,
}

/// The picture; `None` if the candidates of the space are not all of the form `MB<expansion> <kernel>x<kernel>`.
pub(super) fn blocks(space: &Space, arch: &Arch, probabilities: Option<&[Vec<f64>]>) -> Option<Picture> {
    if space.choices.is_empty() || !space.choices.iter().flat_map(|c| &c.candidates).all(|c| what(c).is_some()) {
        return None;
    }
    let blocks = parts(space, arch, probabilities)?;
    let rows = blocks.len().div_ceil(PER_ROW);
    let width = MARGIN * 2.0 + STEP * PER_ROW.min(blocks.len()) as f64;
    let body = html! {
        @for (i, block) in blocks.iter().enumerate() { (render(i, block, i + 1 == blocks.len())) }
        g transform=(format!("translate({MARGIN} {})", pos(ROW * rows as f64 + 22.0))) { (legend()) }
    };
    let title = format!("Architecture of {}", space.name);
    Some(Picture { width, height: ROW * rows as f64 + 44.0, title, body })
}

fn what(candidate: &str) -> Option<What> {
    if candidate == "skip_connect" {
        return Some(What::Skip);
    }
    let (expansion, kernel) = candidate.strip_prefix("MB")?.split_once(' ')?;
    let (kernel, _) = kernel.split_once('x')?;
    Some(What::Residual { expansion: expansion.parse().ok()?, kernel: kernel.parse().ok()? })
}

/// Scopes of the supernet in graph order; a scope with a choice shows its candidate.
fn parts(space: &Space, arch: &Arch, probabilities: Option<&[Vec<f64>]>) -> Option<Vec<Block>> {
    let choice_of = |part: &str| space.choices.iter().position(|c: &Choice| c.name == part);
    let mut blocks: Vec<Block> = Vec::new();
    for node in space.graph.nodes() {
        let part = part(&node.name, &space.choices);
        let shape = node.shape.without_batch().replace('x', "×");
        if let Some(block) = blocks.iter_mut().find(|b| b.name == part) {
            block.shape = shape;
            continue;
        }
        let position = choice_of(&part);
        let index = position.and_then(|p| arch.0.get(p)).map(|&i| usize::from(i));
        let what = match (position, index) {
            (Some(position), Some(index)) => what(space.choices[position].candidates.get(index)?)?,
            _ => What::Fixed,
        };
        let probability = position.zip(index).and_then(|(p, i)| probabilities?.get(p)?.get(i).copied());
        blocks.push(Block { name: part, what, shape, probability });
    }
    Some(blocks)
}

/// The choice that a node belongs to, else its outermost scope.
fn part(name: &str, choices: &[Choice]) -> String {
    let prefix = |depth: usize| name.split('/').take(depth).collect::<Vec<_>>().join("/");
    let own = (1..=name.split('/').count()).map(prefix).find(|p| choices.iter().any(|c| c.name == *p));
    own.unwrap_or_else(|| prefix(1))
}

fn render(i: usize, block: &Block, last: bool) -> Markup {
    let (column, row) = (i % PER_ROW, i / PER_ROW);
    let (left, middle) = (MARGIN + STEP * column as f64, ROW * row as f64 + 64.0);
    let height = match block.what {
        What::Residual { expansion, .. } => (28.0 + 6.0 * f64::from(expansion)).min(76.0),
        What::Skip | What::Fixed => 34.0,
    };
    let (class, label) = match block.what {
        What::Residual { expansion, kernel } => (kernel_class(kernel), format!("{kernel}×{kernel}  ·  ×{expansion}")),
        What::Skip => ("a-pruned", "skip".to_owned()),
        What::Fixed => ("a-scope", String::new()),
    };
    let title = match &block.what {
        What::Residual { expansion, kernel } => format!("{}: kernel {kernel}, expansion {expansion}", block.name),
        What::Skip => format!("{}: skipped", block.name),
        What::Fixed => block.name.clone(),
    };
    let top = middle - height / 2.0;
    html! {
        g.a-box.(class) {
            title { (title) "\noutput " (block.shape) }
            rect x=(pos(left)) y=(pos(top)) width=(pos(WIDTH)) height=(pos(height)) rx="5" {}
            @if label.is_empty() {
                text.a-first x=(pos(left + WIDTH / 2.0)) y=(pos(middle + 4.0)) text-anchor="middle" { (cut(&block.name, 15)) }
            } @else {
                text.a-big x=(pos(left + WIDTH / 2.0)) y=(pos(middle + 5.0)) text-anchor="middle" { (label) }
                text x=(pos(left)) y=(pos(top - 5.0)) {
                    (cut(&block.name, 12))
                    @if let Some(p) = block.probability { " · " (percent(p)) }
                }
            }
        }
        @if !last {
            path.a-edge d=(format!("M{} {}h{}", pos(left + WIDTH), pos(middle), pos(STEP - WIDTH))) {}
            text.a-shape x=(pos(left + WIDTH)) y=(pos(middle + 50.0)) text-anchor="middle" { (block.shape) }
        }
    }
}

fn kernel_class(kernel: u32) -> &'static str {
    match kernel {
        3 => "a-k3",
        5 => "a-k5",
        7 => "a-k7",
        _ => "a-k",
    }
}

fn legend() -> Markup {
    html! {
        text { "Reads left to right, then the next row. Label: kernel · expansion; height grows with the expansion; colour is the kernel; dashed is skipped." }
    }
}
