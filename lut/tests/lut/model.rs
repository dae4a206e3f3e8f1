//! Profiles of models: their file, imported ones, and comparisons.

use std::collections::BTreeMap;
use std::fs;

use nasprof_lut::{
    Format, ImportSettings, Likeness, LutError, Measured, TimeDiff, import_profile, model_diff, model_of, parse_model,
    read, read_measured, write, write_model,
};
use nasprof_profiler::journal::Mode;
use nasprof_profiler::model_profile::{ModelProfile, ModelTime, ProfiledKernel, ProfiledSession};
use serde_json::{Value, json};

fn kernel(name: &str, operator: &str, input: &str) -> ProfiledKernel {
    ProfiledKernel {
        name: name.to_owned(),
        operator: operator.to_owned(),
        provider: "CPUExecutionProvider".to_owned(),
        inputs: if input.is_empty() { Vec::new() } else { vec![input.to_owned()] },
        outputs: Vec::new(),
        parameter_bytes: Some(8),
    }
}

/// Kernels with these milliseconds in three sessions that differ by 1 %.
fn profile(kernels: &[(ProfiledKernel, f64)], whole: Option<f64>) -> ModelProfile {
    let session = |factor: f64| ProfiledSession {
        kernels: kernels.iter().map(|(_, ms)| ms * 1e6 * factor).collect(),
        whole: whole.map(|ms| ms * 1e6 * factor),
    };
    let sessions = [session(0.99), session(1.0), session(1.01)];
    let kernels = kernels.iter().map(|(kernel, _)| kernel.clone()).collect();
    ModelProfile::of(kernels, BTreeMap::new(), vec!["x: float 1x3".to_owned()], &sessions)
}

fn conv_and_gemm() -> ModelProfile {
    profile(&[(kernel("a", "Conv", "1x3x8x8"), 0.5), (kernel("b", "Gemm", "1x64"), 0.25)], Some(0.8))
}

fn as_json(profile: &ModelProfile) -> Value {
    serde_json::to_value(profile).unwrap()
}

fn parse(value: &Value) -> Result<ModelProfile, String> {
    parse_model(&serde_json::to_vec(value).unwrap())
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    let profile = conv_and_gemm();
    write_model(&profile, &path).unwrap();
    assert_eq!(read_measured(&path).unwrap(), Measured::Model(Box::new(profile.clone())));
    assert!(matches!(read(&path), Err(LutError::Model { .. })));
    // Half of it is neither a profile nor a LUT.
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert!(matches!(read_measured(&path), Err(LutError::Format { .. })));
    // A profile that cannot be right is not written, and what was there stays.
    let wrong = ModelProfile { timed_sum_ms: f64::NAN, ..profile };
    assert!(matches!(write_model(&wrong, &path), Err(LutError::Unwritable { .. })));
    assert_eq!(fs::read(&path).unwrap(), text[..text.len() / 2]);
}

/// The first version wrote neither a version nor what was measured.
#[test]
fn a_file_of_an_older_version_is_read() {
    let mut value = as_json(&conv_and_gemm());
    let object = value.as_object_mut().unwrap();
    ["format_version", "subject", "sessions"].iter().for_each(|key| drop(object.remove(*key)));
    let read = parse(&value).unwrap();
    assert_eq!((read.format_version, read.subject.model.as_str(), read.sessions), (1, "", 0));
    assert_eq!(read.kernels, conv_and_gemm().kernels);
    value["format_version"] = json!(99);
    assert!(parse(&value).unwrap_err().contains("format_version 99"));
}

