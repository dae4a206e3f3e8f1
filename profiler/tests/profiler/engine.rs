//! Promises of the engine: the order of visits is random and reproducible, the networks cover every layer, a busy
//! machine is refused, and disturbed samples do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nasprof_base::statistics::{mean, median};
use nasprof_graph::LayerKey;
use nasprof_graph::runtime::Runtime;
use nasprof_profiler::engine::{
    EngineError, Measurement, Recorder, SessionPlan, Workload, clean_samples, keys_of_space, measure, run_session,
};
use nasprof_profiler::journal::{EndReason, Event, Header, Mode, Role, Trial};
use nasprof_profiler::protocol::Visit;
use nasprof_profiler::synthetic::{Model, WHOLE_OVERHEAD_NS, layer_truth_ns};
use nasprof_spaces::Space;
use nasprof_testkit::engine::{
    events_of, gate, header, layers, modelled, named, planned, recorder, setup, small_space, space_of,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ChiSquared, ContinuousCDF};

fn session_plan(workloads: Vec<Workload>, mode: Mode, seed: u64, rounds: u32) -> SessionPlan {
    SessionPlan {
        workloads,
        mode,
        ci: 0.02,
        own_times: false,
        timing: None,
        leaves_out: false,
        sessions: 1,
        min_rounds: rounds,
        max_rounds: rounds,
        gate: gate(false),
        deadline: None,
        setup: setup(seed, 0),
        expected: None,
    }
}

fn session(plan: &SessionPlan, model: Model) -> Vec<Event> {
    let mut recorder = recorder();
    run_session(plan, &mut recorder, &mut modelled("model", model), &mut |_| ()).unwrap();
    recorder.events().to_vec()
}

/// Workloads in the order in which they were loaded, and in the order of their visits, round by round.
fn order(events: &[Event]) -> Vec<Vec<u32>> {
    let mut rounds: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for event in events {
        match event {
            Event::Loaded(loaded) => rounds.entry(0).or_default().push(loaded.workload),
            Event::Visit { round, visit } => rounds.entry(*round).or_default().push(visit.workload),
            _ => {}
        }
    }
    rounds.into_values().collect()
}

#[test]
fn the_order_is_reproducible_and_differs_by_seed_round_and_session() {
    let workloads = layers(&small_space());
    let all: Vec<u32> = (0..workloads.len() as u32).collect();
    let quiet = Model::named("quiet").unwrap();
    let of = |seed, number| {
        let mut plan = session_plan(workloads.clone(), Mode::Isolated, seed, 3);
        plan.setup.session = number;
        order(&session(&plan, quiet))
    };
    let first = of(1, 0);
    assert_eq!(first, of(1, 0));
    for round in &first {
        let mut sorted = round.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, all, "every workload once a round");
        assert_ne!(*round, all, "not in order");
    }
    assert_ne!(first[0], first[1]);
    assert_ne!(first[1], first[2]);
    for (i, other) in [of(2, 0), of(1, 1)].into_iter().enumerate() {
        assert!(first.iter().zip(&other).all(|(a, b)| a != b), "{i}: neither loading nor a round is as before");
    }
}

#[test]
fn every_unit_comes_first_equally_often() {
    let workloads: Vec<Workload> = layers(&small_space()).into_iter().take(8).collect();
    let count = workloads.len();
    let mut firsts = vec![0_u32; count];
    let sessions = 1000;
    for seed in 0..sessions {
        let events = session(&session_plan(workloads.clone(), Mode::Isolated, seed, 1), Model::named("quiet").unwrap());
        firsts[order(&events)[0][0] as usize] += 1;
    }
    let p_value = |observed: &[u32]| {
        let expected = sessions as f64 / count as f64;
        let statistic: f64 = observed.iter().map(|&o| (f64::from(o) - expected).powi(2) / expected).sum();
        ChiSquared::new((count - 1) as f64).unwrap().sf(statistic)
    };
    assert!(p_value(&firsts) > 0.001, "{firsts:?}");
    // Control: an order that favours one workload in one session of ten is told.
    let mut biased: Vec<u32> = firsts.iter().map(|f| f * 9 / 10).collect();
    biased[0] += sessions as u32 / 10;
    assert!(p_value(&biased) < 0.001, "{biased:?}");
}

/// In how many of the networks each key stands.
fn occurrences(workloads: &[Workload]) -> BTreeMap<LayerKey, usize> {
    let mut occurrences = BTreeMap::new();
    for workload in workloads {
        for key in workload.keys().collect::<BTreeSet<_>>() {
            *occurrences.entry(key.clone()).or_default() += 1;
        }
    }
    occurrences
}

