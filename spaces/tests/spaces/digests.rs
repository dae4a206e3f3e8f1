//! Digests tell graphs apart, and are the same with every version.

use nasprof_graph::{Graph, GraphBuilder, Op};
use nasprof_spaces::{Space, builtin_names};
use serde_json::{Value, json};

/// The digests that versions before SHA-256 wrote of the built-in spaces: files hold them.
const BEFORE: &[(&str, &str)] = &[
    ("darts-cifar10", "e71f0501b830ef9e"),
    ("darts-cifar10-deep", "ef1213e768bb827f"),
    ("darts-fashion-mnist", "8542c243c1daac9a"),
    ("fairnas-cifar10", "946a8dd5d3c89382"),
    ("fairnas-imagenet", "fe5742134ff1756d"),
    ("mobilenet-cifar10", "946a8dd5d3c89382"),
    ("mobilenet-fashion-mnist", "a67bc104615c9ae0"),
    ("mobilenet-imagenet", "5cf7d4347ed16764"),
    ("mobilenet-v2-cifar10", "7808886ba5055348"),
    ("mobilenet-v2-imagenet", "2a2e12c1c89539f0"),
    ("ofa-mbv3", "bbf586e63566e608"),
    ("ofa-resnet50", "ddb9743c9b33307a"),
    ("ofa-xception", "e337974ee678b840"),
    ("pnas-cifar10", "7911240f9b24955f"),
    ("random-wired-cifar10", "55e556b91a8b763e"),
    ("zoph-cifar10", "ae029d8752e0f598"),
];

/// A digest of an older version names the space it was written for, and no other.
#[test]
fn digests_of_older_versions_are_known() {
    let newer = |name: &&str| !name.starts_with("nasbench201-");
    assert!(builtin_names().filter(newer).eq(BEFORE.iter().map(|(name, _)| *name)));
    for (name, before) in BEFORE {
        let identity = Space::builtin(name).unwrap().graph.identity();
        assert!(identity.is(before), "{name}");
        assert!(identity.is(identity.digest()), "{name}");
        for (other, digest) in BEFORE.iter().filter(|(_, digest)| digest != before) {
            assert!(!identity.is(digest), "{name} is not {other}");
        }
        for bad in ["", "sha256:", &identity.digest()[..20], &identity.digest()["sha256:".len()..]] {
            assert!(!identity.is(bad), "{name}: `{bad}`");
        }
    }
}

fn pair() -> Graph {
    let mut b = GraphBuilder::new();
    let x = b.input("in", [1, 3]).unwrap();
    let y = b.add("act", Op::LeakyRelu { slope: 0.5 }, &[x]).unwrap();
    b.build(&[y]).unwrap()
}

/// The bytes, put together by hand as the documentation of the encoding says.
#[test]
fn the_encoding_is_the_documented_one() {
    fn number(bytes: &mut Vec<u8>, number: u64) {
        bytes.extend(number.to_le_bytes());
    }
    fn text(bytes: &mut Vec<u8>, text: &str) {
        number(bytes, text.len() as u64);
        bytes.extend(text.as_bytes());
    }
    let mut bytes = Vec::new();
    text(&mut bytes, "nasprof graph 1");
    number(&mut bytes, 2);
    text(&mut bytes, "in");
    text(&mut bytes, "input");
    for n in [2, 1, 3, 0, 2, 1, 3] {
        number(&mut bytes, n);
    }
    bytes.push(0);
    text(&mut bytes, "act");
    text(&mut bytes, "leaky_relu");
    bytes.extend([0, 0, 0, 0, 0, 0, 0xe0, 0x3f]);
    for n in [1, 0, 2, 1, 3] {
        number(&mut bytes, n);
    }
    bytes.push(0);
    for n in [1, 1] {
        number(&mut bytes, n);
    }
    let hex: String = <sha2::Sha256 as sha2::Digest>::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(pair().digest(), format!("sha256:{hex}"));
}

/// Pinned: another compiler, or another version of the program, writes the same.
#[test]
fn digests_stay_the_same() {
    assert_eq!(pair().digest(), "sha256:cfc4256d1db8f5190d352ae5a4ff1e4bc99d4e23dc2f81693c47290aeaab6e56");
    let digest = |name: &str| Space::builtin(name).unwrap().graph.digest();
    assert_eq!(digest("mobilenet-cifar10"), "sha256:01f581874ac29307c1fedd37e715e2a5a02d26450aaaec9ee373f30ddc718d9d");
    assert_eq!(digest("fairnas-cifar10"), digest("mobilenet-cifar10"));
    assert_eq!(digest("ofa-resnet50"), "sha256:59a54194ec07cfbea50297be6117edaf9908a716acfbd24e562298640eef8d74");
}

