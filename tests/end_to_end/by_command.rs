//! Devices that run a command in an agent's place: a stand-in program with known truth, and the real ONNX Runtime in Python.

use std::fs;
use std::path::Path;

use nasprof_testkit::python::{ONNX, python};
use serde_json::Value;

use crate::harness::Folder;

/// Writes what trtexec writes, of layers that take 0.5 and 0.25 ms in a model that takes 0.8: `bench MODEL PROFILE TIMES WORD`.
/// A word breaks one thing.
const BENCH: &str = r#"#!/bin/sh
model=$1 profile=$2 times=$3 what=$4
[ -s "$model" ] || { echo "no model" >&2; exit 1; }
first="Conv_0 + Relu_0" second=Gemm_1
case $what in
  fails) echo "Error: unsupported layer"; exit 3;;
  hangs) echo waiting; (sleep 77; : > "$5") & sleep 77;;
  silent) exit 0;;
  foreign) first=/backbone/Conv_3 second=/backbone/Gemm_4;;
  leaves) echo x > "$(dirname "$profile")/core"; mkdir -p ../more/files; (sleep 77) & ;;
  kills) kill -9 $$;;
  floods) while echo 0123456789012345678901234567890123456789; do :; done;;
esac
printf '[{"count": 100}, {"name": "%s", "timeMs": 50, "averageMs": 0.5}, {"name": "%s", "timeMs": 25, "averageMs": 0.25}]' \
  "$first" "$second" > "$profile"
printf '[{"computeMs": 0.7, "latencyMs": 0.8}, {"computeMs": 0.8, "latencyMs": 0.9}, {"computeMs": 0.9, "latencyMs": 1}]' > "$times"
case $what in
  cut) head -c 60 "$profile" > p; mv p "$profile";;
  empty) : > "$profile";;
  binary) printf '\377\376' > "$profile";;
  huge) dd if=/dev/zero of="$profile" bs=1048576 count=0 seek=600 2>/dev/null;;
  another) printf '[{"count": 100}, {"name": "Conv_0", "averageMs": 50}]' > "$profile";;
  varies) mean=$(($(cat "$5" 2>/dev/null || echo 0) + 1)); echo $mean > "$5"; printf '[{"computeMs": %s, "latencyMs": %s}]' $mean $mean > "$times";;
  zero) printf '[{"computeMs": 0}]' > "$times";;
  notimes) rm "$times";;
  several) cp "$profile" "${profile}_1"; mv "$profile" "${profile}_2";;
esac
echo "latency 0.8 ms"
"#;

/// A folder with the device `bench`, and a model whose nodes the program names.
fn folder() -> Folder {
    let folder = Folder::new();
    fs::write(folder.path("bench"), BENCH).unwrap();
    fs::write(folder.path("net.onnx"), model(&["Conv_0", "Relu_0", "Gemm_1"])).unwrap();
    device(&folder, "bench", "good", "");
    folder
}

/// The device's file with a word for the program, and more lines.
fn device(folder: &Folder, name: &str, what: &str, more: &str) {
    let (bench, mark) = (folder.path("bench"), folder.path("mark"));
    let text = format!(
        "format_version = 1\ntransport = \"local\"\nbackend = \"command\"\nthreads = 1\n[command]\n\
         run = ['sh', '{}', '{{model}}', '{{profile}}', '{{times}}', '{what}', '{}']\n\
         profile_format = \"trtexec\"\ntimes_format = \"trtexec\"\n{more}\n",
        bench.display(),
        mark.display()
    );
    let devices = folder.path("nasprof/devices");
    fs::create_dir_all(&devices).unwrap();
    fs::write(devices.join(format!("{name}.toml")), text).unwrap();
}

