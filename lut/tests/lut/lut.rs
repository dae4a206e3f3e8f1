//! From a journal to a LUT to predictions, against the known truth of synthetic devices.

use std::io::Write;

use nasprof_graph::LayerKey;
use nasprof_graph::runtime::Runtime;
use nasprof_lut::{
    BatchEstimator, Calibration, Energy, EstimateFlag, Estimator, FileFormat, Flag, Lut, SizeEffect, Source, Times,
    check, from_journal, holdout_networks, parse, read, write,
};
use nasprof_profiler::journal::Event;
use nasprof_profiler::synthetic::network_truth_ns;
use nasprof_spaces::{Space, SpaceSpec};
use nasprof_testkit::luts::{synthetic_events, synthetic_lut};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn small() -> Space {
    let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
        settings = [[24, 3, 1]]\ncandidates = [\"MB3 3x3\", \"MB6 3x3\", \"MB3 5x5\"]\nskip_connect = true\n";
    SpaceSpec::parse(text).unwrap().build("small").unwrap()
}

#[test]
fn predictions_meet_the_truth() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let lut = synthetic_lut(&space, "quiet", 0);
    let estimator = Estimator::new(&lut);
    let mut rng = ChaCha8Rng::seed_from_u64(99);
    for _ in 0..50 {
        let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng)).unwrap();
        let estimate = estimator.estimate(&graph);
        let truth = network_truth_ns(&graph) / 1e6;
        let ms = estimate.latency_ms.unwrap();
        assert!((ms / truth - 1.0).abs() < 0.01, "{ms} for {truth}");
        let [low, high] = estimate.interval_ms.unwrap();
        assert!(low < truth && truth < high);
        assert!((estimate.nodes.iter().map(|n| n.share.unwrap()).sum::<f64>() - 1.0).abs() < 1e-9);
    }
}

/// The timer between layers is in every entry; the calibration takes it out. Without it the estimate is too high.
#[test]
fn the_calibration_removes_the_cost_of_timers() {
    let space = small();
    let lut = synthetic_lut(&space, "quiet", 0);
    let arch = space.sample(&mut ChaCha8Rng::seed_from_u64(1));
    let graph = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
    let truth = network_truth_ns(&graph) / 1e6;
    let with = Estimator::new(&lut).latency_ms(&graph).unwrap();
    let mut bare = lut.clone();
    bare.context.calibration = None;
    let without = Estimator::new(&bare).estimate(&graph);
    assert!((with / truth - 1.0).abs() < (without.latency_ms.unwrap() / truth - 1.0).abs());
    assert!(without.interval_ms.is_none() && without.flags.contains(&EstimateFlag::Uncalibrated));
}

/// A row that is next to nothing of a network does not make its estimate doubtful, however wide its interval is.
#[test]
fn wide_rows_flag_the_estimates_in_which_they_have_weight() {
    let space = small();
    let mut lut = synthetic_lut(&space, "quiet", 0);
    lut.context.calibration.as_mut().unwrap().layer_ns = 0.0;
    let arch = space.sample(&mut ChaCha8Rng::seed_from_u64(1));
    let network = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
    let key = network.keys().next().unwrap();
    let place = lut.rows.iter().position(|row| row.key == *key).unwrap();
    let flagged =
        |lut: &Lut| Estimator::new(lut).estimate(&network).flags.contains(&EstimateFlag::Row(Flag::NotConverged));
    lut.rows.iter_mut().for_each(|row| row.flags.retain(|flag| *flag != Flag::NotConverged));
    assert!(!flagged(&lut));
    lut.rows[place].flags.push(Flag::NotConverged);
    assert!(flagged(&lut), "the first convolution is more than a hundredth of the network");
    let times = lut.rows[place].times.as_mut().unwrap();
    times.mean_ns = 1.0;
    times.reuse.clear();
    assert!(!flagged(&lut));
    // Of other flags each one counts.
    lut.rows[place].flags.push(Flag::Drift);
    assert!(Estimator::new(&lut).estimate(&network).flags.contains(&EstimateFlag::Row(Flag::Drift)));
}

