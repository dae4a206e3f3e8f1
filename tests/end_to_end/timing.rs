//! Networks timed whole, with a trace; estimates at the level of now; validations of networks of the user's choice.

use std::fs;

use serde_json::Value;

use crate::fake_agent::ending;
use crate::harness::Folder;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A folder with a LUT of the small space and three of its architectures.
fn measured() -> Folder {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    let sample = folder.ok("space sample small.toml -n 3 --seed 5");
    fs::write(folder.path("three.jsonl"), &sample).unwrap();
    fs::write(folder.path("one.json"), sample.lines().next().unwrap()).unwrap();
    folder
}

const TIME: &str = "time --device synthetic:quiet --space small.toml --json";

#[test]
fn networks_are_timed_and_stand_beside_their_estimates() {
    let folder = measured();
    let line = format!("{TIME} --arch three.jsonl one.json --lut a.parquet");
    let text = folder.ok(&line);
    let output = json(&text);
    let networks = output["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 4);
    assert_eq!((output["device"].as_str(), output["seed"].as_u64()), (Some("synthetic:quiet"), Some(0)));
    for network in networks {
        let value = |name: &str| network[name].as_f64().unwrap();
        let estimate = network["estimate"]["latency_ms"].as_f64().unwrap();
        assert!((value("mean_ms") / estimate - 1.0).abs() < 0.01, "{network}");
        assert!(value("median_ms") <= value("p90_ms") && value("p90_ms") <= value("p99_ms"), "{network}");
        assert!(value("first_call_ms") > 0.0 && value("runs") > 10.0, "{network}");
        let [low, high] = [0, 1].map(|i| network["interval_ms"][i].as_f64().unwrap());
        assert!(low <= value("mean_ms") && value("mean_ms") <= high, "{network}");
    }
    // One network under two names is one network.
    let (first, again) = (&networks[0], &networks[3]);
    assert_eq!((first["name"].as_str(), again["name"].as_str()), (Some("three.jsonl, line 1"), Some("one.json")));
    let means = [first, again].map(|n| n["mean_ms"].as_f64().unwrap());
    assert!((means[0] / means[1] - 1.0).abs() < 0.01, "{means:?}");
    // Networks differ, and the same command says the same.
    assert!(networks[..3].windows(2).any(|pair| pair[0]["mean_ms"] != pair[1]["mean_ms"]));
    assert_eq!(folder.ok(&line), text);
    // Several processes give an interval of their mean.
    let three = json(&folder.ok(&format!("{TIME} --arch one.json --processes 3")));
    assert_eq!(three["networks"][0]["processes_ms"].as_array().unwrap().len(), 3);
    let table = folder.ok("time --device synthetic:quiet --space small.toml --arch one.json --lut a.parquet");
    assert!(table.contains("one.json") && table.contains("estimate") && table.contains("first call"), "{table}");
}

/// Runs what may miss its `--ci`; returns whether it was reached, as the exit code tells.
fn reached(folder: &Folder, line: &str) -> (bool, Value) {
    let ran = folder.run(line);
    assert!(matches!(ran.code, Some(0 | 3)), "nasprof {line}: {:?}\n{}", ran.code, ran.stderr);
    (ran.code == Some(0), json(&ran.stdout))
}

#[test]
fn rounds_go_on_until_the_interval_that_is_shown_is_as_narrow_as_asked() {
    let folder = measured();
    let line = "time --device synthetic:noisy --space small.toml --arch three.jsonl --json --max-rounds 40";
    let mut last = f64::INFINITY;
    for (ci, expected) in [(0.05, true), (0.01, true), (0.0001, false)] {
        let (code, output) = reached(&folder, &format!("{line} --ci {ci}"));
        let networks = output["networks"].as_array().unwrap();
        let widths: Vec<f64> = networks
            .iter()
            .map(|network| {
                let [low, high] = [0, 1].map(|i| network["interval_ms"][i].as_f64().unwrap());
                (high - low) / 2.0 / network["mean_ms"].as_f64().unwrap()
            })
            .collect();
        assert!(networks.iter().zip(&widths).all(|(network, width)| network["converged"] == (*width <= ci)));
        assert_eq!((code, output["converged"].as_bool()), (expected, Some(expected)), "{ci}: {widths:?}");
        let session = &output["sessions"][0];
        assert_eq!(session["converged"], expected, "{ci}: {session}");
        assert_eq!(session["reason"] == "round limit", !expected, "{ci}: {session}");
        let widest = widths.into_iter().fold(0.0, f64::max);
        assert!(widest < last, "{ci}: {widest} {last}");
        last = widest;
    }
    let ran = folder.fails(&format!("{} --ci 0.0001", line.replace(" --json", "")), 3, "");
    assert_eq!(ran.stdout.matches("its interval is wider than --ci (0.01 %)").count(), 3, "{}", ran.stdout);
}

#[test]
fn a_device_that_stays_throttled_is_said_to_be() {
    let folder = Folder::new();
    fs::write(folder.path("one.json"), folder.ok("space sample mobilenet-cifar10 -n 1")).unwrap();
    let line = |device: &str| format!("time --device synthetic:{device} --arch one.json --ci 0.02");
    let ran = folder.fails(&line("throttle-lasting"), 3, "");
    assert!(ran.stdout.contains(": the device was throttled") && ran.stdout.contains("no interval"), "{}", ran.stdout);
    let (_, output) = reached(&folder, &format!("{} --json", line("throttle-lasting")));
    assert_eq!((&output["sessions"][0]["reason"], &output["converged"]), (&"throttled".into(), &false.into()));
    // The control: a device that is not.
    let quiet = folder.ok(&line("quiet"));
    assert!(!quiet.contains("throttled") && !quiet.contains("--ci"), "{quiet}");
}

/// A GPU has three latencies: all that is shown is of the one that was asked for, and so is the estimate.
#[test]
fn each_latency_of_a_gpu_is_timed_and_estimated_for_itself() {
    let folder = measured();
    folder.ok("measure --device synthetic:gpu --space small.toml -o g.parquet");
    let line = "time --device synthetic:gpu --space small.toml --arch three.jsonl --lut g.parquet --json";
    let values = ["mean_ms", "median_ms", "p90_ms", "p99_ms"];
    let mut means = Vec::new();
    for timing in ["queue", "graph", "wall"] {
        let output = json(&folder.ok(&format!("{line} --timing {timing}")));
        assert_eq!(output["timing"], timing);
        for network in output["networks"].as_array().unwrap() {
            let estimate = network["estimate"]["latency_ms"].as_f64().unwrap();
            for name in values {
                let ratio = network[name].as_f64().unwrap() / estimate;
                assert!((ratio - 1.0).abs() < 0.1, "{timing} {name}: {network}");
            }
        }
        means.push(output["networks"][0]["mean_ms"].as_f64().unwrap());
    }
    // The control: they differ by more than that, so another one would be noticed.
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        assert!((means[a] / means[b]).ln().abs() > 0.1, "{means:?}");
    }
    // A LUT that has no such latency does not stand beside it.
    folder.fails(&format!("{TIME} --arch one.json --lut a.parquet --timing wall"), 6, "`wall`");
}

