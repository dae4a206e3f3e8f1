//! Searches on tables of trained networks: what they find, what they cost, and which tables are refused.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use nasprof_graph::Arch;
use nasprof_graph::runtime::Runtime;
use nasprof_search::config::{FinalChoice, Halving, Judge};
use nasprof_search::methods::simulate::{Pool, compare, on_table};
use nasprof_search::methods::table::{AccuracyTable, TableTrainings};
use nasprof_search::methods::{Entry, Fate, Fault, Method, MethodError, Networks, Progress, Staged, Trainings, search};
use nasprof_search::trials::{Epoch, Outcome, Record};
use nasprof_spaces::Space;

const EPOCHS: u32 = 9;

/// Six choices of four candidates: 4,096 networks.
fn space() -> Space {
    let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [1, 28, 28]\nnum_classes = 10\nwidth_mult = 0.25\n\
        settings = [[8, 3, 2], [16, 3, 2]]\ncandidates = [\"MB1 3x3\", \"MB3 3x3\", \"MB6 3x3\", \"MB6 5x5\"]\n\
        skip_connect = false\n";
    nasprof_spaces::SpaceSpec::parse(text).unwrap().build("table").unwrap()
}

/// A table in which the accuracy is a smooth function of the selection plus what nothing tells before the end of a training.
fn table(space: &Space) -> AccuracyTable {
    let mut entries = Vec::new();
    for number in 0..4096_u32 {
        let arch = Arch((0..6).map(|choice| ((number >> (2 * choice)) & 3) as u16).collect());
        assert_eq!(arch.0.len(), space.choices.len());
        let merit: f64 = arch.0.iter().map(|&candidate| f64::from(candidate)).sum::<f64>() / 18.0;
        let noise = f64::from(number.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
        let test = 0.5 + 0.3 * merit + 0.1 * noise;
        let curve = (1..=EPOCHS).map(|e| {
            let loss = 10.0 - 5.0 * test - f64::from(e) * 0.1;
            Progress { epochs: e, loss: Some(loss), valid: test * f64::from(e) / f64::from(EPOCHS), losses: None }
        });
        let scores = HashMap::from([("macs".to_owned(), merit), ("params".to_owned(), merit)]);
        entries.push((arch, Entry { curve: curve.collect(), valid: test, test, scores }));
    }
    AccuracyTable::new(EPOCHS, entries).unwrap()
}

/// The same networks with other entries.
fn altered(table: &AccuracyTable, change: impl Fn(&Entry) -> Entry) -> AccuracyTable {
    let entries = table.archs().map(|arch| (arch.clone(), change(table.find(arch).unwrap())));
    AccuracyTable::new(EPOCHS, entries.collect()).unwrap()
}

fn staged() -> Method {
    let scores = vec!["macs".to_owned(), "params".to_owned()];
    let judge = Judge::TrainingLosses;
    Method::Staged(Staged {
        draws: 200,
        scores,
        rungs: vec![1, 3],
        reduction: 3,
        halving: Halving::Synchronous,
        finalists: 3,
        judge,
        choose: FinalChoice::Accuracy,
    })
}

fn all_methods() -> [Method; 4] {
    let choose = FinalChoice::Accuracy;
    let evolution = Method::RegularizedEvolution { population: 5, tournament: 2, choose };
    [Method::Random { choose }, evolution, Method::LocalSearch { choose }, staged()]
}

/// The first choice at its first two candidates.
fn pool<'a>(table: &AccuracyTable, space: &'a Space) -> Pool<'a> {
    Pool::new(table.archs().filter(|arch| arch.0[0] < 2).cloned().collect(), &space.choices)
}

