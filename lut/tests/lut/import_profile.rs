//! Profiles of other programs become LUTs of their own layers; cut, foreign and impossible ones are refused.

use nasprof_lut::{Flag, Format, Import, ImportError, ImportSettings, Unit, check, import_profile, read, write};
use nasprof_profiler::journal::Mode;

fn settings(format: Format) -> ImportSettings {
    ImportSettings {
        format,
        file: "profile".to_owned(),
        unit: None,
        device: "board".to_owned(),
        space: ("net".to_owned(), String::new()),
        mode: Mode::InContext,
        threads: 1,
        batch: 1,
        allow_suspicious: false,
    }
}

fn imported(text: &str, format: Format) -> Result<Import, ImportError> {
    import_profile(text, &settings(format))
}

/// Keys and milliseconds; a failed row has none.
fn rows(import: &Import) -> Vec<(String, Option<f64>)> {
    let ms = |row: &nasprof_lut::Row| row.times.as_ref().map(|times| (times.mean_ns / 1e3).round() / 1e3);
    import.lut.rows.iter().map(|row| (row.key.0.clone(), ms(row))).collect()
}

fn refused(text: &str, format: Format, naming: &str) {
    let error = imported(text, format).unwrap_err().to_string();
    assert!(error.contains(naming), "no `{naming}` in: {error}");
}

const TRTEXEC: &str = r#"[{"count": 200},
 {"name": "Conv_0 + Relu_0", "timeMs": 2.0, "averageMs": 0.01, "medianMs": 0.0099, "percentage": 60.0},
 {"name": "Reformatting CopyNode for Input Tensor 0 to Conv_1", "timeMs": 0.6, "averageMs": 0.003, "percentage": 20.0},
 {"name": "Conv_1 || Conv_2", "timeMs": 0.0, "averageMs": 0.0, "percentage": 0.0}]"#;

