//! Latency by kind of layer, and the speed of layers relative to the fastest observed one.

use maud::{Markup, html};
use nasprof_base::statistics::median;
use nasprof_base::text::{count, ms, significant};
use nasprof_lut::{Lut, Row};
use nasprof_render::charts::{Guide, MARKS, Point, Scatter, Strip, scatter, strip};

use super::kind::{Kind, kinds_by_time};
use crate::page::figure;

/// Most points of the roofline; more would overlap and make the page heavy.
const POINTS: usize = 1000;

/// Both charts.
pub(crate) fn speed(lut: &Lut) -> Markup {
    let kinds = kinds_by_time(&lut.rows);
    let strips = strips(lut, &kinds);
    let most = strips.iter().map(|s| s.values.len()).max().unwrap_or(0);
    let thinned = if most > MARKS {
        format!(" At most {MARKS} marks of each kind are drawn, evenly from the fastest to the slowest.")
    } else {
        String::new()
    };
    let how = format!(
        "Each mark is a layer, the vertical line the median of its kind. The kind with the largest sum comes first; \
         how often a network runs a layer does not count. The axis is logarithmic.{thinned}"
    );
    html! {
        div.charts {
            (figure("Latency by kind.", &how,
                &strip("Latency of layers by kind", "milliseconds", &strips)))
            (roofline(lut, &kinds))
        }
    }
}

fn strips(lut: &Lut, kinds: &[String]) -> Vec<Strip> {
    let of = |kind: &String| {
        let rows = lut.rows.iter().filter(|r| Kind::of(r).name == *kind);
        let values: Vec<(f64, String)> =
            rows.filter_map(|r| Some((r.times.as_ref()?.mean_ns / 1e6, title(r)))).collect();
        let median = median(&values.iter().map(|v| v.0).collect::<Vec<_>>())?;
        Some(Strip { name: format!("{kind} ({})", values.len()), values, median })
    };
    kinds.iter().filter_map(of).collect()
}

fn title(row: &Row) -> String {
    let time = row.times.as_ref().map_or_else(|| "no time".to_owned(), |t| ms(t.mean_ns / 1e6));
    format!("{}\n{time}", nasprof_base::text::cut(row.key.as_str(), 160))
}

/// Arithmetic intensity against speed. The two roofs are the highest values that any layer of this LUT reached.
fn roofline(lut: &Lut, kinds: &[String]) -> Markup {
    let timed: Vec<(&Row, f64)> = lut.rows.iter().filter_map(|r| Some((r, r.times.as_ref()?.mean_ns))).collect();
    let points: Vec<Point> = timed
        .iter()
        .filter(|(row, ns)| row.macs > 0 && row.bytes > 0 && *ns > 0.0)
        .map(|(row, ns)| {
            let (intensity, speed) = (row.macs as f64 / row.bytes as f64, row.macs as f64 / ns);
            let group = kinds.iter().position(|k| *k == Kind::of(row).name).unwrap_or(0);
            let title = format!("{}\n{} GMAC/s, {} MAC/byte", title(row), significant(speed), significant(intensity));
            Point { x: intensity, y: speed, group, title }
        })
        .collect();
    if points.is_empty() {
        return html! {};
    }
    let without = timed.len() - points.len();
    let drawn = points.len().div_ceil(POINTS).max(1);
    let thinned = if drawn > 1 { format!(" One in {drawn} layers is drawn.") } else { String::new() };
    let fastest = points.iter().map(|p| p.y).fold(0.0, f64::max);
    let bandwidth = timed.iter().filter(|(_, ns)| *ns > 0.0).map(|(r, ns)| r.bytes as f64 / ns).fold(0.0, f64::max);
    let xs = points.iter().map(|p| p.x);
    let (low, high) = xs.fold((f64::INFINITY, 0.0_f64), |(l, h), x| (l.min(x), h.max(x)));
    let steps = |n: usize| (0..=n).map(move |i| low * (high / low).powf(i as f64 / n as f64));
    let guides = vec![
        Guide {
            points: steps(1).map(|x| (x, fastest)).collect(),
            label: format!("highest: {} GMAC/s", significant(fastest)),
            at_end: false,
            dashed: true,
        },
        Guide {
            points: steps(400).map(|x| (x, x * bandwidth)).take_while(|p| p.1 <= fastest).collect(),
            label: format!("highest: {} GB/s", significant(bandwidth)),
            at_end: false,
            dashed: true,
        },
    ];
    let how = format!(
        "Right: much work per byte; up: fast. The dashed lines are the highest speeds that a layer here reached, not \
         the machine's limits. A layer far below both has room for improvement. Not shown: {} without MACs.{thinned}",
        count(without, "layer")
    );
    let plot = Scatter {
        title: "Speed against arithmetic intensity",
        x_name: "MACs per byte",
        y_name: "GMACs per second",
        logarithmic: true,
        square: false,
        groups: kinds.to_vec(),
        points: points.into_iter().step_by(drawn).collect(),
        guides,
    };
    figure("Speed against arithmetic intensity.", &how, &scatter(&plot))
}
