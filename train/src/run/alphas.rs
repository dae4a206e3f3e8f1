//! `alphas.csv`: the probabilities of all candidates after each epoch.

use nasprof_search::csv_text::csv_bytes;
use nasprof_spaces::Space;

const HEADER: [&str; 4] = ["epoch", "choice", "candidate", "probability"];

/// Adds an epoch to the file. Replaces rows of this and later epochs, which an interrupted run may have written after its
/// last checkpoint.
pub(super) fn table(before: &str, space: &Space, probabilities: &[Vec<f64>], epoch: u32) -> Vec<u8> {
    let mut reader = csv::Reader::from_reader(before.as_bytes());
    let earlier =
        |row: &csv::StringRecord| row.len() == HEADER.len() && row[0].parse::<u32>().is_ok_and(|before| before < epoch);
    csv_bytes(|writer| {
        writer.write_record(HEADER)?;
        for row in reader.records().filter_map(Result::ok).filter(earlier) {
            writer.write_record(&row)?;
        }
        for (choice, probabilities) in space.choices.iter().zip(probabilities) {
            for (candidate, probability) in choice.candidates.iter().zip(probabilities) {
                let (epoch, probability) = (epoch.to_string(), probability.to_string());
                writer.write_record([epoch.as_str(), &choice.name, candidate, &probability])?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_run_replaces_what_came_after_its_checkpoint() {
        let space = Space::builtin("darts-cifar10").unwrap();
        let even = vec![vec![0.125; 8]; space.choices.len()];
        let add = |before: &[u8], epoch| table(std::str::from_utf8(before).unwrap(), &space, &even, epoch);
        let two = add(&add(b"", 0), 1);
        assert_eq!(two.iter().filter(|b| **b == b'\n').count(), 1 + 2 * 8 * space.choices.len());
        assert_eq!(add(&add(&two, 2), 1), two);
    }
}
