//! Foreign tables: every row is marked, a failure is no zero, and what was not measured is refused.

use std::collections::BTreeMap;

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, LayerKey};
use nasprof_lut::{
    EstimateFlag, Estimator, Flag, Format, Import, ImportError, ImportSettings, Source, Unit, check, import, read,
    write,
};
use nasprof_profiler::engine::keys_of_space;
use nasprof_profiler::journal::Mode;
use nasprof_spaces::Space;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn space() -> Space {
    Space::builtin("mobilenet-cifar10").unwrap()
}

fn layers(space: &Space) -> BTreeMap<LayerKey, Graph> {
    let keys = keys_of_space(space, Runtime::TorchEager, &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    keys.into_iter().map(|(key, (graph, _))| (key, graph)).collect()
}

fn settings(format: Format) -> ImportSettings {
    let space = space();
    ImportSettings {
        format,
        file: "table.csv".to_owned(),
        unit: None,
        device: "board".to_owned(),
        space: (space.name.clone(), space.graph.digest()),
        mode: Mode::Isolated,
        threads: 1,
        batch: 1,
        allow_suspicious: false,
    }
}

/// A believable time of every layer, in milliseconds: as measured on a device.
fn believable() -> Vec<(LayerKey, f64)> {
    let lut = nasprof_testkit::luts::synthetic_lut(&space(), "noisy", 3);
    lut.rows.into_iter().map(|row| (row.key, row.times.unwrap().mean_ns / 1e6)).collect()
}

fn csv(rows: &[(LayerKey, String)]) -> String {
    let lines: String = rows.iter().map(|(key, value)| format!("\"{key}\",{value}\n")).collect();
    format!("key,latency_ms\n{lines}")
}

fn texts(rows: &[(LayerKey, f64)]) -> Vec<(LayerKey, String)> {
    rows.iter().map(|(key, ms)| (key.clone(), format!("{ms:.7}"))).collect()
}

fn table(rows: &[(LayerKey, String)], allow_suspicious: bool) -> Result<Import, ImportError> {
    import(&csv(rows), &layers(&space()), &ImportSettings { allow_suspicious, ..settings(Format::Table) })
}

#[test]
fn a_sound_table_is_taken_and_marked() {
    let rows = believable();
    let Import { lut, report } = table(&texts(&rows), false).unwrap();
    assert_eq!((report.entries, report.rows, report.missing, report.failed), (rows.len(), rows.len(), 0, 0));
    assert_eq!((report.findings.len(), report.left_out.len()), (0, 0), "{report:?}");
    assert!(lut.rows.iter().all(|row| row.flags == [Flag::Imported]));
    assert_eq!(check(&lut), []);
    let space = space();
    let arch = space.sample(&mut ChaCha8Rng::seed_from_u64(1));
    let estimate = Estimator::new(&lut).estimate(&Runtime::TorchEager.subnet(&space.graph, &arch).unwrap());
    assert!(estimate.latency_ms.is_some() && estimate.interval_ms.is_none());
    assert!(
        estimate.flags.contains(&EstimateFlag::Row(Flag::Imported))
            && estimate.flags.contains(&EstimateFlag::Uncalibrated)
    );
    assert!(estimate.nodes.iter().all(|node| node.source == Source::Imported));
    let sum: f64 = estimate.nodes.iter().map(|n| rows.iter().find(|(key, _)| *key == n.key).unwrap().1).sum();
    assert!((estimate.latency_ms.unwrap() / sum - 1.0).abs() < 1e-6);
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.parquet", "a.csv", "a.json"] {
        write(&lut, &folder.path().join(name)).unwrap();
        assert_eq!(read(&folder.path().join(name)).unwrap(), lut, "{name}");
    }
}

