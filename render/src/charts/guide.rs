//! Guide lines behind the points of a chart, with labels that do not overlap.

use maud::{Markup, html};

use super::{BOTTOM, HEIGHT, LEFT, RIGHT, Scale, TOP, WIDTH, pos};

/// Width of a label's character and height of its line, in the chart's units.
const CHARACTER: f64 = 5.8;
const LINE: f64 = 12.0;
/// Least distance between neighbouring labels.
const GAP: f64 = 6.0;
/// A label that would overlap another moves along its line by this much.
const STEP: f64 = 8.0;

/// A straight line or curve behind the points.
pub struct Guide {
    /// Its points, in the order of x.
    pub points: Vec<(f64, f64)>,
    /// The text of its label.
    pub label: String,
    /// Whether the label is at the right end; otherwise at the left end.
    pub at_end: bool,
    /// Drawn dashed.
    pub dashed: bool,
}

/// A point on the page.
type Position = (f64, f64);

/// Draws the lines, cut at the ends of the axes, then their labels.
pub(super) fn guides(guides: &[Guide], x: &Scale, y: &Scale) -> Markup {
    let mut taken: Vec<Label> = Vec::new();
    let mut drawn = Vec::new();
    for guide in guides {
        let pieces = clipped(&guide.points, x, y);
        let label = place(guide, &pieces, &taken);
        taken.extend(label.clone());
        drawn.push((guide, pieces, label));
    }
    html! {
        @for (guide, pieces, label) in drawn {
            @if !pieces.is_empty() { path.guide.dashed[guide.dashed] d=(path(&pieces)) {} }
            @if let Some(Label { at, at_end, .. }) = label {
                text.note x=(pos(at.0)) y=(pos(at.1)) text-anchor=[at_end.then_some("end")] { (guide.label) }
            }
        }
    }
}

/// The parts of a line within the axes, from its first point to its last. Between two points the line is straight on the
/// page, so its crossings with the axes are known even if both points lie outside.
fn clipped(points: &[(f64, f64)], x: &Scale, y: &Scale) -> Vec<[Position; 2]> {
    let page = |(a, b): (f64, f64)| (x.at_share(a), y.at_share(b));
    let shares: Vec<(f64, f64)> = points.iter().map(|&(a, b)| (x.share(a), y.share(b))).collect();
    let inside = shares.windows(2).filter_map(|pair| segment(pair[0], pair[1]));
    inside.map(|[from, to]| [page(from), page(to)]).collect()
}

/// The part of a segment within the unit square (Liang and Barsky, 1984).
fn segment(from: (f64, f64), to: (f64, f64)) -> Option<[(f64, f64); 2]> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut first, mut last) = (0.0_f64, 1.0_f64);
    for (direction, room) in [(-dx, from.0), (dx, 1.0 - from.0), (-dy, from.1), (dy, 1.0 - from.1)] {
        if direction == 0.0 && room < 0.0 {
            return None;
        } else if direction < 0.0 {
            first = first.max(room / direction);
        } else if direction > 0.0 {
            last = last.min(room / direction);
        }
    }
    let at = |t: f64| (from.0 + t * dx, from.1 + t * dy);
    // Also false for values that are not finite.
    (first <= last && (last - first) * dx.hypot(dy) > 0.0).then(|| [at(first), at(last)])
}

/// Draws pieces as one line as long as each begins where the previous one ended.
fn path(pieces: &[[Position; 2]]) -> String {
    let point = |(a, b): Position| format!("{} {}", pos(a), pos(b));
    let mut d = String::new();
    let mut end = None;
    for &[from, to] in pieces {
        if end != Some(point(from)) {
            d += &format!("M{}", point(from));
        }
        d += &format!("L{}", point(to));
        end = Some(point(to));
    }
    d
}

/// The position of a label, and the space that it takes.
#[derive(Debug, Clone)]
struct Label {
    at: Position,
    at_end: bool,
    width: f64,
}

impl Label {
    fn left(&self) -> f64 {
        if self.at_end { self.at.0 - self.width } else { self.at.0 }
    }

    fn lies_on(&self, other: &Self) -> bool {
        let right = |label: &Self| label.left() + label.width + GAP;
        let apart = self.left() >= right(other) || other.left() >= right(self);
        !apart && (self.at.1 - other.at.1).abs() < LINE
    }

    fn fits(&self) -> bool {
        (LEFT - 4.0..=WIDTH - RIGHT + 8.0).contains(&self.left()) && self.at.1 <= HEIGHT - BOTTOM + 14.0
    }
}

