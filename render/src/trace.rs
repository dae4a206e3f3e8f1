//! Runs of networks as a trace in Chrome's trace event format, which Perfetto and chrome://tracing open.
//!
//! A run or layer has an event where it begins (`"ph": "B"`) and one where it ends (`"E"`), with times in microseconds. Metadata
//! events (`"M"`) name processes and threads. The format's description is Google's document "Trace Event Format".
//!
//! Its complete events (`"X"`) are not used: a start plus a duration, in floating point, may lie after the start of the next
//! layer, and then viewers nest the layers into each other.

use serde::Serialize;

/// One run of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedRun {
    /// Name of the network.
    pub name: String,
    /// Its layers, in the order they ran, one after the other.
    pub layers: Vec<TracedLayer>,
}

/// One layer of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedLayer {
    /// Its name in the graph.
    pub name: String,
    /// Its operation.
    pub op: String,
    /// Its key in LUTs.
    pub key: String,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Trainable parameters.
    pub params: u64,
    /// Latency in nanoseconds.
    pub ns: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'a> {
    trace_events: Vec<Event<'a>>,
    display_time_unit: &'static str,
}

#[derive(Serialize)]
struct Event<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'a str>,
    ph: char,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    pid: usize,
    tid: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Arguments<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Arguments<'a> {
    Name { name: &'a str },
    Layer { key: &'a str, macs: u64, params: u64 },
    Run { layers: usize },
}

/// The trace of runs on a device: each run is a thread, with the layers inside the run. Layers are end to end, because the
/// time between them was not measured.
#[must_use]
pub fn chrome_trace(device: &str, runs: &[TracedRun]) -> String {
    let named = |name, tid, value| Event {
        name,
        cat: None,
        ph: 'M',
        ts: None,
        pid: 1,
        tid,
        args: Some(Arguments::Name { name: value }),
    };
    let mut events = vec![named("process_name", 0, device)];
    for (run, tid) in runs.iter().zip(1..) {
        events.push(named("thread_name", tid, &run.name));
        let edge = |name, ph, ns: u64, cat, args| Event { name, cat, ph, ts: Some(ns as f64 / 1e3), pid: 1, tid, args };
        let of_run = Arguments::Run { layers: run.layers.len() };
        events.push(edge(&run.name, 'B', 0, Some("network"), Some(of_run)));
        let mut now: u64 = 0;
        for TracedLayer { name, op, key, macs, params, ns } in &run.layers {
            let args = Arguments::Layer { key, macs: *macs, params: *params };
            events.push(edge(name, 'B', now, Some(op.as_str()), Some(args)));
            now = now.saturating_add(*ns);
            events.push(edge(name, 'E', now, None, None));
        }
        events.push(edge(&run.name, 'E', now, None, None));
    }
    let trace = Trace { trace_events: events, display_time_unit: "ns" };
    serde_json::to_string(&trace).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn layers_lie_end_to_end_inside_their_run() {
        let layer = |name: &str, ns| TracedLayer {
            name: name.to_owned(),
            op: "relu".to_owned(),
            key: "relu[8x4x4]".to_owned(),
            macs: 0,
            params: 0,
            ns,
        };
        let run = TracedRun { name: "evil \"</script>".to_owned(), layers: vec![layer("a", 1500), layer("b", 250)] };
        let trace: Value = serde_json::from_str(&chrome_trace("board", &[run.clone(), run])).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let of = |tid: u64| -> Vec<(String, String, f64)> {
            let edges = events.iter().filter(|e| e["ph"] != "M" && e["tid"] == tid);
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            edges.map(|e| (text(&e["ph"]), text(&e["name"]), e["ts"].as_f64().unwrap())).collect()
        };
        let evil = "evil \"</script>";
        let expected =
            [("B", evil, 0.0), ("B", "a", 0.0), ("E", "a", 1.5), ("B", "b", 1.5), ("E", "b", 1.75), ("E", evil, 1.75)];
        assert_eq!(of(1), expected.map(|(ph, name, ts)| (ph.to_owned(), name.to_owned(), ts)));
        assert_eq!(of(1), of(2));
        assert_eq!(events.iter().filter(|e| e["ph"] == "M").count(), 3);
        assert_eq!(trace["displayTimeUnit"], "ns");
    }
}