#[test]
fn units_are_said_once() {
    let layers = layers(&space());
    let rows = texts(&believable());
    let with = |column: &str, unit| {
        let text = csv(&rows).replace("latency_ms", column);
        import(&text, &layers, &ImportSettings { unit, ..settings(Format::Table) })
    };
    let ms = |import: Result<Import, ImportError>| import.unwrap().lut.rows[0].times.as_ref().unwrap().mean_ns / 1e6;
    let first = ms(with("latency_ms", None));
    assert!((ms(with("latency", Some(Unit::Milliseconds))) / first - 1.0).abs() < 1e-12);
    assert!((ms(with("latency_us", None)) * 1e3 / first - 1.0).abs() < 1e-12);
    assert_eq!(with("latency", None).unwrap_err(), ImportError::Unit);
    assert!(matches!(with("latency_us", Some(Unit::Milliseconds)), Err(ImportError::Units { .. })));
}

/// Programs of some countries separate columns by a semicolon, others by a tab.
#[test]
fn the_separator_is_that_of_the_header() {
    let rows = texts(&believable());
    let layers = layers(&space());
    let comma = import(&csv(&rows), &layers, &settings(Format::Table)).unwrap();
    for separator in [";", "\t"] {
        let lines: String = rows.iter().map(|(key, value)| format!("\"{key}\"{separator}{value}\n")).collect();
        let text = format!("key{separator}latency_ms\n{lines}");
        assert_eq!(import(&text, &layers, &settings(Format::Table)).unwrap(), comma, "{separator:?}");
    }
    // A decimal comma is no number, and is shown.
    let text = format!("key;latency_ms\n\"{}\";0,5\n", rows[0].0);
    let error = import(&text, &layers, &settings(Format::Table)).unwrap_err().to_string();
    assert!(error.contains("line 2: `0,5` is not a number"), "{error}");
}

/// An empty cell is a failed row, as `nan` is; the rest of the table is taken.
#[test]
fn empty_cells_are_failures() {
    let mut rows = texts(&believable());
    rows[2].1 = String::new();
    let Import { lut, report } = table(&rows, false).unwrap();
    assert_eq!((report.failed, report.rows), (1, rows.len() - 1));
    let row = lut.rows.iter().find(|row| row.key == rows[2].0).unwrap();
    assert!(row.error.as_ref().unwrap().contains("an empty cell"), "{row:?}");
}

/// A wrong unit by a million shows: no processor is that slow or that fast. By a thousand it need not.
#[test]
fn an_impossible_unit_is_refused() {
    let sound = believable();
    let scaled = |factor: f64| {
        let rows: Vec<_> = sound.iter().map(|(key, ms)| (key.clone(), format!("{:.9}", ms * factor))).collect();
        table(&rows, false).map(|import| import.report.findings)
    };
    for factor in [1e6, 1e-6] {
        let Err(ImportError::Suspicious(why)) = scaled(factor) else { panic!("{factor} is taken") };
        assert!(why.contains("multiply-accumulates per second"), "{why}");
    }
    assert_eq!(scaled(1.0).unwrap(), Vec::<String>::new(), "control");
}

/// A failure that is stored as zero is a failed row; an estimate that needs it has no number.
#[test]
fn zeros_are_failures() {
    let mut rows = texts(&believable());
    let space = space();
    let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut ChaCha8Rng::seed_from_u64(1))).unwrap();
    let needed = graph.layers().map(|(_, node)| LayerKey::of(&graph, node)).nth(3).unwrap();
    for (bad, is_number) in [("0", true), ("0.0", true), ("-1", true), ("NaN", false), ("inf", false), ("", false)] {
        rows.iter_mut().find(|(key, _)| *key == needed).unwrap().1 = bad.to_owned();
        let Import { lut, report } = table(&rows, false).unwrap();
        assert_eq!(report.failed, 1, "{bad}");
        assert!(report.findings[0].contains("failed"), "{report:?}");
        assert_eq!(report.findings[0].contains("stored as numbers"), is_number, "{bad}: {report:?}");
        let row = lut.rows.iter().find(|row| row.key == needed).unwrap();
        assert!(row.times.is_none() && row.error.as_ref().unwrap().contains(bad), "{bad}");
        assert_eq!(Estimator::new(&lut).estimate(&graph).latency_ms, None);
    }
}

