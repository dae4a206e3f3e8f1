//! One board's shard of a common measurement.
//!
//! Boards of one kind make the same plan, because it follows from space, seed and the layers that run. All boards measure a
//! common part, which makes them comparable; every other workload goes to one board.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::Workload;
use super::plan::evenly;
use crate::journal::{Role, Shard};

/// Networks that every board measures, all of them anchors: each board's calibration needs four.
const COMMON_NETWORKS: usize = 5;
/// Of the layers timed alone, every board measures the largest of each operation and one in this many of the others.
const COMMON_EVERY: usize = 10;

/// The workloads of one board: the common workloads and its own. All shards together contain all workloads.
#[must_use]
pub fn select_shard(shard: Shard, workloads: Vec<Workload>) -> Vec<Workload> {
    let common = common(&workloads);
    let mut others: Vec<&Workload> = workloads.iter().filter(|workload| !common.contains(&workload.id)).collect();
    // Dealt in descending order of size, alternately forwards and backwards, so that no board gets all the large workloads.
    others.sort_by_key(|workload| (Reverse(workload.network.cost().macs), workload.id));
    let boards = shard.count.max(1) as usize;
    let dealt = |i: usize| {
        let (turn, place) = (i / boards, i % boards);
        if turn.is_multiple_of(2) { place } else { boards - 1 - place }
    };
    let own =
        others.iter().enumerate().filter(|(i, _)| dealt(*i) == shard.index as usize).map(|(_, workload)| workload.id);
    let mine: BTreeSet<u32> = own.chain(common).collect();
    workloads.into_iter().filter(|workload| mine.contains(&workload.id)).collect()
}

/// Numbers of the workloads that every board measures.
fn common(workloads: &[Workload]) -> BTreeSet<u32> {
    let anchors = workloads.iter().filter(|workload| matches!(workload.role, Role::Network { anchor: true, .. }));
    let mut anchors: Vec<&Workload> = anchors.collect();
    anchors.sort_by_key(|workload| (workload.network.cost().macs, workload.id));
    let networks = evenly(COMMON_NETWORKS, anchors.len()).map(|i| anchors[i].id);
    let mut by_operation: BTreeMap<&str, Vec<&Workload>> = BTreeMap::new();
    for workload in workloads.iter().filter(|workload| workload.is_layer()) {
        let name = workload.network.layers().next().map_or("", |(_, node)| node.op.name());
        by_operation.entry(name).or_default().push(workload);
    }
    let layers = by_operation.into_values().flat_map(|mut same| {
        same.sort_by_key(|workload| (Reverse(workload.network.cost().macs), workload.id));
        same.into_iter().step_by(COMMON_EVERY).map(|workload| workload.id)
    });
    networks.chain(layers).collect()
}
