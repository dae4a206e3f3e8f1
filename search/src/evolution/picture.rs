//! The picture of a search's front, `pareto.svg`.

use nasprof_base::text::significant;
use nasprof_render::charts::{Guide, Point, Scatter, scatter_file};

use super::Candidate;

/// Draws score against the first quantity, with the winner marked; a mark's title has all quantities. `None` without a
/// quantity: then the front is the winner alone.
pub(super) fn picture(front: &[Candidate], best: &Candidate, quantities: &[&str], score: &str) -> Option<String> {
    let at = |candidate: &Candidate| Some((*candidate.values.first()?, candidate.score));
    let winner = at(best)?;
    let left = front.iter().filter_map(at).map(|(x, _)| x).fold(winner.0, f64::min);
    let point = |candidate: &Candidate| {
        let (x, y) = at(candidate)?;
        let values = quantities.iter().zip(&candidate.values).map(|(name, value)| (in_words(name), *value));
        let all = values.chain([(in_words(score), candidate.score)]);
        let title = all.map(|(name, value)| format!("{name}: {}", significant(value))).collect::<Vec<_>>().join("\n");
        Some(Point { x, y, group: usize::from(candidate.arch == best.arch), title })
    };
    // A limit or a target may make another network than one of the front the winner.
    let beside = (!front.iter().any(|candidate| candidate.arch == best.arch)).then_some(best);
    Some(scatter_file(&Scatter {
        title: "Pareto front",
        x_name: in_words(quantities.first()?),
        y_name: in_words(score),
        logarithmic: false,
        square: false,
        groups: Vec::new(),
        points: front.iter().chain(beside).filter_map(point).collect(),
        guides: vec![
            Guide { points: front.iter().filter_map(at).collect(), label: String::new(), at_end: false, dashed: true },
            // A level line to the winner's mark names it.
            Guide { points: vec![(left, winner.1), winner], label: "winner".to_owned(), at_end: true, dashed: false },
        ],
    }))
}

/// A quantity or score as an axis names it.
fn in_words(name: &str) -> &str {
    match name {
        "latency" => "latency, ms",
        "memory" => "memory, bytes",
        "params" => "parameters",
        "macs" => "MACs",
        "valid_accuracy" => "validation accuracy",
        other => other,
    }
}