/// What Google's document "Trace Event Format" asks of the events that are written, as a schema by hand: types, phases and
/// what each phase needs.
fn check_trace(trace: &Value) -> Result<(), String> {
    let object = trace.as_object().ok_or("no object")?;
    if let Some(unit) = object.get("displayTimeUnit") {
        let known = unit == "ms" || unit == "ns";
        known.then_some(()).ok_or("displayTimeUnit")?;
    }
    for event in object.get("traceEvents").and_then(Value::as_array).ok_or("no traceEvents")? {
        let fail = |what: &str| Err(format!("{what} in {event}"));
        let integer = |name: &str| event[name].as_u64().is_some();
        let time = |name: &str| event[name].as_f64().is_some_and(|t| t.is_finite() && t >= 0.0);
        if !event["name"].is_string() || !integer("pid") || !integer("tid") {
            return fail("name, pid or tid");
        }
        match event["ph"].as_str() {
            Some("B") if !event["cat"].is_string() || !event["args"].is_object() => return fail("cat or args"),
            Some("B" | "E") if !time("ts") => return fail("ts"),
            Some("M") if !event["args"]["name"].is_string() => return fail("the name that it gives"),
            Some("B" | "E" | "M") => {}
            _ => return fail("ph"),
        }
    }
    Ok(())
}