#[test]
fn the_profile_of_trtexec_is_read() {
    let import = imported(TRTEXEC, Format::Trtexec).unwrap();
    let expected = [
        ("Conv(Conv_0 + Relu_0)[]", Some(0.01)),
        ("Conv(Conv_1 || Conv_2)[]", None),
        ("Reformatting(Reformatting CopyNode for Input Tensor 0 to Conv_1)[]", Some(0.003)),
    ];
    assert_eq!(rows(&import), expected.map(|(key, ms)| (key.to_owned(), ms)));
    assert_eq!((import.report.rows, import.report.failed), (2, 1));
    assert!(import.lut.rows.iter().all(|row| row.flags == [Flag::Imported]));
    assert_eq!(import.lut.rows[0].times.as_ref().unwrap().n_samples, 200);
    assert!(import.lut.rows[1].error.as_ref().unwrap().contains("failed measurement"));
    // What is written is read back.
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.parquet", "a.csv", "a.json"] {
        write(&import.lut, &folder.path().join(name)).unwrap();
        assert_eq!(read(&folder.path().join(name)).unwrap(), import.lut, "{name}");
    }
    let _ = check(&import.lut);
    for end in 0..TRTEXEC.len() - 1 {
        assert!(imported(&TRTEXEC[..end], Format::Trtexec).is_err(), "cut at {end}");
    }
    refused("[]", Format::Trtexec, "its first entry is not the number of runs");
    refused(r#"[{"count": 0}]"#, Format::Trtexec, "it has no runs");
    refused(r#"[{"count": 5}]"#, Format::Trtexec, "it contains no layers");
    refused(r#"[{"count": 5}, {"name": "a"}]"#, Format::Trtexec, "no `averageMs`");
    // The file of one program with the numbers of another: totals and means disagree.
    refused(&TRTEXEC.replace("200", "100"), Format::Trtexec, "on average");
    let us = ImportSettings { unit: Some(Unit::Microseconds), ..settings(Format::Trtexec) };
    assert!(matches!(import_profile(TRTEXEC, &us), Err(ImportError::Units { .. })));
}

const TFLITE: &str = "Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
node type,first,avg_ms,%,cdf%,mem KB,times called,name
ModifyGraphWithDelegate,1.2,1.2,99%,99%,0,1,ModifyGraphWithDelegate/0
Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
node type,first,avg_ms,%,cdf%,mem KB,times called,name
CONV_2D,0.006,0.0061,1.0%,0.0%,0,50,[net/Conv/Relu6;net/bias, net/more]:0
DEPTHWISE_CONV_2D,0.01,0.0102,1.0%,1.0%,0,50,[net/dw]:1
RESHAPE,0.0,0.000,0.0%,1.0%,0,50,[net/reshape]:2

============================== Top by Computation Time ==============================
node type,first,avg_ms,%,cdf%,mem KB,times called,name
DEPTHWISE_CONV_2D,0.01,0.0102,1.0%,1.0%,0,50,[net/dw]:1
";

#[test]
fn the_profile_of_tensorflow_lite_is_read() {
    let import = imported(TFLITE, Format::TfliteCsv).unwrap();
    let expected = [
        ("CONV_2D([net/Conv/Relu6;net/bias,net/more]:0)[]", Some(0.006)),
        ("DEPTHWISE_CONV_2D([net/dw]:1)[]", Some(0.01)),
        ("RESHAPE([net/reshape]:2)[]", None),
    ];
    assert_eq!(rows(&import), expected.map(|(key, ms)| (key.to_owned(), ms)));
    // The older form has one more column and no titles.
    let old =
        "node type,start,first,avg_ms,%,cdf%,mem KB,times called,name\nCONV_2D,0.000,0.006,0.006,1.0%,0.0%,0,1,[a]:0\n";
    assert_eq!(rows(&imported(old, Format::TfliteCsv).unwrap()), [("CONV_2D([a]:0)[]".to_owned(), Some(0.006))]);
    refused("key,latency_ms\na,1\n", Format::TfliteCsv, "no table with the columns `node type`");
    refused(&TFLITE.replace("0.0102", "fast"), Format::TfliteCsv, "`fast` is not a number");
    refused("node type,first,avg_ms,name\nCONV_2D,0.006\n", Format::TfliteCsv, "line 2: not a row");
}

#[test]
fn the_profile_of_onnx_runtime_is_read() {
    let kernel = |us: u64| {
        format!(
            r#"{{"cat":"Node","pid":1,"tid":1,"dur":{us},"ts":5,"ph":"X","name":"Conv_0_kernel_time","args":{{"op_name":"Conv","input_type_shape":[{{"float":[1,3,32,32]}}]}}}}"#
        )
    };
    let run = r#"{"cat":"Session","name":"model_run","ts":0,"dur":99}"#;
    let profile = |kernels: &[u64]| {
        let runs: Vec<String> = kernels.iter().map(|&us| format!("{},{run}", kernel(us))).collect();
        format!("[{}]", runs.join(","))
    };
    // The first run allocates: it does not count where there are others.
    let import = imported(&profile(&[90, 10, 20]), Format::OnnxRuntime).unwrap();
    assert_eq!(rows(&import), [("Conv(Conv_0)[1x3x32x32]".to_owned(), Some(0.015))]);
    // Kernels without a run are those of one.
    let alone = imported(&format!("[{}]", kernel(94)), Format::OnnxRuntime).unwrap();
    assert_eq!(rows(&alone)[0].1, Some(0.094));
    refused("{}", Format::OnnxRuntime, "it ");
    refused("[]", Format::OnnxRuntime, "it ");
    refused("[1,2]", Format::OnnxRuntime, "it ");
}

const BLOCKS: &str = "expanded_conv-input:7x7x192-output:7x7x320-expand:6-kernel:5-stride:1-idskip:0:
  count: 154
  mean: 5.26
  var: 0.19
Conv-input:224x224x3-output:112x112x32:
  count: 12
  mean: 3.1
  var: 0.1
";

#[test]
fn tables_of_blocks_are_read_with_what_expand_means() {
    let import = imported(BLOCKS, Format::ProxylessNas).unwrap();
    assert_eq!(
        rows(&import),
        [
            ("Conv(input:224x224x3-output:112x112x32)[224x224x3]".to_owned(), Some(3.1)),
            (
                "expanded_conv(input:7x7x192-output:7x7x320-expand:6-kernel:5-stride:1-idskip:0)[7x7x192]".to_owned(),
                Some(5.26)
            ),
        ]
    );
    // 192 to 1152 channels, a depthwise 5x5, and 1152 to 320, on 7x7.
    assert_eq!(import.lut.rows[1].macs, 49 * (192 * 1152 + 1152 * 25 + 1152 * 320));
    assert_eq!(import.lut.rows[1].times.as_ref().unwrap().n_samples, 154);
    // Six channels in the middle of 192 are none: the other program's meaning.
    refused(BLOCKS, Format::OnceForAll, "seems to be a ratio");
    let channels = BLOCKS.replace("expand:6", "expand:1152");
    assert_eq!(imported(&channels, Format::OnceForAll).unwrap().lut.rows[1].macs, import.lut.rows[1].macs);
    refused("  mean: 1\n", Format::ProxylessNas, "line 1: a value before the first block");
    refused("Conv-input:1x1x3:\n  count: 1\n", Format::ProxylessNas, "has no `mean`");
    refused("Conv-input:1x1x3:\n  mean: 1\n  mean: 2\n", Format::ProxylessNas, "line 3: duplicate `mean`");
    refused("Conv-input:1x1x3:\n  mean: [1\n", Format::ProxylessNas, "is not a number");
    refused("!!python/object: x\n", Format::ProxylessNas, "line 1: expected a block and a colon");
    refused("nothing:\n  mean: 1\n", Format::ProxylessNas, "does not name a block");
}

#[test]
fn the_table_of_nni_says_no_unit() {
    let line = |name: &str, latency: &str| {
        format!(
            "{{'op_name': '{name}', 'op_data_shape': (112, 112, 16, 16, 1), 'op_dtype': 'float32', 'op_latency': {latency}}}\n"
        )
    };
    let text = line("ir_k3_s1", "0.25") + &line("ir_k5_s1", "None");
    assert_eq!(imported(&text, Format::NniFbnet).unwrap_err(), ImportError::Unit);
    let ms = ImportSettings { unit: Some(Unit::Milliseconds), ..settings(Format::NniFbnet) };
    let import = import_profile(&text, &ms).unwrap();
    assert_eq!(
        rows(&import),
        [
            ("ir_k3_s1(float32)[112x112x16x16x1]".to_owned(), Some(0.25)),
            ("ir_k5_s1(float32)[112x112x16x16x1]".to_owned(), None)
        ]
    );
    let failing = |text: &str| import_profile(text, &ms).unwrap_err().to_string();
    assert!(failing("__import__('os')\n").contains("line 1: not a dictionary"));
    assert!(failing(&line("a", "'fast'")).contains("no `op_latency`"));
}

/// Two layers of one name are two.
#[test]
fn equal_names_stay_apart() {
    let twice = TRTEXEC.replace("Conv_1 || Conv_2", "Conv_0 + Relu_0");
    let import = imported(&twice, Format::Trtexec).unwrap();
    let keys: Vec<String> = rows(&import).into_iter().map(|(key, _)| key).collect();
    assert_eq!(&keys[..2], ["Conv(Conv_0 + Relu_0#2)[]", "Conv(Conv_0 + Relu_0)[]"]);
}
