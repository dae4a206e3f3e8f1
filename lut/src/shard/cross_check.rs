//! Checks that boards agree on the work that all of them measured.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, median};
use nasprof_graph::{Arch, LayerKey};
use serde::Serialize;

use crate::calibration::FIXED_CLOCKS;
use crate::variance::{Variance, VariancePrior};
use crate::{Anchor, Lut};

/// Maximum layers in a message.
const NAMED: usize = 3;

/// Two boards in comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gap {
    /// The slower board.
    pub slower: String,
    /// The faster one.
    pub faster: String,
    /// Slower over faster, minus one.
    pub difference: f64,
    /// The difference that their intervals allow.
    pub allowed: f64,
}

/// One layer on the two boards that differ most in it, beyond what all layers have in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerGap {
    /// The layer.
    pub key: LayerKey,
    /// The boards, after their levels are taken out.
    #[serde(flatten)]
    pub gap: Gap,
}

/// The comparison of boards of one kind on the same work. Level and shape are compared separately: a machine's level
/// varies more from process to process than the ratio of one layer to another.
///
/// The level of each board is known from its processes. Two levels differ if the difference is outside its 95 %
/// interval. There are many layers, so a layer counts as different only if the 95 % intervals for the next session of
/// each board do not overlap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrossCheck {
    /// Layers that all boards measured at the same positions.
    pub layers: usize,
    /// Networks that all boards measured whole.
    pub networks: usize,
    /// The two boards with the largest difference in the mean of all common work.
    pub level: Gap,
    /// Layers in which two boards differ by more than is allowed, the largest difference first.
    pub disagreements: Vec<LayerGap>,
    /// Largest difference of a common layer between two boards, its level included: logarithm of the ratio.
    pub largest_log_difference: f64,
    /// The same of all common work together.
    pub level_log_difference: f64,
    /// The same of common networks without the level; 0 where there are none.
    pub network_shape_log_difference: f64,
}

/// Logarithms of times by item, one per session, on each board.
type Table<K> = BTreeMap<K, Vec<Vec<f64>>>;

impl CrossCheck {
    /// Compares LUTs of the same work, one per board. `None` if nothing is common, or if a board has only one session,
    /// so that its own spread is unknown.
    pub(super) fn of(luts: &[Lut]) -> Option<Self> {
        let devices: Vec<&str> = luts.iter().map(|lut| lut.context.header.device.as_str()).collect();
        let layers = layers(luts);
        let networks = networks(luts);
        let layer_levels = levels(&layers, luts.len());
        if layer_levels.iter().any(|sessions| sessions.len() < 2) {
            return None;
        }
        // Whole networks were measured in more processes.
        let levels = if networks.is_empty() { layer_levels.clone() } else { levels(&networks, luts.len()) };
        let means = |sessions: &[Vec<f64>]| sessions.iter().map(|s| mean(s).unwrap_or(0.0)).collect::<Vec<f64>>();
        // Boards are measured at the same time: drift of the level over hours does not explain a difference.
        let halves = |levels: &Vec<Vec<f64>>| -> Vec<f64> {
            levels.iter().map(|sessions| Variance::of(sessions, FIXED_CLOCKS).confidence_half_width()).collect()
        };
        let board_levels = means(&levels);
        let level = furthest(&devices, &board_levels, &halves(&levels), f64::hypot);
        let shapes: BTreeMap<&LayerKey, Vec<Vec<f64>>> =
            layers.iter().map(|(key, boards)| (*key, without_level(boards, &layer_levels))).collect();
        // How much a layer differs from session to session on one board, from all layers and boards.
        let sessions = shapes.values().flatten().map(Vec::as_slice);
        let prior = VariancePrior::within(sessions)?;
        let gap = |(key, boards): (&&LayerKey, &Vec<Vec<f64>>)| {
            let halves: Vec<f64> =
                boards.iter().map(|sessions| Variance::of(sessions, prior).prediction_half_width()).collect();
            // The two with the largest difference relative to their intervals.
            LayerGap { key: (*key).clone(), gap: furthest(&devices, &means(boards), &halves, |a, b| a + b) }
        };
        let mut disagreements: Vec<LayerGap> =
            shapes.iter().map(gap).filter(|layer| layer.gap.difference > layer.gap.allowed).collect();
        disagreements.sort_by(|a, b| b.gap.difference.total_cmp(&a.gap.difference));
        let range = |boards: &[f64]| {
            boards.iter().copied().fold(f64::MIN, f64::max) - boards.iter().copied().fold(f64::MAX, f64::min)
        };
        Some(Self {
            layers: layers.len(),
            networks: networks.len(),
            level,
            disagreements,
            largest_log_difference: layers.values().map(|boards| range(&means(boards))).fold(0.0, f64::max),
            level_log_difference: range(&board_levels),
            network_shape_log_difference: networks
                .values()
                .map(|boards| range(&means(&without_level(boards, &levels))))
                .fold(0.0, f64::max),
        })
    }

