//! Signs that a table was not measured, or was altered afterwards.

use std::collections::{BTreeMap, HashSet};

use super::entry::Entry;
use crate::Row;

/// Number of digits from which two measurements do not agree by chance.
const TELLING_DIGITS: usize = 5;
/// Fewest rows for judging a table.
const MIN_ROWS: usize = 4;
/// One number in more than this share of a table's layers is a filler.
const FILLER: f64 = 0.2;
/// A table of which this share is marked is refused.
const MOST: f64 = 0.5;
/// Tolerance for times in proportion to multiplications: no machine has times so exactly in proportion.
const PROPORTIONAL: f64 = 1e-4;
/// Maximum rows for which sums are searched: the effort grows with the square.
const MAX_SUMMED: usize = 2000;

/// Multiply-accumulates from which a layer's time depends mainly on its work.
const TELLING_MACS: u64 = 10_000;
/// Multiply-accumulates per second: bounds for processors.
const SLOWEST: f64 = 1e5;
const FASTEST: f64 = 2e15;

/// The findings.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// For each row, whether it is implausible.
    pub(super) rows: Vec<bool>,
    /// The findings as text.
    pub(super) findings: Vec<String>,
    /// Why the table as a whole is implausible.
    pub(super) whole: Option<String>,
}

/// Checks rows against the entries that they come from.
pub(super) fn judge(rows: &[(&Row, &Entry)]) -> Judgement {
    let mut judgement = Judgement { rows: vec![false; rows.len()], ..Judgement::default() };
    let failed = rows.iter().filter(|(row, _)| row.times.is_none()).count();
    // An empty cell or `nan` declares that there is no time; a zero or a negative value does not.
    for (is_number, words) in
        [(false, "layers have no time: their measurement failed"), (true, "failed measurements are stored as numbers")]
    {
        let mut kind = rows.iter().filter(|(row, entry)| row.times.is_none() && entry.value.is_finite() == is_number);
        if let Some((first, _)) = kind.next() {
            judgement.findings.push(format!("{} {words}; the first is `{}`", kind.count() + 1, first.key));
        }
    }
    let measured: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].0.times.is_some()).collect();
    let checks: [Check; 5] = [copied, filled, rounded, proportional, added];
    for Found { rows: found, words } in checks.iter().filter_map(|check| check(rows, &measured)) {
        found.into_iter().for_each(|i| judgement.rows[i] = true);
        judgement.findings.push(words);
    }
    if let Some(Found { rows: found, words }) = impossible_rate(rows, &measured) {
        found.into_iter().for_each(|i| judgement.rows[i] = true);
        judgement.whole = Some(words.clone());
        judgement.findings.push(words);
        return judgement;
    }
    let marked = failed + judgement.rows.iter().filter(|marked| **marked).count();
    if rows.len() >= MIN_ROWS && marked as f64 > MOST * rows.len() as f64 {
        judgement.whole = Some(judgement.findings.join("; "));
    }
    judgement
}

/// Checks all rows; only the rows with these numbers have a time.
type Check = fn(&[(&Row, &Entry)], &[usize]) -> Option<Found>;

struct Found {
    rows: Vec<usize>,
    words: String,
}

/// Multiply-accumulates in a second that no processor reaches: above those of the largest accelerators, or below those of an
/// 8-bit microcontroller that computes floats in software. The median of the table counts; a value outside means a
/// wrong unit.
fn impossible_rate(rows: &[(&Row, &Entry)], measured: &[usize]) -> Option<Found> {
    let rate = |i: usize| {
        let seconds = rows[i].0.times.as_ref().map_or(f64::NAN, |times| times.mean_ns / 1e9);
        rows[i].0.macs as f64 / seconds
    };
    let mut working: Vec<usize> = measured.iter().copied().filter(|&i| rows[i].0.macs >= TELLING_MACS).collect();
    working.sort_by(|&a, &b| rate(a).total_cmp(&rate(b)));
    let middle = rate(*working.get(working.len() / 2)?);
    if (SLOWEST..=FASTEST).contains(&middle) {
        return None;
    }
    let than = if middle > FASTEST { "more than any processor" } else { "less than any processor" };
    let words =
        format!("half of its layers do {middle:.1e} multiply-accumulates per second, {than}: the unit is wrong");
    Some(Found { rows: working, words })
}

/// Layers by their number.
fn by_value(rows: &[(&Row, &Entry)], measured: &[usize]) -> BTreeMap<u64, Vec<usize>> {
    let mut same: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for &i in measured {
        same.entry(rows[i].1.value.to_bits()).or_default().push(i);
    }
    same
}

