//! Merging LUTs: one context only, nothing twice, nothing more certain than its parts.

use nasprof_graph::Arch;
use nasprof_graph::runtime::Runtime;
use nasprof_lut::{Estimator, Flag, Lut, MergeError, Row, from_journal, merge, read, write};
use nasprof_profiler::journal::Event;
use nasprof_profiler::synthetic::SyntheticDevice;
use nasprof_spaces::{Space, SpaceSpec};
use nasprof_testkit::luts::{synthetic_events, synthetic_lut};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn space_of(candidates: &str, name: &str) -> Space {
    let text = format!(
        "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
         settings = [[24, 3, 1]]\ncandidates = [{candidates}]\nskip_connect = true\n"
    );
    SpaceSpec::parse(&text).unwrap().build(name).unwrap()
}

fn small() -> Space {
    space_of("\"MB3 3x3\", \"MB6 3x3\", \"MB3 5x5\"", "small")
}

fn row<'a>(lut: &'a Lut, like: &Row) -> &'a Row {
    lut.rows.iter().find(|row| row.key == like.key).unwrap()
}

/// All times a factor apart, as from a machine in another mood.
fn slower(mut lut: Lut, factor: f64) -> Lut {
    for times in lut.rows.iter_mut().filter_map(|row| row.times.as_mut()) {
        times.mean_ns *= factor;
        times.sessions_ns.iter_mut().for_each(|ns| *ns *= factor);
        times.ci_low_ns = times.ci_low_ns.map(|ns| ns * factor);
        times.ci_high_ns = times.ci_high_ns.map(|ns| ns * factor);
        times.reuse.iter_mut().for_each(|point| point.mean_ns *= factor);
    }
    for anchor in &mut lut.context.anchors {
        anchor.sum_ns *= factor;
        anchor.sessions_ns.iter_mut().for_each(|ns| *ns *= factor);
    }
    lut
}

#[test]
fn sessions_are_pooled_and_intervals_never_narrow() {
    let [a, b] = [0, 1].map(|seed| synthetic_lut(&small(), "sessions", seed));
    let merged = merge(&[a.clone(), b.clone()]).unwrap();
    assert_eq!(merged.lut.rows.len(), a.rows.len());
    assert_eq!(merged.lut.context.sessions.len(), 4);
    for merged in &merged.lut.rows {
        let parts = [row(&a, merged), row(&b, merged)];
        let times = merged.times.as_ref().unwrap();
        let [x, y] = parts.map(|row| row.times.as_ref().unwrap());
        assert_eq!(times.sessions_ns, [x.sessions_ns.clone(), y.sessions_ns.clone()].concat());
        assert!((times.mean_ns - 0.5 * (x.mean_ns + y.mean_ns)).abs() < 1e-9 * times.mean_ns);
        let width = |t: &nasprof_lut::Times| t.ci_high_ns.unwrap() - t.ci_low_ns.unwrap();
        assert!(width(times) >= width(x).max(width(y)));
        assert!(times.ci_low_ns <= x.ci_low_ns && times.ci_high_ns >= y.ci_high_ns);
        assert_eq!(times.n_samples, x.n_samples + y.n_samples);
        let ordered = [times.min_ns, times.p10_ns, times.p25_ns, times.p75_ns, times.p90_ns].map(Option::unwrap);
        assert!(ordered.is_sorted(), "{ordered:?}");
        let between = |q: fn(&nasprof_lut::Times) -> Option<f64>| {
            let (low, high) = (q(x).unwrap().min(q(y).unwrap()), q(x).unwrap().max(q(y).unwrap()));
            (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(&q(times).unwrap())
        };
        assert!(between(|t| t.p25_ns) && between(|t| t.p75_ns) && between(|t| t.p90_ns));
        assert!(parts.iter().all(|part| part.flags.iter().all(|flag| merged.flags.contains(flag))));
    }
    let [x, y, all] = [&a, &b, &merged.lut].map(|lut| lut.context.calibration.clone().unwrap());
    assert!(all.shape_half_width >= x.shape_half_width.max(y.shape_half_width));
    assert!(all.level_half_width >= x.level_half_width.max(y.level_half_width));
    assert!((all.scale.ln() - 0.5 * (x.scale.ln() + y.scale.ln())).abs() < 1e-12);
}

/// What the parts say of the size of networks is averaged; a part that says nothing says that it does nothing.
#[test]
fn slopes_are_the_mean_of_the_parts() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let [a, b] = [0, 1].map(|seed| synthetic_lut(&space, "crowded", seed));
    let effect = |lut: &Lut| lut.context.calibration.as_ref().unwrap().size_effect.unwrap();
    let both = merge(&[a.clone(), b.clone()]).unwrap().lut;
    assert!((effect(&both).slope - 0.5 * (effect(&a).slope + effect(&b).slope)).abs() < 1e-12);
    // The parts' levels differ by little: the ends of both are near those of the merged rows.
    assert!((effect(&both).low_ns / effect(&a).low_ns.min(effect(&b).low_ns) - 1.0).abs() < 0.05);
    let mut silent = b;
    silent.context.calibration.as_mut().unwrap().size_effect = None;
    let half = merge(&[a.clone(), silent]).unwrap().lut;
    assert!((effect(&half).slope - 0.5 * effect(&a).slope).abs() < 1e-12);
}

