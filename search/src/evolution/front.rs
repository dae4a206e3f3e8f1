//! The Pareto front of score and costs.

use nasprof_graph::arch::ArchFile;
use nasprof_spaces::Space;

use super::Candidate;
use crate::csv_text::csv_bytes;

/// The candidates that no other one dominates in score and first quantity, sorted by that quantity in ascending order. So
/// the last one has the highest score. Of equal candidates, the first in the order of selections is kept. Without a quantity
/// the front is the best candidate alone.
#[must_use]
pub fn front(candidates: &[Candidate]) -> Vec<Candidate> {
    let cost = |candidate: &Candidate| candidate.values.first().copied().unwrap_or(0.0);
    let mut sorted: Vec<&Candidate> = candidates.iter().collect();
    sorted.sort_by(|a, b| {
        cost(a).total_cmp(&cost(b)).then(b.score.total_cmp(&a.score)).then_with(|| a.arch.cmp(&b.arch))
    });
    let mut front: Vec<Candidate> = Vec::new();
    for candidate in sorted {
        if front.last().is_none_or(|last| candidate.score > last.score) {
            front.push(candidate.clone());
        }
    }
    front
}

/// A front as CSV: a column for each quantity, `score_<name>`, and the architecture as JSON.
#[must_use]
pub fn table(front: &[Candidate], space: &Space, quantities: &[&str], score: &str) -> Vec<u8> {
    csv_bytes(|writer| {
        let score = format!("score_{score}");
        writer.write_record(quantities.iter().copied().chain([score.as_str(), "arch"]))?;
        for candidate in front {
            let file = ArchFile::new(&space.name, &space.choices, &candidate.arch);
            let mut row: Vec<String> = candidate.values.iter().map(f64::to_string).collect();
            row.extend([candidate.score.to_string(), serde_json::to_string(&file).unwrap_or_default()]);
            writer.write_record(row)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use nasprof_graph::Arch;
    use proptest::prelude::*;

    use super::*;

    fn candidate(arch: u16, cost: f64, score: f64) -> Candidate {
        Candidate { arch: Arch(vec![arch]), score, values: vec![cost] }
    }

    #[test]
    fn a_front_by_hand() {
        let all = [
            candidate(0, 1.0, 0.5),
            candidate(1, 2.0, 0.4),
            candidate(2, 3.0, 0.9),
            candidate(3, 1.0, 0.6),
            candidate(4, 4.0, 0.9),
            candidate(5, 3.0, 0.9),
        ];
        assert_eq!(front(&all), [candidate(3, 1.0, 0.6), candidate(2, 3.0, 0.9)]);
        let without = Candidate { values: Vec::new(), ..candidate(7, 0.0, 0.1) };
        assert_eq!(front(std::slice::from_ref(&without)), [without]);
        assert_eq!(front(&[]), []);
    }

    proptest! {
        #[test]
        fn nothing_beats_the_front(points in prop::collection::vec((0..20_u8, 0..20_u8), 1..60)) {
            let all: Vec<Candidate> =
                points.iter().enumerate().map(|(i, &(c, s))| candidate(i as u16, f64::from(c), f64::from(s))).collect();
            let front = front(&all);
            let beats = |a: &Candidate, b: &Candidate| {
                a.values[0] <= b.values[0] && a.score >= b.score && (a.values[0] < b.values[0] || a.score > b.score)
            };
            for kept in &front {
                prop_assert!(!all.iter().any(|other| beats(other, kept)));
            }
            for other in &all {
                prop_assert!(front.iter().any(|kept| beats(kept, other) || (kept.values == other.values && kept.score == other.score)));
            }
        }
    }
}
