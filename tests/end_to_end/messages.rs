//! The pages on the protocol and the journal are made from the types' own documentation, and what is really sent and
//! written is compared with them. After a change: `NASPROF_WRITE_DOCS=1 cargo test --test end_to_end messages`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use nasprof_graph::Arch;
use nasprof_profiler::protocol::numbered::Numbered;
use nasprof_profiler::protocol::{Allocator, ClockRequest, Request, Setup, VisitRequest};
use nasprof_spaces::Space;
use serde_json::Value;

use crate::harness::Folder;
use crate::types::{Types, fields_of, needed, section, types};

/// What stands above it is written by hand.
const MARK: &str = "<!-- From here on made from the source; tests/end_to_end/messages.rs says how. -->\n\n";
const SOURCES: [&str; 7] = [
    "profiler/src/protocol/request.rs",
    "profiler/src/protocol/reply.rs",
    "profiler/src/protocol/model.rs",
    "profiler/src/journal/event.rs",
    "profiler/src/protocol/clocks.rs",
    "profiler/src/protocol/supervisor.rs",
    "graph/src/runtime.rs",
];

struct Page {
    path: &'static str,
    roots: &'static [(&'static str, &'static str)],
}

const PROTOCOL: Page = Page {
    path: "docs/protocol.md",
    roots: &[
        ("Request", "Requests"),
        ("Reply", "Replies"),
        ("Order", "Orders to the supervisor"),
        ("Notice", "Notices of the supervisor"),
    ],
};
const JOURNAL: Page = Page { path: "docs/journal.md", roots: &[("Event", "Events")] };

fn known() -> Types {
    let source = |path: &&str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    SOURCES.iter().flat_map(|path| types(&source(path))).collect()
}

fn made(page: &Page, known: &Types) -> String {
    let mut text = String::new();
    let mut written = BTreeSet::new();
    for (root, title) in page.roots {
        text += &format!("## {title}\n\n");
        for name in needed(root, known) {
            if written.insert(name.clone()) {
                text += &format!("{}\n", section(&name, known));
            }
        }
    }
    format!("{}\n", text.trim_end())
}

/// The first line in which a page is not what the source says.
fn difference(page: &str, made: &str) -> Option<String> {
    let Some((_, written)) = page.split_once(MARK) else { return Some("the mark is missing".to_owned()) };
    let (mut a, mut b) = (written.lines(), made.lines());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (a, b) if a == b => {}
            (a, b) => return Some(format!("written: {}\nin the source: {}", a.unwrap_or(""), b.unwrap_or(""))),
        }
    }
}

#[test]
fn the_pages_say_what_the_source_says() {
    let known = known();
    for page in [PROTOCOL, JOURNAL] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page.path);
        let written = fs::read_to_string(&path).unwrap();
        let made = made(&page, &known);
        if std::env::var_os("NASPROF_WRITE_DOCS").is_some() {
            let above = written.split(MARK).next().unwrap();
            fs::write(&path, format!("{above}{MARK}{made}")).unwrap();
            continue;
        }
        assert_eq!(difference(&written, &made), None, "{} is not up to date", page.path);
        // A control: a field that the page does not have, or has no more, is noticed.
        let line = written.lines().rfind(|l| l.starts_with("| `")).unwrap();
        let without = written.replace(&format!("{line}\n"), "");
        assert!(difference(&without, &made).unwrap().contains(line));
        assert!(difference(&written.replace("| `", "| `x"), &made).is_some());
    }
}

/// A message's name and keys are those of the page.
fn check(root: &str, tag: &str, message: &Value, known: &Types) -> Result<String, String> {
    let object = message.as_object().ok_or("no object")?;
    let name = object.get(tag).and_then(Value::as_str).ok_or_else(|| format!("no `{tag}` in {message}"))?;
    let fields = fields_of(root, name, known).ok_or_else(|| format!("no page describes the {tag} `{name}`"))?;
    // The number of a request is described above the types.
    let own = |key: &&String| key.as_str() != tag && key.as_str() != "id";
    match object.keys().filter(own).find(|key| !fields.contains(*key)) {
        Some(key) => Err(format!("no page describes `{key}` of the {tag} `{name}`")),
        None => Ok(name.to_owned()),
    }
}

#[test]
fn what_is_sent_is_described() {
    let known = known();
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let arch = Arch(vec![0; space.choices.len()]);
    let graph = nasprof_graph::passes::select(&space.graph, &arch).unwrap();
    let visit = VisitRequest { sequence: 1, workload: 0, warm_up_runs: 1, layer_runs: 2, whole_runs: 2, repeat: 1 };
    let setup = Setup {
        backend: "synthetic:quiet".to_owned(),
        threads: 1,
        cores: Vec::new(),
        allocator: Allocator::System,
        seed: 1,
        session: 0,
        clocks: None,
        clock_copy: String::new(),
    };
    let requests = [
        Request::Configure(setup),
        Request::Load { workload: 0, graph: graph.clone() },
        Request::Visit(visit),
        Request::Canary,
        Request::Probe,
        Request::Clocks { how: ClockRequest::default() },
        Request::Memory { graph: graph.clone() },
        Request::Energy { graph },
        Request::Visit(VisitRequest { workload: 9, ..visit_of_nothing() }),
        Request::Bye,
    ];
    let mut agent = Command::new(Folder::new().agent)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the agent starts");
    let mut input = agent.stdin.take().unwrap();
    for (request, id) in requests.iter().zip(1..) {
        let message = serde_json::to_value(Numbered { id, message: request }).unwrap();
        check("Request", "request", &message, &known).unwrap();
        writeln!(input, "{message}").unwrap();
    }
    drop(input);
    let replies: Vec<Value> = BufReader::new(agent.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    agent.wait().unwrap();
    let names: Vec<String> = replies.iter().map(|reply| check("Reply", "reply", reply, &known).unwrap()).collect();
    let numbers: Vec<Option<u64>> = replies.iter().map(|reply| reply.get("id").and_then(Value::as_u64)).collect();
    assert_eq!(numbers, std::iter::once(None).chain((1..=10).map(Some)).collect::<Vec<_>>());
    // Whether there are clocks to show depends on the machine.
    assert_eq!(names[..6].join(" "), "hello configured loaded visited canary probes");
    assert!(names[6] == "clocks" || names[6] == "failed", "{}", replies[6]);
    assert_eq!(names[7], "memory");
    assert_eq!((names[9].as_str(), names[10].as_str(), names.len()), ("failed", "bye", 11));

    // A control: a key or a message that no page has.
    let mut odd = replies[3].clone();
    odd["new_key"] = 1.into();
    assert!(check("Reply", "reply", &odd, &known).unwrap_err().contains("new_key"));
    odd["reply"] = "new_reply".into();
    assert!(check("Reply", "reply", &odd, &known).unwrap_err().contains("new_reply"));
}

fn visit_of_nothing() -> VisitRequest {
    VisitRequest { sequence: 2, workload: 0, warm_up_runs: 0, layer_runs: 1, whole_runs: 1, repeat: 1 }
}

#[test]
fn what_a_journal_holds_is_described() {
    let known = known();
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    let mut seen = BTreeSet::new();
    for line in String::from_utf8(folder.read("a.journal.jsonl")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["crc", "event", "sequence"]);
        seen.insert(check("Event", "event", &line["event"], &known).unwrap());
    }
    for name in ["header", "trial", "unit", "session", "visit", "round", "session_end", "complete"] {
        assert!(seen.contains(name), "{seen:?}");
    }
}
