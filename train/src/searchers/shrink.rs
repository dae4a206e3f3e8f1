//! Progressive shrinking (Cai et al., ICLR 2020, "Once-for-all"): trains the largest network first, then paths with all
//! kernels, then with all depths, then with all expansions and widths. Each phase keeps the freedom of the earlier phases.

use nasprof_graph::{Arch, Choice};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The dimensions that candidates differ in, in the order in which they become elastic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Elastic {
    Nothing,
    Kernel,
    Depth,
    Width,
}

/// Number of phases: nothing elastic, then kernel, depth, and width with expansion.
const PHASES: u64 = 4;

/// A candidate, parsed from its name: `MB6 5x5`, `XP0.8 3x3 2`, `skip_connect`, or a number for a choice of depths or
/// widths.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    depth: f64,
    width: f64,
    kernel: f64,
}

impl Candidate {
    fn of(choice: &str, name: &str) -> Self {
        if name.starts_with("skip") {
            return Self { depth: 0.0, width: 0.0, kernel: 0.0 };
        }
        let mut parts = name.split_whitespace();
        let first = parts.next().unwrap_or_default();
        let number = first.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().unwrap_or(1.0);
        let is_depth = choice.ends_with("depth");
        let kernel = parts.next().and_then(|part| part.split_once('x')?.0.parse().ok()).unwrap_or(1.0);
        let depth = parts.next().and_then(|part| part.parse().ok()).unwrap_or(1.0);
        if is_depth { Self { depth: 1.0 + number, width: 1.0, kernel } } else { Self { depth, width: number, kernel } }
    }

    fn size(self) -> [f64; 3] {
        [self.depth, self.width, self.kernel]
    }
}

/// For each candidate of each choice: its size, and the dimension that must be elastic before it is trained.
#[derive(Debug, Clone)]
pub(super) struct Shrinking {
    needs: Vec<Vec<Elastic>>,
    candidates: Vec<Vec<Candidate>>,
}

impl Shrinking {
    pub(super) fn new(choices: &[Choice]) -> Self {
        let named = |choice: &Choice| -> Vec<Candidate> {
            choice.candidates.iter().map(|name| Candidate::of(&choice.name, name)).collect()
        };
        let candidates: Vec<Vec<Candidate>> = choices.iter().map(named).collect();
        let needs = candidates.iter().map(|all| needs(all)).collect();
        Self { needs, candidates }
    }

    /// The latest elastic dimension at a step; all phases have the same number of steps.
    fn phase(step: u64, steps: u64) -> Elastic {
        match (step * PHASES).checked_div(steps.max(1)).unwrap_or(PHASES) {
            0 => Elastic::Nothing,
            1 => Elastic::Kernel,
            2 => Elastic::Depth,
            _ => Elastic::Width,
        }
    }

    /// Whether everything is elastic.
    pub(super) fn is_over(step: u64, steps: u64) -> bool {
        Self::phase(step, steps) == Elastic::Width
    }

    /// Draws one of the paths that are trained at a step; in each choice, all trained candidates are equally likely.
    pub(super) fn path(&self, step: u64, steps: u64, rng: &mut ChaCha8Rng) -> Arch {
        let phase = Self::phase(step, steps);
        let one = |needs: &Vec<Elastic>| {
            let free: Vec<usize> = (0..needs.len()).filter(|&k| needs[k] <= phase).collect();
            free.get(rng.random_range(0..free.len().max(1))).copied().unwrap_or(0) as u16
        };
        Arch(self.needs.iter().map(one).collect())
    }

    /// The largest path, or the smallest path that is trained at a step.
    pub(super) fn end(&self, step: u64, steps: u64, largest: bool) -> Arch {
        let phase = if largest { Elastic::Nothing } else { Self::phase(step, steps) };
        let one = |(needs, candidates): (&Vec<Elastic>, &Vec<Candidate>)| {
            let free = (0..needs.len()).filter(|&k| needs[k] <= phase);
            let smallest = free.reduce(|a, b| if candidates[b].size() < candidates[a].size() { b } else { a });
            smallest.unwrap_or(0) as u16
        };
        Arch(self.needs.iter().zip(&self.candidates).map(one).collect())
    }
}

/// The dimension that each candidate of a choice needs: the last one in which it differs from the largest candidate. The
/// largest one needs nothing.
fn needs(candidates: &[Candidate]) -> Vec<Elastic> {
    let largest = candidates.iter().copied().reduce(|a, b| if b.size() > a.size() { b } else { a });
    let need = |candidate: &Candidate| match largest {
        // A skipped block has no kernel and no width.
        Some(largest) if candidate.width == 0.0 && largest.width > 0.0 => Elastic::Depth,
        Some(largest) if candidate.width != largest.width => Elastic::Width,
        Some(largest) if candidate.depth != largest.depth => Elastic::Depth,
        Some(largest) if candidate.kernel != largest.kernel => Elastic::Kernel,
        _ => Elastic::Nothing,
    };
    candidates.iter().map(need).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn choice(name: &str, candidates: &[&str]) -> Choice {
        Choice { name: name.to_owned(), candidates: candidates.iter().map(|&c| c.to_owned()).collect() }
    }

    #[test]
    fn candidates_become_free_in_the_order_of_the_paper() {
        let choices = [
            choice("blocks/0", &["MB3 3x3", "MB6 3x3", "MB3 5x5", "MB6 5x5", "skip_connect"]),
            choice("stages/0/depth", &["2", "3", "4"]),
            choice("stages/0/width", &["0.65", "0.8", "1"]),
            choice("middle/0", &["XP1 3x3 3", "XP1 7x7 3", "XP1 7x7 1", "XP0.6 7x7 3"]),
        ];
        use Elastic::{Depth, Kernel, Nothing, Width};
        let shrinking = Shrinking::new(&choices);
        assert_eq!(shrinking.needs[0], [Width, Kernel, Width, Nothing, Depth]);
        assert_eq!(shrinking.needs[1], [Depth, Depth, Nothing]);
        assert_eq!(shrinking.needs[2], [Width, Width, Nothing]);
        assert_eq!(shrinking.needs[3], [Kernel, Nothing, Depth, Width]);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let largest = Arch(vec![3, 2, 2, 1]);
        for step in 0..10 {
            assert_eq!(shrinking.path(step, 40, &mut rng), largest, "nothing is elastic yet");
        }
        let mut seen = |step: u64, choice: usize| {
            let mut seen: Vec<u16> = (0..200).map(|_| shrinking.path(step, 40, &mut rng).0[choice]).collect();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        assert_eq!((seen(10, 0), seen(10, 1)), (vec![1, 3], vec![2]));
        assert_eq!((seen(20, 0), seen(20, 1), seen(20, 2)), (vec![1, 3, 4], vec![0, 1, 2], vec![2]));
        assert_eq!((seen(30, 0), seen(30, 2)), (vec![0, 1, 2, 3, 4], vec![0, 1, 2]));
        assert!(Shrinking::is_over(30, 40) && !Shrinking::is_over(29, 40));
        assert_eq!(shrinking.end(39, 40, true), largest);
        assert_eq!(shrinking.end(0, 40, false), largest);
        assert_eq!(shrinking.end(10, 40, false), Arch(vec![1, 2, 2, 0]));
    }
}
