//! One board's part of the work of one LUT.
//!
//! Boards of a kind plan alike: the plan follows from space, seed and the layers that run. A part of it is common to all
//! of them, so that they can be compared where they did the same; the rest is dealt out, each piece to one board.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::Unit;
use super::plan::evenly;
use crate::journal::{Role, Share};

/// Networks that every board measures, all of them anchors: each board's calibration needs four.
const COMMON_NETWORKS: usize = 5;
/// Of layers timed alone, every board measures the largest of each operation, and one of so many others.
const COMMON_EVERY: usize = 10;

/// The units of one board: what all boards measure, and its own. All parts together have all units.
#[must_use]
pub fn part_of(share: Share, units: Vec<Unit>) -> Vec<Unit> {
    let common = common(&units);
    let mut others: Vec<&Unit> = units.iter().filter(|unit| !common.contains(&unit.unit)).collect();
    // The largest first, there and back again, so that no board gets all the large ones.
    others.sort_by_key(|unit| (Reverse(unit.network.cost().macs), unit.unit));
    let boards = share.of.max(1) as usize;
    let dealt = |i: usize| {
        let (turn, place) = (i / boards, i % boards);
        if turn.is_multiple_of(2) { place } else { boards - 1 - place }
    };
    let own = others.iter().enumerate().filter(|(i, _)| dealt(*i) == share.part as usize).map(|(_, unit)| unit.unit);
    let mine: BTreeSet<u32> = own.chain(common).collect();
    units.into_iter().filter(|unit| mine.contains(&unit.unit)).collect()
}

/// Numbers of the units that every board measures.
fn common(units: &[Unit]) -> BTreeSet<u32> {
    let anchors = units.iter().filter(|unit| matches!(unit.role, Role::Network { anchor: true, .. }));
    let mut anchors: Vec<&Unit> = anchors.collect();
    anchors.sort_by_key(|unit| (unit.network.cost().macs, unit.unit));
    let networks = evenly(COMMON_NETWORKS, anchors.len()).map(|i| anchors[i].unit);
    let mut by_operation: BTreeMap<&str, Vec<&Unit>> = BTreeMap::new();
    for unit in units.iter().filter(|unit| unit.is_layer()) {
        let name = unit.network.layers().next().map_or("", |(_, node)| node.op.name());
        by_operation.entry(name).or_default().push(unit);
    }
    let layers = by_operation.into_values().flat_map(|mut same| {
        same.sort_by_key(|unit| (Reverse(unit.network.cost().macs), unit.unit));
        same.into_iter().step_by(COMMON_EVERY).map(|unit| unit.unit)
    });
    networks.chain(layers).collect()
}
