//! Boards that share the work of one LUT: it is made only if they agree, and then is no more certain than they are alike.

use std::collections::BTreeSet;

use nasprof_graph::LayerKey;
use nasprof_graph::runtime::Runtime;
use nasprof_lut::{Estimator, Lut, ShardError, from_journal, merge_shards};
use nasprof_profiler::engine::{Gate, Measurement, Recorder, measure};
use nasprof_profiler::journal::{Event, Header, Mode, Shard};
use nasprof_profiler::protocol::Device;
use nasprof_profiler::synthetic::{Model, SyntheticDevice, network_truth_ns};
use nasprof_spaces::{Space, SpaceSpec};
use nasprof_testkit::luts::header;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const QUIET: Model = quiet(0.0);

/// A board that is slower by a share.
const fn quiet(slower: f64) -> Model {
    Model {
        sigma: 0.005,
        session_sigma: 0.002,
        ramp: Some((slower, 1e-9)),
        canary_share: 1.0,
        tail: None,
        bimodal: None,
        wander: None,
        processor_wander: None,
        step: None,
        reports_throttling: false,
        drifting: None,
        heavy: None,
        warm_up: None,
        cold_runs: None,
        cold_beyond: None,
        growth: 0.0,
        preemption: 0.0,
        timer_step_ns: 0.0,
        busy: false,
        meterless: false,
        queue: false,
        fails: None,
        networks: None,
    }
}

fn space() -> Space {
    let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
        settings = [[24, 3, 1]]\ncandidates = [\"MB3 3x3\", \"MB6 3x3\", \"MB3 5x5\"]\nskip_connect = true\n";
    SpaceSpec::parse(text).unwrap().build("small").unwrap()
}

fn measured(space: &Space, header: Header, model: Model) -> Vec<Event> {
    let gate = Gate { patience: std::time::Duration::ZERO, allow_noisy: true };
    let measurement = Measurement { space, header, gate, deadline: None };
    let mut recorder = Recorder::new(Vec::new(), None, std::sync::Arc::default());
    let mut connect = || Ok(Box::new(SyntheticDevice::new("quiet", model)) as Box<dyn Device>);
    measure(&measurement, &mut recorder, &mut connect, &mut |_| {}).unwrap();
    recorder.events().to_vec()
}

/// Each board's journal.
fn parts(space: &Space, mode: Mode, seed: u64, models: &[Model]) -> Vec<Vec<Event>> {
    let of = models.len() as u32;
    let part = |(part, model): (u32, &Model)| {
        let shard = Some(Shard { index: part, count: of });
        let header = Header { device: format!("board-{part}"), mode, shard, ..header(space, "quiet", seed) };
        measured(space, header, *model)
    };
    (0..of).zip(models).map(part).collect()
}

fn visits(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Visit { .. })).count()
}

fn keys(lut: &Lut) -> BTreeSet<LayerKey> {
    lut.rows.iter().filter(|row| row.times.is_some()).map(|row| row.key.clone()).collect()
}

#[test]
fn boards_that_are_alike_make_one_lut_of_all_layers() {
    let space = space();
    for mode in [Mode::InContext, Mode::Isolated] {
        let whole = measured(&space, Header { mode, ..header(&space, "quiet", 1) }, QUIET);
        let journals = parts(&space, mode, 1, &[QUIET, quiet(0.005)]);
        let shared = merge_shards(&journals).unwrap();
        let expected = keys(&from_journal(&whole).unwrap());
        assert_eq!(keys(&shared.lut), expected, "{mode:?}");
        for journal in &journals {
            let share = visits(journal) as f64 / visits(&whole) as f64;
            assert!((0.4..0.75).contains(&share), "{mode:?}: {share}");
        }
        assert!(shared.cross_check.layers > 3 && shared.cross_check.level.difference < 0.02);
        assert_eq!(shared.lut.devices(), ["board-0", "board-1"]);
        // The order of the journals does not matter.
        let reversed: Vec<Vec<Event>> = journals.iter().rev().cloned().collect();
        assert_eq!(merge_shards(&reversed).unwrap().lut, shared.lut);
        // Nothing is narrower than in a part, and what one board alone measured is wider.
        let luts: Vec<Lut> = journals.iter().map(|journal| from_journal(journal).unwrap()).collect();
        let mut alone = 0;
        for row in &shared.lut.rows {
            let interval = |lut: &Lut| {
                let times = lut.rows.iter().find(|r| r.key == row.key)?.times.clone()?;
                times.ci_low_ns.zip(times.ci_high_ns)
            };
            let (low, high) = interval(&shared.lut).unwrap();
            let known: Vec<(f64, f64)> = luts.iter().filter_map(interval).collect();
            assert!(known.iter().all(|(l, h)| low <= *l && *h <= high), "{}", row.key);
            if let [(l, h)] = known[..] {
                alone += 1;
                assert!(low < l && h < high, "{}", row.key);
            }
        }
        assert!(mode == Mode::InContext || alone > 3, "{alone}");
        // Control: neither part has all layers, where layers are dealt out.
        assert!(mode == Mode::InContext || luts.iter().all(|lut| keys(lut).len() < expected.len()));
    }
}

