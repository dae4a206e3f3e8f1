//! LUTs in their three formats, and tables of other programs.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use nasprof_graph::{Graph, LayerKey};
use nasprof_lut::{FileFormat, Format, ImportSettings, Lut, Unit, import, import_profile, parse, write};
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

/// Formats whose layers are not those of a space.
const PROFILES: [Format; 6] = [
    Format::Trtexec,
    Format::TfliteCsv,
    Format::OnnxRuntime,
    Format::OnceForAll,
    Format::ProxylessNas,
    Format::NniFbnet,
];

/// The first byte chooses format and unit.
pub(super) fn table(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    // From bit 3 on: one of the profiles, 0 is none.
    let profile = PROFILES.get(usize::from(first >> 3).wrapping_sub(1)).copied();
    let table = if first & 1 == 0 { Format::Table } else { Format::Nnabla };
    let settings = ImportSettings {
        format: profile.unwrap_or(table),
        file: "table".to_owned(),
        unit: (first & 2 == 0).then_some(Unit::Milliseconds),
        device: "device".to_owned(),
        space: ("tiny".to_owned(), "0".to_owned()),
        mode: Mode::Isolated,
        threads: 1,
        batch: 1,
        allow_suspicious: first & 4 == 0,
    };
    let import = match profile {
        Some(_) => import_profile(text, &settings),
        None => import(text, layers(), &settings),
    };
    if let Ok(import) = import {
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
        b"\x08[{\"count\": 2}, {\"name\": \"Conv_0 + Relu_0\", \"timeMs\": 2.5, \"averageMs\": 1.25}]".to_vec(),
        b"\x10node type,first,avg_ms,%,cdf%,mem KB,times called,name\nCONV_2D,0.1,0.25,1%,1%,0,3,[a, b]:0\n".to_vec(),
        b"\x18[{\"cat\":\"Node\",\"dur\":9,\"name\":\"a_kernel_time\",\"args\":{\"op_name\":\"Conv\"}}]".to_vec(),
        b"\x20expanded_conv-input:7x7x8-output:7x7x9-expand:48-kernel:5-stride:1:\n  count: 4\n  mean: 5.25\n".to_vec(),
        b"\x28Conv-input:224x224x3-output:112x112x32:\n  count: 12\n  mean: 3.1\n".to_vec(),
        b"0{'op_name': 'a', 'op_data_shape': (1, 2, 3, 4, 1), 'op_dtype': 'float32', 'op_latency': 0.25}\n".to_vec(),
    ]
}
