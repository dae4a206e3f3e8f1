//! Lists of networks that are trained one after the other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod setting;

use std::fs;
use std::path::Path;
use std::time::Duration;

use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_search::agreement::Agreement;
use nasprof_search::job::{Job, Task};
use nasprof_search::methods::table::AccuracyTable;
use nasprof_search::trials::{Journal, Outcome, Record, read_table};
use nasprof_spaces::SpaceSpec;
use setting::{Setting, TRAINER, fails, start, succeeds};

/// Some architectures of the space, one a line; the last one twice, with two seeds.
fn list(setting: &Setting) -> Vec<String> {
    let text = fs::read_to_string(setting.path("space.toml")).unwrap();
    let space = SpaceSpec::parse(&text).unwrap().build("space").unwrap();
    let arch = |index: u16| {
        let selected = nasprof_graph::Arch(space.choices.iter().map(|_| index).collect());
        serde_json::to_string(&nasprof_graph::arch::ArchFile::new("space", &space.choices, &selected)).unwrap()
    };
    vec![arch(0), arch(1), format!("{{\"arch\":{},\"seed\":9}}", arch(1))]
}

fn many(setting: &Setting, folder: &str, lines: &[String], resume: bool) -> Job {
    let name = format!("{folder}.jsonl");
    fs::write(setting.path(&name), lines.join("\n") + "\n").unwrap();
    let job = setting.job(folder, &setting.text(TRAINER, 3), resume);
    Job { task: Task::TrainMany { list: setting.path(&name) }, ..job }
}

fn records(folder: &Path) -> Vec<Record> {
    let records = Journal::read::<Record>(&folder.join("networks.jsonl")).unwrap();
    records.into_iter().map(|record| Record { seconds: 0.0, ..record }).collect()
}

#[test]
fn each_network_leaves_its_curve_and_scores() {
    let setting = Setting::new();
    let lines = list(&setting);
    succeeds(&many(&setting, "run", &lines, false));
    let records = records(&setting.path("run"));
    assert_eq!(records.iter().map(|record| record.seed).collect::<Vec<_>>(), [5, 5, 9]);
    assert_eq!(read_table(&setting.path("run/networks.parquet")).unwrap(), records);
    for record in &records {
        let Outcome::Trained { epochs, test_images, .. } = &record.outcome else { panic!("{record:?}") };
        assert_eq!((epochs.len(), *test_images), (3, 20));
        for epoch in epochs {
            assert_eq!(epoch.batch_losses.len(), 7, "72 images in batches of 10");
            let mean = epoch.loss_sum() / 7.0;
            assert!((mean - epoch.train_loss).abs() < 1e-5 * mean, "{mean} {}", epoch.train_loss);
        }
        let names: Vec<&str> = record.scores.keys().map(String::as_str).collect();
        assert_eq!(names, nasprof_train::proxies::NAMES);
    }
    assert!(records[0].macs < records[1].macs);
    // Another seed is other weights and another order, of the same images.
    assert_eq!(records[1].arch, records[2].arch);
    assert_ne!(records[1].outcome, records[2].outcome);
    assert_ne!(records[1].scores["synflow"], records[2].scores["synflow"]);

    // What comes out for a network does not depend on the others of the list.
    let reversed: Vec<String> = lines.iter().rev().cloned().collect();
    succeeds(&many(&setting, "reversed", &reversed, false));
    let mut others = self::records(&setting.path("reversed"));
    others.reverse();
    assert!(others == records);
}

