//! Heat maps of layers that differ in size only: channels against resolution.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use nasprof_base::statistics::mean;
use nasprof_base::text::{count, ms};
use nasprof_lut::Lut;
use nasprof_render::charts::{Heat, Shades, heat};

use super::kind::Kind;

/// Fewest cells of a map.
const MIN_CELLS: usize = 4;
/// Families shown, those with the most layers.
const MAX_FAMILIES: usize = 6;

/// Milliseconds of the layers at one place of a map.
type Cells = BTreeMap<(usize, [usize; 2]), Vec<f64>>;

/// The largest families.
pub(crate) fn families(lut: &Lut) -> Option<Markup> {
    let mut families: BTreeMap<String, Cells> = BTreeMap::new();
    for row in &lut.rows {
        let kind = Kind::of(row);
        if let (Some(times), Some(channels), Some(resolution)) = (&row.times, kind.channels, kind.resolution) {
            families
                .entry(kind.family)
                .or_default()
                .entry((channels, resolution))
                .or_default()
                .push(times.mean_ns / 1e6);
        }
    }
    let mut largest: Vec<(String, Cells)> = families.into_iter().filter(|(_, c)| c.len() >= MIN_CELLS).collect();
    largest.sort_by_key(|(name, cells)| (std::cmp::Reverse(cells.len()), name.clone()));
    largest.truncate(MAX_FAMILIES);
    (!largest.is_empty()).then(|| {
        html! {
            p.hint { "Mean latency in microseconds. Darker is slower; each map has its own logarithmic scale. Rows are \
                input channels, columns the input's size. Layers that differ only in output channels share a cell \
                with their mean." }
            div.charts { @for (name, cells) in &largest { (heat(&map(name, cells))) } }
        }
    })
}

/// With one decimal below 100.
fn microseconds(value_ms: f64) -> String {
    let value = 1e3 * value_ms;
    if value < 99.95 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn map(name: &str, cells: &Cells) -> Heat {
    let channels: BTreeSet<usize> = cells.keys().map(|k| k.0).collect();
    let resolutions: BTreeSet<[usize; 2]> = cells.keys().map(|k| k.1).collect();
    let size = |r: &[usize; 2]| format!("{}×{}", r[0], r[1]);
    let cell = |channels: usize, resolution: [usize; 2]| {
        let times = cells.get(&(channels, resolution))?;
        let value = mean(times)?;
        let title = format!(
            "{channels} channels, {}: {} (mean of {})",
            size(&resolution),
            ms(value),
            count(times.len(), "layer")
        );
        Some((value, microseconds(value), title))
    };
    Heat {
        title: name.to_owned(),
        row_name: "channels".to_owned(),
        column_name: "map".to_owned(),
        rows: channels.iter().map(ToString::to_string).collect(),
        columns: resolutions.iter().map(size).collect(),
        cells: channels.iter().map(|c| resolutions.iter().map(|r| cell(*c, *r)).collect()).collect(),
        shades: Shades::Logarithmic,
    }
}
