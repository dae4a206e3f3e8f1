//! One LUT of the work that several boards of a kind shared.
//!
//! Each board has measured what all of them measure and a part that is its own. Nothing says that two boards are alike but
//! what they have in common: one LUT is made only if that agrees ([`CrossCheck`]). Then it is no more certain than the
//! boards are alike: layers of both have the hull of their intervals, layers of one are widened by the largest difference
//! between boards, and so is the calibration.

mod cross_check;
mod error;

use std::collections::{BTreeMap, BTreeSet};

use nasprof_graph::LayerKey;
use nasprof_profiler::engine::Unit;
use nasprof_profiler::journal::{Event, Header, Share, Trial};

use crate::from_journal::{from_observations, static_row};
use crate::merge::{Devices, merge_from};
use crate::{Lut, Observations, Row, from_journal};

pub use self::cross_check::{CrossCheck, Gap, LayerGap};
pub use self::error::ShareError;

/// Boards that could be so far apart without showing it are not compared: that they agree would say nothing.
const BLIND: f64 = 0.05;

/// What joining gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared {
    /// The LUT.
    pub lut: Lut,
    /// How the boards compare.
    pub cross_check: CrossCheck,
}

/// Makes one LUT of the journals of all boards that shared a measurement: a pure function of them, in any order.
///
/// # Errors
/// If they are not all parts of one measurement, or the boards are not alike as far as can be told.
pub fn join(journals: &[Vec<Event>]) -> Result<Shared, ShareError> {
    let mut boards: Vec<Observations> =
        journals.iter().map(|events| Observations::new(events)).collect::<Result<_, _>>()?;
    boards.sort_by_key(|board| (board.header.share.map(|share| share.part), board.header.device.clone()));
    all_parts(&boards)?;
    same_layers_run(&boards)?;
    let luts: Vec<Lut> = boards.iter().map(from_observations).collect::<Result<_, _>>()?;
    // Also tells of other contexts, before times are compared that mean different things.
    let mut joined = merge_from(&luts, Devices::Alike)?.lut;
    keep_common(&mut boards);
    let common: Vec<Lut> = boards.iter().map(from_observations).collect::<Result<_, _>>()?;
    let cross_check = CrossCheck::of(&common).ok_or(ShareError::NotComparable)?;
    judge(&cross_check)?;
    widen(&mut joined, &luts, &cross_check);
    add_rows_of_none(&mut joined, &boards[0]);
    Ok(Shared { lut: joined, cross_check })
}

/// Refuses boards that do not agree, or are too unsteady to tell.
fn judge(check: &CrossCheck) -> Result<(), ShareError> {
    if check.disagrees() {
        return Err(ShareError::Disagree { cross_check: Box::new(check.clone()) });
    }
    if check.level.allowed > BLIND {
        return Err(ShareError::Unsteady { allowed: check.level.allowed });
    }
    Ok(())
}

/// Every part of one measurement once, each complete.
fn all_parts(boards: &[Observations]) -> Result<(), ShareError> {
    // What makes up the context is compared with the machines' facts, and says what differs.
    let asked = |h: &Header| {
        let of = h.share.map(|share| share.of);
        (h.space_digest.clone(), h.mode, h.batch, h.ci.to_bits(), h.sessions, h.max_rounds, h.seed, of)
    };
    let mut found: BTreeMap<u32, &str> = BTreeMap::new();
    let mut all = 0;
    for Observations { header, complete, .. } in boards {
        let device = header.device.clone();
        let Some(Share { part, of }) = header.share else { return Err(ShareError::NoPart { device }) };
        let first = &boards[0].header;
        if asked(header) != asked(first) {
            return Err(ShareError::AnotherMeasurement { device, first: first.device.clone() });
        }
        if let Some(other) = found.insert(part, &header.device) {
            return Err(ShareError::Twice { part: part.saturating_add(1), devices: [other.to_owned(), device] });
        }
        if !complete {
            return Err(ShareError::Incomplete { device });
        }
        all = of;
    }
    match (0..all).find(|part| !found.contains_key(part)) {
        Some(missing) => Err(ShareError::Missing { part: missing + 1, of: all }),
        None => Ok(()),
    }
}