/// Places a label beside the requested end of its line, or as near to it along the line as there is room.
fn place(guide: &Guide, pieces: &[[Position; 2]], taken: &[Label]) -> Option<Label> {
    let ([first, _], [_, last]) = (pieces.first()?, pieces.last()?);
    if guide.label.is_empty() {
        return None;
    }
    let steep = first.1 != last.1;
    let label = |end: Position| {
        let (dx, dy) = match (guide.at_end, steep) {
            // Beside its end: above where it leaves at the top, below where it leaves at the right.
            (true, _) if end.1 < TOP + 12.0 => (8.0, -2.0),
            (true, _) => (-2.0, 14.0),
            (false, true) => (8.0, 16.0),
            (false, false) => (4.0, -5.0),
        };
        let width = guide.label.chars().count() as f64 * CHARACTER;
        Label { at: (end.0 + dx, (end.1 + dy).max(TOP - 2.0)), at_end: guide.at_end, width }
    };
    let free = |label: &Label| !taken.iter().any(|other| label.lies_on(other));
    let ends = along(pieces, guide.at_end);
    let wished = label(*ends.first()?);
    if free(&wished) {
        return Some(wished);
    }
    Some(ends.into_iter().map(label).find(|label| free(label) && label.fits()).unwrap_or(wished))
}

/// Points along a line, from its end or from its beginning.
fn along(pieces: &[[Position; 2]], from_end: bool) -> Vec<Position> {
    let ordered: Vec<[Position; 2]> =
        if from_end { pieces.iter().rev().map(|&[from, to]| [to, from]).collect() } else { pieces.to_vec() };
    let points = ordered.into_iter().flat_map(|[from, to]| {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = (dx.hypot(dy) / STEP).ceil().clamp(1.0, 200.0) as usize;
        (0..steps).map(move |i| {
            let share = i as f64 / steps as f64;
            (from.0 + share * dx, from.1 + share * dy)
        })
    });
    points.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scales(low: f64, high: f64) -> (Scale, Scale) {
        (Scale::logarithmic([low, high], LEFT, WIDTH - RIGHT), Scale::logarithmic([low, high], HEIGHT - BOTTOM, TOP))
    }

    fn line(factor: f64, label: &str) -> Guide {
        let points = vec![(0.001, 0.001 * factor), (10.0, 10.0 * factor)];
        Guide { points, label: label.to_owned(), at_end: true, dashed: true }
    }

    #[test]
    fn a_line_with_its_ends_outside_is_cut_and_not_left_out() {
        let (x, y) = scales(0.01, 1.0);
        // Control: the middle lies within the axes; neither end does.
        for factor in [1.0, 1.5, 0.7] {
            let pieces = clipped(&line(factor, "").points, &x, &y);
            assert_eq!(pieces.len(), 1, "{factor}");
            for (a, b) in pieces[0] {
                assert!((LEFT..=WIDTH - RIGHT).contains(&a) && (TOP..=HEIGHT - BOTTOM).contains(&b), "{a} {b}");
            }
            // The line is not bent: both ends have the same factor.
            let shares = |(a, b): Position| {
                let share = |from: f64, to: f64, at: f64| (at - from) / (to - from);
                share(HEIGHT - BOTTOM, TOP, b) - share(LEFT, WIDTH - RIGHT, a)
            };
            let [from, to] = pieces[0].map(shares);
            assert!((from - to).abs() < 1e-9, "{from} {to}");
        }
        assert!(clipped(&line(1e6, "").points, &x, &y).is_empty(), "wholly outside");
        let bent = [(0.001, 0.1), (0.1, 0.1), (0.1, 0.001), (0.05, f64::NAN)];
        assert_eq!(path(&clipped(&bent, &x, &y)).matches('M').count(), 1);
    }

    #[test]
    fn labels_of_near_lines_do_not_lie_on_one_another() {
        let (x, y) = scales(1.0, 1.2);
        let lines = ["+2 %", "-2 %", "+3 %", "-3 %", "+5 %", "-5 %"];
        let factors = [1.02, 0.98, 1.03, 0.97, 1.05, 0.95];
        let mut taken: Vec<Label> = Vec::new();
        let mut moved = 0;
        for (factor, label) in factors.into_iter().zip(lines) {
            let guide = line(factor, label);
            let pieces = clipped(&guide.points, &x, &y);
            let placed = place(&guide, &pieces, &taken).unwrap();
            assert!(!taken.iter().any(|other| placed.lies_on(other)), "{label}: {placed:?} on {taken:?}");
            // Control: without other labels it is at its end.
            moved += usize::from(place(&guide, &pieces, &[]).unwrap().at != placed.at);
            taken.push(placed);
        }
        assert!(moved > 0);
    }
}
