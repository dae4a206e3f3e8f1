//! The parts of a network's latency: its blocks in order, then its most expensive layers.

use nasprof_base::text::{ms, percent};
use nasprof_lut::{Estimate, Source};

use super::super::print;
use super::super::table::{Tone, bar, fit, fit_ends, paint, spare};
use crate::failure::Failure;

/// Layers shown below the blocks.
const ROWS: usize = 10;

/// Prints `rows` layers, below the totals of the blocks unless `by_layer` is set.
pub(super) fn explain(estimate: &Estimate, rows: Option<usize>, by_layer: bool) -> Result<(), Failure> {
    if !by_layer {
        blocks(estimate)?;
    }
    layers(estimate, rows.unwrap_or(if by_layer { 0 } else { ROWS }))
}

fn blocks(estimate: &Estimate) -> Result<(), Failure> {
    let blocks = estimate.blocks();
    let largest = blocks.iter().filter_map(|block| block.share).fold(f64::MIN_POSITIVE, f64::max);
    let heading = format!("{} {:>7} {:>11} {:>8}", fit("block", 35 + spare()), "layers", "time", "share");
    print("")?;
    print(paint(Tone::Strong, heading))?;
    for block in blocks {
        let (time, share) = (time(block.latency_ms), share(block.share));
        let (name, bar) = (fit(&block.name, 35 + spare()), bar(block.share.unwrap_or(0.0) / largest, 10));
        print(format!("{name} {:>7} {time:>11} {share:>8} {bar}", block.layers).trim_end())?;
    }
    Ok(())
}

/// The layers, each with the source of its latency.
fn layers(estimate: &Estimate, rows: usize) -> Result<(), Failure> {
    let mut nodes: Vec<_> = estimate.nodes.iter().collect();
    nodes.sort_by(|a, b| b.latency_ms.unwrap_or(f64::MAX).total_cmp(&a.latency_ms.unwrap_or(f64::MAX)));
    let largest = nodes.iter().filter_map(|n| n.share).fold(f64::MIN_POSITIVE, f64::max);
    let heading = format!("{} {:>11} {:>8} {:<10} from", fit("layer", 35 + spare()), "time", "share", "");
    print("")?;
    print(paint(Tone::Strong, heading))?;
    let shown = if rows == 0 { nodes.len() } else { rows.min(nodes.len()) };
    for node in &nodes[..shown] {
        let source = match node.source {
            Source::Measured => paint(Tone::Good, "measured"),
            Source::Imported => paint(Tone::Doubtful, "imported"),
            Source::Interpolated => paint(Tone::Doubtful, "interpolated"),
            Source::Missing => paint(Tone::Bad, "MISSING"),
            Source::Failed(_) => paint(Tone::Bad, "FAILED"),
        };
        let (time, share) = (time(node.latency_ms), share(node.share));
        let (name, bar) =
            (fit_ends(&node.name, 12 + spare() / 2, 35 + spare()), bar(node.share.unwrap_or(0.0) / largest, 10));
        print(format!("{name} {time:>11} {share:>8} {bar} {source}"))?;
    }
    if nodes.len() > shown {
        let rest = format!("… {} more layers; --by-layer shows all", nodes.len() - shown);
        print(paint(Tone::Faint, rest))?;
    }
    Ok(())
}

fn time(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "unknown".to_owned(), ms)
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), percent)
}
