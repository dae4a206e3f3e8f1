//! Accuracy against latency over the search, with the Pareto front.

use maud::Markup;
use nasprof_base::text::{percent, significant};
use nasprof_render::charts::{Guide, Point, Scatter, scatter};

use super::run::{Metric, SearchRun};
use crate::page::figure;

/// Title and chart of the front that the search wrote, else of its steps. `None` unless there are two quantities to
/// compare.
pub(super) fn pareto(run: &SearchRun) -> Option<(&'static str, Markup)> {
    let front = of_front(run).map(|chart| ("Pareto front", chart));
    front.or_else(|| of_steps(run).map(|chart| ("Accuracy against latency", chart)))
}

/// The networks of `pareto.csv`.
fn of_front(run: &SearchRun) -> Option<Markup> {
    let [cost, .., score] = &run.front[..] else { return None };
    let values = cost.values.iter().zip(&score.values).filter(|(c, s)| c.is_finite() && s.is_finite());
    let points: Vec<Point> = values
        .map(|(c, s)| {
            let title = format!("{} {}\n{} {}", cost.name, significant(*c), score.name, significant(*s));
            Point { x: *c, y: *s, group: 0, title }
        })
        .collect();
    let mut front: Vec<(f64, f64)> = points.iter().map(|p| (p.x, p.y)).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    let plot = Scatter {
        title: "Pareto-optimal networks",
        x_name: &with_unit(&cost.name),
        y_name: &with_unit(&score.name),
        logarithmic: false,
        square: false,
        groups: Vec::new(),
        points,
        guides: vec![Guide { points: front, label: String::new(), at_end: false, dashed: true }],
    };
    Some(figure(
        "Pareto front.",
        "Each mark is a Pareto-optimal network of the search; up and left is better.",
        &scatter(&plot),
    ))
}

/// The name of an axis for a column of `metrics.csv` or `pareto.csv`.
fn with_unit(name: &str) -> String {
    let unit = match name {
        n if n.contains("latency") => ", ms",
        n if n.contains("memory") => ", bytes",
        _ => "",
    };
    format!("{name}{unit}")
}

/// The steps of a search that trains, by expected latency and accuracy.
fn of_steps(run: &SearchRun) -> Option<Markup> {
    let column = |words: &[&str], without: &[&str]| -> Option<&Metric> {
        run.curves().find(|m| {
            let name = m.name.to_lowercase();
            words.iter().any(|w| name.contains(w)) && !without.iter().any(|w| name.contains(w))
        })
    };
    let latency = column(&["latency"], &["multiplier", "loss"])?;
    let accuracy = column(&["accuracy/valid", "accuracy"], &["loss"]);
    let error = column(&["error/valid"], &["loss"]).or_else(|| column(&["error"], &["loss"]));
    let quality: Vec<f64> = match (accuracy, error) {
        (Some(accuracy), _) => accuracy.values.clone(),
        (None, Some(error)) => error.values.iter().map(|e| 1.0 - e).collect(),
        _ => return None,
    };
    let (step, steps) = run.steps();
    let all: Vec<(f64, f64, f64)> = latency
        .values
        .iter()
        .zip(&quality)
        .zip(&steps)
        .map(|((l, q), s)| (*l, *q, *s))
        .filter(|(l, q, _)| l.is_finite() && q.is_finite())
        .collect();
    if all.is_empty() {
        return None;
    }
    let front = front(&all);
    let best = |p: &(f64, f64, f64)| front.iter().any(|f| f.0 == p.0 && f.1 == p.1);
    let points = all
        .iter()
        .map(|p| Point {
            x: p.0,
            y: p.1,
            group: usize::from(!best(p)),
            title: format!("{step} {}\nlatency {}\naccuracy {}", p.2, significant(p.0), percent(p.1)),
        })
        .collect();
    let guides = vec![Guide { points: front, label: String::new(), at_end: false, dashed: true }];
    let plot = Scatter {
        title: "Accuracy against latency",
        x_name: &with_unit(&latency.name),
        y_name: "accuracy of the supernet",
        logarithmic: false,
        square: false,
        groups: vec!["on the front".to_owned(), "dominated".to_owned()],
        points,
        guides,
    };
    Some(figure(
        "Steps of the search.",
        "Up and left is better. Each mark is the expected value over all choices of the supernet at one step, not a \
         trained network.",
        &scatter(&plot),
    ))
}

/// Pareto-optimal points, from the fastest to the most accurate.
fn front(points: &[(f64, f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<(f64, f64)> = points.iter().map(|p| (p.0, p.1)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut front: Vec<(f64, f64)> = Vec::new();
    for point in sorted {
        if front.last().is_none_or(|best| point.1 > best.1) {
            front.push(point);
        }
    }
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_what_nothing_beats() {
        let points = [(1.0, 0.5, 0.0), (2.0, 0.4, 0.0), (2.0, 0.7, 0.0), (3.0, 0.7, 0.0), (4.0, 0.9, 0.0)];
        assert_eq!(front(&points), [(1.0, 0.5), (2.0, 0.7), (4.0, 0.9)]);
    }
}