/// Each event that begins with its duration, microseconds, as a viewer pairs them: every end is that of the innermost open
/// one. Fails on more than a run and one layer in it.
fn durations<'a>(events: impl Iterator<Item = &'a Value>) -> Vec<(&'a Value, f64)> {
    let (mut all, mut open): (Vec<(&Value, f64)>, Vec<usize>) = (Vec::new(), Vec::new());
    for event in events {
        let ts = event["ts"].as_f64().unwrap();
        if event["ph"] == "B" {
            open.push(all.len());
            all.push((event, ts));
            assert!(open.len() <= 2, "{event}");
        } else {
            let (begun, from) = &mut all[open.pop().unwrap()];
            assert_eq!(begun["name"], event["name"]);
            *from = ts - *from;
        }
    }
    assert!(open.is_empty());
    all
}

#[test]
fn a_trace_holds_one_run_of_each_network() {
    let folder = measured();
    let times = json(&folder.ok(&format!("{TIME} --arch three.jsonl --trace run.trace.json")));
    let trace = json(&String::from_utf8(folder.read("run.trace.json")).unwrap());
    check_trace(&trace).unwrap();
    // Controls: what is no such trace is noticed.
    for (at, value) in
        [("/traceEvents/2/ts", "x".into()), ("/traceEvents/1/ph", "Q".into()), ("/traceEvents/0/args", 1.into())]
    {
        let mut damaged = trace.clone();
        *damaged.pointer_mut(at).unwrap() = value;
        check_trace(&damaged).unwrap_err();
    }
    let events = trace["traceEvents"].as_array().unwrap();
    for (i, network) in times["networks"].as_array().unwrap().iter().enumerate() {
        let of = durations(events.iter().filter(|e| e["ph"] != "M" && e["tid"] == i + 1));
        let ((run, whole), layers) = of.split_first().unwrap();
        assert_eq!(run["args"]["layers"], layers.len());
        assert!(layers.len() > 10 && layers.iter().all(|(layer, _)| layer["args"]["key"].is_string()));
        let sum: f64 = layers.iter().map(|(_, duration)| duration).sum();
        assert!((sum / whole - 1.0).abs() < 1e-9);
        // Timers between layers cost something, and the run is one of many: near the mean, and not it.
        let mean = network["mean_ms"].as_f64().unwrap() * 1e3;
        assert!((0.7..1.5).contains(&(sum / mean)), "{sum} {mean}");
    }
    // The times are those without a trace.
    let plain = json(&folder.ok(&format!("{TIME} --arch three.jsonl")));
    assert_eq!(plain["networks"], times["networks"]);
}

#[test]
fn a_model_is_timed_like_its_network() {
    let folder = measured();
    folder.ok("export --space small.toml --arch one.json --to onnx -o net.onnx");
    let model = json(&folder.ok("time --device synthetic:quiet --model net.onnx --json"));
    let arch = json(&folder.ok(&format!("{TIME} --arch one.json")));
    let mean = |output: &Value| output["networks"][0]["mean_ms"].as_f64().unwrap();
    assert_eq!(model["networks"][0]["name"], "net.onnx");
    assert!((mean(&model) / mean(&arch) - 1.0).abs() < 0.01, "{model} {arch}");
}

