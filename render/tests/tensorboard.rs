//! Event files, read back by the real TensorBoard.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use nasprof_graph::{Arch, passes};
use nasprof_render::Png;
use nasprof_render::tensorboard::EventWriter;
use nasprof_spaces::Space;
use nasprof_testkit::python::{TENSORBOARD, python};
use serde_json::Value;

/// Prints what TensorBoard's own reader makes of a folder of event files.
const READER: &str = r#"
import json, sys
from tensorboard.backend.event_processing import event_file_loader, io_wrapper
from tensorboard.util import tensor_util
from tensorboard.compat.proto.graph_pb2 import GraphDef
found = {"scalars": {}, "histograms": {}, "images": {}, "texts": {}, "nodes": []}
for path in io_wrapper.ListDirectoryAbsolute(sys.argv[1]):
    for event in event_file_loader.EventFileLoader(path).Load():
        if event.graph_def:
            for node in GraphDef.FromString(event.graph_def).node:
                shape = node.attr["_output_shapes"].list.shape[0].dim
                found["nodes"].append([node.name, node.op, list(node.input), [d.size for d in shape]])
        for value in event.summary.value:
            kind = value.metadata.plugin_data.plugin_name
            tensor = tensor_util.make_ndarray(value.tensor)
            if kind == "scalars":
                found["scalars"].setdefault(value.tag, []).append([event.step, float(tensor)])
            elif kind == "histograms":
                found["histograms"][value.tag] = tensor.tolist()
            elif kind == "images":
                found["images"][value.tag] = [int(tensor[0]), int(tensor[1]), tensor[2][:4].hex()]
            elif kind == "text":
                found["texts"][value.tag] = tensor[0].decode()
print(json.dumps(found))
"#;

/// What TensorBoard reads in a folder; `None`, said aloud, where there is no TensorBoard.
fn read(folder: &Path) -> Option<Value> {
    let output = python(TENSORBOARD, READER, &[folder])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn network() -> nasprof_graph::Graph {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let selected = passes::select(&space.graph, &Arch(vec![0; space.choices.len()])).unwrap();
    passes::eliminate_dead_code(&selected)
}

#[test]
fn tensorboard_reads_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let graph = network();
    let mut writer = EventWriter::create(folder.path()).unwrap();
    for step in 0..3 {
        writer.scalar("loss/train", step, 1.5 / (step + 1) as f64).unwrap();
    }
    writer.histogram("alphas/blocks/0", 2, &[0.0, 1.0, 1.0, 2.0, f64::NAN]).unwrap();
    writer.histogram("alphas/constant", 2, &[3.0; 4]).unwrap();
    let picture = "<svg xmlns='http://www.w3.org/2000/svg' width='30' height='20'><rect width='9' height='9'/></svg>";
    writer.image("arch", 2, &Png::render(picture).unwrap()).unwrap();
    writer.text("config", 0, "| key | value |\n|---|---|\n| épochs | <b>3</b> |").unwrap();
    writer.graph(&graph).unwrap();
    drop(writer);

    let Some(read) = read(folder.path()) else { return };
    assert_eq!(read["scalars"]["loss/train"], serde_json::json!([[0, 1.5], [1, 0.75], [2, 0.5]]));
    assert_eq!(read["scalars"]["alphas/blocks/0/not_finite"], serde_json::json!([[2, 1.0]]));
    let buckets = read["histograms"]["alphas/blocks/0"].as_array().unwrap();
    let edges = |i: usize| (buckets[i][0].as_f64().unwrap(), buckets[i][1].as_f64().unwrap());
    assert_eq!((edges(0).0, edges(buckets.len() - 1).1), (0.0, 2.0));
    assert_eq!(buckets.iter().map(|b| b[2].as_f64().unwrap()).sum::<f64>(), 4.0);
    assert_eq!(read["images"]["arch"], serde_json::json!([30, 20, "89504e47"]));
    assert!(read["texts"]["config"].as_str().unwrap().contains("épochs | <b>3</b>"));
    let nodes = read["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), graph.nodes().len());
    for (node, read) in graph.nodes().iter().zip(nodes) {
        assert_eq!(read[1], node.op.name());
        assert_eq!(read[2].as_array().unwrap().len(), node.inputs.len());
        assert_eq!(read[3], serde_json::json!(node.shape.0));
    }
}

/// The control of the test above: a flipped bit is what the checksums are for.
#[test]
fn tensorboard_refuses_a_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(folder.path()).unwrap();
    writer.scalar("loss", 0, 1.0).unwrap();
    writer.scalar("loss", 1, 2.0).unwrap();
    let path = writer.path().to_owned();
    drop(writer);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 8;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let Some(read) = read(folder.path()) else { return };
    assert_eq!(read["scalars"]["loss"], serde_json::json!([[0, 1.0]]));
}

#[test]
fn a_resumed_run_gets_a_file_of_its_own_and_a_bad_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let first = EventWriter::create(folder.path()).unwrap();
    let second = EventWriter::create(folder.path()).unwrap();
    assert_ne!(first.path(), second.path());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(EventWriter::create(&file).unwrap_err().to_string().contains("file"));
}