/// The control is that the profile itself is read.
#[test]
fn what_no_measurement_can_have_given_is_refused() {
    let good = as_json(&conv_and_gemm());
    parse(&good).unwrap();
    for (pointer, value, naming) in [
        ("/kernels/0/ms", json!(-1.0), "not a time"),
        ("/kernels/0/ms", json!(1e300), "not a time"),
        ("/kernels/0/ms", json!(0.6), "kernel `a`"),
        ("/kernels/0/share", json!(0.9), "share"),
        ("/kernels/0/interval_ms", json!([0.6, 0.7]), "does not contain"),
        ("/kernels/1/parameter_bytes", json!(u64::MAX), "parameter_bytes"),
        ("/whole/ms", json!(80.0), "interval_ms"),
        ("/sum_error", json!(0.5), "sum_error"),
        ("/sum_error", json!(null), "no sum_error"),
        ("/whole", json!(null), "no plain run"),
        ("/timer_ns", json!(-1.0), "timer_ns"),
        ("/first_ms", json!(1e300), "first_ms"),
        ("/peak_bytes", json!(u64::MAX), "peak_bytes"),
        ("/facts", json!([]), "invalid type"),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).unwrap() = value.clone();
        let problem = parse(&wrong).expect_err(pointer);
        assert!(problem.contains(naming), "{pointer} {value}: {problem}");
    }
    let mut more = good;
    more["rows"] = json!([]);
    assert!(parse(&more).unwrap_err().contains("rows"));
}

fn settings(format: Format) -> ImportSettings {
    ImportSettings {
        format,
        file: "profile.json".to_owned(),
        unit: None,
        device: "jetson".to_owned(),
        space: ("net".to_owned(), String::new()),
        mode: Mode::Isolated,
        threads: 1,
        batch: 1,
        allow_suspicious: true,
    }
}

const TRTEXEC: &str = r#"[{"count": 100}, {"name": "Conv_0 + Relu_0", "averageMs": 0.25}, {"name": "Gemm_1", "averageMs": 0.75},
    {"name": "Shuffle_2", "averageMs": 0}]"#;

#[test]
fn an_imported_profile_is_one_and_a_table_of_blocks_is_none() {
    let lut = import_profile(TRTEXEC, &settings(Format::Trtexec)).unwrap().lut;
    let model = model_of(&lut).unwrap();
    let shares: Vec<(&str, f64)> = model.kernels.iter().map(|part| (part.kernel.name.as_str(), part.share)).collect();
    assert_eq!(shares, [("Conv_0 + Relu_0", 0.25), ("Gemm_1", 0.75)]);
    assert_eq!(
        (model.failed, model.whole, model.kernels[0].time.interval_ms),
        (vec!["Shuffle_2".to_owned()], None, None)
    );
    assert_eq!((model.subject.device.as_str(), model.facts["profile_format"].as_str()), ("jetson", "trtexec"));
    // From its file as well, whatever the ending.
    let folder = tempfile::tempdir().unwrap();
    for ending in ["parquet", "csv", "json"] {
        let path = folder.path().join(format!("net.{ending}"));
        write(&lut, &path).unwrap();
        assert!(matches!(read_measured(&path).unwrap(), Measured::Model(_)), "{ending}");
        assert!(read(&path).is_ok(), "{ending}");
    }
    // It is of no space.
    let space = nasprof_spaces::Space::builtin("mobilenet-cifar10").unwrap();
    let problem = lut.check_space(&space.name, &space.graph.identity()).unwrap_err().to_string();
    assert!(problem.contains("profile of the model `net`"), "{problem}");

    let blocks = "{'op_name': 'k3', 'op_data_shape': (8, 8, 16, 16, 1), 'op_dtype': 'float32', 'op_latency': 0.12}";
    let unit = Some(nasprof_lut::Unit::Milliseconds);
    let lut = import_profile(blocks, &ImportSettings { unit, ..settings(Format::NniFbnet) }).unwrap().lut;
    assert_eq!(model_of(&lut), None);
}

