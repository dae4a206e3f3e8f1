//! How architectures are given: in files, in lines, on the standard input, and without naming their space once more.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Folder, Ran};
use crate::sample_lut::folder_with_lut;

fn with_input(folder: &Folder, line: &str, input: &str) -> Ran {
    let mut child =
        folder.command(line).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_file_of_lines_is_read_as_the_standard_input_is() {
    let folder = folder_with_lut();
    let sample = folder.ok("space sample mobilenet-cifar10 -n 3 --seed 7");
    std::fs::write(folder.path("three.jsonl"), sample.replace('\n', "\n\n")).unwrap();
    let line = "estimate --lut lut.parquet --space mobilenet-cifar10 --json --arch";
    let of_file = folder.ok(&format!("{line} three.jsonl"));
    let of_input = with_input(&folder, &format!("{line} -"), &sample);
    assert_eq!((of_input.code, of_input.stdout.as_str()), (Some(0), of_file.as_str()), "{}", of_input.stderr);
    // Each line says of what it is, in words that a command takes again, and is short.
    let lines: Vec<Value> = of_file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let archs: Vec<Value> = sample.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["arch"].clone()).collect::<Vec<_>>(), archs);
    assert!(lines.iter().all(|line| line["nodes"].is_null() && line["blocks"].is_null()), "{of_file}");
    // Control: with --explain the layers are there, and the blocks add up to them.
    std::fs::write(folder.path("one.json"), serde_json::to_string_pretty(&archs[0]).unwrap()).unwrap();
    let explained: Value = serde_json::from_str(&folder.ok(&format!("{line} one.json --explain"))).unwrap();
    assert!(explained["nodes"].as_array().unwrap().len() > 100);
    let sum: f64 = explained["blocks"].as_array().unwrap().iter().map(|b| b["latency_ms"].as_f64().unwrap()).sum();
    assert!((sum / explained["latency_ms"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(explained["latency_ms"], lines[0]["latency_ms"]);
    // Several lines make one architecture as well, on the standard input too.
    let pretty = serde_json::to_string_pretty(&archs[1]).unwrap();
    let two = with_input(&folder, &format!("{line} -"), &format!("{pretty}\n{}", archs[2]));
    assert_eq!(two.stdout.lines().collect::<Vec<_>>(), of_file.lines().skip(1).collect::<Vec<_>>(), "{}", two.stderr);
}

/// Many at once go through the batch form on all cores; what they say is what each says alone.
#[test]
fn many_are_estimated_as_each_is_alone() {
    let folder = folder_with_lut();
    let sample = folder.ok("space sample mobilenet-cifar10 -n 3000 --seed 11");
    let line = "estimate --lut lut.parquet --space mobilenet-cifar10 --json --arch";
    std::fs::write(folder.path("many.jsonl"), &sample).unwrap();
    let many = folder.ok(&format!("{line} many.jsonl"));
    assert_eq!(many.lines().count(), 3000);
    let archs: Vec<&str> = sample.lines().collect();
    for at in [0, 1, 1499, 2999] {
        let batch: Value = serde_json::from_str(many.lines().nth(at).unwrap()).unwrap();
        std::fs::write(folder.path("one.json"), archs[at]).unwrap();
        let single: Value = serde_json::from_str(&folder.ok(&format!("{line} one.json"))).unwrap();
        for name in ["arch", "params", "macs", "latency_ms", "interval_ms"] {
            assert_eq!(batch[name], single[name], "{name} of number {at}");
        }
        assert!(batch["peak_memory_bytes"].is_null() && single["peak_memory_bytes"].is_u64());
    }
    // A line in an unusual form in their midst, with a tab where a terminal would show one, is read as well.
    let unusual = archs[2].replace("{\"format_version\":1", "{\t\"format_version\":\n1");
    assert_ne!(unusual, archs[2]);
    let mixed = format!("{}\n{unusual}\n{}\n", archs[..2].join("\n"), archs[3..6].join("\n"));
    let ran = with_input(&folder, &format!("{line} -"), &mixed);
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), many.lines().take(6).collect::<Vec<_>>(), "{}", ran.stderr);
    // What is wrong is named by its line, after the estimates of all before it.
    let wrong = archs[3].replace("mobilenet-cifar10", "other");
    let ran = with_input(&folder, &format!("{line} -"), &format!("{}\n{wrong}\n{}\n", archs[..3].join("\n"), archs[4]));
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(2), 3), "{}", ran.stderr);
    assert!(ran.stderr.contains("standard input, line 4"), "{}", ran.stderr);
}

#[test]
fn none_or_too_many_are_refused_by_name() {
    let folder = folder_with_lut();
    let estimate = "estimate --lut lut.parquet --space mobilenet-cifar10 --arch";
    for nothing in ["", "\n\n"] {
        let ran = with_input(&folder, &format!("{estimate} -"), nothing);
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains("standard input: contains no architecture"), "{}", ran.stderr);
    }
    std::fs::write(folder.path("none.jsonl"), "").unwrap();
    folder.fails(&format!("{estimate} none.jsonl"), 2, "--arch none.jsonl: contains no architecture");
    let sample = folder.ok("space sample mobilenet-cifar10 -n 2");
    let lines: Vec<&str> = sample.lines().collect();
    for (name, text) in [("list.json", format!("[{}, {}]", lines[0], lines[1])), ("two.json", sample.clone())] {
        std::fs::write(folder.path(name), text).unwrap();
        for command in [estimate.to_owned(), "export -o a.svg --to svg --arch".to_owned()] {
            let ran = folder.fails(&format!("{command} {name}"), 2, name);
            assert!(ran.stderr.contains("one") && ran.stderr.contains(".jsonl"), "{}", ran.stderr);
            assert!(!ran.stderr.contains("4294967295"), "{}", ran.stderr);
        }
    }
    // Controls: the same two, one a line; and one of them alone.
    std::fs::write(folder.path("two.jsonl"), &sample).unwrap();
    assert_eq!(folder.ok(&format!("{estimate} two.jsonl")).lines().filter(|l| l.starts_with("latency")).count(), 2);
    std::fs::write(folder.path("one.json"), lines[0]).unwrap();
    folder.ok("export -o a.svg --to svg --arch one.json");
}

/// What a LUT or an architecture names need not be said again; what it names and nobody has is asked for.
#[test]
fn the_space_is_the_one_that_is_named() {
    let folder = folder_with_lut();
    std::fs::write(folder.path("one.json"), folder.ok("space sample mobilenet-cifar10")).unwrap();
    let named = folder.ok("estimate --lut lut.parquet --space mobilenet-cifar10 --arch one.json");
    assert_eq!(folder.ok("estimate --lut lut.parquet --arch one.json"), named);
    folder.ok("export --arch one.json --to dot -o a.dot");
    folder.ok("measure --device synthetic:quiet --space small.toml -o small.parquet --max-rounds 8");
    std::fs::write(folder.path("small.json"), folder.ok("space sample small.toml")).unwrap();
    let refused = folder.fails("estimate --lut small.parquet --arch small.json", 2, "the LUT belongs to `small`");
    assert!(refused.stderr.contains("--space FILE.toml"), "{}", refused.stderr);
    folder.ok("estimate --lut small.parquet --arch small.json --space small.toml");
    folder.fails("export --arch small.json --to dot -o a.dot", 2, "the architecture belongs to `small`");
    folder.fails("validate --device synthetic:quiet --lut small.parquet -n 2", 2, "the LUT belongs to `small`");
    folder.fails("devices check synthetic:quiet --lut small.parquet", 2, "the LUT belongs to `small`");
}
