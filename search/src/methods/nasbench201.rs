//! The accuracies of NAS-Bench-201 as CSV: a column `cell` and for each data set `_valid` and `_test`, in percent.

use std::collections::HashMap;

use nasprof_base::suggest;
use nasprof_base::text::cut;
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_spaces::Space;

use super::Entry;

/// Data sets, identified by their number of classes.
const DATA_SETS: [(usize, &str); 3] = [(10, "cifar10"), (100, "cifar100"), (120, "imagenet16")];

/// Characters of a cell of the table in a message.
const SHOWN: usize = 100;

/// All networks of the space.
///
/// # Errors
/// What is wrong, and the line or cell.
pub(super) fn read(bytes: &[u8], space: &Space) -> Result<Vec<(Arch, Entry)>, String> {
    let classes = space.graph.outputs().first().and_then(|&id| space.graph.node(id).shape.0.last().copied());
    let data_set = DATA_SETS.iter().find(|(count, _)| Some(*count) == classes);
    let (classes, data_set) = data_set.ok_or_else(|| format!("`{}` is not a space of NAS-Bench-201", space.name))?;
    let chance = 100.0 / *classes as f64;
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    if let Some(twice) = header.iter().enumerate().find_map(|(i, name)| header.iter().take(i).find(|n| *n == name)) {
        return Err(format!("column `{}` is there twice", cut(twice, SHOWN)));
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
    for row in reader.records() {
        let row = row.map_err(|e| e.to_string())?;
        let line = row.position().map_or(0, |position| line_of(bytes, position));
        let about = |problem: String| format!("line {line}: {problem}");
        let text = row.get(cell).unwrap_or_default();
        let arch = parse_cell(text, space).map_err(about)?;
        if let Some(first) = lines.insert(arch.clone(), line) {
            return Err(about(format!("the cell {} is already in line {first}", cut(text, SHOWN))));
        }
        let accuracy = |column: usize| {
            let text = row.get(column).unwrap_or_default();
            let percent = text.trim().parse::<f64>().ok().filter(|value| (0.0..=100.0).contains(value));
            let name = cut(header.get(column).unwrap_or_default(), SHOWN);
            let shown = cut(text, SHOWN);
            let percent = percent.ok_or_else(|| about(format!("`{shown}` is not a percentage for {name}")))?;
            // No training ends so far below chance; a share of 1 does.
            if percent < 0.5 * chance {
                return Err(about(format!(
                    "{shown} is less than half of chance ({chance:.3} %) in column {name}: percentages are expected, not shares"
                )));
            }
            Ok(percent / 100.0)
        };
        let entry = Entry { curve: Vec::new(), valid: accuracy(valid)?, test: accuracy(test)?, scores: HashMap::new() };
        entries.push((arch, entry));
    }
    if entries.is_empty() {
        return Err("the table has no rows".to_owned());
    }
    match missing(&lines, space) {
        Some((count, example)) => Err(format!("{count} cells of the space have no row, for example {example}")),
        None => Ok(entries),
    }
}

/// The line of a row, counted from 1. Its position is that of empty lines before it.
fn line_of(bytes: &[u8], position: &csv::Position) -> u64 {
    let from = bytes.get(position.byte() as usize..).unwrap_or_default();
    let empty = from.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).filter(|byte| **byte == b'\n');
    position.line() + empty.count() as u64
}

/// Parses `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`: the operations on the edges to each node.
fn parse_cell(text: &str, space: &Space) -> Result<Arch, String> {
    let wrong = || format!("`{}` is not a cell of the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|", cut(text, SHOWN));
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
    file.resolve(&space.name, &space.choices).map_err(|e| format!("{}: {e}", cut(text, SHOWN)))
}

/// The number of networks without a line, and the cell of one of them; `None` if there are none.
fn missing(lines: &HashMap<Arch, u64>, space: &Space) -> Option<(usize, String)> {
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