#[test]
fn the_batch_form_equals_the_single_form() {
    let space = small();
    let mut lut = synthetic_lut(&space, "quiet", 0);
    // What a runtime spends on each layer is in both.
    let calibration = lut.context.calibration.as_mut().unwrap();
    calibration.layer_ns = 500.0;
    let estimator = Estimator::new(&lut);
    let batch = BatchEstimator::compile(&space, Runtime::TorchEager, &estimator).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let archs: Vec<_> = (0..100).map(|_| space.sample(&mut rng)).collect();
    let mut scores = Vec::new();
    batch.score_all(&archs, &mut scores).unwrap();
    for (arch, score) in archs.iter().zip(scores) {
        let exact = estimator.mean_latency_ms(&Runtime::TorchEager.subnet(&space.graph, arch).unwrap()).unwrap();
        assert!((score / exact - 1.0).abs() < 1e-12);
    }
}

/// A small space is not measured up: there are networks left to validate with.
#[test]
fn half_of_a_small_space_is_left_to_validate_with() {
    let space = small();
    let all = usize::try_from(space.networks()).unwrap();
    let lut = synthetic_lut(&space, "quiet", 0);
    assert!(all < 60 && lut.context.measured.len() <= all / 2, "{} of {all}", lut.context.measured.len());
    assert!(lut.rows.iter().all(|row| row.times.is_some()));
    let left = all - lut.context.measured.len();
    assert_eq!(holdout_networks(&space, &lut, left, 0).unwrap().networks.len(), left);
    let error = holdout_networks(&space, &lut, left + 1, 0).unwrap_err().to_string();
    assert!(error.contains(&format!("only {left} unmeasured networks")), "{error}");
}

/// They would be measured for nothing.
#[test]
fn networks_that_the_lut_cannot_predict_are_left_out_and_counted() {
    let space = small();
    let mut lut = synthetic_lut(&space, "quiet", 0);
    let whole = holdout_networks(&space, &lut, 10, 3).unwrap();
    assert_eq!(whole.uncovered, 0);
    // A layer that some of these networks have and some have not.
    let predicted = |lut: &Lut| {
        let estimator = Estimator::new(lut);
        let of = |arch| estimator.latency_ms(&Runtime::TorchEager.subnet(&space.graph, arch).unwrap()).is_some();
        whole.networks.iter().filter(|arch| of(arch)).count()
    };
    let without =
        |key: &LayerKey| Lut { rows: lut.rows.iter().filter(|row| row.key != *key).cloned().collect(), ..lut.clone() };
    let rare = lut.rows.iter().map(|row| without(&row.key)).find(|lut| (6..10).contains(&predicted(lut))).unwrap();
    let holdout = holdout_networks(&space, &rare, 10, 3).unwrap();
    assert!(holdout.networks.len() == 10 && holdout.uncovered > 0, "{holdout:?}");
    let estimator = Estimator::new(&rare);
    for arch in &holdout.networks {
        assert!(estimator.latency_ms(&Runtime::TorchEager.subnet(&space.graph, arch).unwrap()).is_some());
    }
    lut.rows.retain(|row| row.op != "linear");
    let error = holdout_networks(&space, &lut, 5, 3).unwrap_err().to_string();
    assert!(error.contains("only 0 unmeasured networks") && error.contains("a layer without an entry"), "{error}");
}

/// A network with a layer that the LUT does not know has no latency: a partial sum would look plausible.
#[test]
fn a_missing_layer_leaves_no_number() {
    let space = small();
    let mut lut = synthetic_lut(&space, "quiet", 0);
    lut.rows.retain(|row| row.op != "linear");
    let arch = space.sample(&mut ChaCha8Rng::seed_from_u64(1));
    let estimate = Estimator::new(&lut).estimate(&Runtime::TorchEager.subnet(&space.graph, &arch).unwrap());
    assert!(estimate.latency_ms.is_none() && estimate.interval_ms.is_none());
    assert!(estimate.coverage < 1.0);
    assert!(BatchEstimator::compile(&space, Runtime::TorchEager, &Estimator::new(&lut)).is_none());
}