#[test]
fn kernels_are_found_by_name_and_by_what_they_compute() {
    let before = profile(
        &[
            (kernel("a", "Conv", "1x3x8x8"), 1.0),
            (kernel("reorder_1", "Reorder", "8"), 1.0),
            (kernel("reorder_2", "Reorder", "4"), 2.0),
            (kernel("b", "Conv", "1x8x8x8"), 1.0),
            (kernel("gone", "Relu", "1x8"), 1.0),
        ],
        None,
    );
    let after = profile(
        &[
            (kernel("a", "Conv", "1x3x8x8"), 4.0),
            (kernel("b", "FusedConv", "1x8x8x8"), 0.5),
            (kernel("reorder", "Reorder", "4"), 2.0),
            (kernel("reorder_2", "Reorder", "8"), 1.0),
            (kernel("new", "Sigmoid", "1x8"), 3.0),
        ],
        None,
    );
    let diff = model_diff(&before, &after);
    let found: Vec<(&str, &str, Likeness)> =
        diff.kernels.iter().map(|k| (k.name.as_str(), k.after_name.as_str(), k.likeness)).collect();
    // The largest difference in time first.
    assert_eq!(found[..2], [("a", "a", Likeness::All), ("b", "b", Likeness::Name)]);
    assert!(found.contains(&("reorder_1", "reorder_2", Likeness::Work)), "{found:?}");
    assert!(found.contains(&("reorder_2", "reorder", Likeness::Work)), "{found:?}");
    let names = |parts: &[nasprof_profiler::model_profile::KernelPart]| {
        parts.iter().map(|part| part.kernel.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!((names(&diff.only_before), names(&diff.only_after)), (vec!["gone".to_owned()], vec!["new".to_owned()]));
    assert_eq!((diff.whole, diff.sum.ratio), (None, Some(10.5 / 6.0)));
    // The control: a profile is like itself.
    let same = model_diff(&before, &before);
    assert!(same.kernels.len() == 5 && same.only_before.is_empty() && same.only_after.is_empty());
    assert!(same.kernels.iter().all(|k| k.likeness == Likeness::All && k.time.ratio == Some(1.0)));
}

/// One processor works in blocks of channels, another does not: names and shapes differ, the node is the same.
#[test]
fn what_the_runtime_appends_to_a_name_does_not_count() {
    let of = |name: &str, shape: &str| profile(&[(kernel(name, "Conv", shape), 1.0)], None);
    for (name, shape) in [("/a/Conv_nchwc", "1x8x8x8"), ("/a/Conv_token_7", "1x16x8x8")] {
        assert_eq!(model_diff(&of("/a/Conv", "1x3x8x8"), &of(name, shape)).kernels.len(), 1, "{name}");
    }
    assert!(model_diff(&of("/a/Conv", "1x3x8x8"), &of("/b/Conv_nchwc", "1x8x8x8")).kernels.is_empty());
}

/// Operators without shapes are everywhere: one says nothing about which it is.
#[test]
fn an_operator_alone_is_no_likeness() {
    let before = profile(&[(kernel("a", "Conv", ""), 1.0)], None);
    let after = profile(&[(kernel("b", "Conv", ""), 1.0)], None);
    assert!(model_diff(&before, &after).kernels.is_empty());
    let with_shape = |name| profile(&[(kernel(name, "Conv", "1x3"), 1.0)], None);
    assert_eq!(model_diff(&with_shape("a"), &with_shape("b")).kernels.len(), 1);
}

#[test]
fn the_interval_of_a_ratio_has_the_uncertainty_of_both() {
    let time = |ms: f64, half: f64| ModelTime { ms, interval_ms: Some([ms - half, ms + half]) };
    let (before, after) = (time(10.0, 1.0), time(20.0, 3.0));
    let [low, high] = TimeDiff::of(before, after).ratio_interval.unwrap();
    // Where the interval ends, `after - ratio * before` is as far from zero as its own half-width.
    for ratio in [low, high] {
        let (off, half) = (20.0 - ratio * 10.0, 3.0_f64.hypot(ratio));
        assert!((off.abs() - half).abs() < 1e-9, "{ratio}: {off} {half}");
    }
    assert!(low < 2.0 && high > 2.0);
    assert_eq!(TimeDiff::of(before, after).may_be_equal(), Some(false));
    assert_eq!(TimeDiff::of(before, time(10.5, 1.0)).may_be_equal(), Some(true));
    // A time that may be nothing bounds no ratio, and one without an interval gives none.
    assert_eq!(TimeDiff::of(time(10.0, 10.0), after).ratio_interval, None);
    assert_eq!(TimeDiff::of(ModelTime { ms: 10.0, interval_ms: None }, after).ratio_interval, None);
    assert_eq!(TimeDiff::of(ModelTime { ms: 0.0, interval_ms: None }, after).ratio, None);
}
