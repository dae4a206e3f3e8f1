//! The output of TensorFlow Lite's `benchmark_model --profiling_output_csv_file`: tables below titles. The table of the
//! regular runs counts, in the order of execution.

use super::super::error::ImportError;
use super::Layer;

/// Title of the part about initialisation, which is not inference.
const INITIALIZATION: &str = "Initialization";

pub(super) fn read(text: &str) -> Result<Vec<Layer>, ImportError> {
    let mut columns: Option<Columns> = None;
    let mut initializing = false;
    let mut layers: Vec<Layer> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        if let Some(found) = Columns::of(&cells) {
            // The same layers follow again in another order.
            if !layers.is_empty() {
                break;
            }
            columns = Some(found).filter(|_| !initializing);
        } else if line.trim_end().ends_with(':') && cells.len() == 1 {
            initializing = line.contains(INITIALIZATION);
            columns = None;
        } else if let Some(columns) = &columns
            && cells.len() > 1
        {
            layers.push(columns.layer(&cells).ok_or_else(|| {
                ImportError::Format(format!("line {}: not a row of TensorFlow Lite's profile", i + 1))
            })?);
        } else if !layers.is_empty() {
            break;
        }
    }
    if layers.is_empty() {
        let problem = "no table with the columns `node type`, `avg_ms` and `name`";
        return Err(ImportError::Format(format!("not a profile of TensorFlow Lite: {problem}")));
    }
    Ok(layers)
}

/// Where the columns are; older versions have one more.
struct Columns {
    kind: usize,
    average: usize,
    calls: Option<usize>,
    name: usize,
}

impl Columns {
    fn of(cells: &[&str]) -> Option<Self> {
        let position = |names: &[&str]| cells.iter().position(|cell| names.contains(cell));
        Some(Self {
            kind: position(&["node type"])?,
            average: position(&["avg_ms", "avg ms"])?,
            calls: position(&["times called"]),
            name: position(&["name"])?,
        })
    }

    fn layer(&self, cells: &[&str]) -> Option<Layer> {
        let calls = self.calls.and_then(|calls| cells.get(calls)?.parse().ok());
        Some(Layer {
            operator: (*cells.get(self.kind)?).to_owned(),
            // It is the last column and may contain commas.
            name: cells.get(self.name..).filter(|name| !name.is_empty())?.join(","),
            shapes: String::new(),
            text: (*cells.get(self.average)?).to_owned(),
            samples: calls.unwrap_or(0),
            macs: 0,
        })
    }
}