/// An ONNX model of nodes with these names, as protobuf has it: no tensors, no shapes.
fn model(nodes: &[&str]) -> Vec<u8> {
    let field = |number: u8, content: &[u8]| {
        let mut bytes = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
        bytes.extend(content);
        bytes
    };
    let nodes = nodes.iter().flat_map(|name| {
        let content = [field(1, b"x"), field(2, b"x"), field(3, name.as_bytes()), field(4, b"Relu")].concat();
        field(1, &content)
    });
    field(7, &nodes.collect::<Vec<u8>>())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// No folder of a measurement is left where temporary files are.
fn nothing_is_left(folder: &Folder) {
    let left = fs::read_dir(folder.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert!(left.is_empty(), "{left:?}");
}

/// Runs with a folder for temporary files that is looked at afterwards.
fn run(folder: &Folder, line: &str) -> crate::harness::Ran {
    fs::create_dir_all(folder.path("tmp")).unwrap();
    let ran = folder.command(line).env("TMPDIR", folder.path("tmp")).output().unwrap().into();
    nothing_is_left(folder);
    ran
}

#[test]
fn a_model_is_profiled_and_timed_by_a_command() {
    let folder = folder();
    let ran = run(&folder, "measure --device bench --model net.onnx --json -o net.json");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let profile = json(&ran.stdout);
    assert!((profile["whole"]["ms"].as_f64().unwrap() - 0.8).abs() < 1e-9);
    assert_eq!(profile["kernels"][0]["name"], "Conv_0 + Relu_0");
    // Layers that take less than the model stay as they were timed.
    let times: Vec<f64> = profile["kernels"].as_array().unwrap().iter().map(|k| k["ms"].as_f64().unwrap()).collect();
    assert!((times[0] - 0.5).abs() < 1e-9 && (times[1] - 0.25).abs() < 1e-9, "{times:?}");
    assert!((profile["sum_error"].as_f64().unwrap() - (0.75 / 0.8 - 1.0)).abs() < 1e-9);
    assert_eq!(profile["session_ms"], Value::Null);
    assert_eq!(json(&String::from_utf8(folder.read("net.json")).unwrap()), profile);
    let table = folder.ok("measure --device bench --model net.onnx");
    assert!(table.contains("66.7 %") && table.contains("Conv_0 + Relu_0"), "{table}");

    let ran = run(&folder, "time --device bench --model net.onnx --processes 3 --json");
    let timed = json(&ran.stdout);
    let network = &timed["networks"][0];
    assert!((network["mean_ms"].as_f64().unwrap() - 0.8).abs() < 1e-9, "{network}");
    assert_eq!((&network["runs"], network["processes_ms"].as_array().unwrap().len()), (&9.into(), 3));
    assert!(folder.ok("time --device bench --model net.onnx --processes 2").contains("command, 2 processes\n"));
    // Processes that agree are as narrow as --ci; of one process nothing is known.
    assert_eq!((&network["converged"], &timed["ci"]), (&true.into(), &0.01.into()));
    device(&folder, "varied", "varies", "");
    let ran = run(&folder, "time --device varied --model net.onnx --processes 3 --json");
    assert_eq!((ran.code, &json(&ran.stdout)["networks"][0]["converged"]), (Some(3), &false.into()), "{}", ran.stderr);
    assert_eq!(run(&folder, "time --device varied --model net.onnx --processes 3 --ci 0.99").code, Some(0));
    let one = json(&folder.ok("time --device varied --model net.onnx --json"));
    assert_eq!(one["networks"][0]["converged"], Value::Null);
    // Networks of a space are exported for it.
    fs::write(folder.path("archs.jsonl"), folder.ok("space sample small.toml -n 2")).unwrap();
    let timed = json(&folder.ok("time --device bench --space small.toml --arch archs.jsonl --json"));
    assert_eq!(timed["networks"].as_array().unwrap().len(), 2);
    assert!(folder.ok("devices check bench").contains("command"));
    assert!(folder.ok("devices list").contains("jetson-tensorrt"));
}

#[test]
fn the_latency_may_be_read_by_a_regular_expression() {
    let folder = folder();
    device(&folder, "words", "good", "");
    let path = folder.path("nasprof/devices/words.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text
        .replace("'{times}'", "'/dev/null'")
        .replace("times_format = \"trtexec\"", r"times_format = 'latency (\S+) ms'");
    fs::write(&path, format!("{text}times_unit = \"ms\"\n")).unwrap();
    let timed = json(&folder.ok("time --device words --model net.onnx --json"));
    assert_eq!(timed["networks"][0]["mean_ms"], 0.8);
    // One average has no quantiles.
    assert_eq!(timed["networks"][0]["p99_ms"], Value::Null);
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("latency", "duration")).unwrap();
    folder.fails("time --device words --model net.onnx", 2, "contains no run");
}

/// The control is the test above: the same program with nothing broken.
#[test]
fn what_a_command_breaks_is_an_error_and_nothing_is_left() {
    let folder = folder();
    for (what, naming) in [
        ("fails", "exit code 3: Error: unsupported layer"),
        ("kills", "signal 9"),
        ("silent", "did not write {profile}"),
        ("foreign", "another model"),
        ("another", "50.000 ms for a model that takes 0.800 ms"),
        ("floods", "printed more than"),
        ("cut", "not a profile of trtexec"),
        ("empty", "left {profile} empty"),
        ("binary", "no UTF-8 text"),
        ("huge", "more than allowed"),
        ("zero", "an implausible run"),
        ("notimes", "did not write {times}"),
        ("several", "several files"),
    ] {
        device(&folder, "broken", what, "");
        let ran = run(&folder, "measure --device broken --model net.onnx -o no.json");
        assert_eq!(ran.code, Some(2), "{what}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(naming) && ran.stderr.contains("hint: "), "{what}: {}", ran.stderr);
        assert!(!folder.path("no.json").exists() && ran.stdout.is_empty(), "{what}");
    }
    device(&folder, "broken", "leaves", "");
    assert_eq!(run(&folder, "measure --device broken --model net.onnx").code, Some(0));
    device(&folder, "broken", "hangs", "deadline_seconds = 1");
    let ran = run(&folder, "time --device broken --model net.onnx");
    assert!(ran.code == Some(2) && ran.stderr.contains("timed out after 1 s"), "{}", ran.stderr);
    assert!(ran.stderr.contains("waiting") && ran.stderr.contains("deadline_seconds"), "{}", ran.stderr);
}

#[test]
fn what_a_command_cannot_do_is_said_before_it_runs() {
    let folder = folder();
    let fails = |line: &str, naming: &str| {
        let ran = folder.fails(line, 2, naming);
        assert!(ran.stderr.contains("hint: "), "{line}: {}", ran.stderr);
    };
    fails("measure --device bench --space small.toml", "nasprof time --device bench --arch");
    fails("measure --device bench,synthetic:quiet --model net.onnx", "measured alone");
    fails("measure --device bench --model net.onnx --lock-clocks", "--lock-clocks");
    fails("measure --device bench --model net.onnx --backend torch", "--backend");
    fails("time --device bench --model net.onnx --batch 4", "--batch");
    folder.fails("measure --device bench --model nowhere.onnx", 2, "nowhere.onnx");
    fs::write(folder.path("bad.onnx"), "no model").unwrap();
    folder.fails("measure --device bench --model bad.onnx", 2, "bad.onnx");
    device(&folder, "bench", "good", "rounds = 3");
    fails("time --device bench --model net.onnx", "rounds");
    device(&folder, "bench", "good", "");
    let ran: crate::harness::Ran = folder
        .command("time --device bench --model net.onnx --set")
        .arg("command.run=no-such-program {model} {times} {profile}")
        .output()
        .unwrap()
        .into();
    assert!(ran.code == Some(2) && ran.stderr.contains("`no-such-program` does not exist"), "{}", ran.stderr);
    // A device that had an agent when its LUT was made: what needs layers says why there are none.
    let path = folder.path("nasprof/devices/bench.toml");
    let command = fs::read(&path).unwrap();
    fs::write(&path, "format_version = 1\ntransport = \"local\"\nbackend = \"synthetic:quiet\"\nthreads = 1\n")
        .unwrap();
    folder.ok("measure --device bench --space small.toml -o a.parquet");
    fs::write(&path, command).unwrap();
    fails("validate --device bench --lut a.parquet --space small.toml -n 3", "runs its own command");
}

/// The shipped device file, here and with a Python that has ONNX Runtime: names and shapes are real, times are never asserted.
#[test]
fn the_shipped_command_measures_with_the_real_onnx_runtime() {
    let Some(found) = python(ONNX, "import sys; print(sys.executable)", &[]) else { return };
    let interpreter = String::from_utf8(found.stdout).unwrap();
    let folder = folder();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/devices/raspberry-pi-onnxruntime.toml");
    let text = fs::read_to_string(shipped).unwrap();
    let text =
        text.replace("\"ssh\"", "\"local\"").replace("host = \"raspberrypi\"\n", "").replace("runs = 200", "runs = 20");
    let text = text.replace("[\"python3\"", &format!("[{:?}", interpreter.trim()));
    fs::write(folder.path("nasprof/devices/pi.toml"), text).unwrap();
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1 --seed 3")).unwrap();
    folder.ok("export --space small.toml --arch arch.json -o model.onnx");
    let ran = run(&folder, "measure --device pi --model model.onnx --json");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let profile = json(&ran.stdout);
    let kernels = profile["kernels"].as_array().unwrap();
    assert!(kernels.iter().any(|kernel| kernel["operator"].as_str().unwrap().contains("Conv")), "{kernels:?}");
    assert!(profile["whole"]["ms"].as_f64().unwrap() > 0.0);
    let timed = json(&run(&folder, "time --device pi --space small.toml --arch arch.json --json").stdout);
    assert_eq!(timed["networks"][0]["runs"], 20);
    // The runtime's own words.
    fs::write(folder.path("bad.onnx"), model(&["Relu_0"])).unwrap();
    let ran = run(&folder, "measure --device pi --model bad.onnx");
    assert!(ran.code == Some(2) && ran.stderr.contains("failed with exit code 1"), "{}", ran.stderr);
}
