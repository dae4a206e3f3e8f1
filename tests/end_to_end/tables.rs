//! Tables on the terminal: they fit, and look as they did. Numbers are not compared: they are the engine's.

use nasprof_base::text::columns;

use crate::harness::Folder;
use crate::sample_lut::folder_with_lut;

/// A table's form: digits as `0`, bars as one block, so that another measurement looks the same.
fn form(table: &str) -> String {
    let mut text = String::new();
    for c in table.chars() {
        let c = match c {
            '1'..='9' => '0',
            '▉'..='▏' => '█',
            c => c,
        };
        if !(text.ends_with(c) && matches!(c, '█' | ' ' | '0')) {
            text.push(c);
        }
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A table without its layers, which depend on what is slow; every one of them has a time and a share or change.
fn without_rows(table: &str, count: usize) -> String {
    let lines: Vec<&str> = table.lines().collect();
    let first = lines.iter().position(|line| line.starts_with("layer")).unwrap() + 1;
    let rows = &lines[first..first + count];
    assert!(rows.iter().all(|row| row.contains(" ms ") && row.contains(" %")), "{table}");
    [&lines[..first], &lines[first + count..]].concat().join("\n")
}

fn fits(table: &str) {
    for line in table.lines() {
        assert!(columns(line) <= 80, "wider than 80 columns: {line}");
        assert!(!line.contains('\u{1b}'), "colour in a pipe: {line}");
    }
}

#[test]
fn lut_show() {
    let table = folder_with_lut().ok("lut show lut.parquet --rows 6");
    fits(&table);
    insta::assert_snapshot!(form(&without_rows(&table, 6)));
}

#[test]
fn lut_diff() {
    let folder = folder_with_lut();
    folder.ok("lut export lut.parquet -o a.json");
    let mut lut: serde_json::Value = serde_json::from_slice(&folder.read("a.json")).unwrap();
    for (i, row) in lut["rows"].as_array_mut().unwrap().iter_mut().enumerate() {
        let mean = row["times"]["mean_ns"].as_f64().unwrap();
        row["times"]["mean_ns"] = (mean * (1.0 + 0.01 * (i % 7) as f64 - 0.02)).into();
    }
    std::fs::write(folder.path("b.json"), lut.to_string()).unwrap();
    let table = folder.ok("lut diff a.json b.json --rows 8");
    fits(&table);
    insta::assert_snapshot!(form(&without_rows(&table, 8)));
}

#[test]
fn estimate_explain() {
    let folder = folder_with_lut();
    let arch = folder.ok("space sample mobilenet-cifar10 -n 1 --seed 4");
    std::fs::write(folder.path("arch.json"), arch).unwrap();
    let table = folder.ok("estimate --lut lut.parquet --space mobilenet-cifar10 --arch arch.json --explain");
    fits(&table);
    let share = |line: &str| line.split(" %").next()?.split_whitespace().last()?.parse::<f64>().ok();
    let shares: Vec<f64> = table.lines().skip(3).filter(|line| line.contains(" ms ")).filter_map(share).collect();
    assert!(shares.len() > 100 && shares.is_sorted_by(|a, b| a >= b), "{table}");
    insta::assert_snapshot!(form(&table.lines().take(4).collect::<Vec<_>>().join("\n")));
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
    let folder = folder_with_lut();
    folder.ok("lut export lut.parquet -o a.json");
    let mut lut: serde_json::Value = serde_json::from_slice(&folder.read("a.json")).unwrap();
    lut["rows"][0]["key"] = "conv\u{1b}[2J\u{7}(evil)".into();
    std::fs::write(folder.path("evil.json"), lut.to_string()).unwrap();
    let table = folder.ok("lut show evil.json --rows 0");
    fits(&table);
    assert!(table.contains("conv\u{fffd}[2J\u{fffd}(evil)"), "{table}");

    // Wide characters take two columns, and a very long name is cut.
    lut["rows"][0]["key"] = "層".repeat(5000).into();
    lut["rows"][1]["key"] = "e\u{301}\u{202e}".repeat(5000).into();
    std::fs::write(folder.path("wide.json"), lut.to_string()).unwrap();
    let table = folder.ok("lut show wide.json --rows 0");
    fits(&table);
    assert!(table.contains("層層…層") && !table.contains('\u{202e}'), "{table}");
    fits(&folder.ok("lut diff wide.json a.json --rows 0"));

    let with = |name: &str| {
        let output = folder.command("lut show lut.parquet").env(name, "1").output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains('\u{1b}')
    };
    assert!(with("CLICOLOR_FORCE"));
    assert!(!with("NO_COLOR"));
}
