//! Details of one network: the layers that take its time, and the nodes that the runtime removed.

mod removed;

use maud::{Markup, html};
use nasprof_base::text::{bytes, count, ms, percent, si, significant};
use nasprof_graph::arch::ArchFile;
use nasprof_graph::passes;
use nasprof_lut::{Estimate, Estimator, Lut, Source};
use nasprof_spaces::Space;

use crate::page::{Cell, Column, Part, Table, add, bars, headline, table};

pub(crate) use self::removed::{Removed, removed};

/// A network with its estimate.
pub(crate) struct Breakdown {
    pub(crate) estimate: Estimate,
    /// Nodes of the selected network that the runtime does not run, each with the reason.
    pub(crate) removed: Vec<Removed>,
}

impl Breakdown {
    /// Breaks the latency of an architecture down.
    pub(crate) fn of(space: &Space, arch: &ArchFile, lut: &Lut) -> Result<Self, String> {
        let header = &lut.context.header;
        let arch = arch.resolve(&space.name, &space.choices).map_err(|e| e.to_string())?;
        let graph = space.graph.with_batch(header.batch).map_err(|e| e.to_string())?;
        let selected = passes::select(&graph, &arch).map_err(|e| e.to_string())?;
        let subnet = header.runtime.subnet(&graph, &arch).map_err(|e| e.to_string())?;
        let removed = removed(&selected, &subnet);
        Ok(Self { estimate: Estimator::new(lut).estimate(&subnet), removed })
    }
}

/// Where the time goes: by part of the network, then by layer, then the nodes that do not run.
pub(crate) fn breakdown(parts: &Breakdown, id: &str) -> Markup {
    let estimate = &parts.estimate;
    let latency = match (estimate.latency_ms, estimate.interval_ms) {
        (Some(latency), Some([low, high])) => {
            format!("{} ms ({}–{})", significant(latency), significant(low), significant(high))
        }
        (Some(latency), None) => format!("{} ms", significant(latency)),
        (None, _) => "unknown: some layers have no entry".to_owned(),
    };
    html! {
        (headline([
            (latency, if estimate.interval_ms.is_some() { "estimated latency, with its 95 % interval" } else { "estimated latency" }),
            (si(estimate.params as f64), "parameters"),
            (si(estimate.macs as f64), "MACs"),
            (bytes(estimate.peak_memory_bytes as f64), "peak memory"),
        ]))
        (by_part(estimate))
        (layers(estimate, id))
        (what_was_removed(&parts.removed))
    }
}

/// Time by the first components of names, such as `blocks/3`.
fn by_part(estimate: &Estimate) -> Markup {
    let mut parts: Vec<Part> = Vec::new();
    for node in &estimate.nodes {
        if let Some(time) = node.latency_ms {
            add(&mut parts, &part(&node.name), time);
        }
    }
    html! {
        h3 { "By part, in the order of the network" }
        (bars(&parts, "layer"))
    }
}

/// The scope of a layer: the first component of its name, with the second if that is a number.
fn part(name: &str) -> String {
    let mut parts = name.split('/');
    let first = parts.next().unwrap_or(name);
    match parts.next().filter(|p| p.parse::<u32>().is_ok()) {
        Some(number) => format!("{first}/{number}"),
        None => first.to_owned(),
    }
}

const COLUMNS: [Column; 5] = [
    Column::text("layer", "Name in the network"),
    Column::text("key", "Row of the LUT"),
    Column::number("time", "Milliseconds, calibrated"),
    Column::number("share", "Share of the network's time"),
    Column::text("from", "Source of the latency"),
];

fn layers(estimate: &Estimate, id: &str) -> Markup {
    let mut nodes: Vec<_> = estimate.nodes.iter().collect();
    nodes.sort_by(|a, b| b.latency_ms.unwrap_or(f64::MAX).total_cmp(&a.latency_ms.unwrap_or(f64::MAX)));
    let largest = nodes.iter().filter_map(|n| n.share).fold(0.0, f64::max);
    let rows = nodes.into_iter().map(|node| {
        let source = match &node.source {
            Source::Measured => "measured".to_owned(),
            Source::Imported => "from an imported table".to_owned(),
            Source::Interpolated => "interpolated between measured layers".to_owned(),
            Source::Missing => "not in the LUT".to_owned(),
            Source::Failed(error) => format!("FAILED: {error}"),
        };
        vec![
            Cell::text(&node.name),
            Cell::text(node.key.as_str()),
            Cell::number(node.latency_ms, ms),
            Cell::number(node.share, percent).bar(node.share.unwrap_or(0.0) / largest),
            Cell::text(source),
        ]
    });
    html! {
        h3 { "By layer" }
        (table(&Table { id, row: "layer", columns: &COLUMNS, rows: rows.collect() }))
    }
}

fn what_was_removed(removed: &[Removed]) -> Markup {
    html! {
        h3 { "Nodes that do not run" }
        @if removed.is_empty() { p { "Every selected node runs." } }
        ul {
            @for kind in Removed::KINDS {
                @let these: Vec<&str> = removed.iter().filter(|r| r.why == kind).map(|r| r.name.as_str()).collect();
                @if !these.is_empty() {
                    li { strong { (count(these.len(), "node")) } " " (kind) ": " (names(&these)) }
                }
            }
        }
    }
}

/// The first names of a list.
fn names(all: &[&str]) -> String {
    const SHOWN: usize = 8;
    let shown = all[..all.len().min(SHOWN)].join(", ");
    if all.len() > SHOWN { format!("{shown}, …") } else { shown }
}
