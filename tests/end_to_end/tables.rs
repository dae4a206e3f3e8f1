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
    // Which is which is said, and stays with them when they change places.
    let named = |table: &str, before: &str, after: &str| {
        assert!(table.starts_with(&format!("before  {before}: mobilenet-cifar10 on ")), "{table}");
        assert!(table.contains(&format!("\nafter   {after}: mobilenet-cifar10 on ")), "{table}");
    };
    named(&table, "a.json", "b.json");
    named(&folder.ok("lut diff b.json a.json"), "b.json", "a.json");
    let json: serde_json::Value = serde_json::from_str(&folder.ok("lut diff b.json a.json --json")).unwrap();
    assert_eq!((&json["before"], &json["after"]), (&"b.json".into(), &"a.json".into()));
    insta::assert_snapshot!(form(&without_rows(&table, 8)));
}

/// Blocks with their totals first, then a few layers, or all of them.
#[test]
fn estimate_explain() {
    let folder = folder_with_lut();
    let arch = folder.ok("space sample mobilenet-cifar10 -n 1 --seed 4");
    std::fs::write(folder.path("arch.json"), arch).unwrap();
    let line = "estimate --lut lut.parquet --space mobilenet-cifar10 --arch arch.json --explain";
    let share = |line: &str| line.split(" %").next()?.split_whitespace().last()?.parse::<f64>().ok();
    let shares = |table: &str, heading: &str| -> Vec<f64> {
        let rows = table.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
        rows.take_while(|line| line.contains(" ms ")).filter_map(share).collect()
    };
    let table = folder.ok(line);
    fits(&table);
    let (blocks, layers) = (shares(&table, "block"), shares(&table, "layer"));
    assert!((blocks.iter().sum::<f64>() - 100.0).abs() < 0.2, "{table}");
    assert!(blocks.len() > 15 && !blocks.is_sorted(), "in the order of the network: {table}");
    assert!(layers.len() == 10 && layers.is_sorted_by(|a, b| a >= b), "{table}");
    let text = |table: &str| form(&table.lines().filter(|line| !line.contains(" ms ")).collect::<Vec<_>>().join("\n"));
    insta::assert_snapshot!(text(&table));
    assert_eq!(shares(&folder.ok(&format!("{line} --rows 3")), "layer"), layers[..3]);

    let all = folder.ok(&format!("{line} --by-layer"));
    fits(&all);
    let every = shares(&all, "layer");
    assert!(every.len() > 100 && every.is_sorted_by(|a, b| a >= b) && every[..10] == layers, "{all}");
    assert!(!all.contains("block ") && !all.contains("more layers"), "{all}");
    assert_eq!(shares(&folder.ok(&format!("{line} --rows 0")), "layer"), every);
    folder.fails("estimate --lut lut.parquet --arch arch.json --rows 3", 2, "--explain");
}

/// Sorted by a column and cut down to some layers; without that it is the most expensive first.
#[test]
fn lut_show_is_sorted_and_filtered() {
    let folder = folder_with_lut();
    let rows = |options: &str| -> Vec<String> {
        let table = folder.ok(&format!("lut show lut.parquet --rows 0 {options}"));
        fits(&table);
        let rows = table.lines().skip_while(|line| !line.starts_with("layer")).skip(1);
        rows.take_while(|line| line.contains(" ms ")).map(ToOwned::to_owned).collect()
    };
    let number = |row: &String, unit: &str| -> f64 {
        row.split(unit).next().unwrap().split_whitespace().last().unwrap().parse().unwrap()
    };
    let all = rows("");
    assert!(all.is_sorted_by(|a, b| number(a, " ms ") >= number(b, " ms ")));
    let by_half = rows("--sort half");
    assert!(by_half.is_sorted_by(|a, b| number(a, " %") >= number(b, " %")) && by_half != all);
    let keys = |rows: &[String]| -> Vec<String> { rows.iter().map(|r| r[..12].to_owned()).collect() };
    assert!(keys(&rows("--sort layer")).is_sorted() && !keys(&all).is_sorted());
    let mut sorted = (all.clone(), by_half);
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1, "the same rows");
    let pools = rows("--filter POOL");
    assert!(!pools.is_empty() && pools.len() < all.len() && pools.iter().all(|row| row.contains("pool")), "{pools:?}");
    let json: serde_json::Value =
        serde_json::from_str(&folder.ok("lut show lut.parquet --filter POOL --json")).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), pools.len());
    folder.fails("lut show lut.parquet --filter nothing-like-it", 2, "no layer's key contains it");
    folder.fails("lut show lut.parquet --sort size", 2, "--sort");
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
