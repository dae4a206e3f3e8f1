//! Profiles of models, measured and imported: shown, compared, reported, and refused where a LUT is needed.

use std::fs;

use serde_json::Value;

use crate::harness::Folder;

/// Writes what trtexec writes: two layers and a whole; `bench PROFILE TIMES MS` with the first layer's milliseconds.
const BENCH: &str = r#"printf '[{"count": 10}, {"name": "Conv_0 + Relu_0", "averageMs": %s}, {"name": "Gemm_1", "averageMs": 0.25}]' "$3" > "$1"
printf '[{"computeMs": 0.9, "latencyMs": 0.9}]' > "$2"
"#;

/// A model of a format that nobody here reads.
const MODEL: &str = "model";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A folder with the profiles `a.json`, in which a layer takes 0.5 ms, and `b.json`, in which it takes 0.6.
fn folder() -> Folder {
    let folder = Folder::new();
    let devices = folder.path("nasprof/devices");
    fs::create_dir_all(&devices).unwrap();
    fs::write(folder.path("bench"), BENCH).unwrap();
    fs::write(folder.path("net.plan"), MODEL).unwrap();
    for (name, ms) in [("a", "0.5"), ("b", "0.6")] {
        let text = format!(
            "format_version = 1\ntransport = \"local\"\nbackend = \"command\"\nthreads = 1\n[command]\n\
             run = ['sh', '{}', '{{profile}}', '{{times}}', '{ms}', '{{model}}']\nprofile_format = \"trtexec\"\n\
             times_format = \"trtexec\"\n",
            folder.path("bench").display()
        );
        fs::write(devices.join(format!("{name}.toml")), text).unwrap();
        folder.ok(&format!("measure --device {name} --model net.plan -o {name}.json"));
    }
    folder
}

#[test]
fn a_profile_is_shown() {
    let folder = folder();
    let shown = folder.ok("lut show a.json");
    assert!(shown.starts_with("net.plan on a, 1 thread: "), "{shown}");
    assert!(shown.contains("one run      0.9000 ms") && shown.contains("its kernels  0.7500 ms (-16.7 %)"), "{shown}");
    let place = |text: &str, name: &str| text.find(name).unwrap_or_else(|| panic!("no {name} in {text}"));
    assert!(place(&shown, "Conv_0 + Relu_0") < place(&shown, "Gemm_1") && shown.contains(" 66.7 %"), "{shown}");
    // As `measure` prints it.
    assert_eq!(folder.ok("measure --device a --model net.plan"), shown);
    let one = folder.ok("lut show a.json --rows 1");
    assert!(one.contains("33.3 % 1 more kernel;") && !one.contains("Gemm_1"), "{one}");
    let gemm = folder.ok("lut show a.json --filter GEMM");
    assert!(gemm.contains(" 33.3 %") && !gemm.contains("Conv_0"), "{gemm}");
    folder.fails("lut show a.json --filter nothing", 2, "no kernel's name");
    let sorted = folder.ok("lut show b.json --sort layer");
    assert!(place(&sorted, "Conv_0") < place(&sorted, "Gemm_1"), "{sorted}");
    let all = json(&folder.ok("lut show a.json --json"));
    assert_eq!(all, json(&String::from_utf8(folder.read("a.json")).unwrap()));
    assert_eq!((&all["subject"]["model"], &all["subject"]["backend"]), (&"net.plan".into(), &"command".into()));
}