/// Each sign of a table that was not measured, alone in an otherwise sound one; then all over it.
#[test]
fn what_cannot_be_right_is_marked_and_then_refused() {
    let sound = believable();
    let marked = |rows: &[(LayerKey, String)], word: &str| {
        let Import { lut, report } = table(rows, true).unwrap();
        assert!(report.findings.iter().any(|finding| finding.contains(word)), "{word}: {:?}", report.findings);
        lut.rows.iter().filter(|row| row.flags.contains(&Flag::Suspicious)).count()
    };
    let refused = |rows: &[(LayerKey, String)]| matches!(table(rows, false), Err(ImportError::Suspicious(_)));

    let mut copied = texts(&sound);
    // Not a time of few digits, which layers may well share.
    copied[..4].iter_mut().for_each(|row| row.1 = "0.0123457".to_owned());
    assert_eq!(marked(&copied, "copied"), 4);
    assert!(!refused(&copied));

    let mut filled = texts(&sound);
    filled.iter_mut().step_by(2).for_each(|row| row.1 = "0.1".to_owned());
    assert!(marked(&filled, "filled in") >= sound.len() / 2);
    assert!(refused(&filled));

    // Small layers are rounded up, so that none is lost as a failure.
    let rounded: Vec<_> = sound.iter().map(|(key, ms)| (key.clone(), format!("{:.0}", (ms * 1e3).ceil()))).collect();
    assert!(marked(&rounded, "whole milliseconds") > sound.len() / 2);
    assert!(refused(&rounded));

    let layers = layers(&space());
    let macs = |key: &LayerKey| layers[key].cost().macs;
    let computed: Vec<_> = sound
        .iter()
        .filter(|(key, _)| macs(key) > 0)
        .map(|(key, _)| (key.clone(), format!("{:.9}", macs(key) as f64 * 3.7e-8)))
        .collect();
    assert!(marked(&computed, "proportion") > computed.len() / 2);
    assert!(refused(&computed));

    let mut added = texts(&sound);
    let value = |rows: &[(LayerKey, String)], i: usize| rows[i].1.parse::<f64>().unwrap();
    for i in (0..60).step_by(3) {
        added[i].1 = format!("{:.7}", value(&added, i + 1) + value(&added, i + 2));
    }
    assert!(marked(&added, "sum of two others") >= 15);

    // Control: the sound table has none of these.
    assert_eq!(table(&texts(&sound), false).unwrap().report.findings, [] as [String; 0]);
}

#[test]
fn operators_of_nnabla_find_their_layers() {
    let space = space();
    let layers = layers(&space);
    let conv =
        "Convolution-(1, 3, 32, 32)-(32, 3, 3, 3)-{base_axis 1, pad [1,1], stride [2,2], dilation [1,1], group 1}";
    let json = serde_json::json!({conv: 0.0831234, "ReLU6-(1, 32, 16, 16)-{}": 0.0112345, "Slice-(1, 8)-{}": 0.001});
    let nnabla = ImportSettings { unit: Some(Unit::Milliseconds), ..settings(Format::Nnabla) };
    let Import { lut, report } = import(&json.to_string(), &layers, &nnabla).unwrap();
    assert_eq!((report.entries, report.rows), (3, 2), "{report:?}");
    assert_eq!(report.left_out.values().sum::<usize>(), 1);
    assert_eq!(report.missing, layers.len() - 2);
    let ms: Vec<f64> = lut.rows.iter().map(|row| row.times.as_ref().unwrap().mean_ns / 1e6).collect();
    assert!((ms.iter().sum::<f64>() - 0.0943579).abs() < 1e-9, "{ms:?}");
    let text = format!("\"{conv}\",0.0831234\n\"ReLU6-(1, 32, 16, 16)-{{}}\",0.0112345\n");
    assert_eq!(import(&text, &layers, &nnabla).unwrap().lut.rows, lut.rows);
    // Control: another batch size, a unit left out, a table of something else.
    let batch = import(&json.to_string(), &layers, &ImportSettings { batch: 8, ..nnabla.clone() });
    assert_eq!(batch.unwrap_err(), ImportError::Batch { table: 1, asked: 8 });
    let no_unit = ImportSettings { unit: None, ..nnabla.clone() };
    assert_eq!(import(&json.to_string(), &layers, &no_unit).unwrap_err(), ImportError::Unit);
    let other = "{\"ReLU-(1, 999, 1, 1)-{}\": 1}";
    assert_eq!(import(other, &layers, &nnabla).unwrap_err(), ImportError::Nothing(1));
}

