//! The accuracies of NAS-Bench-201 as CSV: a column `cell` and for each data set `_valid` and `_test`, in percent.

use std::collections::HashMap;

use nasprof_base::suggest;
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_spaces::Space;

use super::Entry;

/// Data sets, identified by their number of classes.
const DATA_SETS: [(usize, &str); 3] = [(10, "cifar10"), (100, "cifar100"), (120, "imagenet16")];

/// All networks of the space.
///
/// # Errors
/// What is wrong, and the line or cell.
pub(super) fn read(bytes: &[u8], space: &Space) -> Result<Vec<(Arch, Entry)>, String> {
    let classes = space.graph.outputs().first().and_then(|&id| space.graph.node(id).shape.0.last().copied());
    let data_set = DATA_SETS.iter().find(|(count, _)| Some(*count) == classes).map(|(_, name)| *name);
    let data_set = data_set.ok_or_else(|| format!("`{}` is not a space of NAS-Bench-201", space.name))?;
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    if let Some(twice) = header.iter().enumerate().find_map(|(i, name)| header.iter().take(i).find(|n| *n == name)) {
        return Err(format!("column `{twice}` is there twice"));
    }
    let column = |name: String| {
        header.iter().position(|column| column == name).ok_or_else(|| {
            let nearest = suggest::did_you_mean(suggest::nearest(&name, header.iter()).as_deref());
            format!("no column `{name}`{nearest}")
        })
    };
    let (cell, valid, test) =
        (column("cell".to_owned())?, column(format!("{data_set}_valid"))?, column(format!("{data_set}_test"))?);
    let (mut entries, mut lines) = (Vec::new(), HashMap::new());
    for (i, row) in reader.records().enumerate() {
        let line = i + 2;
        let row = row.map_err(|e| e.to_string())?;
        let about = |problem: String| format!("line {line}: {problem}");
        let text = row.get(cell).unwrap_or_default();
        let arch = parse_cell(text, space).map_err(about)?;
        if let Some(first) = lines.insert(arch.clone(), line) {
            return Err(about(format!("the cell {text} is already in line {first}")));
        }
        let accuracy = |column: usize| {
            let text = row.get(column).unwrap_or_default();
            let percent = text.trim().parse::<f64>().ok().filter(|value| (0.0..=100.0).contains(value));
            let name = header.get(column).unwrap_or_default();
            Ok::<_, String>(percent.ok_or_else(|| about(format!("`{text}` is not a percentage for {name}")))? / 100.0)
        };
        let entry = Entry { curve: Vec::new(), valid: accuracy(valid)?, test: accuracy(test)?, scores: HashMap::new() };
        entries.push((arch, entry));
    }
    // Chance is about 1 % of the images and more, so that shares are told from percentages.
    for (column, of) in [(valid, (|entry| entry.valid) as fn(&Entry) -> f64), (test, |entry| entry.test)] {
        if entries.iter().all(|(_, entry)| of(entry) <= 0.01) {
            let name = header.get(column).unwrap_or_default();
            return Err(format!("no accuracy in column {name} is above 1: percentages are expected, not shares"));
        }
    }
    match missing(&lines, space) {
        Some((count, example)) => Err(format!("{count} cells of the space have no row, for example {example}")),
        None => Ok(entries),
    }
}

/// Parses `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`: the operations on the edges to each node.
fn parse_cell(text: &str, space: &Space) -> Result<Arch, String> {
    let wrong = || format!("`{text}` is not a cell of the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|");
    let mut choices = std::collections::BTreeMap::new();
    for (node, edges) in text.split('+').enumerate() {
        let edges = edges.strip_prefix('|').and_then(|edges| edges.strip_suffix('|')).ok_or_else(wrong)?;
        for edge in edges.split('|') {
            let (operation, source) = edge.split_once('~').ok_or_else(wrong)?;
            let source: usize = source.parse().map_err(|_| wrong())?;
            if choices.insert(format!("edge_{source}_{}", node + 1), operation.to_owned()).is_some() {
                return Err(wrong());
            }
        }
    }
    let file = ArchFile { format_version: 1, space: space.name.clone(), choices };
    file.resolve(&space.name, &space.choices).map_err(|e| format!("{text}: {e}"))
}

/// The number of networks without a line, and the cell of one of them; `None` if there are none.
fn missing(lines: &HashMap<Arch, usize>, space: &Space) -> Option<(usize, String)> {
    let all: usize = space.choices.iter().map(|choice| choice.candidates.len()).product();
    if lines.len() >= all {
        return None;
    }
    let mut arch = Arch(vec![0; space.choices.len()]);
    // Enumerates all selections; the last choice changes fastest.
    while lines.contains_key(&arch) {
        for (at, choice) in space.choices.iter().enumerate().rev() {
            arch.0[at] += 1;
            if usize::from(arch.0[at]) < choice.candidates.len() {
                break;
            }
            arch.0[at] = 0;
        }
    }
    let names = space.choices.iter().zip(&arch.0).map(|(choice, &i)| {
        format!("{} = {}", choice.name, choice.candidates.get(usize::from(i)).map_or("", String::as_str))
    });
    Some((all - lines.len(), names.collect::<Vec<_>>().join(", ")))
}
