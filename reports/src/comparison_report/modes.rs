//! The same layers timed inside networks and alone: the effect of hot caches.

use std::collections::HashMap;

use maud::{Markup, html};
use nasprof_base::statistics::median;
use nasprof_base::text::{cut, ms, rough};
use nasprof_graph::LayerKey;
use nasprof_lut::Lut;
use nasprof_profiler::journal::Mode;
use nasprof_render::charts::{Strip, strip};

use crate::lut_report::{Kind, kinds_by_time};
use crate::page::figure;

/// Ratios by kind of layer, for the first LUT of each mode of one device; `None` unless both modes are there.
pub(super) fn modes(luts: &[(String, Lut)]) -> Option<Markup> {
    let of = |mode: Mode| luts.iter().find(|(_, lut)| lut.context.header.mode == mode);
    let (inside, alone) = (of(Mode::InContext)?, of(Mode::Isolated)?);
    let times: HashMap<&LayerKey, f64> =
        alone.1.rows.iter().filter_map(|r| Some((&r.key, r.times.as_ref()?.mean_ns))).collect();
    let mut ratios: HashMap<String, Vec<(f64, String)>> = HashMap::new();
    let mut all = Vec::new();
    for row in &inside.1.rows {
        let Some((own, other)) = row.times.as_ref().map(|t| t.mean_ns).zip(times.get(&row.key)) else { continue };
        let ratio = other / own;
        let (in_network, by_itself) = (ms(own / 1e6), ms(other / 1e6));
        let title = format!("{}\nin networks {in_network}, alone {by_itself}", cut(row.key.as_str(), 160));
        ratios.entry(Kind::of(row).name).or_default().push((ratio, title));
        all.push(ratio);
    }
    let middle = median(&all)?;
    let rows: Vec<Strip> = kinds_by_time(&inside.1.rows)
        .into_iter()
        .filter_map(|kind| {
            let values = ratios.remove(&kind)?;
            let median = median(&values.iter().map(|v| v.0).collect::<Vec<_>>())?;
            Some(Strip { name: format!("{kind} ({})", values.len()), values, median })
        })
        .collect();
    let direction = if middle < 1.0 { "less" } else { "more" };
    let how = format!(
        "Time alone divided by time in networks, by kind. Alone, the median layer takes {} {direction} time ({}) than \
         in a network ({}): sums of isolated layers are off by about that much.",
        rough((middle - 1.0).abs()),
        alone.0,
        inside.0
    );
    Some(
        html! { div.charts { (figure("Alone versus in networks.", &how, &strip("Ratio of layers timed alone and in networks", "time alone over time in networks", &rows))) } },
    )
}