#[test]
fn searches_keep_to_budget_and_cost_and_can_be_repeated() {
    let space = space();
    let table = table(&space);
    let pool = pool(&table, &space);
    assert_eq!(pool.archs().len(), 2048);
    let Method::Staged(settings) = staged() else { unreachable!() };
    let asynchronous = Method::Staged(Staged { halving: Halving::Asynchronous, ..settings });
    for method in all_methods().into_iter().chain([asynchronous]) {
        for cost in [1.0, 2.5, 8.0, 20.0] {
            let found = on_table(&table, &pool, &method, cost, 7).unwrap();
            let name = method.name();
            assert!(found.epochs as f64 <= cost * f64::from(EPOCHS), "{name} at {cost}: {}", found.epochs);
            assert!(found.epochs as f64 > (cost - 1.0) * f64::from(EPOCHS), "{name} at {cost} leaves trainings unused");
            let spent: u32 = found.candidates.iter().filter_map(|c| Some(c.progress?.epochs)).sum();
            assert_eq!(u64::from(spent), found.epochs, "{name}: every epoch is some network's");
            assert!(found.candidates.iter().all(|candidate| candidate.arch.0[0] < 2), "{name} leaves the budget");
            let chosen: Vec<_> = found.candidates.iter().filter(|c| c.fate == Fate::Chosen).collect();
            assert_eq!((chosen.len(), &chosen[0].arch), (1, &found.best), "{name}");
            let full = found.candidates.iter().filter(|c| matches!(c.fate, Fate::Trained | Fate::Chosen));
            assert!(full.filter_map(|c| c.progress).all(|p| p.epochs == EPOCHS && p.valid <= found.valid), "{name}");
            assert_eq!(on_table(&table, &pool, &method, cost, 7).unwrap(), found, "{name}: the same seed");
        }
        let other = on_table(&table, &pool, &method, 8.0, 8).unwrap();
        assert_ne!(other.candidates, on_table(&table, &pool, &method, 8.0, 7).unwrap().candidates, "a control");
    }
}

/// The table is made so that cheap scores and early epochs tell much of the accuracy: then the staged search has to be better. Where they
/// tell nothing, which is the control, it is not.
#[test]
fn staged_search_uses_what_scores_and_early_epochs_tell() {
    let space = space();
    let table = table(&space);
    let pool = pool(&table, &space);
    let compared = compare(&table, &pool, &all_methods(), &[5.0], 200, 1).unwrap();
    let line = |name: &str| compared.lines.iter().find(|line| line.method == name).unwrap();
    assert!(line("staged").gain.interval[0] > 0.01, "{:?}", line("staged"));
    assert!(line("staged").better_than_random.mean > 0.8);
    let random = line("random");
    assert!(random.gain.interval[0] < 0.0 && random.gain.interval[1] > 0.0, "against itself: {random:?}");
    assert!(
        (line("staged").regret.mean - (compared.best_test_accuracy - line("staged").test_accuracy.mean)).abs() < 1e-9
    );

    let blind = altered(&table, |entry| {
        let curve = entry.curve.iter().map(|p| Progress { loss: Some(1.0), valid: 0.1, ..*p }).collect();
        Entry { curve, scores: HashMap::from([("macs".to_owned(), 1.0)]), ..entry.clone() }
    });
    let Method::Staged(settings) = staged() else { unreachable!() };
    let settings = Staged { scores: vec!["macs".to_owned()], ..settings };
    let compared = compare(&blind, &pool, &[Method::Staged(settings)], &[5.0], 200, 1).unwrap();
    // The control: with nothing to go by it gains nothing.
    assert!(compared.lines[0].gain.interval[0] < 0.0, "{:?}", compared.lines[0]);
}