fn networks(space: &Space, seed: u64) -> (BTreeSet<LayerKey>, Vec<Workload>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let keys = keys_of_space(space, Runtime::TorchEager, &mut rng).unwrap();
    let workloads = planned(space, Runtime::TorchEager, &keys, &mut rng);
    (keys.into_keys().collect(), workloads)
}

fn anchors(workloads: &[Workload]) -> usize {
    workloads.iter().filter(|workload| matches!(workload.role, Role::Network { anchor: true, .. })).count()
}

#[test]
fn every_key_is_visited_by_three_networks_where_the_space_allows_it() {
    for seed in 0..5 {
        let (keys, workloads) = networks(&space_of(8), seed);
        let occurrences = occurrences(&workloads);
        assert_eq!(occurrences.keys().cloned().collect::<BTreeSet<_>>(), keys);
        assert!(occurrences.values().all(|&count| count >= 3), "{occurrences:?}");
        assert_eq!(anchors(&workloads), 10);
        let (arch, numbers): (BTreeSet<_>, BTreeSet<_>) = workloads
            .iter()
            .map(|workload| match &workload.role {
                Role::Network { arch, .. } => (arch.0.clone(), workload.id),
                Role::Layer { .. } => panic!("a layer among the networks"),
            })
            .unzip();
        assert_eq!((arch.len(), numbers.len()), (workloads.len(), workloads.len()), "no network twice");
    }
    // Control: two networks cannot hold a key three times; they hold each at least once.
    let (keys, workloads) = networks(&space_of(1), 0);
    let occurrences = occurrences(&workloads);
    assert_eq!(workloads.len(), 2);
    assert_eq!(occurrences.len(), keys.len());
    assert!(occurrences.values().all(|&count| count < 3));
    assert!(anchors(&workloads) <= 2);
}

#[test]
fn a_busy_machine_is_refused_unless_that_is_allowed() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 1);
    let refused = events_of(&space, header.clone(), &mut named("busy")).unwrap_err();
    assert!(matches!(&refused, EngineError::Noisy(what) if what.contains("pressure_percent 80")), "{refused}");
    let allowed = Header { allow_noisy: true, ..header.clone() };
    let events = events_of(&space, allowed, &mut named("busy")).unwrap();
    assert!(matches!(events.last(), Some(Event::Complete)));
    // Control: a quiet machine passes without being asked to.
    events_of(&space, header, &mut named("quiet")).unwrap();
}

#[test]
fn preempted_samples_are_dropped() {
    let workloads = layers(&small_space());
    let events = session(&session_plan(workloads.clone(), Mode::Isolated, 1, 18), Model::named("preempted").unwrap());
    let mut repeats = BTreeMap::new();
    let (mut clean, mut raw) = (BTreeMap::<u32, Vec<f64>>::new(), BTreeMap::<u32, Vec<f64>>::new());
    for event in &events {
        match event {
            Event::Sizing { repeat, visit, .. } => drop(repeats.insert(visit.workload, *repeat)),
            Event::Visit { visit, .. } => {
                let workload = &workloads[visit.workload as usize];
                let repeat = repeats[&visit.workload];
                let samples = clean_samples(workload, visit, repeat);
                assert_eq!(samples.len(), 1);
                let dropped = visit.whole.iter().filter(|run| run.switches > 0).count();
                assert_eq!(samples[0].1.len() + dropped, visit.whole.len());
                clean.entry(visit.workload).or_default().extend(&samples[0].1);
                let times = visit.whole.iter().map(|run| run.ns[0] as f64 / f64::from(repeat));
                raw.entry(visit.workload).or_default().extend(times);
            }
            _ => {}
        }
    }
    for workload in &workloads {
        let layer = workload.network.layers().map(|(_, node)| layer_truth_ns(&workload.network, node)).sum::<f64>();
        let truth = layer + WHOLE_OVERHEAD_NS;
        let error = |samples: &[f64]| (mean(samples).unwrap() / truth).ln();
        assert!(error(&clean[&workload.id]).abs() < 0.005, "{}", workload.whole_key());
        // Control: with the preempted samples the mean is far off.
        assert!(error(&raw[&workload.id]) > 0.05, "{}", workload.whole_key());
    }
}

fn voids(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Void { .. })).count()
}

