//! Makes one LUT from the work of several boards of one kind.
//!
//! Each board measured a common part and a part of its own. Only the common part can show that boards are alike, so a
//! LUT is made only if the boards agree on it ([`CrossCheck`]). The LUT's intervals include the differences between
//! boards: layers of several boards get the hull of their intervals; layers of one board, and the calibration, are
//! widened by the largest difference between boards.

mod cross_check;
mod error;

use std::collections::{BTreeMap, BTreeSet};

use nasprof_graph::LayerKey;
use nasprof_profiler::engine::Workload;
use nasprof_profiler::journal::{Event, Header, Shard, Trial};

use crate::from_journal::{from_observations, static_row};
use crate::merge::{Devices, merge_from};
use crate::{Lut, Observations, Row, from_journal};

pub use self::cross_check::{CrossCheck, Gap, LayerGap};
pub use self::error::ShardError;

/// Boards are not compared if a difference of this size would not show: agreement would prove nothing.
const BLIND: f64 = 0.05;

/// The result of joining shards.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedShards {
    /// The LUT.
    pub lut: Lut,
    /// How the boards compare.
    pub cross_check: CrossCheck,
}

/// Makes one LUT from the journals of all boards that shared a measurement: a pure function of them, in any order.
///
/// # Errors
/// If they are not all shards of one measurement, or if the boards are not known to be alike.
pub fn merge_shards(journals: &[Vec<Event>]) -> Result<MergedShards, ShardError> {
    let mut boards: Vec<Observations> =
        journals.iter().map(|events| Observations::new(events)).collect::<Result<_, _>>()?;
    boards.sort_by_key(|board| (board.header.shard.map(|shard| shard.index), board.header.device.clone()));
    all_shards(&boards)?;
    same_layers_run(&boards)?;
    let luts: Vec<Lut> = boards.iter().map(from_observations).collect::<Result<_, _>>()?;
    // Also detects different contexts, before times with different meanings are compared.
    let mut joined = merge_from(&luts, Devices::Alike)?.lut;
    keep_common(&mut boards);
    let common: Vec<Lut> = boards.iter().map(from_observations).collect::<Result<_, _>>()?;
    let cross_check = CrossCheck::of(&common).ok_or(ShardError::NotComparable)?;
    judge(&cross_check)?;
    widen(&mut joined, &luts, &cross_check);
    add_rows_of_none(&mut joined, &boards[0]);
    Ok(MergedShards { lut: joined, cross_check })
}

/// Refuses boards that do not agree, or are too unsteady to tell.
fn judge(check: &CrossCheck) -> Result<(), ShardError> {
    if check.disagrees() {
        return Err(ShardError::Disagree { cross_check: Box::new(check.clone()) });
    }
    if check.level.allowed > BLIND {
        return Err(ShardError::Unsteady { allowed: check.level.allowed });
    }
    Ok(())
}

/// Checks that every part of one measurement is there once and complete.
fn all_shards(boards: &[Observations]) -> Result<(), ShardError> {
    // The rest of the context is compared later, together with the machines' facts; that error lists the differences.
    let asked = |h: &Header| {
        let count = h.shard.map(|shard| shard.count);
        (h.space_digest.clone(), h.mode, h.batch, h.ci.to_bits(), h.sessions, h.max_rounds, h.seed, count)
    };
    let mut found: BTreeMap<u32, &str> = BTreeMap::new();
    let mut all = 0;
    for Observations { header, complete, .. } in boards {
        let device = header.device.clone();
        let Some(Shard { index, count }) = header.shard else { return Err(ShardError::NoShard { device }) };
        let first = &boards[0].header;
        if asked(header) != asked(first) {
            return Err(ShardError::AnotherMeasurement { device, first: first.device.clone() });
        }
        if let Some(other) = found.insert(index, &header.device) {
            return Err(ShardError::Twice { index: index.saturating_add(1), devices: [other.to_owned(), device] });
        }
        if !complete {
            return Err(ShardError::Incomplete { device });
        }
        all = count;
    }
    match (0..all).find(|index| !found.contains_key(index)) {
        Some(missing) => Err(ShardError::Missing { index: missing + 1, count: all }),
        None => Ok(()),
    }
}

/// A layer that runs on one board and not on another: the boards are not alike, and they planned different networks.
fn same_layers_run(boards: &[Observations]) -> Result<(), ShardError> {
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
            return Err(ShardError::Runs {
                key: key.clone(),
                on: runs.header.device.clone(),
                not_on: fails.header.device.clone(),
            });
        }
    }
    Ok(())
}

/// Keeps only the work that every board measured.
fn keep_common(boards: &mut [Observations]) {
    let numbers = |board: &Observations| -> BTreeSet<u32> { board.workloads.keys().copied().collect() };
    let same = |workload: &u32, of: &Workload, board: &Observations| {
        board.workloads.get(workload).is_some_and(|u| u.role == of.role)
    };
    let Some((first, others)) = boards.split_first() else { return };
    let mut common = numbers(first);
    common.retain(|workload| others.iter().all(|board| same(workload, &first.workloads[workload], board)));
    for board in boards {
        board.workloads.retain(|workload, _| common.contains(workload));
    }
}

/// Widens the intervals of layers that only some boards measured, and of whole networks, by the difference between
/// boards.
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
        // A network's layers come from any mixture of boards, so its level can be anywhere between theirs.
        calibration.level_half_width += check.level_log_difference;
        calibration.shape_half_width = calibration.shape_half_width.hypot(check.network_shape_log_difference);
    }
}

/// Layers that run, but only in networks with a layer that does not: no board could measure them, and the LUT says so.
fn add_rows_of_none(joined: &mut Lut, board: &Observations) {
    let known: BTreeSet<LayerKey> = joined.rows.iter().map(|row| row.key.clone()).collect();
    for (key, graph, _) in board.trials.iter().filter(|(key, ..)| !known.contains(key)) {
        let error = Some("no network that runs has this layer".to_owned());
        joined.rows.push(Row { error, ..static_row(key, graph, board.header.mode) });
    }
    joined.rows.sort_by(|a, b| a.key.cmp(&b.key));
}

/// The LUT of one journal, or of the journals of all boards that shared a measurement.
///
/// # Errors
/// As [`from_journal`] for one journal, else as [`merge_shards`].
pub fn from_journals(journals: &[Vec<Event>]) -> Result<Lut, ShardError> {
    match journals {
        [only] => Ok(from_journal(only)?),
        all => Ok(merge_shards(all)?.lut),
    }
}