/// A field of a protocol buffer: number, then bytes with their length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// An ONNX model that hands its input on and computes nothing.
fn empty_model() -> Vec<u8> {
    let dimension = |size: u8| field(1, &[1 << 3, size]);
    let shape: Vec<u8> = [1, 3, 8, 8].into_iter().flat_map(dimension).collect();
    let tensor = [vec![1 << 3, 1], field(2, &shape)].concat();
    let value = |name: &[u8]| [field(1, name), field(2, &field(1, &tensor))].concat();
    let node = [field(1, b"x"), field(2, b"y"), field(4, b"Identity")].concat();
    let graph = [field(1, &node), field(2, b"g"), field(11, &value(b"x")), field(12, &value(b"y"))].concat();
    [vec![1 << 3, 8], field(7, &graph), field(8, &[2 << 3, 13])].concat()
}

#[test]
fn what_cannot_be_timed_is_refused_by_name_and_nothing_is_written() {
    let folder = measured();
    let other = folder.ok("space sample mobilenet-cifar10 -n 1");
    fs::write(folder.path("other.json"), other).unwrap();
    fs::write(folder.path("empty.onnx"), empty_model()).unwrap();
    fs::write(folder.path("none.jsonl"), "").unwrap();
    fs::write(folder.path("bad.onnx"), "no model").unwrap();
    let model = "time --device synthetic:quiet --trace t.json --journal t.jsonl --model";
    let arch = format!("{TIME} --trace t.json --journal t.jsonl --arch");
    folder.fails(&format!("{arch} other.json"), 2, "other.json: the architecture is of space `mobilenet-cifar10`");
    folder.fails(&format!("{arch} one.json none.jsonl"), 2, "none.jsonl: contains no architecture");
    folder.fails(&format!("{arch} missing.json"), 2, "missing.json");
    folder.fails(&format!("{model} empty.onnx"), 2, "empty.onnx: no layer runs");
    folder.fails(&format!("{model} bad.onnx"), 2, "bad.onnx");
    folder.fails(&format!("{TIME} --arch one.json --lut missing.parquet"), 2, "missing.parquet");
    folder.fails(&format!("{TIME} --arch one.json --trace one.json"), 2, "would overwrite an input");
    folder.fails(&format!("{TIME} --arch one.json --trace t.txt"), 2, "t.txt");
    folder.fails("time --device synthetic:none --arch one.json --space small.toml", 2, "none");
    folder.fails("time --device synthetic:quiet", 2, "--arch");
    // A LUT of another space, and of another device.
    folder.fails("time --device synthetic:quiet --model empty.onnx --lut a.parquet", 6, "space");
    folder.fails("time --device synthetic:jitter --space small.toml --arch one.json --lut a.parquet", 6, "device");
    for name in ["t.json", "t.jsonl"] {
        assert!(!folder.path(name).exists(), "{name}");
    }
}

/// A journal that was cut off anywhere goes on to the same times; without --resume nothing is replaced.
#[test]
fn an_interrupted_run_goes_on_from_its_journal() {
    let folder = measured();
    let line = format!("{TIME} --arch three.jsonl --trace t.json --journal t.jsonl");
    let whole = folder.ok(&line);
    let (journal, trace) = (folder.read("t.jsonl"), folder.read("t.json"));
    folder.fails(&line, 2, "--journal t.jsonl: it exists");
    for cut in [journal.len() / 3, journal.len() * 2 / 3, journal.len() - 7] {
        fs::write(folder.path("t.jsonl"), &journal[..cut]).unwrap();
        fs::remove_file(folder.path("t.json")).unwrap();
        assert_eq!(folder.ok(&format!("{line} --resume")), whole, "cut at {cut}");
        assert_eq!((folder.read("t.jsonl"), folder.read("t.json")), (journal.clone(), trace.clone()), "cut at {cut}");
    }
    // No LUT comes from a journal without layers.
    folder.fails("lut rebuild t.jsonl -o x.parquet", 2, "only whole networks were timed, no layers");
    // Other networks are not those of the journal.
    folder.fails(&format!("{TIME} --arch one.json --journal t.jsonl --resume"), 2, "the journal does not match");
}

