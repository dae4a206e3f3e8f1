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

#[cfg(test)]
mod tests {
    use nasprof_graph::Arch;

    use super::*;

    #[test]
    fn the_winner_is_marked_on_the_front_or_beside_it() {
        let of = |arch: u16, values: &[f64], score: f64| Candidate {
            arch: Arch(vec![arch]),
            score,
            values: values.to_vec(),
        };
        let front = [of(0, &[1.0, 7.0], 0.2), of(1, &[2.0, 8.0], 0.5), of(2, &[3.0, 9.0], 0.9)];
        let marks = |best: &Candidate| {
            let svg = picture(&front, best, &["latency", "a & b"], "macs").unwrap();
            assert!(svg.contains(">latency, ms<") && svg.contains("a &amp; b: 7\nMACs: 0.2"), "{svg}");
            (svg.matches("class=\"mark").count(), svg.matches("mark c1").count())
        };
        assert_eq!(marks(&front[2]), (3, 1));
        assert_eq!(marks(&of(3, &[2.5, 7.0], 0.4)), (4, 1));
        // Without a quantity there is nothing to compare.
        assert_eq!(picture(&[of(0, &[], 0.2)], &of(0, &[], 0.2), &[], "macs"), None);
    }
}