#[test]
fn two_profiles_are_compared() {
    let folder = folder();
    let diff = folder.ok("lut diff a.json b.json");
    for expected in [
        "before  a.json: net.plan on a, 1 thread: ",
        "one run",
        "+20.0 %",
        "+0.0 %",
        "all kernels",
        "2 kernels in both",
    ] {
        assert!(diff.contains(expected), "no `{expected}` in\n{diff}");
    }
    assert!(!diff.contains("only "), "{diff}");
    let diff = json(&folder.ok("lut diff a.json b.json --json"));
    let first = &diff["kernels"][0];
    assert_eq!((&first["name"], &first["likeness"]), (&"Conv_0 + Relu_0".into(), &"all".into()));
    // The stand-in takes the same time in each process: the interval is of no width.
    assert!((first["ratio"].as_f64().unwrap() - 1.2).abs() < 1e-9 && first["ratio_interval"].is_array(), "{first}");
    assert_eq!(diff["whole"]["ratio"], 1.0);

    // A measured profile and an imported one: layers of one only are listed.
    fs::write(
        folder.path("other.json"),
        r#"[{"count": 10}, {"name": "Gemm_1", "averageMs": 0.5}, {"name": "Relu_7", "averageMs": 0.125}]"#,
    )
    .unwrap();
    folder.ok("lut import other.json --format trtexec --device jetson -o c.parquet");
    let diff = folder.ok("lut diff a.json c.parquet");
    for expected in [
        "only before: 1 kernel, 0.5000 ms",
        "only after: 1 kernel, 0.1250 ms",
        "Relu_7",
        "one run: not timed in both",
        "+100.0 %",
    ] {
        assert!(diff.contains(expected), "no `{expected}` in\n{diff}");
    }
}

#[test]
fn profiles_are_reported_alone_and_together() {
    let folder = folder();
    assert_eq!(json(&folder.ok("report a.json -o a.html --json"))["kind"], "model");
    let page = String::from_utf8(folder.read("a.html")).unwrap();
    for expected in ["net.plan on a (command)", "Where does the time go?", "Conv_0 + Relu_0", "66.67 %", "-16.7"] {
        assert!(page.contains(expected), "no `{expected}` in the page");
    }
    assert_eq!(json(&folder.ok("report a.json b.json -o c.html --json"))["kind"], "comparison");
    let page = String::from_utf8(folder.read("c.html")).unwrap();
    assert!(page.contains("2 profiles compared") && page.contains("× 1.200"));
    folder.fails("report a.json -o d.html --space small.toml", 2, "--space small.toml");
    assert!(!folder.path("d.html").exists());
}

#[test]
fn a_command_that_needs_a_lut_says_that_a_profile_is_none() {
    let folder = folder();
    folder.ok("measure --device synthetic:quiet --space small.toml -o lut.parquet");
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1")).unwrap();
    for line in [
        "estimate --lut a.json --space small.toml --arch arch.json",
        "validate --device synthetic:quiet --lut a.json --space small.toml -n 3",
        "lut merge a.json b.json -o no.parquet",
        "lut export a.json -o no.parquet",
        "lut check a.json",
        "lut diff a.json lut.parquet",
        "lut diff lut.parquet a.json",
        "report lut.parquet a.json -o no.html",
    ] {
        let ran = folder.fails(line, 2, "a.json is the profile of a model, not a LUT of a space");
        assert!(ran.stderr.contains("hint: "), "{line}: {}", ran.stderr);
    }
    // The control: what is no profile is not called one.
    fs::write(folder.path("other.json"), "{\"kernels\": 3}").unwrap();
    assert!(!folder.fails("lut check other.json", 2, "other.json").stderr.contains("profile of a model"));
    // An imported profile is stored as a LUT, and is of no space either.
    fs::write(folder.path("t.json"), r#"[{"count": 1}, {"name": "Gemm_1", "averageMs": 0.5}]"#).unwrap();
    folder.ok("lut import t.json --format trtexec --device jetson -o t.parquet");
    folder.fails("estimate --lut t.parquet --space small.toml --arch arch.json", 6, "profile of the model `t`");
    for output in ["no.parquet", "no.csv", "no"] {
        let ran =
            folder.fails(&format!("measure --device a --model net.plan -o {output}"), 2, &format!("-o {output}: "));
        assert!(ran.stderr.contains("hint: -o no.json"), "{}", ran.stderr);
        assert!(!folder.path(output).exists(), "{output}");
    }
    assert!(!folder.path("no.html").exists() && !folder.path("no.parquet").exists());
}
