//! Tables of networks with scores from the user, one network per line.

use std::collections::HashMap;

use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_spaces::Space;
use thiserror::Error;

/// A table that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScoreTableError {
    /// A column is missing.
    #[error("line 1: no column `{column}`{}", nasprof_base::suggest::did_you_mean(.nearest.as_deref()))]
    Column {
        /// Its name.
        column: String,
        /// The most similar existing column.
        nearest: Option<String>,
    },
    /// A line is invalid.
    #[error("line {line}: {problem}")]
    Line {
        /// Line number, counted from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The table has no network.
    #[error("the table has no network")]
    Empty,
}

/// A network of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredNetwork {
    /// Its architecture.
    pub arch: Arch,
    /// Its score: more is better.
    pub score: f64,
}

/// Reads a CSV table of networks of a space. The column `arch` has the architecture as JSON, and `column` has the score,
/// where more is better. Other columns are ignored, so `pareto.csv` of a search is such a table.
///
/// # Errors
/// A missing column, a line that is not a network of the space, a score that is not a number, a duplicate network.
pub fn read_table(text: &str, column: &str, space: &Space) -> Result<Vec<ScoredNetwork>, ScoreTableError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let at = |line: u64, problem: String| ScoreTableError::Line { line, problem };
    let header = reader.headers().map_err(|e| at(1, e.to_string()))?.clone();
    let position = |name: &str| {
        header.iter().position(|known| known.trim() == name).ok_or_else(|| ScoreTableError::Column {
            column: name.to_owned(),
            nearest: nasprof_base::suggest::nearest(name, header.iter().map(str::trim)),
        })
    };
    let (arch_column, score_column) = (position("arch")?, position(column)?);
    let mut known: HashMap<Arch, u64> = HashMap::new();
    let mut networks = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| at(e.position().map_or(0, csv::Position::line), e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default().trim();
        let file = ArchFile::parse(cell(arch_column)).map_err(|e| at(line, e.to_string()))?;
        let arch = file.resolve(&space.name, &space.choices).map_err(|e| at(line, e.to_string()))?;
        let score = cell(score_column).parse::<f64>().ok().filter(|score| score.is_finite());
        let score =
            score.ok_or_else(|| at(line, format!("`{column}` is `{}`, not a finite number", cell(score_column))))?;
        if let Some(first) = known.insert(arch.clone(), line) {
            return Err(at(line, format!("duplicate of the network in line {first}")));
        }
        networks.push(ScoredNetwork { arch, score });
    }
    if networks.is_empty() { Err(ScoreTableError::Empty) } else { Ok(networks) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
            settings = [[24, 1, 1]]\ncandidates = [\"MB3 3x3\", \"MB6 3x3\"]\nskip_connect = false\n";
        nasprof_spaces::SpaceSpec::parse(text).unwrap().build("tiny").unwrap()
    }

    #[test]
    fn a_table_is_read_and_what_is_wrong_is_named() {
        let space = space();
        let arch = |candidate: u16| {
            let arch = Arch(vec![candidate; space.choices.len()]);
            let file = ArchFile::new(&space.name, &space.choices, &arch);
            serde_json::to_string(&file).unwrap().replace('"', "\"\"")
        };
        let (first, second) = (arch(0), arch(1));
        let good = format!("more,arch,accuracy\n1,\"{first}\",0.91\n2,\"{second}\", 0.5\n");
        let read = |text: &str| read_table(text, "accuracy", &space).map_err(|e| e.to_string());
        let networks = read(&good).unwrap();
        assert_eq!(networks.iter().map(|n| n.score).collect::<Vec<_>>(), [0.91, 0.5]);
        for (from, to, expected) in [
            ("accuracy", "accuracies", "no column `accuracy` (did you mean `accuracies`?)"),
            ("more,arch", "more,archs", "no column `arch`"),
            ("0.91", "NaN", "line 2: `accuracy` is `NaN`, not a finite number"),
            ("0.91", "", "line 2: `accuracy` is ``"),
            ("0.91", "1e999", "not a finite number"),
            ("\"\"tiny\"\"", "\"\"other\"\"", "line 2: the architecture is of space `other`"),
            ("2,", "2,3,", "line 3"),
            (second.as_str(), first.as_str(), "line 3: duplicate of the network in line 2"),
        ] {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good);
            let problem = read(&changed).unwrap_err();
            assert!(problem.contains(expected), "{problem} for {expected}");
        }
        assert_eq!(read("arch,accuracy\n"), Err("the table has no network".to_owned()));
        assert!(read("").is_err());
    }
}