/// A layer that runs on one board and not on another: they are not alike, and they have planned different networks.
fn same_layers_run(boards: &[Observations]) -> Result<(), ShareError> {
    let failed = |board: &Observations| -> BTreeSet<LayerKey> {
        let failed = board.trials.iter().filter(|(.., trial)| matches!(trial, Trial::Failed(_)));
        failed.map(|(key, ..)| key.clone()).collect()
    };
    let [first, others @ ..] = boards else { return Ok(()) };
    let expected = failed(first);
    for other in others {
        let found = failed(other);
        if let Some(key) = expected.symmetric_difference(&found).next() {
            let [runs, fails] = if found.contains(key) { [first, other] } else { [other, first] };
            return Err(ShareError::Runs {
                key: key.clone(),
                on: runs.header.device.clone(),
                not_on: fails.header.device.clone(),
            });
        }
    }
    Ok(())
}

/// Leaves what every board has measured.
fn keep_common(boards: &mut [Observations]) {
    let numbers = |board: &Observations| -> BTreeSet<u32> { board.units.keys().copied().collect() };
    let same = |unit: &u32, of: &Unit, board: &Observations| board.units.get(unit).is_some_and(|u| u.role == of.role);
    let Some((first, others)) = boards.split_first() else { return };
    let mut common = numbers(first);
    common.retain(|unit| others.iter().all(|board| same(unit, &first.units[unit], board)));
    for board in boards {
        board.units.retain(|unit, _| common.contains(unit));
    }
}

/// Puts how boards differ into what only some of them measured, and into what is said of whole networks.
fn widen(joined: &mut Lut, parts: &[Lut], check: &CrossCheck) {
    let times = |lut: &Lut| -> BTreeSet<LayerKey> {
        lut.rows.iter().filter(|row| row.times.is_some()).map(|row| row.key.clone()).collect()
    };
    let measured: Vec<BTreeSet<LayerKey>> = parts.iter().map(times).collect();
    let by_all = |row: &Row| measured.iter().all(|keys| keys.contains(&row.key));
    for row in joined.rows.iter_mut().filter(|row| !by_all(row)) {
        if let Some(times) = &mut row.times {
            times.ci_low_ns = times.ci_low_ns.map(|low| low * (-check.largest_log_difference).exp());
            times.ci_high_ns = times.ci_high_ns.map(|high| high * check.largest_log_difference.exp());
        }
    }
    if let Some(calibration) = &mut joined.context.calibration {
        // A network's layers come from boards in any mixture, so its level lies anywhere between theirs.
        calibration.level_half_width += check.level_log_difference;
        calibration.shape_half_width = calibration.shape_half_width.hypot(check.network_shape_log_difference);
    }
}

/// Layers that run, but only in networks with one that does not: nobody could measure them, and the table says so.
fn add_rows_of_none(joined: &mut Lut, board: &Observations) {
    let known: BTreeSet<LayerKey> = joined.rows.iter().map(|row| row.key.clone()).collect();
    for (key, graph, _) in board.trials.iter().filter(|(key, ..)| !known.contains(key)) {
        let error = Some("no network that runs has this layer".to_owned());
        joined.rows.push(Row { error, ..static_row(key, graph, board.header.mode) });
    }
    joined.rows.sort_by(|a, b| a.key.cmp(&b.key));
}

/// The LUT of one journal, or of those of all boards that shared a measurement.
///
/// # Errors
/// As [`from_journal`] for one journal, else as [`join`].
pub fn from_journals(journals: &[Vec<Event>]) -> Result<Lut, ShareError> {
    match journals {
        [only] => Ok(from_journal(only)?),
        all => Ok(join(all)?.lut),
    }
}