/// What all layers do together is no flag of a row: tests of the shape have the controls.
#[test]
fn wandering_machines_flag_no_row() {
    let share = |device: &str, flag: Flag| {
        let luts: Vec<Lut> = (0..5).map(|seed| synthetic_lut(&small(), device, seed)).collect();
        let rows: Vec<bool> = luts.iter().flat_map(|l| &l.rows).map(|r| r.flags.contains(&flag)).collect();
        rows.iter().filter(|f| **f).count() as f64 / rows.len() as f64
    };
    for device in ["wander", "wander-slow"] {
        assert!(share(device, Flag::Drift) <= 0.02, "{device}: {}", share(device, Flag::Drift));
    }
    assert!(share("quiet", Flag::Drift) <= 0.02);
    for device in ["quiet", "sessions"] {
        assert!(share(device, Flag::Inconsistent) <= 0.02, "{device}: {}", share(device, Flag::Inconsistent));
    }
}

#[test]
fn suspicious_entries_are_found() {
    let good = synthetic_lut(&small(), "quiet", 0);
    assert_eq!(check(&good), []);
    let mut lut = good.clone();
    lut.rows[0].times.as_mut().unwrap().mean_ns = 0.0;
    let copied = lut.rows[1].times.clone();
    lut.rows[2].times = copied;
    lut.rows[3].times = None;
    lut.rows[4].key = LayerKey(lut.rows[5].key.0.clone());
    let problems: Vec<String> = check(&lut).into_iter().map(|f| f.problem).collect();
    for part in ["not 0 ms", "copied", "neither times nor an error", "more than once"] {
        assert!(problems.iter().any(|p| p.contains(part)), "{part}: {problems:?}");
    }
}

