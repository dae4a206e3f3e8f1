//! Profiles of ONNX Runtime: what it writes, and what it never writes.

use nasprof_onnx::profile::{Profile, ProfileError, TensorType, read_profile};

fn kernel(name: &str, index: u32, us: i64) -> String {
    format!(
        r#"{{"cat" : "Node","pid" :1,"tid" :1,"dur" :{us},"ts" :5,"ph" : "X","name" :"{name}_kernel_time","args" : {{"op_name" : "Conv","provider" : "CPUExecutionProvider","node_index" : "{index}","parameter_size" : "1280","output_size" : "64","mem_in_use_peak" : "900","input_type_shape" : [{{"float":[1,3,4,4]}},{{"float":[]}}],"output_type_shape" : [{{"float":[1,4,2,2]}}]}}}}"#
    )
}

fn session(name: &str, us: u64) -> String {
    format!(r#"{{"cat" : "Session","pid" :1,"tid" :1,"dur" :{us},"ts" :2,"ph" : "X","name" :"{name}","args" : {{}}}}"#)
}

fn run(events: &mut Vec<String>, us: [i64; 2]) {
    events.extend([kernel("a", 1, us[0]), kernel("b", 2, us[1])]);
    events.extend([session("SequentialExecutor::Execute", 20), session("model_run", 30)]);
}

fn text(events: &[String]) -> String {
    // One after the other.
    let events =
        events.iter().enumerate().map(|(i, event)| event.replace("\"ts\" :5,", &format!("\"ts\" :{},", 1000 * i)));
    format!("[\n{}\n]\n", events.collect::<Vec<_>>().join(",\n"))
}

fn two_runs() -> Vec<String> {
    let mut events = vec![session("model_loading_uri", 100), session("session_initialization", 200)];
    run(&mut events, [7, 8]);
    run(&mut events, [5, 6]);
    events
}

fn read(text: &str) -> Result<Profile, ProfileError> {
    read_profile(text.as_bytes())
}

#[test]
fn kernels_runs_and_loading_are_read() {
    let profile = read(&text(&two_runs())).unwrap();
    assert_eq!(profile.session_us, 300);
    assert_eq!(profile.peak_bytes, Some(900));
    assert!(!profile.cut_off);
    assert_eq!(profile.runs.iter().map(|run| run.by_node(2)).collect::<Vec<_>>(), [[7, 8], [5, 6]]);
    assert_eq!(profile.runs[0].total_us, 30);
    let node = &profile.nodes[0];
    assert_eq!((node.name.as_str(), node.operator.as_str(), node.index), ("a", "Conv", 1));
    assert_eq!((node.parameter_bytes, node.output_bytes), (1280, 64));
    let tensor = |shape: &[u64]| TensorType { element: "float".to_owned(), shape: shape.to_vec() };
    assert_eq!(node.inputs, [tensor(&[1, 3, 4, 4]), tensor(&[])]);
    assert_eq!(node.outputs, [tensor(&[1, 4, 2, 2])]);
}

/// The body of a loop runs several times in a run.
#[test]
fn a_kernel_in_a_loop_is_added_up() {
    let events = [kernel("a", 1, 4), kernel("a", 1, 3), session("model_run", 9)];
    let profile = read(&text(&events)).unwrap();
    assert_eq!(profile.runs[0].by_node(profile.nodes.len()), [7]);
}

/// A loop ends after what is inside it, and began before.
#[test]
fn a_loop_is_without_what_is_inside_it() {
    let at = |name: &str, index: u32, start: u64, us: i64| {
        kernel(name, index, us).replace("\"ts\" :5,", &format!("\"ts\" :{start},"))
    };
    let events = [
        at("before", 1, 0, 9),
        at("body", 2, 11, 30),
        at("body", 2, 45, 40),
        at("loop", 3, 10, 100),
        at("after", 4, 110, 5),
        session("model_run", 120),
    ];
    let profile = read(&text(&events)).unwrap();
    let own: Vec<(&str, u64)> = profile.nodes.iter().map(|n| n.name.as_str()).zip(profile.runs[0].by_node(4)).collect();
    assert_eq!(own, [("before", 9), ("body", 70), ("loop", 30), ("after", 5)]);
}

/// Nodes without a name exist; their number tells them apart.
#[test]
fn nodes_of_one_name_are_told_apart_by_their_number() {
    let events = [kernel("", 1, 4), kernel("", 2, 3), session("model_run", 9)];
    assert_eq!(read(&text(&events)).unwrap().runs[0].by_node(2), [4, 3]);
}

#[test]
fn a_session_that_was_not_closed_leaves_the_bracket_out() {
    let whole = text(&two_runs());
    let open = whole.trim_end().strip_suffix(']').unwrap();
    assert_eq!(read(open).unwrap(), read(&whole).unwrap());
    assert_eq!(read(&format!("{},\n", open.trim_end())).unwrap(), read(&whole).unwrap());
}

#[test]
fn a_run_that_was_cut_off_does_not_count() {
    let mut events = two_runs();
    events.push(kernel("a", 1, 1));
    let profile = read(&text(&events)).unwrap();
    assert_eq!((profile.runs.len(), profile.cut_off), (2, true));
}

#[test]
fn a_profile_that_is_cut_anywhere_is_refused_or_complete() {
    let whole = text(&two_runs());
    let (mut refused, mut taken) = (0, 0);
    for end in 0..whole.len() {
        match read(&whole[..end]) {
            Err(_) => refused += 1,
            Ok(profile) => {
                taken += 1;
                // What is taken is a beginning of the truth.
                let sums: Vec<_> = profile.runs.iter().map(|run| run.by_node(2)).collect();
                assert!(sums == [[7, 8]] || sums == [[7, 8], [5, 6]], "{end}: {sums:?}");
            }
        }
    }
    assert!(refused > 100 && taken > 1, "{refused} {taken}");
}

#[test]
fn what_is_no_profile_is_refused() {
    let without_runs = text(&[kernel("a", 1, 4)]);
    assert_eq!(read(&without_runs), Err(ProfileError::Empty));
    let negative = text(&[kernel("a", 1, -4), session("model_run", 9)]);
    let huge = text(&[kernel("a", 1, i64::MAX), session("model_run", 9)]);
    let shape = text(&[kernel("a", 1, 4).replace("[1,4,2,2]", "[1,-4]"), session("model_run", 9)]);
    let text_shape = text(&[kernel("a", 1, 4).replace("[{\"float\":[1,4,2,2]}]", "\"x\""), session("model_run", 9)]);
    let no_operator = text(&[kernel("a", 1, 4).replace("op_name", "other"), session("model_run", 9)]);
    let two = format!("{0}{0}", text(&two_runs()));
    let deep = "[".repeat(100_000);
    for bad in ["", "[]", "{}", "null", "[1]", "[{}]", &negative, &huge, &shape, &text_shape, &no_operator, &two, &deep]
    {
        assert!(read(bad).is_err(), "{}", &bad[..bad.len().min(300)]);
    }
    assert!(read_profile(b"\xff]").is_err());
    // The control: the same without the fault.
    read(&text(&[kernel("a", 1, 4), session("model_run", 9)])).unwrap();
}