/// NNabla's fully connected layer flattens by itself, so its table has no flattening, and networks are complete all the same.
#[test]
fn a_flattening_is_free_where_the_other_program_has_none() {
    let space = space();
    let mut lut = table(&texts(&believable()), false).unwrap().lut;
    let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut ChaCha8Rng::seed_from_u64(1))).unwrap();
    let whole = Estimator::new(&lut).estimate(&graph).latency_ms.unwrap();
    let flattening = lut.rows.iter().find(|row| row.op == "flatten").unwrap().clone();
    lut.rows.retain(|row| row.op != "flatten");
    // Control: a table of another program lacks it.
    assert_eq!(Estimator::new(&lut).estimate(&graph).latency_ms, None);
    lut.context.imported.as_mut().unwrap().format = "nnabla".to_owned();
    let estimate = Estimator::new(&lut).estimate(&graph);
    let left_out = flattening.times.unwrap().mean_ns / 1e6;
    assert!((estimate.latency_ms.unwrap() + left_out - whole).abs() < 1e-9, "{} {whole}", estimate.latency_ms.unwrap());
    assert_eq!((estimate.coverage, Estimator::new(&lut).mean_latency_ms(&graph)), (1.0, estimate.latency_ms));
}

/// A network without layers takes 0 ms, which is printed without a sign.
#[test]
fn a_network_without_layers_takes_no_time() {
    let lut = table(&texts(&believable()), false).unwrap().lut;
    let mut b = nasprof_graph::GraphBuilder::new();
    let x = b.input("x", [1, 3, 4, 4]).unwrap();
    let empty = b.build(&[x]).unwrap().into();
    let ms = Estimator::new(&lut).estimate(&empty).latency_ms.unwrap();
    assert_eq!((ms, ms.is_sign_positive()), (0.0, true));
}

#[test]
fn damaged_tables_are_refused() {
    let layers = layers(&space());
    let rows = texts(&believable());
    let twice = [rows.clone(), vec![(rows[0].0.clone(), "9.12345".to_owned())]].concat();
    assert_eq!(table(&twice, true).unwrap_err(), ImportError::Twice(rows[0].0.clone()));
    for (text, words) in [
        ("", "no column `key`"),
        ("key\n", "no column `latency`"),
        ("key,latency_ms\n", "empty"),
        ("key,latency_ms\nrelu6()[32x16x16],fast\n", "line 2: `fast` is not a number"),
        ("key,latency_ms\nrelu6()[32x16x16]\n", "line 2"),
    ] {
        let error = import(text, &layers, &settings(Format::Table)).unwrap_err().to_string();
        assert!(error.contains(words), "{text:?}: {error}");
    }
    let nnabla = ImportSettings { unit: Some(Unit::Seconds), ..settings(Format::Nnabla) };
    for text in ["{", "{}", "[1]", "{\"ReLU-(1, 8, 4, 4)-{}\": \"fast\"}", "a,b,c\n", "\u{0}"] {
        assert!(import(text, &layers, &nnabla).is_err(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "[-(){}\\[\\], 0-9a-zA-Z_:'\"\n.]{0,200}") {
        let layers = BTreeMap::new();
        for format in [Format::Table, Format::Nnabla] {
            let settings = ImportSettings { unit: Some(Unit::Milliseconds), ..settings(format) };
            let _ = import(&text, &layers, &settings);
            let _ = import(&format!("{{\"{}\": 1}}", text.replace(['"', '\n'], "")), &layers, &settings);
        }
    }
}