/// A convolution of zeros is trained, but no deployed network runs it. The table counts as searches on it do.
#[test]
fn networks_of_which_a_part_computes_zeros_make_a_table() {
    let setting = Setting::new();
    let text =
        "format_version = 1\nkind = \"nasbench201\"\ninput = [1, 28, 28]\nnum_classes = 10\nchannels = 4\ncells = 1\n";
    fs::write(setting.path("space.toml"), text).unwrap();
    let space = SpaceSpec::parse(text).unwrap().build("space").unwrap();
    let edges = [
        ("edge_0_1", "none"),
        ("edge_0_2", "skip_connect"),
        ("edge_1_2", "nor_conv_1x1"),
        ("edge_0_3", "skip_connect"),
        ("edge_1_3", "none"),
        ("edge_2_3", "avg_pool_3x3"),
    ];
    let choices = edges.map(|(edge, operation)| (edge.to_owned(), operation.to_owned())).into();
    let file = nasprof_graph::arch::ArchFile { format_version: 1, space: "space".to_owned(), choices };
    let arch = file.resolve("space", &space.choices).unwrap();
    let line = serde_json::to_string(&file).unwrap();
    succeeds(&many(&setting, "run", &[line], false));
    let record = &records(&setting.path("run"))[0];
    let runs = nasprof_graph::runtime::Runtime::TorchEager.subnet(&space.graph, &arch).unwrap().cost();
    assert_eq!((record.params, record.macs), (runs.params, runs.macs));
    let table = AccuracyTable::read(&setting.path("run/networks.parquet"), &space).unwrap();
    assert_eq!(table.find(&arch).unwrap().scores["params"], runs.params as f64);
    // Earlier versions counted what is trained; their tables are still read, and other numbers are refused.
    let trained = eliminate_dead_code(&select(&space.graph, &arch).unwrap()).cost();
    assert!(trained.params > runs.params, "control: the convolution of zeros is trained");
    let with = |params, macs| AccuracyTable::of_records(&[Record { params, macs, ..record.clone() }], &space);
    assert_eq!(with(trained.params, trained.macs).unwrap().find(&arch).unwrap().scores["params"], runs.params as f64);
    assert!(with(trained.params, runs.macs).unwrap_err().contains("`params` is "));
}

/// A run that is killed loses the network it was at.
#[test]
fn a_killed_run_goes_on_with_the_next_network() {
    let setting = Setting::new();
    let lines = list(&setting);
    succeeds(&many(&setting, "whole", &lines, false));
    let mut child = start(&many(&setting, "run", &lines, false));
    let journal = setting.path("run/networks.jsonl");
    while !fs::read_to_string(&journal).is_ok_and(|text| text.contains('\n')) && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // As if it had been killed while it wrote a line.
    let text = fs::read_to_string(&journal).unwrap();
    let first = text.split_inclusive('\n').next().unwrap();
    fs::write(&journal, format!("{first}{}", &first[..first.len() / 2])).unwrap();
    fails(&many(&setting, "run", &lines, false), "already holds an unfinished run");
    succeeds(&many(&setting, "run", &lines, true));
    assert!(records(&setting.path("run")) == records(&setting.path("whole")));
    let parquet = |run: &str| fs::read(setting.path(run).join("networks.parquet")).unwrap();
    assert!(parquet("run") == parquet("whole"));
    // The control: once more, nothing is trained.
    let before = fs::read(&journal).unwrap();
    succeeds(&many(&setting, "run", &lines, true));
    assert!(fs::read(&journal).unwrap() == before);
    // A longer list is gone on with.
    let longer: Vec<String> = lines.iter().cloned().chain([lines[2].replace("\"seed\":9", "\"seed\":10")]).collect();
    succeeds(&many(&setting, "run", &longer, true));
    assert_eq!(records(&setting.path("run")).len(), 4);
}

