//! Real layers through libtorch. Times are never asserted, only that everything is there and adds up in order.

use std::path::PathBuf;

use nasprof_testkit::skip::skip;
use serde_json::Value;

use crate::harness::Folder;

#[test]
fn a_real_measurement_runs_end_to_end() {
    let Some(agent) = std::env::var_os("NASPROF_TEST_TORCH_AGENT").map(PathBuf::from) else {
        skip("NASPROF_TEST_TORCH_AGENT names no agent with libtorch (`make test` does)");
        return;
    };
    let folder = Folder::new().with_agent(agent);
    let measure = "measure --device local --space small.toml --max-rounds 8 --sessions 2 --allow-noisy -o a.parquet";
    let ran = folder.run(measure);
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    let lut: Value = serde_json::from_str(&folder.ok("lut show a.parquet --json")).unwrap();
    let rows = lut["rows"].as_array().unwrap();
    assert!(rows.len() > 15);
    for row in rows {
        assert!(row["error"].is_null(), "{row}");
        assert!(row["times"]["mean_ns"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["times"]["n_places"].as_u64().unwrap() >= 1, "{row}");
    }
    assert_eq!(lut["context"]["facts"]["runtime"], "libtorch eager");
    let validation = folder.ok("validate --device local --lut a.parquet --space small.toml -n 2 --allow-noisy --json");
    let validation: Value = serde_json::from_str(&validation).unwrap();
    assert!(validation["level"].as_f64().unwrap() > 0.0);
}

/// Without a GPU, or without libtorch's CUDA part, `cuda0` is one clear error and leaves nothing behind.
#[test]
fn a_gpu_that_is_not_there_is_one_clear_error() {
    let measure = "measure --device cuda0 --space small.toml -o a.parquet";
    let light = Folder::new();
    light.fails(measure, 2, "no back end `cuda`");
    let Some(agent) = std::env::var_os("NASPROF_TEST_TORCH_AGENT") else {
        eprintln!("skipped with libtorch: NASPROF_TEST_TORCH_AGENT does not name an agent; `make test` builds one");
        return;
    };
    let folder = Folder::new().with_agent(agent.into());
    let nowhere = folder.path("nowhere");
    let output = folder.command(measure).env("NASPROF_LIBTORCH_CUDA", &nowhere).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{words}");
    for part in ["libtorch_cuda.so is missing", "nowhere", "scripts/install-libtorch-cuda.sh"] {
        assert!(words.contains(part), "no `{part}` in {words}");
    }
    assert_eq!(words.lines().filter(|line| line.starts_with("error:")).count(), 1, "{words}");
    assert!(!folder.path("a.parquet").exists());
}