/// Here the losses tell the accuracy, and validation accuracies are turned around: who chooses by losses finds the better one.
#[test]
fn the_winner_is_chosen_by_what_was_asked_for() {
    let space = space();
    let table = table(&space);
    let pool = pool(&table, &space);
    let turned = altered(&table, |entry| {
        let curve = entry.curve.iter().map(|p| Progress {
            valid: 1.0 - p.valid,
            losses: Some([3.0 - entry.test, 1.0 - entry.test]),
            ..*p
        });
        Entry { curve: curve.collect(), valid: 1.0 - entry.valid, ..entry.clone() }
    });
    let Method::Staged(settings) = staged() else { unreachable!() };
    for which in 0..4 {
        let method = |choose| match which {
            0 => Method::Random { choose },
            1 => Method::RegularizedEvolution { population: 5, tournament: 2, choose },
            2 => Method::LocalSearch { choose },
            _ => Method::Staged(Staged { choose, ..settings.clone() }),
        };
        chosen_as_asked(&turned, &pool, method);
    }
    // Compared by equal rules: random search against random search is a draw by either of them.
    let methods = [FinalChoice::Losses, FinalChoice::Accuracy].map(|choose| Method::Random { choose });
    let compared = compare(&turned, &pool, &methods, &[8.0], 200, 1).unwrap();
    for line in &compared.lines {
        assert!(line.gain.interval[0] < 0.0 && line.gain.interval[1] > 0.0, "{line:?}");
    }
    let [losses, accuracy] = [0, 1].map(|line| compared.lines[line].test_accuracy);
    assert!(losses.interval[0] > accuracy.interval[1], "the control: the rule matters, {losses:?} {accuracy:?}");
}

fn chosen_as_asked(turned: &AccuracyTable, pool: &Pool<'_>, method: impl Fn(FinalChoice) -> Method) {
    let of = |choose| {
        let found = on_table(turned, pool, &method(choose), 8.0, 3).unwrap();
        let full = found.candidates.iter().filter(|c| matches!(c.fate, Fate::Trained | Fate::Chosen));
        let tests: Vec<f64> = full.map(|c| turned.find(&c.arch).unwrap().test).collect();
        assert!(tests.len() > 1);
        (turned.find(&found.best).unwrap().test, tests)
    };
    let (by_losses, tests) = of(FinalChoice::Losses);
    assert_eq!(by_losses, tests.iter().copied().fold(0.0, f64::max));
    let (by_accuracy, tests) = of(FinalChoice::Accuracy);
    assert_eq!(by_accuracy, tests.iter().copied().fold(1.0, f64::min), "the control");
}

/// Where all networks are equal, there are no standard deviations to count in; and one winner of all seeds is counted as one.
#[test]
fn what_does_not_vary_is_said() {
    let space = space();
    let table = table(&space);
    let full = pool(&table, &space);
    let equal = altered(&table, |entry| Entry { test: 0.1, ..entry.clone() });
    let compared = compare(&equal, &full, &all_methods()[..1], &[3.0], 20, 1).unwrap();
    let line = &compared.lines[0];
    assert_eq!((compared.deviation, line.gain_in_deviations, line.above_the_mean_in_deviations), (0.0, None, None));
    assert!(line.winners > 5, "{line:?}");
    // All networks of a small pool are drawn, so that the staged search always finds the same one.
    let few = Pool::new(full.archs()[..30].to_vec(), &space.choices);
    let compared = compare(&table, &few, &[staged(), all_methods()[0].clone()], &[3.0], 20, 1).unwrap();
    assert_eq!(compared.lines[0].winners, 1);
    assert!(compared.lines[1].winners > 1, "the control");
    assert!(compared.lines.iter().all(|line| line.gain_in_deviations.is_some()));
    let share = compared.lines[0].better_than_random;
    assert!(share.interval[0] >= 0.0 && share.interval[1] <= 1.0 && share.interval[0] < share.interval[1], "{share:?}");
}

/// More trainings than drawn networks would end early.
#[test]
fn too_few_draws_for_the_cost_are_refused() {
    let space = space();
    let table = table(&space);
    let pool = pool(&table, &space);
    let Method::Staged(settings) = staged() else { unreachable!() };
    let method = Method::Staged(Staged { draws: 3, ..settings });
    let error = on_table(&table, &pool, &method, 20.0, 1).unwrap_err();
    assert!(error.to_string().contains("`searcher.draws`: 3 networks are too few for a cost of 20"), "{error}");
    assert!(on_table(&table, &pool, &method, 3.0, 1).is_ok(), "the control");
}

