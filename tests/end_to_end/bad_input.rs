//! What is refused, with which exit code, and that the message names it.

use crate::fake_agent::agent;
use crate::harness::Folder;

#[test]
fn unknown_names_are_explained() {
    let folder = Folder::new();
    let ran = folder.fails("measure --device lokal --space small.toml", 2, "did you mean `local`");
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
    folder.fails("measure --device synthetic:quite --space small.toml", 2, "did you mean `quiet`");
    folder.fails("space show mobilnet-cifar10", 2, "did you mean `mobilenet-cifar10`");
    folder.fails("space show missing.toml", 2, "missing.toml");
    folder.fails("estimate --lut missing.parquet --space small.toml --arch -", 2, "missing.parquet");
    folder.fails("lut show small.toml", 2, "not .parquet, .csv or .json");
    folder.fails("measure --device synthetic:quiet --space small.toml --ci 2", 2, "--ci");
    // Refused before anything is measured: there is no journal.
    folder.fails("measure --device synthetic:quiet --space small.toml -o a.txt", 2, "`.txt` is not .parquet, .csv");
    assert!(!folder.path("a.journal.jsonl").exists());
}

#[test]
fn damaged_files_are_refused() {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    let whole = folder.read("a.parquet");
    std::fs::write(folder.path("cut.parquet"), &whole[..whole.len() / 2]).unwrap();
    folder.fails("lut show cut.parquet", 2, "cut.parquet");
    std::fs::write(folder.path("empty.parquet"), b"").unwrap();
    folder.fails("lut show empty.parquet", 2, "empty.parquet");
    std::fs::write(folder.path("wrong.json"), br#"{"context": 7}"#).unwrap();
    folder.fails("lut show wrong.json", 2, "wrong.json");

    let mut journal = folder.read("a.journal.jsonl");
    let middle = journal.len() / 2;
    journal[middle] ^= 1;
    std::fs::write(folder.path("bad.jsonl"), &journal).unwrap();
    folder.fails("lut rebuild bad.jsonl -o x.parquet", 2, "line");
    assert!(!folder.path("x.parquet").exists());
}

#[test]
fn another_context_is_refused_with_what_differs() {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    folder.fails("validate --device synthetic:quiet --lut a.parquet --space small.toml -n 1 --batch 8", 6, "batch");
    folder.fails("validate --device synthetic:noisy --lut a.parquet --space small.toml -n 1", 6, "device");
    folder.fails("estimate --lut a.parquet --space mobilenet-cifar10 --arch -", 6, "space");
    folder.fails("estimate --lut a.parquet --space small.toml --threads 2 --arch -", 6, "threads");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let folder = Folder::new();
    let measure = "measure --device synthetic:quiet --space small.toml --max-rounds 8";
    folder.ok(&format!("{measure} -o a.parquet"));
    folder.ok(&format!("{measure} --mode isolated -o alone.parquet"));
    folder.ok(&format!("{measure} --mode isolated --batch 8 -o eight.parquet"));
    let validate = "validate --device synthetic:quiet --lut a.parquet --space small.toml -n 2 --json";
    let result = folder.ok(&format!("{validate} --isolated alone.parquet"));
    folder.fails(&format!("{validate} --isolated a.parquet"), 2, "--isolated: its layers were timed inside networks");
    folder.fails(&format!("{validate} --isolated eight.parquet"), 6, "batch is `8` in the LUT, but `1` was requested");

    std::fs::write(folder.path("v.json"), result).unwrap();
    folder.ok("report v.json --lut a.parquet --space small.toml -o v.html");
    folder.fails("report v.json --lut a.parquet --space darts-cifar10 -o w.html", 6, "space is `small` in the LUT");
    let before = folder.read("a.parquet");
    folder.fails("report a.parquet -o ./a.parquet", 2, "it would overwrite an input");
    folder.fails("lut merge a.parquet eight.parquet -o a.parquet", 2, "it would overwrite an input");
    assert_eq!(folder.read("a.parquet"), before);
    let journal = folder.read("a.journal.jsonl");
    std::fs::copy(folder.path("a.journal.jsonl"), folder.path("j.json")).unwrap();
    folder.fails("lut rebuild j.json -o j.json", 2, "it would overwrite an input");
    assert_eq!(folder.read("j.json"), journal);
}

#[test]
fn a_lut_without_some_layers_gives_no_latency_and_says_why() {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml --max-rounds 8 -o a.parquet");
    folder.ok("lut export a.parquet -o a.json");
    let mut lut: serde_json::Value = serde_json::from_slice(&folder.read("a.json")).unwrap();
    lut["rows"].as_array_mut().unwrap().retain(|row| row["op"] != "linear");
    std::fs::write(folder.path("gap.json"), lut.to_string()).unwrap();
    std::fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1 --seed 1")).unwrap();
    let estimate = |lut: &str| format!("estimate --lut {lut} --space small.toml --arch arch.json --json");
    folder.ok(&estimate("a.json"));
    let ran = folder.fails(&estimate("gap.json"), 2, "no entry for some layers");
    assert!(ran.stdout.contains("\"latency_ms\":null"), "{}", ran.stdout);
}

/// A space file may be JSON; what is wrong with it is said as of TOML.
#[test]
fn a_space_file_may_be_json() {
    let folder = Folder::new();
    let toml = nasprof_base::config_text::table(crate::harness::SPACE).unwrap();
    std::fs::create_dir(folder.path("json")).unwrap();
    std::fs::write(folder.path("json/small.json"), serde_json::to_string(&toml).unwrap()).unwrap();
    assert_eq!(folder.ok("space show json/small.json --json"), folder.ok("space show small.toml --json"));
    std::fs::write(folder.path("bad.json"), "{\"format_version\": 1, \"kind\": \"mobilenet\", \"candidate\": []}")
        .unwrap();
    folder.fails("space show bad.json", 2, "did you mean `candidates`");
}

#[test]
fn wrong_architectures_are_named() {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    let arch = folder.ok("space sample small.toml");
    for (from, to, naming) in [
        ("\"small\"", "\"other\"", "other"),
        ("blocks/0", "blocks/7", "blocks/7"),
        ("MB", "XB", "XB"),
        ("format_version\":1", "format_version\":2", "format_version"),
        ("choices", "choises", "choises"),
    ] {
        std::fs::write(folder.path("arch.json"), arch.replace(from, to)).unwrap();
        folder.fails("estimate --lut a.parquet --space small.toml --arch arch.json", 2, naming);
    }
}

#[test]
fn a_busy_machine_is_refused_or_stamped() {
    let folder = Folder::new();
    folder.fails("measure --device synthetic:busy --space small.toml -o b.parquet", 4, "noisy");
    assert!(!folder.path("b.parquet").exists() && !folder.path("b.journal.jsonl").exists());
    // What the hint says works: the refusal left nothing that is in the way.
    let ran = folder.run("measure --device synthetic:busy --space small.toml -o b.parquet --allow-noisy --json");
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    let lut: serde_json::Value = serde_json::from_str(&folder.ok("lut show b.parquet --json")).unwrap();
    let rows = lut["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["flags"].as_array().unwrap().contains(&"noisy".into())));
}

/// The agent says who, in names of others' making; the program says it to people.
#[test]
fn a_refused_machine_is_told_with_who_keeps_it_busy() {
    let folder = Folder::new();
    let line = "measure --device synthetic:busy --space small.toml -o a.parquet";
    // Control: where the device does not tell, nothing is said.
    assert!(!folder.fails(line, 4, "noisy").stderr.contains("busy:"));
    let told = r#"| sed 's/"values":{/"busy":[{"name":"chro\\u001b[2Jmium","percent":45.2},{"name":"rustc","percent":37.6}],&/'"#;
    let mut command = folder.command(line);
    let output = command.env("NASPROF_AGENT", agent(&folder, 100_000, told)).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{words}");
    assert!(words.contains("busy: chro\\u{1b}[2Jmium 45 %, rustc 38 %") && !words.contains('\u{1b}'), "{words}");
}

/// A failed layer is an error in the table and makes the estimate say so; it is never 0 ms.
#[test]
fn a_layer_that_fails_is_recorded_as_failed() {
    let folder = Folder::new();
    let line = "measure --device synthetic:no-pool --space small.toml --mode isolated -o a.parquet";
    let ran = folder.run(line);
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    let lut: serde_json::Value = serde_json::from_str(&folder.ok("lut show a.parquet --json")).unwrap();
    let pool = lut["rows"].as_array().unwrap().iter().find(|r| r["op"] == "global_avg_pool").unwrap();
    assert!(pool["times"].is_null());
    assert!(pool["error"].as_str().unwrap().contains("not implemented"));
    std::fs::write(folder.path("arch.json"), folder.ok("space sample small.toml")).unwrap();
    let ran = folder.run("estimate --lut a.parquet --space small.toml --arch arch.json --json");
    assert_eq!(ran.code, Some(2));
    let estimate: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(estimate["latency_ms"].is_null() && estimate["interval_ms"].is_null());
    assert!(estimate["coverage"].as_f64().unwrap() < 1.0);
}

/// Networks that do not fit into the device's memory are left out, and the user hears of it.
#[test]
fn a_device_with_little_memory_gives_a_lut_that_says_what_is_missing() {
    let folder = Folder::new();
    let measure = "measure --device synthetic:little-memory --space mobilenet-cifar10 -o a.parquet";
    let ran = folder.run(measure);
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    assert!(ran.stderr.contains("measured without network ") && ran.stderr.contains("6 networks are loaded"));
    let shown = folder.ok("lut show a.parquet");
    assert!(shown.contains("the device refused network "), "{shown}");
    assert!(folder.ok("lut show a.parquet --json").contains("its networks were refused: out of memory"));
    // Control: with enough memory nothing is missing.
    let ran = folder.run(&measure.replace("little-memory", "quiet").replace("a.parquet", "b.parquet"));
    assert!(matches!(ran.code, Some(0 | 3)) && !ran.stderr.contains("measured without"), "{}", ran.stderr);
}

/// A full disk ends the measurement with an error; what fits on a disk with space is the control.
#[test]
fn a_full_disk_is_an_error() {
    let folder = Folder::new();
    if !std::path::Path::new("/dev/full").exists() {
        nasprof_testkit::skip::skip("this machine has no /dev/full");
        return;
    }
    std::os::unix::fs::symlink("/dev/full", folder.path("a.journal.jsonl")).unwrap();
    let ran = folder.run("measure --device synthetic:quiet --space small.toml -o a.parquet --resume");
    assert_ne!(ran.code, Some(0));
    assert!(!folder.path("a.parquet").exists());
    folder.ok("measure --device synthetic:quiet --space small.toml -o b.parquet");
    for line in ["completions bash", "space list"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = folder.command(line).stdout(full).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && words.starts_with("error: cannot write"), "{line}: {words}");
    }
}
