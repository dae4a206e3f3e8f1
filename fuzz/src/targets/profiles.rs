//! Profiles that runtimes write.

use nasprof_onnx::profile::read_profile;

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
        format!("{{\"cat\":\"Session\",\"pid\":1,\"tid\":1,\"dur\":{us},\"ts\":2,\"ph\":\"X\",\"name\":\"{name}\",\"args\":{{}}}}")
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