/// A search sees the test accuracy of no network.
#[test]
fn nothing_is_chosen_by_test_accuracies() {
    let space = space();
    let table = table(&space);
    let pool = pool(&table, &space);
    let other = altered(&table, |entry| Entry { test: 1.0 - entry.test, ..entry.clone() });
    for method in all_methods() {
        let found = on_table(&table, &pool, &method, 8.0, 3).unwrap();
        assert_eq!(on_table(&other, &pool, &method, 8.0, 3).unwrap(), found, "{}", method.name());
    }
}

#[test]
fn budgets_that_no_network_meets_and_costs_of_less_than_one() {
    let space = space();
    let table = table(&space);
    let none = Pool::new(Vec::new(), &space.choices);
    let full = pool(&table, &space);
    for method in all_methods() {
        assert!(matches!(on_table(&table, &none, &method, 8.0, 1), Err(MethodError::NoNetwork)), "{}", method.name());
        assert!(
            matches!(on_table(&table, &full, &method, 0.9, 1), Err(MethodError::NoCost { .. })),
            "{}",
            method.name()
        );
    }
    assert!(matches!(compare(&table, &none, &all_methods()[..1], &[1.0], 2, 1), Err(MethodError::NoNetwork)));
}

/// Trainings that fail after so many epochs.
struct Failing<'a> {
    of: TableTrainings<'a>,
    after: u32,
}

impl Trainings for Failing<'_> {
    fn epochs(&self) -> u32 {
        self.of.epochs()
    }

    fn has_curves(&self) -> bool {
        self.of.has_curves()
    }

    fn score(&mut self, arch: &Arch, score: &str) -> Result<Option<f64>, Fault> {
        self.of.score(arch, score)
    }

    fn train(&mut self, archs: &[Arch], epochs: u32) -> Result<Vec<Option<Progress>>, Fault> {
        let progress = self.of.train(archs, epochs)?;
        Ok(progress.into_iter().map(|progress| progress.filter(|_| epochs <= self.after)).collect())
    }
}

#[test]
fn a_rung_without_survivors_is_an_error_that_names_it() {
    let space = space();
    let table = table(&space);
    let pool = pool(&table, &space);
    for (after, at) in [(0, "of rung 1"), (1, "of rung 2"), (3, "in full")] {
        let mut failing = Failing { of: TableTrainings(&table), after };
        let error = search(&staged(), &mut &pool, &mut failing, 8.0, 1).unwrap_err();
        assert!(matches!(&error, MethodError::NoSurvivor { at: found, .. } if found == at), "{error}");
        assert!(error.to_string().contains(at) && error.to_string().contains("failed"), "{error}");
    }
    // The control: nothing fails.
    let mut failing = Failing { of: TableTrainings(&table), after: EPOCHS };
    let networks: &mut dyn Networks = &mut &pool;
    assert!(search(&staged(), networks, &mut failing, 8.0, 1).is_ok());
}

/// The CSV of NAS-Bench-201 with invented accuracies.
fn csv() -> Vec<String> {
    let operations = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    let mut lines = vec!["cell,cifar10_valid,cifar10_test,cifar100_valid,cifar100_test".to_owned()];
    for number in 0..15_625_usize {
        let op = |edge: u32| operations[number / 5_usize.pow(edge) % 5];
        let cell = format!("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|", op(0), op(1), op(2), op(3), op(4), op(5));
        lines.push(format!("{cell},{},{},10,20", 80 + number % 10, 81 + number % 10));
    }
    lines
}

fn read(lines: &[String], space: &str) -> Result<AccuracyTable, String> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("table.csv");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let read = AccuracyTable::read(&path, &Space::builtin(space).unwrap());
    read.map_err(|e| e.to_string().replace(&path.display().to_string(), "table.csv"))
}