/// An agent that ends in the middle: the device is named as lost, nothing is written, and with a journal a good agent goes on to the
/// same times.
#[test]
fn a_device_that_is_lost_is_named_and_timing_goes_on_from_the_journal() {
    let folder = measured();
    let line = format!("{TIME} --arch three.jsonl --trace t.json");
    let kept = format!("{line} --journal t.jsonl");
    let whole = folder.ok(&kept);
    let journal = folder.read("t.jsonl");
    fs::remove_file(folder.path("t.jsonl")).unwrap();
    fs::remove_file(folder.path("t.json")).unwrap();
    let (good, ends) = (folder.agent.clone(), ending(&folder, 20));
    let folder = folder.with_agent(ends);
    let ran = folder.fails(&line, 5, "synthetic:quiet");
    assert!(ran.stderr.contains("add --journal FILE to be able to continue"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("is kept"), "{}", ran.stderr);
    assert!(!folder.path("t.json").exists());
    let ran = folder.fails(&kept, 5, "synthetic:quiet");
    assert!(ran.stderr.contains("--resume") && !folder.path("t.json").exists(), "{}", ran.stderr);
    let cut = folder.read("t.jsonl");
    assert!(!cut.is_empty() && cut.len() < journal.len());
    let folder = folder.with_agent(good);
    assert_eq!(folder.ok(&format!("{kept} --resume")), whole);
    assert!(folder.path("t.json").exists());
}

#[test]
fn an_estimate_can_be_of_now() {
    let folder = measured();
    let line = "estimate --lut a.parquet --space small.toml --arch one.json";
    let then = json(&folder.ok(&format!("{line} --json")));
    let now = json(&folder.ok(&format!("{line} --json --level-from synthetic:quiet")));
    let value = |estimate: &Value, name: &str| estimate[name].as_f64().unwrap();
    assert!(then["level"].is_null());
    let level = value(&now["level"], "level");
    assert!((level - 1.0).abs() < 0.02, "{now}");
    // The size effect of now differs a little, by the noise of the anchors.
    assert!((value(&now, "latency_ms") / value(&then, "latency_ms") / level - 1.0).abs() < 0.01);
    assert!(now["level"]["size_effect"]["slope"].as_f64().unwrap().abs() < 0.1, "{now}");
    let [low, high] = [0, 1].map(|i| now["interval_ms"][i].as_f64().unwrap());
    let half = value(&now, "shape_half_width").hypot(value(&now, "level_half_width"));
    assert!(((high / low).ln() / 2.0 / half - 1.0).abs() < 1e-9);
    // It is known better than the level of any other session.
    assert!(value(&now, "level_half_width") < value(&then, "level_half_width"), "{now} {then}");
    let words = folder.ok(line);
    assert!(words.contains(" at the LUT's level (another session: ± "), "{words}");
    let words = folder.ok(&format!("{line} --level-from synthetic:quiet"));
    assert!(words.contains(" at the current level (another process: ± ") && words.contains("; level "), "{words}");
    // A LUT of a machine twice as slow, as this one is now.
    let mut slow = json(&{
        folder.ok("lut export a.parquet -o a.json");
        String::from_utf8(folder.read("a.json")).unwrap()
    });
    let scale = slow["context"]["calibration"]["scale"].as_f64().unwrap();
    slow["context"]["calibration"]["scale"] = (2.0 * scale).into();
    fs::write(folder.path("slow.json"), slow.to_string()).unwrap();
    let line = "estimate --lut slow.json --space small.toml --arch one.json --json";
    let of_slow = json(&folder.ok(&format!("{line} --level-from synthetic:quiet")));
    assert!((value(&of_slow["level"], "level") - 0.5).abs() < 0.02, "{of_slow}");
    assert!((value(&of_slow, "latency_ms") / value(&now, "latency_ms") - 1.0).abs() < 0.01, "{of_slow} {now}");
    // Only the LUT's own device, and only a LUT with anchors.
    folder.fails(&format!("{line} --level-from synthetic:jitter"), 6, "device");
    slow["context"]["anchors"] = Value::Array(Vec::new());
    fs::write(folder.path("bare.json"), slow.to_string()).unwrap();
    let bare = line.replace("slow.json", "bare.json");
    folder.fails(&format!("{bare} --level-from synthetic:quiet"), 2, "has no anchors");
}

#[test]
fn a_lut_is_held_against_networks_of_ones_own() {
    let folder = measured();
    let line = "validate --device synthetic:quiet --lut a.parquet --space small.toml --json";
    // Networks that the LUT was not made from.
    let archs = folder.ok("space sample small.toml -n 60 --seed 9");
    fs::write(folder.path("many.jsonl"), &archs).unwrap();
    let all = estimates(&folder, "estimate --lut a.parquet --space small.toml --json --arch many.jsonl", &archs);
    let fresh = all.into_iter().filter(|(_, values)| values["measured_ms"].is_null()).take(3);
    fs::write(folder.path("three.jsonl"), fresh.map(|(arch, _)| format!("{arch}\n")).collect::<String>()).unwrap();
    let validation = json(&folder.ok(&format!("{line} --arch three.jsonl")));
    assert_eq!(validation["n"], 3);
    let archs: Vec<Value> = String::from_utf8(folder.read("three.jsonl")).unwrap().lines().map(json).collect();
    let rows = validation["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["arch"].clone()).collect::<Vec<_>>(), archs);
    assert!(validation["mape"].as_f64().unwrap() < 0.01, "{validation}");
    folder.fails(&format!("{line} --arch three.jsonl -n 4"), 2, "-n");
}

/// Lines of JSON from `estimate`, each with its line of the input.
fn estimates(folder: &Folder, line: &str, archs: &str) -> Vec<(String, Value)> {
    let text = folder.ok(line);
    let values: Vec<Value> = text.lines().map(json).collect();
    assert_eq!(values.len(), archs.lines().count());
    archs.lines().map(str::to_owned).zip(values).collect()
}

#[test]
fn networks_that_the_lut_measured_are_shown_and_do_not_validate_it() {
    let folder = measured();
    let archs = folder.ok("space sample small.toml -n 60 --seed 9");
    fs::write(folder.path("many.jsonl"), &archs).unwrap();
    let line = "estimate --lut a.parquet --space small.toml --json --arch";
    let all = estimates(&folder, &format!("{line} many.jsonl"), &archs);
    let (known, fresh): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, values)| values["measured_ms"].is_number());
    // More than the anchors, and the control: not all.
    assert!(known.len() > 10 && !fresh.is_empty(), "{} {}", known.len(), fresh.len());
    for (arch, values) in &known {
        let value = |name: &str| values[name].as_f64().unwrap();
        assert!(
            (value("measured_ms") / value("latency_ms") - 1.0).abs() < 0.02 && values["level"].is_null(),
            "{values}"
        );
        fs::write(folder.path("one.json"), arch).unwrap();
        assert_eq!(json(&folder.ok(&format!("{line} one.json")))["measured_ms"], values["measured_ms"]);
    }
    // At another level each line says at which.
    let now = estimates(&folder, &format!("{line} many.jsonl --level-from synthetic:quiet"), &archs);
    assert!(now.iter().all(|(_, values)| values["level"]["level"].is_number()), "{:?}", now[0]);
    // A LUT is validated by the others.
    let lines = |of: &[(String, Value)]| of.iter().take(2).map(|(arch, _)| format!("{arch}\n")).collect::<String>();
    fs::write(folder.path("both.jsonl"), lines(&known) + &lines(&fresh[..1])).unwrap();
    fs::write(folder.path("known.jsonl"), lines(&known)).unwrap();
    let line = "validate --device synthetic:quiet --lut a.parquet --space small.toml --arch";
    let validation = json(&folder.ok(&format!("{line} both.jsonl --json")));
    assert_eq!((&validation["n"], &validation["known"]), (&1.into(), &2.into()));
    assert!(folder.ok(&format!("{line} both.jsonl")).contains("2 more left out: the LUT was made from them"));
    folder.fails(&format!("{line} known.jsonl"), 2, "the LUT was made from all of these networks");
}
