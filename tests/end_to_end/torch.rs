//! Real layers through libtorch. Times are never asserted, only that everything is there and adds up in order.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::Folder;

#[test]
fn a_real_measurement_runs_end_to_end() {
    let Some(agent) = std::env::var_os("NASPROF_TEST_TORCH_AGENT").map(PathBuf::from) else {
        eprintln!("skipped: NASPROF_TEST_TORCH_AGENT names no agent built with the feature `torch` (`make test` does)");
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