/// Different layers with the same number of many digits.
fn copied(rows: &[(&Row, &Entry)], measured: &[usize]) -> Option<Found> {
    let is_copy = |group: &Vec<usize>| group.len() > 1 && rows[group[0]].1.digits() >= TELLING_DIGITS;
    let found: Vec<usize> = by_value(rows, measured).into_values().filter(is_copy).flatten().collect();
    let some = rows[*found.first()?].0.key.as_str();
    let words =
        format!("{} layers have exactly the same time as another layer, `{some}` among them: copied", found.len());
    Some(Found { rows: found, words })
}

/// The same number in much of the table, for layers with different work.
fn filled(rows: &[(&Row, &Entry)], measured: &[usize]) -> Option<Found> {
    let works =
        |group: &[usize]| group.iter().map(|&i| (rows[i].0.macs, rows[i].0.bytes)).collect::<HashSet<_>>().len();
    let (_, group) = by_value(rows, measured).into_iter().max_by_key(|(_, group)| group.len())?;
    let is_filler = group.len() >= MIN_ROWS && group.len() as f64 > FILLER * measured.len() as f64 && works(&group) > 2;
    is_filler.then(|| {
        let words = format!(
            "{} different layers have the time {}: a constant was filled in",
            group.len(),
            rows[group[0]].1.text
        );
        Found { rows: group, words }
    })
}

/// Most times are whole milliseconds.
fn rounded(rows: &[(&Row, &Entry)], measured: &[usize]) -> Option<Found> {
    let ms = |i: usize| rows[i].0.times.as_ref().map_or(0.0, |times| times.mean_ns / 1e6);
    // A unit's factor may leave a rounding error of the last binary digit.
    let whole: Vec<usize> =
        measured.iter().copied().filter(|&i| (ms(i) - ms(i).round()).abs() <= 1e-12 * ms(i)).collect();
    let most = whole.len() >= MIN_ROWS && whole.len() * 2 > measured.len();
    let words = format!("{} of {} times are whole milliseconds: rounded", whole.len(), measured.len());
    most.then_some(Found { rows: whole, words })
}

/// Times in proportion to multiply-accumulates: computed, not measured.
fn proportional(rows: &[(&Row, &Entry)], measured: &[usize]) -> Option<Found> {
    let ratio = |i: usize| rows[i].1.value / rows[i].0.macs as f64;
    let mut working: Vec<usize> = measured.iter().copied().filter(|&i| rows[i].0.macs > 0).collect();
    working.sort_by(|&a, &b| ratio(a).total_cmp(&ratio(b)));
    let middle = ratio(*working.get(working.len() / 2)?);
    working.retain(|&i| (ratio(i) / middle - 1.0).abs() < PROPORTIONAL);
    let works: HashSet<u64> = working.iter().map(|&i| rows[i].0.macs).collect();
    let words = format!("{} times are proportional to multiply-accumulates: computed, not measured", working.len());
    (works.len() >= MIN_ROWS && working.len() * 2 > measured.len()).then_some(Found { rows: working, words })
}

/// Times that equal the sum of two others to the last digit, more often than by chance.
fn added(rows: &[(&Row, &Entry)], measured: &[usize]) -> Option<Found> {
    let telling: Vec<usize> = measured.iter().copied().filter(|&i| rows[i].1.digits() >= TELLING_DIGITS).collect();
    if telling.len() < MIN_ROWS || telling.len() > MAX_SUMMED {
        return None;
    }
    let value = |i: usize| rows[i].1.value;
    let mut order = telling.clone();
    order.sort_by(|&a, &b| value(a).total_cmp(&value(b)));
    let largest = value(*order.last()?);
    // Sums of decimal texts have a rounding error.
    let near = |sum: f64| {
        let at = order.partition_point(|&i| value(i) < sum * (1.0 - 1e-12));
        order.get(at).copied().filter(|&i| value(i) <= sum * (1.0 + 1e-12))
    };
    let (mut found, mut sums) = (Vec::new(), 0_usize);
    for (n, &a) in order.iter().enumerate() {
        for &b in order[n..].iter().take_while(|&&b| value(a) + value(b) <= largest * (1.0 + 1e-12)) {
            sums += 1;
            found.extend(near(value(a) + value(b)));
        }
    }
    found.sort_unstable();
    found.dedup();
    // Each sum equals one of the numbers that the digits can distinguish.
    let mut digits: Vec<usize> = order.iter().map(|&i| rows[i].1.digits()).collect();
    digits.sort_unstable();
    let by_chance = sums as f64 * order.len() as f64 / 10_f64.powi(digits[digits.len() / 2] as i32);
    let words = format!("{} times are exactly the sum of two others: added up, not measured", found.len());
    (found.len() >= MIN_ROWS && found.len() as f64 > 10.0 * by_chance).then_some(Found { rows: found, words })
}
