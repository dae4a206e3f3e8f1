//! Rankings and fronts, against all networks of a space one by one.

use nasprof_graph::Arch;
use nasprof_lut::{Estimator, Lut, Predictor, SizeEffect};
use nasprof_search::ranking::{Axis, Explored, Limits, Network, Predictors, SampleSettings, front, rank};
use nasprof_spaces::{Space, SpaceSpec};
use nasprof_testkit::luts::synthetic_lut;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SETTINGS: SampleSettings = SampleSettings { samples: 2000, seed: 3 };

/// Seven choices of four candidates.
fn space(name: &str) -> Space {
    let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
        settings = [[16, 2, 1], [24, 3, 2], [32, 2, 2]]\n\
        candidates = [\"MB3 3x3\", \"MB6 3x3\", \"MB3 5x5\", \"MB6 5x5\"]\nskip_connect = false\n";
    SpaceSpec::parse(text).unwrap().build(name).unwrap()
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn plain(mut lut: Lut) -> Lut {
    let calibration = lut.context.calibration.as_mut().unwrap();
    (calibration.reuse_bandwidth, calibration.size_effect) = (None, None);
    lut
}

/// All networks, from single predictions.
fn all(predictors: &Predictors<'_>, space: &Space) -> Vec<Network> {
    let mut predictors = predictors.clone();
    let count: usize = space.choices.iter().map(|c| c.candidates.len()).product();
    (0..count)
        .map(|mut number| {
            let select = |choice: &nasprof_graph::Choice| {
                let selected = number % choice.candidates.len();
                number /= choice.candidates.len();
                selected as u16
            };
            predictors.network(Arch(space.choices.iter().map(select).collect())).unwrap()
        })
        .collect()
}

/// Too large to enumerate.
fn large(name: &str) -> Space {
    let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
        settings = [[16, 4, 1], [24, 4, 2], [32, 4, 2]]\n\
        candidates = [\"MB3 3x3\", \"MB6 3x3\", \"MB3 5x5\", \"MB6 5x5\"]\nskip_connect = false\n";
    SpaceSpec::parse(text).unwrap().build(name).unwrap()
}

/// Far too large to enumerate: 18 choices.
fn larger(name: &str) -> Space {
    let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
        settings = [[16, 6, 1], [24, 6, 2], [32, 6, 2]]\n\
        candidates = [\"MB3 3x3\", \"MB6 3x3\", \"MB3 5x5\", \"MB6 5x5\"]\nskip_connect = false\n";
    SpaceSpec::parse(text).unwrap().build(name).unwrap()
}

/// The median: a limit that half of the networks exceed.
fn middle(values: impl Iterator<Item = f64>) -> f64 {
    nasprof_base::statistics::median(&values.collect::<Vec<_>>()).unwrap()
}

#[test]
fn an_enumerated_ranking_is_the_sorted_list() {
    let space = space("small");
    let lut = synthetic_lut(&space, "quiet", 0);
    let estimator = Estimator::new(&lut);
    let predictors = Predictors { first: Predictor::new(&space, &estimator), second: None };
    let mut networks = all(&predictors, &space);
    let most = middle(networks.iter().map(|n| n.params as f64));
    let limits = Limits { params: Some(most), ..Limits::default() };
    let (found, explored) = rank(&predictors, Axis::Latency, &limits, 10, SETTINGS);
    assert!(matches!(explored, Explored::Enumerated { networks: n } if n == networks.len() as u64), "{explored:?}");
    networks.retain(|n| n.params as f64 <= most);
    networks.sort_by(|a, b| a.latency_ms.total_cmp(&b.latency_ms));
    let latencies = |networks: &[Network]| networks.iter().map(|n| n.latency_ms).collect::<Vec<_>>();
    assert_eq!(latencies(&found), latencies(&networks[..10]));
    // Control: the limit binds.
    let (free, _) = rank(&predictors, Axis::Macs { least: false }, &Limits::default(), 1, SETTINGS);
    assert!(free[0].params as f64 > most);
    let (none, _) = rank(&predictors, Axis::Latency, &Limits { params: Some(1.0), ..limits }, 5, SETTINGS);
    assert!(none.is_empty());
}

/// In a space that is too large to enumerate, exact answers are checked against many samples, and against each other.
#[test]
fn exact_answers_of_a_large_space_are_not_beaten() {
    let space = large("large");
    let lut = plain(synthetic_lut(&space, "quiet", 0));
    let estimator = Estimator::new(&lut);
    let predictors = Predictors { first: Predictor::new(&space, &estimator), second: None };
    let mut rng = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(5);
    let mut one = predictors.clone();
    let usual: Vec<Network> = (0..300).map(|_| one.network(space.sample(&mut rng)).unwrap()).collect();
    let params = middle(usual.iter().map(|n| n.params as f64));
    let limits =
        Limits { params: Some(params), macs: Some(middle(usual.iter().map(|n| n.macs as f64))), ..Limits::default() };
    let axis = Axis::Latency;
    let (exact, explored) = rank(&predictors, axis, &limits, 20, SETTINGS);
    assert_eq!((explored, exact.len()), (Explored::Exact, 20));
    assert!(exact.iter().all(|n| limits.allow(n)) && exact.is_sorted_by(|a, b| a.latency_ms <= b.latency_ms + 1e-12));
    // Largest networks within a latency.
    let middle = exact[0].latency_ms * 1.3;
    let bound = Limits { latency_ms: Some(middle), ..Limits::default() };
    let (largest, explored) = rank(&predictors, Axis::Params { least: false }, &bound, 5, SETTINGS);
    assert_eq!(explored, Explored::Exact);
    assert!(largest[0].latency_ms <= middle * (1.0 + 1e-9));
    let axes = [Axis::Latency, Axis::Macs { least: false }];
    let (points, explored) = front(&predictors, axes, SETTINGS);
    assert_eq!(explored, Explored::Exact);
    assert!(points.len() > 10 && points.is_sorted_by(|a, b| a.latency_ms < b.latency_ms && a.macs < b.macs));
    // No sample beats a network of the front, nor the ranking.
    let mut single = predictors.clone();
    let mut rng = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(8);
    for _ in 0..20_000 {
        let network = single.network(space.sample(&mut rng)).unwrap();
        let beaten = |p: &Network| network.latency_ms < p.latency_ms * (1.0 - 1e-9) && network.macs >= p.macs;
        assert!(!points.iter().any(beaten), "{network:?}");
        assert!(network.latency_ms > middle || network.params <= largest[0].params, "{network:?}");
        assert!(
            !limits.allow(&network)
                || network.latency_ms > exact[19].latency_ms * (1.0 - 1e-9)
                || exact.contains(&network)
        );
    }
    // Control: what is sampled alone does not reach the front's ends.
    let few = (0..200).filter_map(|_| single.network(space.sample(&mut rng)));
    assert!(few.map(|n| n.latency_ms).fold(f64::INFINITY, f64::min) > points[0].latency_ms);
}

/// The ranking under a latency limit, whose best network has to be that of the front: exact where the space decomposes, and
/// not worse where the place of a layer matters.
#[test]
fn under_a_limit_the_best_is_that_of_the_front() {
    let space = larger("larger");
    let lut = plain(synthetic_lut(&space, "quiet", 0));
    let mut sized = lut.clone();
    let usual_ns = 1e6
        * Predictor::new(&space, &Estimator::new(&lut))
            .predict(&space.sample(&mut rng(1)))
            .unwrap()
            .latency_ms
            .unwrap();
    sized.context.calibration.as_mut().unwrap().size_effect =
        Some(SizeEffect { slope: 0.2, usual_ns, low_ns: 0.5 * usual_ns, high_ns: 1.2 * usual_ns });
    let placed = synthetic_lut(&space, "caches", 0);
    for (lut, is_exact) in [(&lut, true), (&sized, true), (&placed, false)] {
        let estimator = Estimator::new(lut);
        let predictors = Predictors { first: Predictor::new(&space, &estimator), second: None };
        for axis in [Axis::Params { least: false }, Axis::Macs { least: false }] {
            let (points, _) = front(&predictors, [Axis::Latency, axis], SETTINGS);
            let at = &points[points.len() / 3];
            let limits = Limits { latency_ms: Some(at.latency_ms * (1.0 + 1e-9)), ..Limits::default() };
            let (found, explored) = rank(&predictors, axis, &limits, 7, SETTINGS);
            assert_eq!(explored == Explored::Exact, is_exact, "{explored:?}");
            assert!(axis.of(&found[0]) >= axis.of(at), "{:?} for {at:?}", found[0]);
            assert!(!is_exact || axis.of(&found[0]) == axis.of(at), "{:?} for {at:?}", found[0]);
            assert!(found.len() == 7 && found.is_sorted_by(|a, b| axis.of(a) >= axis.of(b)));
            assert!(found.iter().all(|network| limits.allow(network)));
            if is_exact {
                // Networks with the same layers in another order are equal.
                let (one, _) = rank(&predictors, axis, &limits, 1, SETTINGS);
                assert_eq!(axis.of(&one[0]), axis.of(&found[0]), "of 1 as of 7");
                assert!(climbed(&predictors, &space, axis, &limits) < axis.of(at), "the control: a climb from samples");
            }
        }
    }
}

/// The best of samples within the limits, improved by single changes until none is better.
fn climbed(predictors: &Predictors<'_>, space: &Space, axis: Axis, limits: &Limits) -> f64 {
    let mut predictors = predictors.clone();
    let mut rng = rng(3);
    let samples: Vec<Arch> = (0..2000).map(|_| space.sample(&mut rng)).collect();
    let mut best_of = |archs: Vec<Arch>| {
        let within = archs.into_iter().filter_map(|arch| predictors.network(arch)).filter(|n| limits.allow(n));
        within.max_by(|a, b| axis.of(a).total_cmp(&axis.of(b)))
    };
    let Some(mut best) = best_of(samples) else { return f64::NEG_INFINITY };
    loop {
        let mut near = Vec::new();
        for (choice, of) in space.choices.iter().enumerate() {
            near.extend((0..of.candidates.len()).map(|candidate| {
                let mut arch = best.arch.clone();
                arch.0[choice] = candidate as u16;
                arch
            }));
        }
        match best_of(near) {
            Some(better) if axis.of(&better) > axis.of(&best) => best = better,
            _ => return axis.of(&best),
        }
    }
}

/// Where the place of a layer matters, nothing decomposes: the answer is sampled, says so, is the same every time, and local
/// search finds what samples alone do not.
#[test]
fn what_does_not_decompose_is_sampled_and_said() {
    let space = large("large");
    let lut = synthetic_lut(&space, "caches", 0);
    assert!(lut.is_context_dependent());
    let estimator = Estimator::new(&lut);
    let predictors = Predictors { first: Predictor::new(&space, &estimator), second: None };
    let (found, explored) = rank(&predictors, Axis::Latency, &Limits::default(), 5, SETTINGS);
    assert_eq!(explored, Explored::Sampled { samples: 2000, seed: 3 });
    assert_eq!(rank(&predictors, Axis::Latency, &Limits::default(), 5, SETTINGS).0, found);
    let mut single = predictors.clone();
    let mut rng = rng(3);
    let sampled = (0..2000).filter_map(|_| single.network(space.sample(&mut rng)));
    let fastest = sampled.map(|n| n.latency_ms).fold(f64::INFINITY, f64::min);
    assert!(fastest > found[0].latency_ms, "the control: samples alone");
    let (points, explored) = front(&predictors, [Axis::Latency, Axis::Params { least: false }], SETTINGS);
    assert!(matches!(explored, Explored::Sampled { .. }) && points[0].arch == found[0].arch);
    assert!(points.is_sorted_by(|a, b| a.latency_ms < b.latency_ms && a.params < b.params));
    // A limit that few networks keep to is found by way of those that nearly do.
    let tight = Limits { latency_ms: Some(found[0].latency_ms * 1.001), ..Limits::default() };
    let (within, _) = rank(&predictors, Axis::Params { least: false }, &tight, 3, SETTINGS);
    assert!(!within.is_empty() && within.iter().all(|n| tight.allow(n)));
}

/// Two devices: the front of one's latency against the other's.
#[test]
fn two_luts_make_a_front_of_two_latencies() {
    let space = space("small");
    let first = synthetic_lut(&space, "quiet", 0);
    // Another device, on which depthwise layers are slow.
    let mut second = first.clone();
    for row in second.rows.iter_mut().filter(|row| row.attributes.contains("5x5") || row.attributes.contains("k=5")) {
        if let Some(times) = &mut row.times {
            times.mean_ns *= 3.0;
        }
    }
    let estimators = [Estimator::new(&first), Estimator::new(&second)];
    let [a, b] = estimators.each_ref().map(|estimator| Predictor::new(&space, estimator));
    let predictors = Predictors { first: a, second: Some(b) };
    let (points, _) = front(&predictors, [Axis::Latency, Axis::OtherLatency], SETTINGS);
    let networks = all(&predictors, &space);
    let other = |n: &Network| n.other_ms.unwrap();
    for point in &points {
        let beats = |n: &Network| n.latency_ms < point.latency_ms && other(n) < other(point);
        assert!(!networks.iter().any(beats));
    }
    assert!(!points.is_empty() && points.is_sorted_by(|a, b| other(a) > other(b)));
}