/// A graph with an operation of every kind that has attributes, as a file holds it.
fn every_operation() -> Value {
    let conv = json!({"type": "conv", "out_channels": 2, "kernel": [1, 1], "stride": [1, 1], "pad": [0, 0],
        "dilation": [1, 1], "groups": 1, "bias": false, "activation": "relu"});
    let operations = [
        json!({"type": "input", "shape": [1, 2, 4, 4]}),
        conv,
        json!({"type": "batch_norm", "epsilon": 0.1}),
        json!({"type": "leaky_relu", "slope": 0.5}),
        json!({"type": "softmax", "axis": 1}),
        json!({"type": "max_pool", "kernel": [1, 1], "stride": [1, 1], "pad": [0, 0]}),
        json!({"type": "avg_pool", "kernel": [1, 1], "stride": [1, 1], "pad": [0, 0], "count_padding": true}),
        json!({"type": "dropout", "probability": 0.25}),
        json!({"type": "drop_path", "probability": 0.25}),
        json!({"type": "concat", "axis": 1}),
        json!({"type": "crop", "top": 0, "left": 0}),
        json!({"type": "pad", "padding": [0, 0, 0, 0]}),
        json!({"type": "resize", "size": [4, 4], "mode": "nearest"}),
        json!({"type": "zero", "stride": [1, 1]}),
        json!({"type": "zeros", "shape": [1, 2, 4, 4]}),
        json!({"type": "choice", "choice": "c", "candidates": ["a"]}),
        json!({"type": "custom", "kind": "k", "attributes": {"a": "b"}}),
        json!({"type": "linear", "out_features": 4, "bias": false}),
    ];
    let nodes = operations.iter().enumerate().map(|(i, op)| {
        json!({"name": format!("n{i}"), "op": op, "inputs": if i == 0 { vec![] } else { vec![i - 1] },
            "shape": [1, 2, 4, 4], "parameters": "p"})
    });
    json!({"nodes": nodes.collect::<Vec<_>>(), "outputs": [operations.len() - 1]})
}

/// All values of a JSON tree, each changed alone: numbers by one, texts to another that may stand there.
fn changes(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(b) => vec![json!(!b)],
        Value::Number(n) => vec![n.as_u64().map_or_else(|| json!(n.as_f64().unwrap() + 0.5), |n| json!(n + 1))],
        Value::String(s) => vec![json!(match s.as_str() {
            "relu" => "relu6".to_owned(),
            "nearest" => "bilinear".to_owned(),
            other => format!("{other}x"),
        })],
        Value::Array(list) => (0..list.len())
            .flat_map(|i| {
                changes(&list[i]).into_iter().map(move |changed| {
                    let mut list = list.clone();
                    list[i] = changed;
                    Value::Array(list)
                })
            })
            .collect(),
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "type")
            .flat_map(|(key, value)| {
                changes(value).into_iter().map(move |changed| {
                    let mut map = map.clone();
                    map.insert(key.clone(), changed);
                    Value::Object(map)
                })
            })
            .collect(),
        Value::Null => vec![],
    }
}

/// Nothing of a graph is left out of its digest. Such a graph need not work.
#[test]
fn every_value_counts() {
    let read = |value: &Value| serde_json::from_value::<Graph>(value.clone()).unwrap();
    let tree = every_operation();
    let digest = read(&tree).digest();
    let changed = changes(&tree);
    assert!(changed.len() > 150, "{}", changed.len());
    let mut seen = std::collections::BTreeSet::from([digest.clone()]);
    for other in changed {
        assert!(seen.insert(read(&other).digest()), "{other}");
    }
    // Control: the same graph, read again, has the same digest; so has one whose 0 has a sign.
    assert_eq!(read(&tree).digest(), digest);
    let slope = |slope: f64| {
        let mut tree = tree.clone();
        tree["nodes"][3]["op"]["slope"] = json!(slope);
        read(&tree)
    };
    assert_eq!(slope(0.0), slope(-0.0));
    assert_eq!(slope(0.0).digest(), slope(-0.0).digest());
}