#[test]
fn tables_of_nasbench201() {
    let lines = csv();
    let table = read(&lines, "nasbench201-cifar10").unwrap();
    assert_eq!((table.epochs(), table.archs().count(), table.has_curves()), (1, 15_625, false));
    // |nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2| is number 3.
    let entry = table.find(&Arch(vec![3, 0, 0, 0, 0, 0])).unwrap();
    assert!((entry.valid - 0.83).abs() < 1e-12 && (entry.test - 0.84).abs() < 1e-12);
    assert_eq!(entry.scores["params"], table.find(&Arch(vec![0; 6])).unwrap().scores["params"], "nothing reads it");
    let space = Space::builtin("nasbench201-cifar10").unwrap();
    for cell in [[3, 1, 2, 4, 3, 1], [3, 3, 0, 0, 2, 1], [1; 6], [3; 6]] {
        let cost = Runtime::TorchEager.subnet(&space.graph, &Arch(cell.to_vec())).unwrap().cost();
        let scores = &table.find(&Arch(cell.to_vec())).unwrap().scores;
        assert_eq!((scores["params"], scores["macs"]), (cost.params as f64, cost.macs as f64), "{cell:?}");
    }
    assert!((read(&lines, "nasbench201-cifar100").unwrap().find(&Arch(vec![0; 6])).unwrap().test - 0.2).abs() < 1e-12);

    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        read(&lines, "nasbench201-cifar10").unwrap_err()
    };
    let missing = changed(&|lines| drop(lines.remove(8)));
    assert!(missing.starts_with("table.csv: 1 cells of the space have no row, for example edge_0_1 = "), "{missing}");
    let repeated = changed(&|lines| lines[9] = lines[4].clone());
    assert!(
        repeated.contains("line 10: the cell |nor_conv_3x3~0|") && repeated.contains("already in line 5"),
        "{repeated}"
    );
    for (cell, problem) in [
        ("80,101", "line 3: `101` is not a percentage for cifar10_test"),
        ("-1,80", "line 3: `-1` is not a percentage for cifar10_valid"),
        ("NaN,80", "line 3: `NaN` is not a percentage for cifar10_valid"),
        (",80", "line 3: `` is not a percentage for cifar10_valid"),
    ] {
        let error = changed(&|lines| {
            let name = lines[2].split(',').next().unwrap().to_owned();
            lines[2] = format!("{name},{cell},10,20");
        });
        assert!(error.contains(problem), "no `{problem}` in: {error}");
    }
    let twice = changed(&|lines| lines[0] = lines[0].replace("cifar100_test", "cifar10_test"));
    assert!(twice.contains("column `cifar10_test` is there twice"), "{twice}");
    let shares = changed(&|lines| {
        for line in &mut lines[1..] {
            let cell = line.split(',').next().unwrap().to_owned();
            *line = format!("{cell},80,0.81,10,20");
        }
    });
    assert!(
        shares.contains("line 2: 0.81 is less than half of chance (10.000 %) in column cifar10_test: percentages"),
        "{shares}"
    );
    // One share among percentages, behind an empty line, which counts as a line of the file.
    let one = changed(&|lines| {
        let cell = lines[5].split(',').next().unwrap().to_owned();
        lines[5] = format!("\n{cell},0.8,81,10,20");
    });
    assert!(one.contains("line 7: 0.8 is less than half of chance"), "{one}");
    let long = changed(&|lines| lines[3] = format!("{},1,1,1,1", "x".repeat(1_000_000)));
    assert!(long.contains("line 4: ") && long.len() < 500, "{} bytes", long.len());
    assert!(changed(&|lines| lines.truncate(1)).contains("the table has no rows"));
    let unknown = changed(&|lines| lines[2] = lines[2].replacen("skip_connect", "skip_conect", 1));
    assert!(unknown.contains("line 3: ") && unknown.contains("did you mean `skip_connect`"), "{unknown}");
    let cut = changed(&|lines| lines[2] = lines[2].replacen("|+|", "|+", 1));
    assert!(cut.contains("line 3: ") && cut.contains("is not a cell of the form"), "{cut}");
    let column = changed(&|lines| lines[0] = lines[0].replace("cifar10_test", "cifar10_tst"));
    assert!(column.contains("no column `cifar10_test`"), "{column}");
    assert!(read(&lines, "nasbench201-imagenet16").unwrap_err().contains("no column `imagenet16_valid`"));
    assert!(read(&lines, "mobilenet-imagenet").unwrap_err().contains("is not a space of NAS-Bench-201"));
}

