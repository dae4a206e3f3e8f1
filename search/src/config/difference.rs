//! The keys in which two experiments differ.

use std::collections::BTreeMap;
use std::fmt;

use toml::{Table, Value};

use super::{Experiment, Precision};

/// A key that two experiments give different values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The dotted key; a number is the index of a table in a list.
    pub key: String,
    /// Its value in the first experiment, as TOML; `None` where the key is absent.
    pub first: Option<String>,
    /// Its value in the second experiment.
    pub second: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
        write!(f, "`{}` is {} there and {} here", self.key, value(&self.first), value(&self.second))
    }
}

impl Experiment {
    /// All keys in which this experiment and another differ, in alphabetical order.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let (first, second) = (leaves(self), leaves(other));
        let mut keys: Vec<&String> = first.keys().chain(second.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let differ = |key: &&String| first.get(*key) != second.get(*key);
        let difference = |key: &String| Difference {
            key: key.clone(),
            first: first.get(key).cloned(),
            second: second.get(key).cloned(),
        };
        keys.into_iter().filter(differ).map(difference).collect()
    }

    /// This experiment computed as the other one is: with its device, its number of processes, and what only a GPU does
    /// differently (CUDA graphs, and `tf32` for `float32`). Checkpoints move between GPUs and CPUs, so these settings do not
    /// make it another run. 16-bit floats do: CPUs compute with them as well.
    #[must_use]
    pub fn computed_as(&self, other: &Self) -> Self {
        let of_a_gpu = |precision| matches!(precision, Precision::Float32 | Precision::Tf32);
        let mut moved = self.clone();
        if let (Some(own), Some(others)) = (&mut moved.training, &other.training) {
            (own.compute, own.processes, own.cuda_graphs) = (others.compute, others.processes, others.cuda_graphs);
            if of_a_gpu(own.precision) && of_a_gpu(others.precision) {
                own.precision = others.precision;
            }
        }
        moved
    }

    /// Whether the other experiment differs from this one only by more epochs.
    #[must_use]
    pub fn is_extended_by(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (&self.training, &other.training) else { return false };
        let mut longer = self.clone();
        longer.training = Some(super::Training { epochs: others.epochs, ..own.clone() });
        others.epochs > own.epochs && longer == *other
    }
}

/// The values of an experiment by their dotted keys.
fn leaves(experiment: &Experiment) -> BTreeMap<String, String> {
    fn add(key: &str, value: &Value, all: &mut BTreeMap<String, String>) {
        let under = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}.{part}") };
        match value {
            Value::Table(table) => table.iter().for_each(|(part, value)| add(&under(part), value, all)),
            Value::Array(list) if list.iter().any(Value::is_table) => {
                list.iter().enumerate().for_each(|(i, value)| add(&under(&i.to_string()), value, all));
            }
            leaf => drop(all.insert(key.to_owned(), leaf.to_string())),
        }
    }
    let mut all = BTreeMap::new();
    // As in `resolved_toml`: every experiment can be written as TOML.
    let table = Table::try_from(experiment).unwrap_or_default();
    add("", &Value::Table(table), &mut all);
    all
}