/// The truth of both boards lies inside what one LUT says of networks that neither has measured.
#[test]
fn estimates_hold_the_truth_of_every_board() {
    let space = space();
    let slower = 0.004;
    let shared = merge_shards(&parts(&space, Mode::InContext, 2, &[QUIET, quiet(slower)])).unwrap().lut;
    let (estimator, mut rng) = (Estimator::new(&shared), ChaCha8Rng::seed_from_u64(5));
    let mut inside = 0;
    for _ in 0..40 {
        let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng)).unwrap();
        let [low, high] = estimator.estimate(&graph).interval_ms.unwrap();
        let truth = network_truth_ns(&graph) / 1e6;
        inside += usize::from(low <= truth && truth * (1.0 + slower) <= high);
    }
    assert!(inside >= 38, "{inside} of 40");
}

#[test]
fn a_board_that_is_another_is_named_and_only_the_cross_check_refuses_it() {
    let space = space();
    for mode in [Mode::InContext, Mode::Isolated] {
        let ShardError::Disagree { cross_check } =
            merge_shards(&parts(&space, mode, 3, &[QUIET, quiet(0.1)])).unwrap_err()
        else {
            panic!("{mode:?}: another error");
        };
        assert_eq!((&*cross_check.level.slower, &*cross_check.level.faster), ("board-1", "board-0"));
        assert!((cross_check.level.difference - 0.1).abs() < 0.02, "{}", cross_check.level.difference);
        // Control: nothing else is wrong with such parts.
        merge_shards(&parts(&space, mode, 3, &[QUIET, QUIET])).unwrap();
    }
    // Of three boards it is the third that differs.
    let error = merge_shards(&parts(&space, Mode::InContext, 3, &[QUIET, QUIET, quiet(0.1)])).unwrap_err().to_string();
    assert!(error.contains("longer on `board-2`"), "{error}");
}

/// Layers that run far from their kind are slower on one board: the level is not what is wrong.
#[test]
fn layers_that_differ_are_named() {
    let space = space();
    let cold = Model { cold_beyond: Some((50_000, 0.5)), ..QUIET };
    let error = merge_shards(&parts(&space, Mode::InContext, 4, &[QUIET, cold])).unwrap_err();
    let ShardError::Disagree { cross_check } = &error else { panic!("{error}") };
    assert!(!cross_check.disagreements.is_empty());
    assert!(error.to_string().contains(cross_check.disagreements[0].key.as_str()), "{error}");
}

#[test]
fn boards_that_are_alike_are_seldom_refused_and_unsteady_ones_never_pass() {
    let space = space();
    let refused =
        (0..20).filter(|seed| merge_shards(&parts(&space, Mode::Isolated, *seed, &[QUIET, QUIET])).is_err()).count();
    assert!(refused <= 1, "{refused}");
    let unsteady = Model { session_sigma: 0.3, ..QUIET };
    for seed in 0..5 {
        let error = merge_shards(&parts(&space, Mode::Isolated, seed, &[unsteady, unsteady])).unwrap_err();
        assert!(matches!(error, ShardError::Unsteady { .. } | ShardError::Disagree { .. }), "{error}");
    }
}

#[test]
fn what_is_no_whole_measurement_is_refused() {
    let space = space();
    let journals = parts(&space, Mode::Isolated, 5, &[QUIET, QUIET]);
    let [first, second] = [&journals[0], &journals[1]];
    let refused = |journals: &[&Vec<Event>]| {
        merge_shards(&journals.iter().map(|journal| (*journal).clone()).collect::<Vec<_>>()).unwrap_err()
    };
    assert!(matches!(refused(&[first]), ShardError::Missing { index: 2, count: 2 }));
    assert!(matches!(refused(&[first, first]), ShardError::Twice { index: 1, .. }));
    assert!(matches!(merge_shards(&[]).unwrap_err(), ShardError::Missing { .. } | ShardError::Merge(_)));
    let cut = second[..second.len() - 1].to_vec();
    assert!(matches!(refused(&[first, &cut]), ShardError::Incomplete { .. }));
    let other = parts(&space, Mode::Isolated, 6, &[QUIET, QUIET]);
    assert!(matches!(refused(&[first, &other[1]]), ShardError::AnotherMeasurement { .. }));
    let whole = measured(&space, header(&space, "quiet", 5), QUIET);
    assert!(matches!(refused(&[first, &whole]), ShardError::NoShard { .. }));
    let broken = Model { fails: Some("global_avg_pool"), ..QUIET };
    let error = refused(&parts(&space, Mode::Isolated, 5, &[QUIET, broken]).iter().collect::<Vec<_>>());
    assert!(matches!(&error, ShardError::Runs { on, .. } if on == "board-0"), "{error}");
}
