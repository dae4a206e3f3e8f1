//! Profiles that runtimes write, and ours of models.

use std::collections::BTreeMap;

use nasprof_lut::{model_diff, parse_model};
use nasprof_onnx::profile::read_profile;
use nasprof_profiler::model_profile::{ModelProfile, ModelSubject, ProfiledKernel, ProfiledSession};

pub(super) fn onnxruntime(data: &[u8]) {
    let Ok(profile) = read_profile(data) else { return };
    assert!(!profile.runs.is_empty(), "a profile without a run is refused");
    for run in &profile.runs {
        let sums = run.by_node(profile.nodes.len());
        let total: u64 = run.kernels.iter().map(|&(_, us)| us).sum();
        assert_eq!(sums.iter().sum::<u64>(), total, "every kernel has its node");
    }
    // What was read with its bracket left out is the same.
    if let Some(open) = std::str::from_utf8(data).ok().and_then(|text| text.trim_end().strip_suffix(']'))
        && open.trim_end().ends_with('}')
    {
        assert_eq!(read_profile(open.as_bytes()).as_ref(), Ok(&profile), "the bracket may be left out");
    }
}

pub(super) fn onnxruntime_seeds() -> Vec<Vec<u8>> {
    let session = |name: &str, us: u64| {
        format!(
            "{{\"cat\":\"Session\",\"pid\":1,\"tid\":1,\"dur\":{us},\"ts\":2,\"ph\":\"X\",\"name\":\"{name}\",\"args\":{{}}}}"
        )
    };
    let kernel = |name: &str, us: u64| {
        format!(
            "{{\"cat\":\"Node\",\"dur\":{us},\"ts\":2,\"name\":\"{name}_kernel_time\",\"args\":{{\"op_name\":\"Conv\",\"node_index\":\"{us}\",\
             \"input_type_shape\":[{{\"float\":[1,3]}},{{}}],\"output_type_shape\":[],\"mem_in_use_peak\":\"9\"}}}}"
        )
    };
    let run = [kernel("a", 3), kernel("b", 4), session("model_run", 9)].join(",\n");
    let seeds = [
        format!("[\n{},\n{run},\n{run}\n]\n", session("session_initialization", 5)),
        format!("[{run}"),
        format!("[{},{run}]", kernel("a", 0)),
    ];
    seeds.into_iter().map(String::into_bytes).collect()
}

/// What is read is written and read as the same, and is like itself.
pub(super) fn model(data: &[u8]) {
    let Ok(profile) = parse_model(data) else { return };
    let text = serde_json::to_vec(&profile).expect("a profile is written");
    assert_eq!(parse_model(&text).as_ref(), Ok(&profile), "a written profile is read");
    let shares: f64 = profile.kernels.iter().map(|part| part.share).sum();
    assert!(profile.sum_ms() == 0.0 || (shares - 1.0).abs() < 1e-3, "shares are those of one sum: {shares}");
    let same = model_diff(&profile, &profile);
    assert!(same.kernels.iter().all(|kernel| kernel.time.ratio.is_none_or(|ratio| (ratio - 1.0).abs() < 1e-9)));
    assert!(same.only_before.len() == same.only_after.len(), "what has no partner has none on both sides");
    let found = same.kernels.len() + same.only_before.len();
    assert_eq!(found, profile.kernels.len(), "each kernel is in both, or alone");
}

pub(super) fn model_seeds() -> Vec<Vec<u8>> {
    let kernel = |name: &str| ProfiledKernel {
        name: name.to_owned(),
        operator: "Conv".to_owned(),
        provider: "CPUExecutionProvider".to_owned(),
        inputs: vec!["float 1x3x8x8".to_owned()],
        outputs: Vec::new(),
        parameter_bytes: Some(432),
    };
    let profile = |whole: Option<f64>, sessions: usize| {
        let session = |more: usize| ProfiledSession { kernels: vec![30e6 + more as f64, 0.0], whole };
        let sessions: Vec<ProfiledSession> = (0..sessions).map(session).collect();
        let facts = BTreeMap::from([("runtime".to_owned(), "ONNX Runtime".to_owned())]);
        let subject = ModelSubject { model: "net.onnx".to_owned(), threads: Some(1), ..ModelSubject::default() };
        let profile = ModelProfile::of(vec![kernel("a"), kernel("b")], facts, vec!["x: float".to_owned()], &sessions);
        serde_json::to_vec(&ModelProfile { subject, session_ms: Some(3.5), peak_bytes: Some(1 << 20), ..profile })
            .expect("a profile is written")
    };
    vec![profile(Some(28e6), 3), profile(None, 3), profile(Some(40e6), 1)]
}
