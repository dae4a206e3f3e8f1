//! Promise: a session ends when the sampled networks are known well enough, rows of no weight do not keep it going, and the visits
//! of later rounds go to what is known least, reproducibly from the journal.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_graph::LayerKey;
use nasprof_graph::runtime::Runtime;
use nasprof_profiler::engine::{Known, Precision, Recorder, SessionPlan, Shares, Workload, keys_of_space, run_session};
use nasprof_profiler::journal::{EndReason, Event, Mode};
use nasprof_profiler::synthetic::{Model, layer_truth_ns};
use nasprof_spaces::Space;
use nasprof_testkit::engine::{gate, modelled, planned, recorder, setup, space_of};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn networks(blocks: usize) -> Vec<Workload> {
    networks_of(&space_of(blocks))
}

fn networks_of(space: &Space) -> Vec<Workload> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let keys = keys_of_space(space, Runtime::TorchEager, &mut rng).unwrap();
    planned(space, Runtime::TorchEager, &keys, &mut rng)
}

/// True times of all layers of networks.
fn truth(networks: &[Workload]) -> BTreeMap<LayerKey, f64> {
    let layers = networks.iter().flat_map(|network| {
        network.network.keyed_layers().iter().map(|layer| {
            let node = network.network.node(layer.node);
            (layer.key.clone(), layer_truth_ns(&network.network, node))
        })
    });
    layers.collect()
}

#[test]
fn a_row_counts_by_its_weight() {
    let networks = networks(4);
    let truth = truth(&networks);
    let (heaviest, _) = truth.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    let (lightest, _) = truth.iter().min_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    let precision = |wide: &LayerKey, shrink: f64| {
        let known = |key: &LayerKey| {
            let light = if key == lightest { shrink } else { 1.0 };
            Some(Known { ns: truth[key] * light, half_width: Some(if key == wide { 0.2 } else { 0.005 }) })
        };
        Shares::new(&networks, known).precision(0.001)
    };
    // A layer of next to no time may be known to a fifth only.
    let light = precision(lightest, 0.01);
    assert!(light.is_enough(0.01) && light.weak == 0, "{light:?}");
    assert_eq!(light.of, truth.len());
    assert!(light.weighty < light.of && light.rows.unwrap() < 0.006, "{light:?}");
    // Controls: one of weight is weak and makes networks uncertain, and so does a scale that is not known.
    let heavy = precision(heaviest, 0.01);
    assert!(!heavy.is_enough(0.01) && heavy.weak == 1 && heavy.networks > light.networks, "{heavy:?}");
    let known = |key: &LayerKey| Some(Known { ns: truth[key], half_width: Some(0.005) });
    assert!(!Shares::new(&networks, known).precision(0.02).is_enough(0.01));
    // One of five whose share wanders does not keep a session going; one of fewer does.
    let of = |weak, weighty| Precision { networks: Some(0.009), rows: None, weak, weighty, of: 60 };
    assert!(of(4, 20).is_enough(0.01) && of(9, 45).is_enough(0.01) && of(0, 3).is_enough(0.01));
    assert!(!of(1, 4).is_enough(0.01) && !of(10, 45).is_enough(0.01) && !of(4, 20).is_enough(0.008));
    // What has no interval yet is not known.
    let unknown = |key: &LayerKey| Some(Known { ns: truth[key], half_width: None });
    assert_eq!(Shares::new(&networks, unknown).precision(0.0).networks, None);
}

#[test]
fn effort_goes_to_the_networks_of_weak_rows() {
    // Of many layers, most of them in few of the networks.
    let networks = networks_of(&Space::builtin("mobilenet-cifar10").unwrap());
    let truth = truth(&networks);
    let of = |key: &LayerKey| networks.iter().filter(|network| network.keys().any(|k| k == key)).count();
    let rare = truth
        .keys()
        .filter(|key| (1..networks.len() / 2).contains(&of(key)))
        .max_by(|a, b| truth[*a].total_cmp(&truth[*b]));
    let rare = rare.unwrap();
    let known = |key: &LayerKey| Some(Known { ns: truth[key], half_width: Some(if key == rare { 0.1 } else { 0.01 }) });
    let visited = Shares::new(&networks, known).weakest(&networks);
    assert_eq!(visited.len(), networks.len().div_ceil(2));
    let having = |places: &[usize]| places.iter().filter(|&&i| networks[i].keys().any(|key| key == rare)).count();
    assert_eq!(having(&visited), of(rare), "all networks that have it");
    // Control: without a weak row others are chosen.
    let even = |key: &LayerKey| Some(Known { ns: truth[key], half_width: Some(0.01) });
    assert_ne!(Shares::new(&networks, even).weakest(&networks), visited);
}

fn plan(workloads: Vec<Workload>, ci: f64, max_rounds: u32) -> SessionPlan {
    SessionPlan {
        workloads,
        mode: Mode::InContext,
        ci,
        own_times: false,
        timing: None,
        leaves_out: false,
        sessions: 1,
        min_rounds: 0,
        max_rounds,
        gate: gate(false),
        deadline: None,
        setup: setup(3, 0),
        expected: None,
    }
}

