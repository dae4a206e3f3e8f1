//! LUTs in their three formats, and tables of other programs.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use nasprof_graph::{Graph, LayerKey};
use nasprof_lut::{FileFormat, Format, ImportSettings, Lut, Unit, import, parse, write};
use nasprof_profiler::journal::{Event, Mode};

use super::measured::{events, lut};
use crate::slow;

/// What was read is used: estimates and checks must not fall over it, and it must be written and read back.
fn used(lut: &Lut) {
    let _ = nasprof_lut::check(lut);
    let _ = nasprof_lut::Estimator::new(lut);
    let folder = tempfile::tempdir().expect("a temporary folder is made");
    let path = folder.path().join("a.json");
    write(lut, &path).expect("what was read is written");
    assert_eq!(nasprof_lut::read(&path).expect("what was written is read"), *lut);
}

pub(super) fn parquet(data: &[u8]) {
    if let Ok(lut) = parse(data.to_vec(), FileFormat::Parquet) {
        used(&lut);
    }
}

pub(super) fn csv(data: &[u8]) {
    if let Ok(lut) = parse(data.to_vec(), FileFormat::Csv) {
        let text = std::str::from_utf8(data).expect("what is read is UTF-8");
        slow::csv_lut(text, &lut).expect("the slow reader agrees");
        used(&lut);
    }
}

pub(super) fn json(data: &[u8]) {
    if let Ok(lut) = parse(data.to_vec(), FileFormat::Json) {
        let text = std::str::from_utf8(data).expect("what is read is UTF-8");
        slow::json_lut(text, &lut).expect("the slow reader agrees");
        used(&lut);
    }
}

fn layers() -> &'static BTreeMap<LayerKey, Graph> {
    static LAYERS: OnceLock<BTreeMap<LayerKey, Graph>> = OnceLock::new();
    LAYERS.get_or_init(|| {
        let layer = |event: &Event| match event {
            Event::Trial { key, graph, .. } => Some((key.clone(), graph.clone())),
            _ => None,
        };
        events().iter().filter_map(layer).collect()
    })
}

/// The first byte chooses format and unit.
pub(super) fn table(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let settings = ImportSettings {
        format: if first & 1 == 0 { Format::Table } else { Format::Nnabla },
        file: "table".to_owned(),
        unit: (first & 2 == 0).then_some(Unit::Milliseconds),
        device: "device".to_owned(),
        space: ("tiny".to_owned(), "0".to_owned()),
        mode: Mode::Isolated,
        threads: 1,
        batch: 1,
        allow_suspicious: first & 4 == 0,
    };
    if let Ok(import) = import(text, layers(), &settings) {
        used(&import.lut);
    }
}

fn written(ending: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder is made");
    let path = folder.path().join(format!("a.{ending}"));
    write(&lut(), &path).expect("a measured LUT is written");
    std::fs::read(&path).expect("it is there")
}

pub(super) fn parquet_seeds() -> Vec<Vec<u8>> {
    vec![written("parquet")]
}

pub(super) fn csv_seeds() -> Vec<Vec<u8>> {
    vec![written("csv")]
}

pub(super) fn json_seeds() -> Vec<Vec<u8>> {
    // In one line as well: less to change.
    let pretty = written("json");
    let value: serde_json::Value = serde_json::from_slice(&pretty).expect("it is JSON");
    vec![pretty, value.to_string().into_bytes()]
}

pub(super) fn table_seeds() -> Vec<Vec<u8>> {
    let keys: Vec<&LayerKey> = layers().keys().take(6).collect();
    let rows = |(i, key): (usize, &&LayerKey)| format!("\"{}\",0.{}17\n", key.as_str().replace('"', "\"\""), i + 1);
    let of: String = keys.iter().enumerate().map(rows).collect();
    let nnabla = "{\"Convolution-f32_1x8x8-out_16-kernel_3x3\": 0.125, \"ReLU-f32_16x8x8\": 0.25}";
    vec![
        format!("\0key,latency_ms\n{of}").into_bytes(),
        format!("\x04key,latency\n{of}").into_bytes(),
        format!("\x01{nnabla}").into_bytes(),
        b"\x01Relu_2x8x8,0.5\n".to_vec(),
    ]
}
