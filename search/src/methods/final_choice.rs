//! Picks the winner of a search among the fully trained networks.

use nasprof_base::ranks::ranks;

use super::Progress;
use crate::config::FinalChoice;

/// The best of these complete trainings, with its index; of equal ones the first. `None` for an empty list.
#[must_use]
pub fn best(trained: &[(usize, Progress)], by: FinalChoice) -> Option<(usize, Progress)> {
    let losses: Option<Vec<[f64; 2]>> = trained.iter().map(|(_, progress)| progress.losses).collect();
    let merits: Vec<f64> = match (by, losses) {
        (FinalChoice::Losses, Some(losses)) => {
            let ranks = [0, 1].map(|which| ranks(&losses.iter().map(|losses| losses[which]).collect::<Vec<f64>>()));
            ranks[0].iter().zip(&ranks[1]).map(|(training, validation)| -(training + validation)).collect()
        }
        _ => vec![0.0; trained.len()],
    };
    // The accuracy decides between equal merits.
    let merit = |i: usize| (merits[i], trained[i].1.valid);
    (0..trained.len()).reduce(|a, b| if merit(b) > merit(a) { b } else { a }).map(|i| trained[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(valid: f64, losses: Option<[f64; 2]>) -> Progress {
        Progress { epochs: 6, loss: Some(1.0), valid, losses }
    }

    fn chosen(trained: &[Progress], by: FinalChoice) -> Option<usize> {
        let placed: Vec<(usize, Progress)> = trained.iter().copied().enumerate().collect();
        best(&placed, by).map(|(at, _)| at)
    }

    #[test]
    fn both_losses_count_alike_and_the_accuracy_decides_between_equals() {
        let all = [
            trained(0.84, Some([0.9, 0.50])),
            // First and second.
            trained(0.82, Some([0.5, 0.45])),
            trained(0.83, Some([0.6, 0.44])),
            trained(0.81, Some([0.7, 0.60])),
        ];
        assert_eq!(chosen(&all, FinalChoice::Losses), Some(2), "3 and 3 ranks, so the more accurate");
        assert_eq!(chosen(&all[..2], FinalChoice::Losses), Some(1));
        assert_eq!(chosen(&all, FinalChoice::Accuracy), Some(0), "the control");
        assert_eq!(chosen(&[], FinalChoice::Losses), None);
        // Scale and unit of a loss do not matter.
        let scaled = all.map(|one| trained(one.valid, one.losses.map(|[a, b]| [1e3 * a, b])));
        assert_eq!(chosen(&scaled, FinalChoice::Losses), Some(2));
    }

    #[test]
    fn where_a_loss_is_not_known_the_accuracy_decides() {
        let all = [trained(0.8, Some([0.1, 0.1])), trained(0.9, None), trained(0.9, Some([0.2, 0.2]))];
        assert_eq!(chosen(&all, FinalChoice::Losses), Some(1));
    }
}