    /// Whether a difference exceeds the limit from the boards' intervals.
    pub(super) fn disagrees(&self) -> bool {
        self.level.difference > self.level.allowed || !self.disagreements.is_empty()
    }

    /// What the boards do not agree on.
    pub(super) fn in_words(&self) -> String {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let describe = |gap: &Gap, of: &str| {
            let Gap { slower, faster, difference, allowed } = gap;
            let (difference, allowed) = (percent(*difference), percent(*allowed));
            format!(
                "{of} takes {difference} longer on `{slower}` than on `{faster}`, but their intervals allow only \
                {allowed}"
            )
        };
        let mut words = Vec::new();
        if self.level.difference > self.level.allowed {
            words.push(describe(&self.level, "the common work as a whole"));
        }
        let named = self.disagreements.iter().take(NAMED);
        words
            .extend(named.map(|layer| describe(&layer.gap, &format!("`{}`, after dividing by the level,", layer.key))));
        if self.disagreements.len() > NAMED {
            words.push(format!("and so on for {} more layers", self.disagreements.len() - NAMED));
        }
        format!("the boards disagree ({} common layers): {}", self.layers, words.join("; "))
    }
}

/// The two boards with the largest difference relative to the limit between them.
fn furthest(devices: &[&str], centers: &[f64], halves: &[f64], allowed: fn(f64, f64) -> f64) -> Gap {
    let boards = 0..devices.len();
    let pairs = boards.clone().flat_map(|a| boards.clone().map(move |b| (a, b))).filter(|(a, b)| a != b);
    let gap = |(a, b): (usize, usize)| Gap {
        slower: devices[a].to_owned(),
        faster: devices[b].to_owned(),
        difference: (centers[a] - centers[b]).exp_m1(),
        allowed: allowed(halves[a], halves[b]).exp_m1(),
    };
    let beyond = |gap: &Gap| gap.difference - gap.allowed;
    let none = || Gap { slower: String::new(), faster: String::new(), difference: 0.0, allowed: 0.0 };
    let slower = pairs.map(gap).filter(|gap| gap.difference >= 0.0);
    slower.max_by(|x, y| beyond(x).total_cmp(&beyond(y))).unwrap_or_else(none)
}

/// Layers that every board has timed in each of its sessions.
fn layers(luts: &[Lut]) -> Table<&LayerKey> {
    let by_board: Vec<BTreeMap<&LayerKey, Vec<f64>>> = luts
        .iter()
        .map(|lut| {
            let times = lut.rows.iter().filter_map(|row| Some((&row.key, &row.times.as_ref()?.sessions_ns)));
            let sessions = lut.context.sessions.len();
            times.filter(|(_, ns)| ns.len() == sessions).map(|(key, ns)| (key, logs(ns))).collect()
        })
        .collect();
    common(&by_board)
}

/// Networks that every board has measured whole, in the sessions of the layers and in separate sessions.
fn networks(luts: &[Lut]) -> Table<&Arch> {
    let all = |anchor: &Anchor| logs(&[anchor.sessions_ns.clone(), anchor.level_sessions_ns.clone()].concat());
    let by_board: Vec<BTreeMap<_, Vec<f64>>> =
        luts.iter().map(|lut| lut.context.anchors.iter().map(|anchor| (&anchor.arch, all(anchor))).collect()).collect();
    common(&by_board)
}

fn common<K: Ord + Copy>(by_board: &[BTreeMap<K, Vec<f64>>]) -> Table<K> {
    let Some((first, _)) = by_board.split_first() else { return Table::new() };
    let on_all = |key: &K| by_board.iter().map(|board| board.get(key).cloned()).collect::<Option<Vec<_>>>();
    first.keys().filter_map(|key| Some((*key, on_all(key)?))).collect()
}

fn logs(times_ns: &[f64]) -> Vec<f64> {
    times_ns.iter().map(|ns| ns.ln()).collect()
}

/// Each board's level in each session: the median over items of the logarithm relative to the item's mean on all
/// boards.
fn levels<K>(table: &Table<K>, boards: usize) -> Vec<Vec<f64>> {
    let center = |item: &[Vec<f64>]| mean(&item.iter().filter_map(|sessions| mean(sessions)).collect::<Vec<_>>());
    let beside: Vec<Vec<Vec<f64>>> = table
        .values()
        .filter_map(|item| {
            let center = center(item)?;
            Some(item.iter().map(|sessions| sessions.iter().map(|log| log - center).collect()).collect())
        })
        .collect();
    (0..boards)
        .map(|board| {
            let sessions = beside.iter().map(|item| item[board].len()).min().unwrap_or(0);
            (0..sessions)
                .filter_map(|s| median(&beside.iter().map(|item| item[board][s]).collect::<Vec<_>>()))
                .collect()
        })
        .collect()
}

fn without_level(item: &[Vec<f64>], levels: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let rest = |(sessions, levels): (&Vec<f64>, &Vec<f64>)| {
        sessions.iter().zip(levels).map(|(log, level)| log - level).collect()
    };
    item.iter().zip(levels).map(rest).collect()
}