#[test]
fn the_order_does_not_matter_and_the_file_keeps_where_it_came_from() {
    let luts: Vec<Lut> = (0..3).map(|seed| synthetic_lut(&small(), "quiet", seed)).collect();
    let merged = merge(&luts).unwrap().lut;
    let reversed: Vec<Lut> = luts.iter().rev().cloned().collect();
    assert_eq!(merged, merge(&reversed).unwrap().lut);
    let seeds: Vec<u64> = merged.context.parts.iter().map(|part| part.header.seed).collect();
    assert_eq!(seeds, [0, 1, 2]);
    // Merged step by step it has the same parts.
    let first = merge(&luts[..2]).unwrap().lut;
    assert_eq!(merge(&[first, luts[2].clone()]).unwrap().lut.context.parts, merged.context.parts);
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.parquet", "a.csv", "a.json"] {
        let path = folder.path().join(name);
        write(&merged, &path).unwrap();
        assert_eq!(read(&path).unwrap(), merged, "{name}");
    }
    assert!(merged.context.measured.len() > luts[0].context.measured.len());
}

#[test]
fn other_contexts_and_the_same_measurement_are_refused() {
    let space = small();
    let a = synthetic_lut(&space, "quiet", 0);
    let b = synthetic_lut(&space, "quiet", 1);
    assert_eq!(merge(&[]).unwrap_err(), MergeError::TooFew);
    assert_eq!(merge(std::slice::from_ref(&a)).unwrap_err(), MergeError::TooFew);
    assert_eq!(merge(&[a.clone(), b.clone(), a.clone()]).unwrap_err(), MergeError::Twice { first: 1, number: 3 });
    let both = merge(&[a.clone(), b.clone()]).unwrap().lut;
    assert_eq!(merge(&[both, b.clone()]).unwrap_err(), MergeError::Twice { first: 1, number: 2 });
    let refused = |change: fn(&mut Lut)| {
        let mut other = b.clone();
        change(&mut other);
        merge(&[a.clone(), other]).unwrap_err().to_string()
    };
    assert!(refused(|lut| lut.context.header.batch = 8).contains("batch is `1` in one and `8` in the other"));
    assert!(refused(|lut| lut.context.header.threads = 2).contains("threads is `1`"));
    assert!(refused(|lut| lut.context.header.device = "board".to_owned()).contains("device"));
    let fact = refused(|lut| drop(lut.context.facts.insert("runtime_version".to_owned(), "9".to_owned())));
    assert!(fact.contains("runtime_version"), "{fact}");
    let damaged = refused(|lut| lut.rows[3].params += 1);
    assert!(damaged.contains("disagree on the parameters"), "{damaged}");
    // Control: what differs from one measurement to the next is no other context.
    let mut other = b.clone();
    (other.context.header.ci, other.context.header.max_rounds) = (0.01, 27);
    assert!(merge(&[a, other]).is_ok());
}

/// A journal that was cut makes a LUT of one of its two sessions: merged with the whole one, that session would count twice.
#[test]
fn a_session_that_two_luts_share_is_found_however_it_was_computed() {
    let events = synthetic_events(&small(), "quiet", 5);
    let end = events.iter().position(|event| matches!(event, Event::SessionEnd { .. })).unwrap();
    let (whole, mut cut) = (from_journal(&events).unwrap(), from_journal(&events[..=end]).unwrap());
    assert_eq!((whole.context.sessions.len(), cut.context.sessions.len()), (2, 1));
    let other = synthetic_lut(&small(), "quiet", 1);
    let twice = |luts: &[Lut]| match merge(luts) {
        Err(MergeError::Twice { first, number }) => Some((first, number)),
        other => other.map(|_| None).unwrap(),
    };
    assert_eq!(twice(&[other.clone(), whole.clone(), cut.clone()]), Some((2, 3)));
    // As another version would count it.
    cut.context.sessions[0].voided += 1;
    assert_eq!(twice(&[whole.clone(), cut.clone()]), Some((1, 2)));
    // Control: the same settings on another day are another measurement.
    cut.context.sessions[0].digest = Some("0".repeat(16));
    assert_eq!(twice(&[whole.clone(), cut]), None);
    // Older versions wrote no digest: equal statistics have to do.
    let mut old = whole.clone();
    old.context.sessions.iter_mut().for_each(|session| session.digest = None);
    assert_eq!(twice(&[old, whole.clone()]), Some((1, 2)));
    assert_eq!(twice(&[other, whole]), None);
}