#[test]
fn visits_beside_a_slow_canary_are_void_and_repeated() {
    let workloads = layers(&space_of(4));
    let rounds = 18;
    let plan = session_plan(workloads.clone(), Mode::Isolated, 1, rounds);
    let throttled = Model::named("throttle").unwrap();
    let events = session(&plan, throttled);
    let mut void = BTreeSet::new();
    for event in &events {
        if let Event::Void { sequences, .. } = event {
            assert!(!sequences.is_empty());
            void.extend(sequences.iter().copied());
        }
    }
    assert!(!void.is_empty());
    let mut kept: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    let mut kept_before_void = 0;
    for event in &events {
        if let Event::Visit { round, visit } = event {
            if void.remove(&visit.sequence) {
                kept_before_void += 1;
            } else {
                *kept.entry((*round, visit.workload)).or_default() += 1;
            }
        }
    }
    assert!(kept_before_void > 0 && void.is_empty(), "only visits that were made are void");
    assert_eq!(kept.len(), workloads.len() * rounds as usize);
    assert!(kept.values().all(|&count| count == 1), "each workload counts once a round");
    // Controls: no void where nothing slows down, or where the canary does not see it.
    assert_eq!(voids(&session(&plan, Model { step: None, ..throttled })), 0);
    assert_eq!(voids(&session(&plan, Model { canary_share: 0.0, ..throttled })), 0);
}

/// Rounds and reason of the end of the one session.
fn end(events: &[Event]) -> (u32, EndReason) {
    let ends = events.iter().filter_map(|event| match event {
        Event::SessionEnd { rounds, reason, .. } => Some((*rounds, *reason)),
        _ => None,
    });
    let ends: Vec<_> = ends.collect();
    assert_eq!(ends.len(), 1);
    ends[0]
}

/// Whether the device said of a visit that it was slowed down.
fn reported(visit: &Visit) -> bool {
    visit.conditions.as_ref().unwrap().throttled.as_ref().is_some_and(|reasons| !reasons.is_empty())
}

#[test]
fn a_device_that_says_it_is_slowed_down_is_waited_for() {
    let plan = session_plan(layers(&space_of(4)), Mode::Isolated, 1, 18);
    let model = Model::named("throttle-reported").unwrap();
    let events = session(&plan, model);
    assert_eq!(end(&events).0, 18);
    let void: BTreeSet<u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Void { sequences, .. } => Some(sequences.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    let visits =
        || events.iter().filter_map(|event| if let Event::Visit { visit, .. } = event { Some(visit) } else { None });
    assert!(visits().any(reported), "control: it was slowed down while it was measured");
    assert!(visits().filter(|visit| reported(visit)).all(|visit| void.contains(&visit.sequence)));
}

#[test]
fn a_device_that_stays_slowed_down_ends_its_session_after_ten_minutes_of_pauses() {
    let plan = session_plan(layers(&space_of(4)), Mode::Isolated, 1, 18);
    let model = Model::named("throttle-lasting").unwrap();
    let events = session(&plan, model);
    let (rounds, reason) = end(&events);
    assert_eq!(reason, EndReason::Throttled);
    assert!(rounds > 0 && rounds < 18, "{rounds}");
    // 5 s, half as long again each time up to a minute: fifteen of them are ten minutes. One more was not waited for, and
    // what was measured when it began may be void as well.
    assert!((16..=17).contains(&voids(&events)), "{}", voids(&events));
    // What was recorded is replayed to the same end.
    let mut again = Recorder::new(events.clone(), None, Default::default());
    run_session(&plan, &mut again, &mut modelled("model", model), &mut |_| ()).unwrap();
    assert_eq!(again.events(), events);
    // Control: one that does not say so is measured to the end, its visits flagged by the canary alone.
    let silent = session(&plan, Model { reports_throttling: false, ..model });
    assert_eq!(end(&silent).0, 18);
}

#[test]
fn a_layer_that_does_not_run_is_recorded_and_its_networks_are_avoided() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 1);
    // Every mobilenet pools at its end.
    let mut recorder = recorder();
    let measurement = nasprof_profiler::engine::Measurement {
        space: &space,
        header: header.clone(),
        gate: gate(false),
        deadline: None,
    };
    let error =
        nasprof_profiler::engine::measure(&measurement, &mut recorder, &mut named("no-pool"), &mut |_| ()).unwrap_err();
    assert!(matches!(&error, EngineError::Plan(what) if what.contains("global_avg_pool")), "{error}");
    let failed: Vec<&LayerKey> = recorder
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Trial { key, result: Trial::Failed(why), .. } => {
                assert!(why.contains("not implemented"), "{why}");
                Some(key)
            }
            _ => None,
        })
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    // Alone, the other layers are measured all the same.
    let isolated = Header { mode: Mode::Isolated, ..header.clone() };
    let events = events_of(&space, isolated, &mut named("no-pool")).unwrap();
    let measured: BTreeSet<&LayerKey> = events
        .iter()
        .filter_map(|event| match event {
            Event::Workload { role: Role::Layer { key }, .. } => Some(key),
            _ => None,
        })
        .collect();
    assert!(!measured.is_empty() && !measured.contains(failed[0]));
    // Control: where all layers run, the same space is planned.
    events_of(&space, header, &mut named("quiet")).unwrap();
}

