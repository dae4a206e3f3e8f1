//! The table of a model's kernels.

use maud::{Markup, html};
use nasprof_base::text::{bytes, ms, percent};
use nasprof_profiler::model_profile::{KernelPart, ModelProfile};

use crate::page::{Cell, Column, Table, table};

/// The slowest first.
pub(super) fn kernels(profile: &ModelProfile) -> Markup {
    let mut parts: Vec<&KernelPart> = profile.kernels.iter().collect();
    parts.sort_by(|a, b| b.time.ms.total_cmp(&a.time.ms));
    let slowest = parts.first().map_or(0.0, |part| part.time.ms).max(f64::MIN_POSITIVE);
    let shows = Shows::of(profile);
    html! {
        p.hint {
            "Click a heading to sort. The bar is the time, the marks on it the interval. The name of a kernel often \
             lists the operations that were fused into it."
        }
        (table(&Table {
            id: "kernel-table",
            row: "kernel",
            columns: &shows.columns(),
            rows: parts.iter().map(|part| shows.cells(part, slowest)).collect(),
        }))
    }
}

/// The columns with values, because runtimes report different data; empty columns are left out.
struct Shows {
    intervals: bool,
    shapes: bool,
    outputs: bool,
    parameters: bool,
    providers: bool,
    marks: bool,
}

impl Shows {
    fn of(profile: &ModelProfile) -> Self {
        let any = |has: fn(&KernelPart) -> bool| profile.kernels.iter().any(has);
        Self {
            intervals: any(|part| part.time.interval_ms.is_some()),
            shapes: any(|part| !part.kernel.inputs.is_empty()),
            outputs: any(|part| !part.kernel.outputs.is_empty()),
            parameters: any(|part| part.kernel.parameter_bytes.is_some()),
            providers: any(|part| !part.kernel.provider.is_empty()),
            marks: any(|part| part.suspicious),
        }
    }

    fn columns(&self) -> Vec<Column> {
        let all = [
            (true, Column::text("kernel", "Name of the node, with the operator below")),
            (
                true,
                Column::number(
                    "time, ms",
                    "Mean over sessions, without the timing overhead. The bar is relative to the slowest",
                ),
            ),
            (self.intervals, Column::number("± half", "Relative half-width of the 95 % interval, from sessions")),
            (true, Column::number("share", "Share of the sum of all kernels")),
            (self.shapes, Column::text("inputs", "Types and shapes")),
            (self.outputs, Column::text("outputs", "Types and shapes")),
            (self.parameters, Column::number("parameters", "Bytes")),
            (self.providers, Column::text("provider", "Execution provider")),
            (self.marks, Column::text("flags", "Findings of the import")),
        ];
        all.into_iter().filter(|(shown, _)| *shown).map(|(_, column)| column).collect()
    }

    fn cells(&self, part: &KernelPart, slowest: f64) -> Vec<Cell> {
        let kernel = &part.kernel;
        let mut time = Cell::number(Some(part.time.ms), |value| ms(value).trim_end_matches(" ms").to_owned());
        time = time.bar(part.time.ms / slowest);
        if let Some([low, high]) = part.time.interval_ms {
            time = time.range(low / slowest, high / slowest);
        }
        let all = [
            (true, Cell::text(kernel.name.as_str()).kind(kernel.operator.clone())),
            (true, time),
            (self.intervals, Cell::number(part.time.half_width(), |half| format!("{:.1} %", 100.0 * half))),
            (true, Cell::number(Some(part.share), percent)),
            (self.shapes, Cell::text(kernel.inputs.join(", "))),
            (self.outputs, Cell::text(kernel.outputs.join(", "))),
            (self.parameters, Cell::number(kernel.parameter_bytes.map(|size| size as f64), bytes)),
            (self.providers, Cell::text(kernel.provider.trim_end_matches("ExecutionProvider"))),
            (self.marks, Cell::text(if part.suspicious { "suspicious" } else { "" })),
        ];
        all.into_iter().filter(|(shown, _)| *shown).map(|(_, cell)| cell).collect()
    }
}