#[test]
fn every_network_that_was_measured_whole_has_its_time_in_merged_luts_too() {
    let (space, other) = (small(), space_of("\"MB3 5x5\", \"MB6 5x5\"", "other"));
    let identity = space.graph.identity();
    let [lut, again] = [0, 1].map(|seed| synthetic_lut(&space, "quiet", seed));
    let known = lut.measured(&identity);
    assert!(known.len() == lut.context.measured.len() && known.len() > lut.context.anchors.len(), "{}", known.len());
    let device = SyntheticDevice::named("quiet").unwrap();
    for (arch, network) in &known {
        let graph = Runtime::TorchEager.subnet(&space.graph, arch).unwrap();
        let truth_ms = device.truth_ns(graph.graph()).unwrap() / 1e6;
        assert!((network.ms / truth_ms - 1.0).abs() < 0.02 && network.sessions == 2, "{network:?} {truth_ms}");
    }
    // Another measurement of the space: more networks, and more sessions of those in both.
    let both = merge(&[lut.clone(), again.clone()]).unwrap().lut;
    let pooled = both.measured(&identity);
    assert!(pooled.len() > known.len() && pooled.len() < known.len() + again.context.measured.len());
    assert!(known.keys().all(|arch| pooled.contains_key(*arch)) && pooled.values().any(|n| n.sessions == 4));
    // Across spaces each network stays one of its own space.
    let across = merge(&[lut.clone(), synthetic_lut(&other, "quiet", 0)]).unwrap().lut;
    assert_eq!(across.measured(&identity), known);
    assert!(!across.measured(&other.graph.identity()).is_empty());
    assert!(lut.measured(&other.graph.identity()).is_empty());
    // A part keeps what it said of itself.
    let said: Vec<_> = both.context.parts.iter().map(|part| (&part.reconciliation, &part.precision)).collect();
    assert!(said.contains(&(&lut.context.reconciliation, &lut.context.precision)) && said[0].0.is_some());
    // Older versions kept the anchors only.
    let mut old = lut.clone();
    old.context.networks.clear();
    assert_eq!(old.measured(&identity).len(), lut.context.anchors.len());
    let both = merge(&[old.clone(), again]).unwrap().lut;
    let pooled = both.measured(&identity);
    assert!(old.context.anchors.iter().all(|anchor| pooled.contains_key(&anchor.arch)));
}

#[test]
fn what_the_parts_disagree_on_is_said() {
    let space = small();
    let [a, mut b] = [0, 1].map(|seed| synthetic_lut(&space, "quiet", seed));
    // Control: they agree, at another level as well.
    assert_eq!(merge(&[a.clone(), b.clone()]).unwrap().conflicts, []);
    assert_eq!(merge(&[a.clone(), slower(b.clone(), 1.04)]).unwrap().conflicts, []);
    let wrong = b.rows[2].times.as_mut().unwrap();
    wrong.mean_ns *= 1.3;
    wrong.sessions_ns.iter_mut().for_each(|ns| *ns *= 1.3);
    b.rows[4].times = None;
    b.rows[4].error = Some("no kernel".to_owned());
    let merged = merge(&[a.clone(), b.clone()]).unwrap();
    let conflicts: Vec<String> = merged.conflicts.iter().map(|c| format!("{}: {}", c.key, c.problem)).collect();
    assert_eq!(conflicts.len(), 2, "{conflicts:?}");
    assert!(
        conflicts.iter().any(|s| s.starts_with(b.rows[2].key.as_str()) && s.contains("differ by 30 %")),
        "{conflicts:?}"
    );
    assert!(
        conflicts.iter().any(|s| s.starts_with(b.rows[4].key.as_str()) && s.contains("no kernel")),
        "{conflicts:?}"
    );
    for i in [2, 4] {
        assert!(merged.lut.rows[i].flags.contains(&Flag::Inconsistent));
    }
}

