//! Writes a journal of many samples, to time queries with: `large_journal SAMPLES FILE`.
//!
//! It is one measured on a synthetic device whose rounds are repeated, each with the next numbers.

#![allow(clippy::unwrap_used, reason = "a program for developers")]

use nasprof_profiler::journal::{Event, Writer};
use nasprof_profiler::protocol::Visit;
use nasprof_spaces::Space;
use nasprof_testkit::luts::synthetic_events;

fn samples(visit: &Visit) -> usize {
    visit.layers.iter().chain(&visit.whole).map(|run| run.ns.len()).sum()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [wanted, path] = &arguments[..] else { panic!("usage: large_journal SAMPLES FILE") };
    let wanted: usize = wanted.parse().unwrap();
    let events = synthetic_events(&Space::builtin("mobilenet-cifar10").unwrap(), "preempted", 0);
    let is_visit = |event: &Event| matches!(event, Event::Visit { .. });
    let first = events.iter().position(is_visit).unwrap();
    let end = events.iter().position(|event| matches!(event, Event::SessionEnd { .. })).unwrap();
    let mut writer = Writer::create(path.as_ref()).unwrap();
    events[..first].iter().for_each(|event| writer.append(event).unwrap());
    let (mut written, mut rounds, mut visits) = (0, 0, 0);
    'all: loop {
        for event in &events[first..end] {
            match event.clone() {
                Event::Visit { round: _, mut visit } => {
                    if written >= wanted {
                        break 'all;
                    }
                    written += samples(&visit);
                    visit.sequence = visits;
                    visits += 1;
                    writer.append(&Event::Visit { round: rounds + 1, visit }).unwrap();
                }
                Event::Round { probes, .. } => {
                    rounds += 1;
                    writer.append(&Event::Round { round: rounds, probes }).unwrap();
                }
                // Numbers of visits and rounds are others now.
                _ => {}
            }
        }
    }
    println!("{written} samples of {visits} visits in {rounds} rounds");
}