/// Medians of many rounds agree with the closed formula: the engine and the device mean the same workloads.
#[test]
fn nanoseconds_are_nanoseconds() {
    let workloads = layers(&small_space());
    let model = Model { timer_step_ns: 1.0, ..Model::default() };
    let events = session(&session_plan(workloads.clone(), Mode::Isolated, 1, 8), model);
    let mut repeats = BTreeMap::new();
    for event in &events {
        match event {
            Event::Sizing { repeat, visit, .. } => drop(repeats.insert(visit.workload, *repeat)),
            Event::Visit { visit, .. } => {
                let workload = &workloads[visit.workload as usize];
                let samples = clean_samples(workload, visit, repeats[&visit.workload]);
                let truth: f64 =
                    workload.network.layers().map(|(_, node)| layer_truth_ns(&workload.network, node)).sum();
                let value = median(&samples[0].1).unwrap();
                assert!((value / (truth + WHOLE_OVERHEAD_NS) - 1.0).abs() < 1e-4, "{value} {truth}");
            }
            _ => {}
        }
    }
}

/// Virtual seconds and sessions of a measurement that would never know enough; `None` if it is refused.
fn seconds(budget: Option<f64>) -> Option<(f64, usize)> {
    let space = small_space();
    let header = Header { ci: 1e-9, max_rounds: 1000, ..header(&space, Mode::InContext, 1) };
    let mut recorder = recorder();
    let (clock, begun) = (recorder.clock(), recorder.clock().now());
    let deadline = budget.map(|seconds| begun + Duration::from_secs_f64(seconds));
    let measurement = Measurement { space: &space, header, gate: gate(false), deadline };
    match measure(&measurement, &mut recorder, &mut named("noisy"), &mut |_| ()) {
        Err(EngineError::Budget { .. }) => return None,
        measured => drop(measured.unwrap()),
    }
    let sessions = recorder.events().iter().filter(|event| matches!(event, Event::SessionEnd { .. })).count();
    Some((clock.now().duration_since(begun).as_secs_f64(), sessions))
}

#[test]
fn a_measurement_keeps_its_budget() {
    let (whole, all) = seconds(None).unwrap();
    // The smallest budget that is not refused may have no time for all sessions that tell how the level differs.
    let accepted = |tenths: i32| Some((f64::from(tenths) / 10.0, seconds(Some(f64::from(tenths) / 10.0))?));
    let (budget, (took, sessions)) = (50..).find_map(accepted).unwrap();
    assert!(
        took <= budget + 0.5 && (2..=all).contains(&sessions),
        "{took} of {budget} s, {sessions} of {all} sessions"
    );
    assert_eq!(seconds(Some(40.0)).unwrap().1, all, "the control");
    for budget in [20.0, 40.0] {
        let (took, _) = seconds(Some(budget)).unwrap();
        // What is left is too short for another round.
        assert!(took <= budget + 2.0 && took >= 0.8 * budget, "{took} of {budget} s");
        // The control: without a budget it takes longer.
        assert!(whole > budget + 10.0, "{whole}");
    }
}

#[test]
fn a_budget_that_no_device_keeps_is_refused_before_the_first_trial() {
    let space = small_space();
    let mut recorder = recorder();
    let deadline = Some(recorder.clock().now() + Duration::from_secs(5));
    let measurement =
        Measurement { space: &space, header: header(&space, Mode::InContext, 1), gate: gate(false), deadline };
    let refused = measure(&measurement, &mut recorder, &mut named("quiet"), &mut |_| ()).unwrap_err();
    assert!(matches!(refused, EngineError::Budget { left, needed } if left <= 5.0 && needed > 10.0), "{refused}");
    assert!(recorder.events().iter().all(|event| !matches!(event, Event::Trial { .. })));
}