/// Estimates from merged LUTs lie between those of the parts, and their interval holds both.
#[test]
fn estimates_cover_both_levels() {
    let space = small();
    let a = synthetic_lut(&space, "quiet", 0);
    let b = slower(synthetic_lut(&space, "quiet", 1), 1.2);
    let merged = merge(&[a.clone(), b.clone()]).unwrap().lut;
    let arch = space.sample(&mut ChaCha8Rng::seed_from_u64(5));
    let graph = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
    let estimate = |lut: &Lut| Estimator::new(lut).estimate(&graph);
    let [low, high, all] = [&a, &b, &merged].map(estimate);
    let [low_ms, high_ms] = [low.latency_ms.unwrap(), high.latency_ms.unwrap()];
    let ms = all.latency_ms.unwrap();
    assert!(low_ms < ms && ms < high_ms, "{low_ms} {ms} {high_ms}");
    let [start, end] = all.interval_ms.unwrap();
    assert!(start < low_ms && high_ms < end, "{start} {low_ms} {high_ms} {end}");
    // An anchor's estimate is at the merged level too.
    let anchor = &merged.context.anchors[0].arch;
    let graph = Runtime::TorchEager.subnet(&space.graph, anchor).unwrap();
    let estimator = Estimator::new(&merged);
    let ratio = estimator.anchor_ms(anchor).unwrap() / estimator.latency_ms(&graph).unwrap();
    assert!((ratio - 1.0).abs() < 0.03, "{ratio}");
}

#[test]
fn spaces_of_one_device_make_one_table() {
    let spaces = [small(), space_of("\"MB6 7x7\"", "other")];
    let [a, b] = [0, 1].map(|i: usize| synthetic_lut(&spaces[i], "quiet", i as u64));
    let merged = merge(&[a.clone(), b.clone()]).unwrap().lut;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for space in &spaces {
        let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng)).unwrap();
        let estimate = Estimator::new(&merged).estimate(&graph);
        assert_eq!(estimate.coverage, 1.0, "{}", space.name);
        merged.check_space(&space.name, &space.graph.identity()).unwrap();
    }
    // Control: neither alone knows the other's layers, nor serves its space; a third space is refused.
    let graph = Runtime::TorchEager.subnet(&spaces[1].graph, &Arch(vec![0; spaces[1].choices.len()])).unwrap();
    assert!(Estimator::new(&a).estimate(&graph).coverage < 1.0);
    assert!(a.check_space("other", &spaces[1].graph.identity()).is_err());
    let third = space_of("\"MB3 7x7\"", "third");
    assert!(merged.check_space("third", &third.graph.identity()).is_err());
    // The content tells, not the name: another network is none of theirs under any name, and one of theirs is under each.
    assert!(merged.check_space("other", &third.graph.identity()).is_err());
    merged.check_space("renamed", &spaces[0].graph.identity()).unwrap();
    // Anchors of one space are no networks of another.
    assert!(merged.context.anchors.is_empty());
}

/// A LUT of an older version names the same space by another digest: it serves the space, and is merged as one of it.
#[test]
fn luts_of_older_versions_are_of_the_same_space() {
    let space = small();
    let identity = space.graph.identity();
    let [new, mut old] = [0, 1].map(|seed| synthetic_lut(&space, "quiet", seed));
    old.context.header.space_digest = older_digest(&space.graph);
    old.check_space(&space.name, &identity).unwrap();
    // Control: any other digest is another space's.
    let mut foreign = old.clone();
    foreign.context.header.space_digest = "0123456789abcdef".to_owned();
    let refused = foreign.check_space(&space.name, &identity).unwrap_err().to_string();
    assert!(refused.contains("0123456789abcdef"), "{refused}");

    // Without the space nothing says that they are one: networks of the whole are left out.
    assert!(merge(&[new.clone(), old.clone()]).unwrap().lut.context.anchors.is_empty());
    old.renew_digests(|name| (name == space.name).then(|| identity.clone()));
    foreign.renew_digests(|_| Some(identity.clone()));
    assert_eq!(old.context.header.space_digest, new.context.header.space_digest);
    assert_ne!(foreign.context.header.space_digest, new.context.header.space_digest);
    assert!(!merge(&[new, old]).unwrap().lut.context.anchors.is_empty());
}

/// As versions before SHA-256 made it: FNV-1a of what `{:?}` prints.
fn older_digest(graph: &nasprof_graph::Graph) -> String {
    let text = format!("{:?}", (graph.nodes(), graph.outputs()));
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// A LUT of which no network was compared with the sum of its layers says nothing of its networks' errors; merged with one that
/// does, it still says nothing.
#[test]
fn a_part_without_a_calibration_gains_no_interval() {
    let space = small();
    let [a, b] = [0, 1].map(|seed| synthetic_lut(&space, "quiet", seed));
    // Control: two that have one.
    assert!(merge(&[a.clone(), b.clone()]).unwrap().lut.context.calibration.is_some());
    let mut model = b;
    model.context.calibration = None;
    assert_eq!(merge(&[a, model]).unwrap().lut.context.calibration, None);
}
