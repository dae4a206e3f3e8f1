//! Tables on the terminal, over the LUT that is kept with its run: it stays readable and looks as it did.

use crate::harness::Folder;

const LUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reports/runs/2026-11-24-2-core-vm/lut.csv");

fn fits(table: &str) {
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "wider than 80 columns: {line}");
        assert!(!line.contains('\u{1b}'), "colour in a pipe: {line}");
    }
}

#[test]
fn lut_show() {
    let table = Folder::new().ok(&format!("lut show {LUT} --rows 12"));
    fits(&table);
    insta::assert_snapshot!(table);
}

#[test]
fn lut_diff() {
    let folder = Folder::new();
    folder.ok(&format!("lut export {LUT} -o a.json"));
    let mut lut: serde_json::Value = serde_json::from_slice(&folder.read("a.json")).unwrap();
    for (i, row) in lut["rows"].as_array_mut().unwrap().iter_mut().enumerate() {
        let mean = row["times"]["mean_ns"].as_f64().unwrap();
        row["times"]["mean_ns"] = (mean * (1.0 + 0.01 * (i % 7) as f64 - 0.02)).into();
    }
    std::fs::write(folder.path("b.json"), lut.to_string()).unwrap();
    let table = folder.ok("lut diff a.json b.json --rows 8");
    fits(&table);
    insta::assert_snapshot!(table);
}

#[test]
fn estimate_explain() {
    let folder = Folder::new();
    let arch = folder.ok("space sample mobilenet-cifar10 -n 1 --seed 4");
    std::fs::write(folder.path("arch.json"), arch).unwrap();
    let table = folder.ok(&format!("estimate --lut {LUT} --space mobilenet-cifar10 --arch arch.json --explain"));
    fits(&table);
    insta::assert_snapshot!(table.lines().take(20).collect::<Vec<_>>().join("\n"));
}

#[test]
fn validate_shows_errors_and_the_worst_networks() {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    let table = folder.ok("validate --device synthetic:quiet --space small.toml --lut a.parquet -n 12");
    fits(&table);
    assert!(table.contains("worst networks") && table.contains("MAPE") && table.contains('│'), "{table}");
}

/// A name cannot steer the terminal, and colours come when they are asked for.
#[test]
fn colours_and_controls() {
    let folder = Folder::new();
    folder.ok(&format!("lut export {LUT} -o a.json"));
    let mut lut: serde_json::Value = serde_json::from_slice(&folder.read("a.json")).unwrap();
    lut["rows"][0]["key"] = "conv\u{1b}[2J\u{7}(evil)".into();
    std::fs::write(folder.path("evil.json"), lut.to_string()).unwrap();
    let table = folder.ok("lut show evil.json --rows 0");
    fits(&table);
    assert!(table.contains("conv\u{fffd}[2J\u{fffd}(evil)"), "{table}");

    let with = |name: &str| {
        let output = folder.command(&format!("lut show {LUT}")).env(name, "1").output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains('\u{1b}')
    };
    assert!(with("CLICOLOR_FORCE"));
    assert!(!with("NO_COLOR"));
}
