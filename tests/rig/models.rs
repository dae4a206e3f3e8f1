//! Models that ONNX Runtime on a board reads by itself: they are brought there.

use std::fs;
use std::path::PathBuf;

use nasprof_testkit::skip::skip;
use serde_json::Value;

use crate::board::{Board, board};
use crate::harness::Folder;

const ON_BOARD: &str = "--device board --set backend=onnxruntime --model model.onnx --json";

/// Models on the board.
fn models(board: &Board) -> Vec<PathBuf> {
    let files = fs::read_dir(board.work()).into_iter().flatten().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("model-")).collect()
}

fn export(folder: &Folder, seed: u32) {
    let sample = folder.ok(&format!("space sample small.toml -n 1 --seed {seed}"));
    fs::write(folder.path("arch.json"), sample).unwrap();
    folder.ok("export --space small.toml --arch arch.json -o model.onnx");
}

#[test]
fn a_model_is_brought_to_the_board_and_measured_there() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    export(&folder, 3);
    let measured = folder.run(&format!("measure {ON_BOARD} --sessions 3"));
    if measured.stderr.contains("found no libonnxruntime.so") {
        return skip("there is no libonnxruntime.so (scripts/install-onnxruntime.sh)");
    }
    assert_eq!(measured.code, Some(0), "{}", measured.stderr);
    let profile: Value = serde_json::from_str(&measured.stdout).unwrap();
    assert_eq!(
        (profile["subject"]["model"].as_str(), profile["subject"]["device"].as_str()),
        (Some("model.onnx"), Some("board"))
    );
    assert!(profile["kernels"].as_array().unwrap().len() > 5, "{profile}");
    let [first] = &models(&board)[..] else { panic!("{:?}", models(&board)) };
    assert_eq!(fs::read(first).unwrap(), folder.read("model.onnx"));
    // It is there already.
    let time = format!("time {ON_BOARD} --max-rounds 8 --allow-noisy --ci 0.9");
    // On a busy machine eight rounds may not agree, which does not matter here.
    let run = || {
        let ran = folder.run(&time);
        assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
        ran.stdout
    };
    let timed: Value = serde_json::from_str(&run()).unwrap();
    let network = &timed["networks"][0];
    assert!(network["mean_ms"].as_f64().unwrap() > 0.0 && network["name"] == "model.onnx", "{network}");
    assert_eq!(models(&board).len(), 1);
    // Values of an input that the model has not are found out there, and named here.
    fs::write(folder.path("values.npz"), "no archive").unwrap();
    folder.fails(&format!("{time} --input values.npz"), 2, "values");
    // Another model is another file.
    export(&folder, 4);
    run();
    assert_eq!(models(&board).len(), 2);
    assert!(!board.was_injected());
}
