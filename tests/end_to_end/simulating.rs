//! Searches on a table of trained networks, and comparisons of methods on it: without libtorch.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use crate::harness::Folder;

const EXPERIMENT: &str = "format_version = 1\nspace = \"nasbench201-cifar10\"\nseed = 4\naccuracy_table = \"table.csv\"\n\
    [[regularizers]]\nkind = \"reject\"\nquantity = \"macs\"\nupper = 100000000\n\
    [searcher]\nkind = \"staged\"\ntrainings = 4\n";

/// Invented accuracies: convolutions are worth more the larger they are, and the rest is noise.
fn table() -> String {
    let operations = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    let worth = [0.0, 1.0, 3.0, 5.0, 0.5];
    let mut text = "cell,cifar10_valid,cifar10_test\n".to_owned();
    for number in 0..15_625_u32 {
        let digit = |edge: u32| (number / 5_u32.pow(edge) % 5) as usize;
        let op = |edge: u32| operations[digit(edge)];
        let noise = f64::from(number.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
        let accuracy = 50.0 + (0..6).map(|edge| worth[digit(edge)]).sum::<f64>() + 5.0 * noise;
        let cell = format!("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|", op(0), op(1), op(2), op(3), op(4), op(5));
        writeln!(text, "{cell},{accuracy:.3},{:.3}", accuracy - 0.5).unwrap();
    }
    text
}

fn folder() -> Folder {
    let folder = Folder::new();
    fs::write(folder.path("table.csv"), table()).unwrap();
    fs::write(folder.path("search.toml"), EXPERIMENT).unwrap();
    folder
}

#[test]
fn methods_are_compared_on_a_table() {
    let folder = folder();
    let compared: Value =
        serde_json::from_str(&folder.ok("simulate search.toml --cost 2,5 --seeds 60 --json")).unwrap();
    let (words, picture) = ("simulate search.toml --cost 2,5 --seeds 5", folder.path("methods.svg"));
    folder.ok(&format!("{words} --picture methods.svg"));
    let svg = fs::read_to_string(picture).unwrap();
    assert!(
        ["random", "regularized-evolution", "local-search", "staged"].iter().all(|name| svg.contains(name)),
        "{svg}"
    );
    folder.fails(&format!("{words} --picture methods.txt"), 2, "--picture");
    let lines = compared["lines"].as_array().unwrap();
    let named: Vec<(&str, f64)> =
        lines.iter().map(|line| (line["method"].as_str().unwrap(), line["cost"].as_f64().unwrap())).collect();
    let methods = ["random", "regularized-evolution", "local-search", "staged"];
    assert_eq!(named, [2.0, 5.0].map(|cost| methods.map(|method| (method, cost))).concat());
    let networks = compared["networks"].as_u64().unwrap();
    assert!(networks > 1000 && networks < 15_625, "{networks} within the budget");
    let number = |line: &Value, path: &str| line.pointer(path).and_then(Value::as_f64).unwrap();
    for line in lines {
        assert!(number(line, "/spent") <= number(line, "/cost"), "{line}");
        assert!(number(line, "/test_accuracy/mean") <= compared["best_test_accuracy"].as_f64().unwrap());
    }
    // The table is made so that the number of MACs tells much; random search against itself is the control.
    assert!(number(&lines[7], "/gain/interval/0") > 0.0, "{}", lines[7]);
    assert!(number(&lines[4], "/gain/interval/0") < 0.0 && number(&lines[4], "/gain/interval/1") > 0.0, "{}", lines[4]);
    // One search, with random search beside it.
    let words = folder.ok("search search.toml -o run");
    for line in
        ["valid_accuracy", "test accuracy", "cost          4.0 trainings, according to the table", "random        "]
    {
        assert!(words.contains(line), "no `{line}` in\n{words}");
    }
    let result: Value = serde_json::from_slice(&folder.read("run/result.json")).unwrap();
    assert_eq!((&result["evaluated"], &result["on_table"]["random"]["trainings"]), (&4.into(), &4.0.into()));
    let candidates = folder.read("run/candidates.parquet");
    folder.ok("search search.toml -o run --resume");
    assert!(folder.read("run/candidates.parquet") == candidates);
}

/// A finished run stays what it was: another table under the same name is refused, and so is a run that did not record its table.
#[test]
fn a_run_belongs_to_its_table() {
    let folder = folder();
    folder.ok("search search.toml -o run");
    let before = folder.read("run/result.json");
    let resumed = "search search.toml -o run --resume";
    fs::write(folder.path("table.csv"), table().replace(",5", ",4")).unwrap();
    folder.fails(resumed, 2, "the accuracy table table.csv has changed since this run began");
    assert!(folder.read("run/result.json") == before);
    // The control: without its checksum, the change would not show; so the run is refused even with its own table.
    fs::write(folder.path("table.csv"), table()).unwrap();
    folder.ok(resumed);
    fs::remove_file(folder.path("run/run.sha256")).unwrap();
    fs::write(folder.path("run/luts.sha256"), "").unwrap();
    folder.fails(resumed, 2, "luts.sha256: has no checksum of the accuracy table table.csv");
}

/// A hard limit and something to choose from are enough: what runs is the staged search, as if it were asked for.
#[test]
fn the_staged_search_is_the_default_under_a_hard_limit() {
    let folder = folder();
    let without = EXPERIMENT.split("[searcher]").next().unwrap();
    fs::write(folder.path("default.toml"), without).unwrap();
    fs::write(folder.path("staged.toml"), format!("{without}[searcher]\nkind = \"staged\"\n")).unwrap();
    folder.ok("search default.toml -o default");
    folder.ok("search staged.toml -o staged");
    assert!(folder.read("default/config.toml") == folder.read("staged/config.toml"));
    assert!(folder.read("default/candidates.parquet") == folder.read("staged/candidates.parquet"));
    // The control: without a limit nobody knows which search is meant.
    fs::write(folder.path("free.toml"), without.split("[[regularizers]]").next().unwrap()).unwrap();
    folder.fails("search free.toml -o free", 2, "has no table `searcher`");
}

#[test]
fn tables_and_costs_that_are_refused() {
    let folder = folder();
    folder.fails("simulate search.toml --cost 0.5", 2, "--cost 0.5: is not in 1 to");
    folder.fails(
        "search search.toml -o run --set searcher.rungs=[5]",
        2,
        "rungs after [5] epochs need learning curves",
    );
    folder.fails(
        "search search.toml -o run --set searcher.draws=3",
        2,
        "`searcher.draws`: 3 networks are too few for 4",
    );
    folder.fails("simulate search.toml --cost 501", 2, "`searcher.draws`: 500 networks are too few for a cost of 501");
    folder.fails("search search.toml -o run --set searcher.scores=[\"naswot\"]", 2, "the table has no score `naswot`");
    folder.fails("search search.toml -o run --set regularizers.0.upper=10", 2, "no network meets a macs of 10");
    folder.fails("search search.toml -o run --set searcher.kind=darts", 2, "searcher");
    let warned = folder.run("search search.toml -o loose --set regularizers.0.upper=1000000000");
    assert!(
        warned.stderr.contains("warning: regularizers.0.upper: every network meets a macs of 1000000000"),
        "{}",
        warned.stderr
    );
    let text = table();
    for (change, naming) in [
        (text.replacen(",5", ",-5", 1), "table.csv: line 2: "),
        (
            text.lines()
                .filter(|line| !line.starts_with("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"))
                .fold(String::new(), |text, line| text + line + "\n"),
            "1 cells of the space have no row, for example edge_0_1 = none",
        ),
        (format!("{text}{}\n", text.lines().nth(7).unwrap()), "line 15627: the cell |"),
    ] {
        fs::write(folder.path("table.csv"), change).unwrap();
        folder.fails("simulate search.toml", 2, naming);
        folder.fails("search search.toml -o run", 2, "key `accuracy_table`: ");
    }
    fs::remove_file(folder.path("table.csv")).unwrap();
    folder.fails("search search.toml -o run", 2, "table.csv");
    assert!(!folder.path("run").exists(), "what is refused leaves nothing");
}
