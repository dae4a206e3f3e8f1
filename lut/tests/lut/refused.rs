//! Networks that a device refuses, such as those that do not fit into its memory, are missing from the LUT and said to be.

use std::collections::BTreeSet;

use nasprof_graph::LayerKey;
use nasprof_lut::{Lut, from_journal};
use nasprof_profiler::engine::Workload;
use nasprof_profiler::journal::Event;
use nasprof_profiler::protocol::Device;
use nasprof_profiler::synthetic::{Model, SyntheticDevice};
use nasprof_spaces::Space;
use nasprof_testkit::luts::events_of;

fn measured(space: &Space, model: Model) -> (Vec<Event>, Lut) {
    measured_with(space, model, 1)
}

fn measured_with(space: &Space, model: Model, seed: u64) -> (Vec<Event>, Lut) {
    let events =
        events_of(space, "quiet", seed, &mut || Ok(Box::new(SyntheticDevice::new("quiet", model)) as Box<dyn Device>));
    let lut = from_journal(&events).unwrap();
    (events, lut)
}

/// The keys of the layers in the networks that were visited.
fn timed(events: &[Event]) -> BTreeSet<LayerKey> {
    let of_visits = |event: &Event| match event {
        Event::Visit { visit, .. } => Some(visit.workload),
        _ => None,
    };
    let visited: BTreeSet<u32> = events.iter().filter_map(of_visits).collect();
    let mut keys = BTreeSet::new();
    for event in events {
        if let Event::Workload { workload, role, graph } = event
            && visited.contains(workload)
        {
            keys.extend(Workload::new(*workload, role.clone(), graph.clone()).keys().cloned());
        }
    }
    keys
}

#[test]
fn rows_are_those_of_the_networks_that_ran_and_the_others_have_the_reason() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    for name in ["quiet", "gpu"] {
        let usual = Model::named(name).unwrap();
        let (all_events, all) = measured(&space, usual);
        assert!(all.rows.iter().all(|row| row.times.is_some()), "{name}: control");
        assert!(all.context.sessions.iter().all(|session| session.refused.is_empty()));

        let (events, lut) = measured(&space, Model { networks: Some(6), ..usual });
        let planned = all_events.iter().filter(|event| matches!(event, Event::Workload { .. })).count();
        let refused: Vec<usize> = lut.context.sessions.iter().map(|session| session.refused.len()).collect();
        assert_eq!(refused, [planned - 6, 0], "{name}");
        assert!(lut.context.sessions[0].refused[0].ends_with(": out of memory: 6 networks are loaded"));
        let timed = timed(&events);
        assert!(timed.len() < all.rows.len(), "{name}: some layers are in the other networks only");
        for (row, usual) in lut.rows.iter().zip(&all.rows) {
            assert_eq!(row.key, usual.key);
            let (times, error) = (row.times.as_ref(), row.error.as_deref());
            assert_eq!(times.is_some(), timed.contains(&row.key), "{name} {}", row.key);
            assert_eq!(error.is_none(), times.is_some());
            if let Some(error) = error {
                assert!(error.contains("runs alone") && error.contains("out of memory"), "{name} {}: {error}", row.key);
                assert!(row.first_call_ns.is_some(), "the trial ran");
            }
        }
        // What was measured is measured as ever.
        let ratios: Vec<f64> = lut
            .rows
            .iter()
            .zip(&all.rows)
            .filter_map(|(row, usual)| Some(row.times.as_ref()?.mean_ns / usual.times.as_ref()?.mean_ns))
            .collect();
        assert!(ratios.len() > 30 && ratios.iter().all(|ratio| (ratio - 1.0).abs() < 0.1), "{name}: {ratios:?}");

        // Without a network that shows the level, there is no level and no calibration.
        let of_one = (1..20).find_map(|seed| {
            let (_, lut) = measured_with(&space, Model { networks: Some(1), ..usual }, seed);
            lut.context.anchors.is_empty().then_some(lut)
        });
        let of_one = of_one.unwrap();
        assert!(of_one.context.calibration.is_none() && of_one.rows.iter().any(|row| row.times.is_some()), "{name}");
    }
}