/// What no measurement can have written is refused with the row and the value: written in no format, and not read. Controls
/// are.
#[test]
fn a_lut_with_impossible_values_is_not_read() {
    let good = synthetic_lut(&small(), "quiet", 0);
    let folder = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut Lut), problem: &str| {
        let mut lut = good.clone();
        change(&mut lut);
        for ending in ["parquet", "csv", "json"] {
            let path = folder.path().join(format!("a.{ending}"));
            let error = write(&lut, &path).unwrap_err().to_string();
            assert!(error.contains("was not written") && error.contains(problem), "{ending}: {error}");
            assert!(!path.exists());
        }
        let error = parse(serde_json::to_vec(&lut).unwrap(), FileFormat::Json).unwrap_err();
        assert!(error.contains(problem), "{error}");
    };
    let of_times = |change: fn(&mut Times)| move |lut: &mut Lut| change(lut.rows[3].times.as_mut().unwrap());
    let key = &good.rows[3].key;
    refused(&of_times(|t| t.mean_ns = 0.0), &format!("row 4 (`{key}`): mean_ns 0 is not a positive number"));
    refused(&of_times(|t| t.mean_ns = -5.0), "mean_ns -5 is not a positive number");
    refused(&of_times(|t| t.p90_ns = Some(-1.0)), "p90_ns -1 is not a number of at least 0");
    refused(&of_times(|t| std::mem::swap(&mut t.ci_low_ns, &mut t.ci_high_ns)), "is above ci_high_ns");
    refused(&of_times(|t| t.sessions_ns[0] = 0.0), "sessions_ns 0 is not");
    refused(&of_times(|t| t.reuse[0].mean_ns = -1.0), "reuse -1 is not");
    refused(&of_times(|t| t.reuse[0].occurrences = 0), "a distance without occurrences");
    refused(&|lut| lut.rows[3].error = Some("boom".to_owned()), "it has both times and the error `boom`");
    refused(&|lut| lut.rows.push(lut.rows[3].clone()), "duplicate key");
    let of_calibration =
        |change: fn(&mut Calibration)| move |lut: &mut Lut| change(lut.context.calibration.as_mut().unwrap());
    refused(&of_calibration(|c| c.scale = -1.0), "its calibration: scale -1 is not a positive number");
    refused(&of_calibration(|c| c.level_half_width = -0.1), "level_half_width -0.1 is not");
    refused(&of_calibration(|c| c.reuse_bandwidth = Some(0.0)), "reuse_bandwidth 0 is not a positive number");
    let of_size = |slope: f64, usual_ns: f64| {
        move |lut: &mut Lut| {
            let effect = SizeEffect { slope, usual_ns, low_ns: 1e6, high_ns: 3e6 };
            lut.context.calibration.as_mut().unwrap().size_effect = Some(effect);
        }
    };
    refused(
        &of_size(1.5, 2e6),
        "size_effect: a slope of 1.5 around 2000000, between 1000000 and 3000000 ns, is impossible",
    );
    refused(&of_size(0.1, 4e6), "size_effect: a slope of 0.1 around 4000000");
    refused(&|lut| lut.context.anchors[1].sum_ns = 0.0, "its anchor 2: sum_ns 0 is not");
    refused(&|lut| lut.context.header.batch = 0, "batch and threads must be at least 1");

    let mut failed = good.clone();
    failed.rows[3].times = None;
    failed.rows[3].error = Some("boom".to_owned());
    failed.context.calibration = None;
    for lut in [&good, &failed] {
        let path = folder.path().join("control.parquet");
        write(lut, &path).unwrap();
        assert_eq!(read(&path).unwrap(), *lut);
    }
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let lut = synthetic_lut(&small(), "quiet", 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    write(&lut, &path).unwrap();
    let mut broken = lut.clone();
    broken.rows[0].times.as_mut().unwrap().mean_ns = f64::NAN;
    // NaN is not JSON: whatever comes of it must not be read back as a number.
    let _ = write(&broken, &path);
    assert!(read(&path).map_or(true, |back| back == lut));
    assert!(write(&lut, &folder.path().join("no/such/folder.json")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn rounds_follow_one_another() {
    let events = synthetic_events(&small(), "quiet", 0);
    assert!(from_journal(&events).is_ok(), "a control");
    for number in [0, 2, u32::MAX] {
        let mut changed = events.clone();
        let first = changed.iter_mut().find_map(|event| match event {
            Event::Round { round, .. } => Some(round),
            _ => None,
        });
        *first.unwrap() = number;
        let error = from_journal(&changed).unwrap_err().to_string();
        assert!(error.contains(&format!("round {number} follows round 0")), "{error}");
    }
}

/// A guest that sees nothing of its clocks cannot see what its host does either, so its level is less certain.
#[test]
fn the_level_is_as_certain_as_what_is_seen_of_the_clocks() {
    let events = synthetic_events(&small(), "quiet", 0);
    let half_width = |governor: &str| {
        let mut events = events.clone();
        for event in &mut events {
            if let Event::Session { fingerprint, .. } = event {
                fingerprint.facts.insert("governor".to_owned(), governor.to_owned());
            }
        }
        from_journal(&events).unwrap().context.calibration.unwrap().level_half_width
    };
    let (seen, unseen) = (half_width("schedutil"), half_width("not observable"));
    assert!(unseen > 0.3 && seen < 0.2, "{unseen} {seen}");
}

/// The size effect had four slopes once. For networks that grow in all costs together it is the same as one slope that is
/// their sum.
#[test]
fn a_size_effect_of_an_older_version_is_read() {
    let lut = synthetic_lut(&Space::builtin("mobilenet-cifar10").unwrap(), "crowded", 0);
    let mut whole = serde_json::to_value(&lut).unwrap();
    let slope = |slope: f64| serde_json::json!({"slope": slope, "usual": 2.0, "low": 1.0, "high": 3.0});
    whole["context"]["calibration"]["size_effect"] = serde_json::json!(
        {"params": slope(0.02), "macs": slope(0.05), "bytes": slope(-0.01), "layers": slope(0.04)}
    );
    let read = |lut: &serde_json::Value| parse(serde_json::to_vec(lut).unwrap(), FileFormat::Json);
    // Control: in a file of this version it is damage.
    assert!(read(&whole).unwrap_err().contains("size_effect: a slope of 0.1"), "{:?}", read(&whole));
    whole["context"]["format_version"] = 3.into();
    let effect = read(&whole).unwrap().context.calibration.unwrap().size_effect.unwrap();
    let fitted = lut.context.calibration.unwrap().size_effect.unwrap();
    assert!((effect.slope - 0.1).abs() < 1e-12, "{effect:?}");
    assert!((effect.usual_ns / fitted.usual_ns - 1.0).abs() < 0.05, "{effect:?} {fitted:?}");
    assert!(effect.low_ns < effect.usual_ns && effect.usual_ns < effect.high_ns);
    whole["context"]["anchors"] = serde_json::json!([]);
    assert!(read(&whole).is_err(), "around nothing");
}

/// Every number of a LUT has a bound: a larger one is neither written nor read.
#[test]
fn every_number_of_a_lut_has_a_bound() {
    let mut lut = synthetic_lut(&small(), "quiet", 0);
    lut.rows.truncate(2);
    let times = lut.rows[0].times.as_mut().unwrap();
    times.reuse.truncate(1);
    lut.context.calibration.as_mut().unwrap().size_effect =
        Some(SizeEffect { slope: 0.1, usual_ns: 2e6, low_ns: 1e6, high_ns: 3e6 });
    lut.rows[0].stored_bytes = Some(1);
    lut.rows[0].energy = Some(Energy {
        energy_mj: 2.0,
        energy_low_mj: 1.0,
        energy_high_mj: 3.0,
        energy_idle_mj: 0.5,
        energy_resolution_mj: 0.1,
        energy_method: "made up".to_owned(),
    });
    let whole = serde_json::to_value(&lut).unwrap();
    assert_eq!(parse(serde_json::to_vec(&whole).unwrap(), FileFormat::Json).unwrap(), lut, "a control");
    let mut numbers = Vec::new();
    paths_of_numbers(&whole, &mut String::new(), &mut numbers);
    // Kept as they are, and computed with nowhere.
    let free = ["/context/header/seed", "/context/header/cores", "/context/measured", "/context/anchors/0/arch"];
    numbers.retain(|path| !free.iter().any(|free| path.starts_with(free)));
    for needed in ["/rows/0/macs", "/rows/0/first_call_ns", "/rows/0/stored_bytes", "/rows/0/energy/energy_mj"] {
        assert!(numbers.iter().any(|path| path == needed), "{needed} is not looked at: {numbers:?}");
    }
    for path in numbers {
        for huge in [serde_json::json!(1_u64 << 63), serde_json::json!(u64::MAX), serde_json::json!(1e300)] {
            let mut changed = whole.clone();
            *changed.pointer_mut(&path).unwrap() = huge.clone();
            let bytes = serde_json::to_vec(&changed).unwrap();
            assert!(parse(bytes.clone(), FileFormat::Json).is_err(), "{path} = {huge} is read");
            if let Ok(lut) = serde_json::from_slice::<Lut>(&bytes) {
                let folder = tempfile::tempdir().unwrap();
                assert!(write(&lut, &folder.path().join("a.parquet")).is_err(), "{path} = {huge} is written");
            }
        }
    }
}

fn paths_of_numbers(value: &serde_json::Value, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    let mut inside = |name: String, value| {
        path.push_str(&format!("/{name}"));
        paths_of_numbers(value, path, found);
        path.truncate(length);
    };
    match value {
        serde_json::Value::Object(all) => all.iter().for_each(|(name, value)| inside(name.clone(), value)),
        // One of a list stands for all.
        serde_json::Value::Array(all) => all.iter().take(1).for_each(|value| inside("0".to_owned(), value)),
        serde_json::Value::Number(_) => found.push(path.clone()),
        _ => {}
    }
}

/// What is read back as a LUT, and is another one, with one bit of every `step`th byte of a Parquet file flipped.
fn other_luts_by_damage(bytes: &[u8], lut: &Lut, step: usize) -> usize {
    let is_other = |i: &usize| {
        let mut damaged = bytes.to_vec();
        damaged[*i] ^= 1 << (i % 8);
        parse(damaged, FileFormat::Parquet).is_ok_and(|read| read != *lut)
    };
    (0..bytes.len()).step_by(step).filter(is_other).count()
}

#[test]
fn a_flipped_bit_is_never_another_latency() {
    let mut lut = synthetic_lut(&small(), "quiet", 0);
    lut.rows.truncate(4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write(&lut, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(other_luts_by_damage(&bytes, &lut, 5), 0);
    // No bit of the checksum's name makes it a file that never had one.
    let name = b"nasprof_sha256";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    for bit in 0..name.len() * 8 {
        let mut renamed = bytes.clone();
        renamed[at + bit / 8] ^= 1 << (bit % 8);
        assert!(parse(renamed, FileFormat::Parquet).is_err(), "bit {bit}");
    }
    // The control: in files of version 1, which may lack a checksum, some flips go unnoticed.
    let results = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../benchmarks/results");
    let older = std::fs::read(results.join("2026-11-24-2-core-vm-search/fashion-mnist/lut.parquet")).unwrap();
    let lut = parse(older.clone(), FileFormat::Parquet).unwrap();
    assert!(other_luts_by_damage(&older, &lut, 331) > 0);
    // Written again, it has one.
    write(&lut, &path).unwrap();
    assert_eq!(read(&path).unwrap(), lut);
    assert_eq!(other_luts_by_damage(&std::fs::read(&path).unwrap(), &lut, 331), 0);
}

/// The size that a page's header says is held against the bytes that are there before anything is allocated for it.
#[test]
fn a_page_with_a_false_size_is_refused_before_it_is_read() {
    let mut lut = synthetic_lut(&small(), "quiet", 0);
    lut.rows.truncate(4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write(&lut, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    // Behind the magic bytes is the first page: field 1 its type, field 2 its size after decompression.
    assert_eq!((bytes[4], bytes[6]), (0x15, 0x15));
    let varint = bytes[7..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let sized = |size: &[u8]| {
        let mut changed = bytes.clone();
        changed.splice(7..7 + varint, size.iter().copied());
        // The size takes as many bytes as before: nothing moves.
        assert_eq!(changed.len(), bytes.len());
        parse(changed, FileFormat::Parquet).unwrap_err()
    };
    assert!(parse(bytes.clone(), FileFormat::Parquet).is_ok(), "a control");
    let largest = [vec![0xfe], vec![0xff; varint - 2], vec![0x7f]].concat();
    let error = sized(&largest);
    assert!(error.contains("declares") && error.contains("uncompressed bytes"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Damaged files are refused or read, and never panic.
    #[test]
    fn damaged_files_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        static LUT: std::sync::OnceLock<Lut> = std::sync::OnceLock::new();
        let lut = LUT.get_or_init(|| synthetic_lut(&small(), "quiet", 0));
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.parquet", "a.csv", "a.json"] {
            let path = folder.path().join(name);
            write(lut, &path).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            let index = at.index(bytes.len());
            if cut { bytes.truncate(index) } else { bytes[index] = byte }
            std::fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
            let _ = read(&path);
        }
    }
}

/// A layer between measured ones of its kind is interpolated, and says so; the interval is wide enough for the truth.
#[test]
fn a_layer_between_measured_ones_is_interpolated() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let lut = synthetic_lut(&space, "quiet", 0);
    let arch = space.sample(&mut ChaCha8Rng::seed_from_u64(1));
    let graph = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
    let exact = Estimator::new(&lut).estimate(&graph);
    let without = |gone: &dyn Fn(&str) -> bool| {
        let mut less = lut.clone();
        less.rows.retain(|row| !gone(row.key.as_str()));
        assert!(less.rows.len() < lut.rows.len());
        Estimator::new(&less).estimate(&graph)
    };
    let relus: Vec<&str> = exact.nodes.iter().map(|n| n.key.as_str()).filter(|k| k.starts_with("relu6")).collect();
    let one = relus[relus.len() / 2].to_owned();
    let estimate = without(&|key| key == one);
    assert_eq!(estimate.nodes.iter().filter(|n| n.source == Source::Interpolated).count(), {
        exact.nodes.iter().filter(|n| n.key.as_str() == one).count()
    });
    assert!(estimate.coverage < 1.0 && estimate.flags.contains(&EstimateFlag::Interpolated));
    let width = |e: &nasprof_lut::Estimate| e.interval_ms.unwrap()[1] / e.interval_ms.unwrap()[0];
    assert!(width(&estimate) > width(&exact));
    let truth = network_truth_ns(&graph) / 1e6;
    let [low, high] = estimate.interval_ms.unwrap();
    assert!(low < truth && truth < high);
    // Controls: nothing is said beyond the largest measured layer, nor from two of a kind.
    assert!(without(&|key| key == "relu6()[1280x4x4]" || key == "relu6()[192x16x16]").latency_ms.is_none());
    let kept = ["relu6()[1280x4x4]", "relu6()[96x4x4]"];
    assert!(without(&|key| key.starts_with("relu6") && !kept.contains(&key)).latency_ms.is_none());
}
