//! What a device's own command gives back: the script's output, and the times and profiles in it.

use nasprof_devices::{CommandRun, Fetched, Frames, TimesFormat, Unit};
use nasprof_lut::{Format, MAX_NS, profile_layers};

use crate::slow;

/// Most bytes of a file that is taken here.
const MOST: u64 = 30_000;

/// The first byte says in pieces of how many bytes the rest comes.
pub(super) fn output(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let take = |size: usize| {
        let mut frames = Frames::new(MOST);
        let mut runs = Vec::new();
        for piece in rest.chunks(size) {
            let taken = frames.take(piece);
            runs.append(&mut frames.runs);
            if taken.is_err() {
                return (runs, false);
            }
        }
        (runs, true)
    };
    let (whole, is_good) = take(rest.len().max(1));
    assert_eq!(take(usize::from(first).max(1)), (whole.clone(), is_good), "pieces make no difference");
    slow::runs(rest, MOST, &whole, is_good).expect("runs are those that a slow reader finds");
    whole.iter().for_each(used);
}

/// As the command line uses a run.
fn used(run: &CommandRun) {
    let text = |file: &Fetched| match file {
        Fetched::File(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Fetched::Missing | Fetched::Several | Fetched::TooLarge(_) => String::new(),
    };
    times_of(&text(&run.times));
    times_of(&String::from_utf8_lossy(&run.printed));
    let profile = text(&run.profile);
    for format in [Format::Trtexec, Format::OnnxRuntime, Format::TfliteCsv] {
        if let Ok(layers) = profile_layers(&profile, format) {
            assert!(layers.iter().all(|layer| (0.0..=MAX_NS).contains(&layer.ns)), "layers have times");
            assert!(layers.iter().map(|layer| layer.ns).sum::<f64>() > 0.0, "some of them take some");
        }
    }
}

pub(super) fn times(data: &[u8]) {
    times_of(&String::from_utf8_lossy(data));
}

fn times_of(text: &str) {
    thread_local! {
        static FORMATS: [TimesFormat; 4] = {
            let format = |text: &str, unit| TimesFormat::parse(text, unit).expect("a format of ours is read");
            [
                format("trtexec", None),
                format("onnxruntime", None),
                format("tflite-csv", None),
                format(r"latency (\S+) us", Some(Unit::Us)),
            ]
        };
    }
    FORMATS.with(|formats| {
        for runs in formats.iter().filter_map(|format| format.read(text).ok()) {
            assert!(!runs.is_empty() && runs.iter().all(|ns| *ns > 0.0 && *ns <= MAX_NS), "runs take time");
        }
    });
}

const TRTEXEC: &str =
    r#"[{"startComputeMs": 1, "computeMs": 0.7, "latencyMs": 0.8}, {"computeMs": 0.8, "latencyMs": 0.9}]"#;
const PERF_TEST: &str = "net.onnx,0.0021,48000000,25,0\nnet.onnx,0.0019,48000000,25,1\nP50 Latency: 0.002 s\n";
const TFLITE: &str =
    "INFO: Inference timings in us: Init: 1200, First inference: 900, Warmup (avg): 850, Inference (avg): 812.5\n";
const PROFILE: &str = r#"[{"count": 10}, {"name": "Conv_0 + Relu_0", "timeMs": 5, "averageMs": 0.5}, {"name": "/a/Gemm_1", "averageMs": 0.25}]"#;
const TFLITE_PROFILE: &str = "Operator-wise Profiling Info for Regular Benchmark Runs:\nnode type,first,avg_ms,%,cdf%,mem KB,times called,name\n\
    CONV_2D,0.5,0.4,80,80,0,1,[conv]:0\nADD,0.1,0.1,20,100,0,1,[add]:1\n";

pub(super) fn times_seeds() -> Vec<Vec<u8>> {
    [TRTEXEC, PERF_TEST, TFLITE, "latency 12.5 us\nlatency 13 us\n"].map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(super) fn output_seeds() -> Vec<Vec<u8>> {
    let run = |printed: &str, profile: &str, times: &str| {
        format!("nasprof-run 0 0 {} {} {}\n{printed}{profile}{times}", printed.len(), profile.len(), times.len())
    };
    let kernels = crate::target("onnxruntime_profile").seeds;
    let kernels = String::from_utf8_lossy(&kernels()[0]).into_owned();
    let seeds = [
        ("\x07", run("done\n", PROFILE, TRTEXEC).repeat(2)),
        ("\0", format!("Welcome!\n{}nasprof-run 137 1 0 999999 +\n", run(TFLITE, TFLITE_PROFILE, ""))),
        ("\x40", run("", &kernels, PERF_TEST) + "nasprof-run 3 0 9 - -\nError: 1\n"),
        ("\x01", "{\"owner\":\"me\"}".to_owned()),
    ];
    seeds.into_iter().map(|(first, text)| format!("{first}{text}").into_bytes()).collect()
}