/// A table of real trainings, of which copies are altered.
#[test]
fn tables_of_trained_networks() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../benchmarks/results/2026-11-28-2-core-vm-trained-networks");
    let text = fs::read_to_string(format!("{folder}/space.toml")).unwrap();
    let records = nasprof_search::trials::read_table(format!("{folder}/trained-networks.parquet").as_ref()).unwrap();
    let space = nasprof_spaces::SpaceSpec::parse(&text).unwrap().build(&records[0].arch.space).unwrap();
    let table = AccuracyTable::of_records(&records, &space).unwrap();
    assert_eq!((table.archs().count(), table.failed(), table.epochs()), (300, 0, 6));
    let changed = |change: &dyn Fn(&mut Record)| {
        let mut records = records.clone();
        change(&mut records[2]);
        AccuracyTable::of_records(&records, &space)
    };
    let of_last = |record: &mut Record, change: &dyn Fn(&mut Epoch)| match &mut record.outcome {
        Outcome::Trained { epochs, .. } => change(epochs.last_mut().unwrap()),
        Outcome::Failed { .. } => unreachable!(),
    };
    for (error, expected) in [
        (changed(&|record| record.macs += 1), "network 3: `macs` is "),
        (changed(&|record| record.params = 0), "network 3: `params` is 0, but "),
        (
            changed(&|record| of_last(record, &|last| last.valid_loss = None)),
            "network 3: epoch 6 has no validation loss",
        ),
        (changed(&|record| of_last(record, &|last| last.valid_accuracy = None)), "without validation images"),
    ] {
        let error = error.unwrap_err();
        assert!(error.contains(expected), "{error} for {expected}");
    }
    let failed = changed(&|record| record.outcome = Outcome::Failed { problem: "the loss is NaN".to_owned() });
    assert_eq!(failed.map(|table| (table.archs().count(), table.failed())), Ok((299, 1)));
}

/// As older versions wrote them, from the same number of right images. The control is one more image of ten million.
#[test]
fn equally_accurate_networks_of_a_table_are_equal() {
    let entry = |accuracy: f64| Entry { curve: Vec::new(), valid: accuracy, test: accuracy, scores: HashMap::new() };
    let accuracies = [0.09999999999999998, 0.1, 0.1000000000000002, 0.1000001];
    let entries = accuracies.iter().zip(0..).map(|(&accuracy, i)| (Arch(vec![i]), entry(accuracy))).collect();
    let table = AccuracyTable::new(1, entries).unwrap();
    let read = |i: u16| table.find(&Arch(vec![i])).map(|entry| (entry.valid, entry.test));
    assert!(read(0) == read(1) && read(1) == read(2) && read(2) < read(3), "{:?}", read(0));
}

/// Where only final accuracies are known, a rung cannot be judged and nothing is made up.
#[test]
fn a_table_without_curves_has_no_rungs() {
    let space = Space::builtin("nasbench201-cifar10").unwrap();
    let table = read(&csv(), "nasbench201-cifar10").unwrap();
    let pool = Pool::new(table.archs().cloned().collect(), &space.choices);
    let error = on_table(&table, &pool, &staged(), 8.0, 1).unwrap_err();
    assert!(matches!(&error, MethodError::NoCurves { rungs } if *rungs == [1, 3]), "{error}");
    let Method::Staged(settings) = staged() else { unreachable!() };
    let whole = Method::Staged(Staged { rungs: Vec::new(), ..settings });
    let found = on_table(&table, &pool, &whole, 8.0, 1).unwrap();
    assert_eq!(found.epochs, 8, "the table does not say of how many epochs: a training is one unit");
}