fn events(plan: &SessionPlan, recorder: &mut Recorder, model: Model) -> Vec<Event> {
    run_session(plan, recorder, &mut modelled("model", model), &mut |_| ()).unwrap();
    recorder.events().to_vec()
}

fn end(events: &[Event]) -> (u32, EndReason) {
    events
        .iter()
        .find_map(|event| match event {
            Event::SessionEnd { rounds, reason, .. } => Some((*rounds, *reason)),
            _ => None,
        })
        .unwrap()
}

#[test]
fn a_session_ends_when_networks_are_known() {
    let quiet = Model::named("quiet").unwrap();
    let of = |ci: f64| end(&events(&plan(networks(8), ci, 18), &mut recorder(), quiet));
    assert_eq!(of(0.01), (8, EndReason::Converged));
    // Control: what no number of rounds gives is looked for until the last.
    assert_eq!(of(1e-6), (18, EndReason::RoundLimit));
    // However the level moves.
    let wander = Model { wander: Some((0.05, 0.5)), ..quiet };
    assert_eq!(end(&events(&plan(networks(8), 0.02, 18), &mut recorder(), wander)).1, EndReason::Converged);
}

/// What is asked for is asked of all sessions together: with nine of them each needs to know a third as well.
#[test]
fn a_session_of_several_ends_when_all_together_know_enough() {
    let noisy = Model::named("noisy").unwrap();
    let of = |sessions: u32, ci: f64| {
        end(&events(&SessionPlan { sessions, ..plan(networks(8), ci, 40) }, &mut recorder(), noisy)).0
    };
    let ends: Vec<(u32, u32)> = [0.0003, 0.001, 0.003].into_iter().map(|ci| (of(1, ci), of(9, ci))).collect();
    assert!(ends.iter().all(|(one, nine)| nine <= one), "{ends:?}");
    assert!(ends.iter().any(|(one, nine)| nine < one), "{ends:?}");
}

#[test]
fn later_rounds_visit_what_the_journal_says_and_a_replay_the_same() {
    let plan = plan(networks(8), 1e-6, 18);
    let noisy = Model::named("noisy").unwrap();
    let all = events(&plan, &mut recorder(), noisy);
    let efforts: Vec<(u32, BTreeSet<u32>)> = all
        .iter()
        .filter_map(|event| match event {
            Event::Effort { round, workloads } => Some((*round, workloads.iter().copied().collect())),
            _ => None,
        })
        .collect();
    assert_eq!(efforts.iter().map(|(round, _)| *round).collect::<Vec<_>>(), [9, 13]);
    let visited = |wanted: u32| -> BTreeSet<u32> {
        let visits = all.iter().filter_map(|event| match event {
            Event::Visit { round, visit } if *round == wanted => Some(visit.workload),
            _ => None,
        });
        visits.collect()
    };
    assert_eq!(visited(8).len(), plan.workloads.len());
    for (round, effort) in &efforts {
        assert!(effort.len() <= plan.workloads.len().div_ceil(2));
        assert_eq!(visited(*round), *effort);
    }
    // Resumed after any event around the looks, it goes on the same way.
    let places = all.iter().enumerate().filter(|(_, event)| matches!(event, Event::Effort { .. })).map(|(i, _)| i);
    for place in places.flat_map(|i| [i - 1, i, i + 1, i + 2]) {
        let mut resumed = Recorder::new(all[..place].to_vec(), None, Default::default());
        let again: Vec<Event> =
            events(&plan, &mut resumed, noisy).into_iter().filter(|event| *event != Event::Resumed).collect();
        assert_eq!(again, all, "resumed at {place}");
    }
}

#[test]
fn canaries_take_at_most_a_twentieth_of_rounds() {
    let workloads = networks(8);
    let runs = |events: &[Event]| {
        let (mut canaries, mut visits) = (0, 0);
        for event in events {
            match event {
                Event::Canary { round: 1.., times } => {
                    canaries += times.compute_ns.iter().chain(&times.memory_ns).sum::<u64>();
                }
                Event::Visit { visit, .. } => {
                    visits += visit.layers.iter().chain(&visit.whole).flat_map(|run| &run.ns).sum::<u64>();
                    // Five untimed runs go before them.
                    visits += 5 * visit.whole.iter().map(|run| run.ns[0]).min().unwrap();
                }
                _ => {}
            }
        }
        (canaries, visits)
    };
    // Networks of some tenths of a second in all, and a round of many canaries.
    let slow = Model { growth: 1.0, ..Model::named("quiet").unwrap() };
    for model in [slow, Model { heavy: Some(("conv2d", 300.0)), ..slow }] {
        let (canaries, visits) = runs(&events(&plan(workloads.clone(), 1e-6, 40), &mut recorder(), model));
        assert!(canaries as f64 <= 0.05 * (canaries + visits) as f64, "{canaries} {visits}");
    }
    // Control: they do run where rounds last long enough.
    let heavy = Model { heavy: Some(("conv2d", 300.0)), ..slow };
    assert!(runs(&events(&plan(workloads, 1e-6, 40), &mut recorder(), heavy)).0 > 0);
}
