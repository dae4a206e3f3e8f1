//! How a session went, from its records.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, median, standard_deviation};
use nasprof_base::text::hex;
use nasprof_profiler::engine::{Levelling, bad_probes};
use nasprof_profiler::journal::EndReason;
use nasprof_profiler::protocol::Canary;
use sha2::{Digest, Sha256};

use crate::{SessionFacts, SessionObservations};

pub(crate) fn session_facts(session: &SessionObservations, levelling: Levelling) -> SessionFacts {
    let spread = |of: fn(&Canary) -> &Vec<u64>| {
        let mut rounds: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (round, canary) in session.canaries.iter().filter(|(round, _)| *round > 0) {
            let times: Vec<f64> = of(canary).iter().map(|&t| (t.max(1) as f64).ln()).collect();
            rounds.entry(*round).or_default().extend(median(&times));
        }
        beyond_noise(&rounds.into_values().collect::<Vec<_>>())
    };
    let (converged, reason) = session.end.unwrap_or((false, EndReason::CutOff));
    SessionFacts {
        rounds: session.rounds,
        converged,
        reason,
        refused: session.refused.iter().map(|(workload, reason)| format!("network {workload}: {reason}")).collect(),
        is_steady: session.is_steady,
        canary_spread: [spread(|c| &c.compute_ns), spread(|c| &c.memory_ns)],
        bad_probes: bad_probes(&session.gate).into_iter().chain(session.disturbed.iter().cloned()).collect(),
        voided: session.voided,
        resumed: session.resumed,
        levelling: Some(levelling),
        digest: digest(session),
    }
}

/// The canaries before the first round, to the nanosecond: no two processes have the same.
fn digest(session: &SessionObservations) -> Option<String> {
    let first: Vec<&Canary> =
        session.canaries.iter().filter(|(round, _)| *round == 0).map(|(_, times)| times).collect();
    let text = serde_json::to_vec(&first).ok().filter(|_| !first.is_empty())?;
    Some(hex(&Sha256::digest(text)[..8]))
}

/// Standard deviation of the rounds' means beyond the part that their own scatter explains (analysis of variance).
fn beyond_noise(rounds: &[Vec<f64>]) -> f64 {
    let means: Vec<f64> = rounds.iter().filter_map(|r| mean(r)).collect();
    let between = standard_deviation(&means).map_or(0.0, |sd| sd * sd);
    let within =
        rounds.iter().filter_map(|r| Some(standard_deviation(r)?.powi(2) / r.len() as f64)).collect::<Vec<_>>();
    (between - mean(&within).unwrap_or(0.0)).max(0.0).sqrt()
}