#[test]
fn lists_and_journals_that_are_refused() {
    let setting = Setting::new();
    let lines = list(&setting);
    for (bad, naming) in [
        (vec![String::new()], "contains no networks"),
        (vec![lines[0].clone(), "{".to_owned()], "line 2: "),
        (vec![lines[0].replace("MB1 3x3", "MB1 3x4")], "line 1: choice `blocks/0` has no candidate `MB1 3x4`"),
        (vec![lines[0].clone(), String::new(), lines[0].clone()], "line 3: duplicate of line 1"),
        (vec![lines[2].replace("\"seed\":9", "\"sed\":9")], "line 1: unknown field `sed`"),
        // The table could not hold it, which must not show after hours of training.
        (
            vec![lines[0].clone(), lines[2].replace("\"seed\":9", "\"seed\":9223372036854775808")],
            "line 2: the seed 9223372036854775808 is too large",
        ),
    ] {
        fails(&many(&setting, "bad", &bad, false), naming);
    }
    assert!(!setting.path("bad").exists(), "what is refused leaves nothing");
    succeeds(&many(&setting, "run", &lines[..1], false));
    let journal = setting.path("run/networks.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("\"seed\":5", "\"seed\":6", 1)).unwrap();
    fails(&many(&setting, "run", &lines, true), "networks.jsonl: line 1: was altered");
    fs::write(&journal, text).unwrap();
    succeeds(&many(&setting, "run", &lines, true));
}

/// A supernet judges the networks of a table that are within its limits, each time alike.
#[test]
fn a_supernet_judges_the_networks_of_a_table() {
    let setting = Setting::new();
    let text = setting.text(TRAINER, 3).replace("workers = 1", "workers = 1\ntrain_portion = 0.8");
    let lines = list(&setting);
    fs::write(setting.path("list.jsonl"), lines[..2].join("\n")).unwrap();
    let job = setting.job("table", &text, false);
    succeeds(&Job { task: Task::TrainMany { list: setting.path("list.jsonl") }, ..job });
    let table = setting.path("table/networks.parquet");
    let searcher = "[searcher]\nkind = \"fairnas\"\nsamples = 1";
    let text = setting.text(searcher, 1);
    let judge = |text: &str| Job { task: Task::Judge { table: table.clone() }, ..setting.job("run", text, true) };
    fails(&judge(&text), "contains no finished search");
    succeeds(&setting.job("run", &text, false));
    let result = fs::read(setting.path("run/result.json")).unwrap();
    let judged = || {
        succeeds(&judge(&text));
        Agreement::read(&setting.path("run")).unwrap()
    };
    let found = judged();
    assert_eq!(found.networks, 2);
    assert!(found.judged.iter().all(|one| (0.0..=1.0).contains(&one.supernet_accuracy) && one.macs > 0.0));
    assert_eq!(judged(), found);
    assert_eq!(fs::read(setting.path("run/result.json")).unwrap(), result, "the result is as it was");
    // Recalibrated, a network's accuracy does not depend on how the validation images are batched. The control: as they are
    // judged by default, it does.
    let batched = |name: &str, keys: &str, mini: usize| {
        let batches = format!("valid_batch_size = 8\nvalid_mini_batch = {mini}");
        let text = setting.text(&format!("{searcher}\n{keys}"), 1).replace("valid_batch_size = 10", &batches);
        succeeds(&setting.job(name, &text, false));
        succeeds(&Job { folder: setting.path(name), ..judge(&text) });
        let judged = Agreement::read(&setting.path(name)).unwrap().judged;
        judged.iter().map(|one| one.supernet_accuracy).collect::<Vec<_>>()
    };
    let keys = "recalibrate_batches = 2";
    assert_eq!(batched("own-8", keys, 8), batched("own-1", keys, 1));
    assert_ne!(batched("batch-8", "", 8), batched("batch-1", "", 1));
    // The training is the same.
    let weights = |name: &str| setting::remains(&setting.path(name)).0;
    assert!(weights("own-8") == weights("batch-8"));
    // The control: a network that is beyond a limit is not judged.
    let upper = found.judged.iter().map(|one| one.macs).fold(f64::INFINITY, f64::min);
    let limit = format!("[[regularizers]]\nkind = \"reject\"\nquantity = \"macs\"\nupper = {upper}\n{searcher}");
    let text = setting.text(searcher, 1).replace(searcher, &limit);
    succeeds(&setting.job("limited", &text, false));
    succeeds(&Job { folder: setting.path("limited"), ..judge(&text) });
    assert_eq!(Agreement::read(&setting.path("limited")).unwrap().networks, 1);
}
