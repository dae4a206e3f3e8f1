//! The lookup table itself, and checks whether it fits a request.

use std::collections::{BTreeMap, HashMap};

use nasprof_base::statistics::mean;
use nasprof_graph::{Arch, Identity};
use nasprof_profiler::journal::Header;
use nasprof_profiler::protocol::Timing;
use serde::{Deserialize, Serialize};

use crate::import::is_runtime_profile;
use crate::{Context, LutError, Row};

/// A latency lookup table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lut {
    /// The context for which it holds, and how it was measured.
    pub context: Context,
    /// One row per layer, in the order of keys.
    pub rows: Vec<Row>,
}

/// A network that was measured whole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WholeNetwork<'a> {
    /// Its architecture; of a model, without choices.
    pub arch: &'a Arch,
    /// Mean over the sessions, milliseconds.
    pub ms: f64,
    /// Sessions.
    pub sessions: usize,
}

impl Lut {
    /// Whether estimates depend on a layer's place in its network; expected values use means over all places.
    #[must_use]
    pub fn is_context_dependent(&self) -> bool {
        self.context.calibration.as_ref().is_some_and(|c| c.reuse_bandwidth.is_some())
    }

    /// Refuses a LUT of another space; for a merged LUT, it is enough if one part is of the space. The content decides,
    /// not the name: the same model under another file name is the same space. `supernet` is that of batch 1. Digests
    /// that an older version wrote are recognised.
    ///
    /// # Errors
    /// What differs.
    pub fn check_space(&self, name: &str, supernet: &Identity) -> Result<(), LutError> {
        let header = &self.context.header;
        let mut headers = self.context.parts.iter().map(|part| &part.header).chain([header]);
        if headers.any(|header| supernet.is(&header.space_digest)) {
            return Ok(());
        }
        if self.context.imported.as_ref().is_some_and(|imported| is_runtime_profile(&imported.format)) {
            let problem = format!("it is a profile of the model `{}`, not of the space `{name}`", header.space);
            return Err(LutError::Context(problem));
        }
        let problem = if header.space == name {
            format!(
                "space `{name}` has changed since the LUT was made: space_digest is `{}` in the LUT, but `{}` was \
                 requested",
                header.space_digest,
                supernet.digest()
            )
        } else {
            format!("space is `{}` in the LUT, but `{name}` was requested", header.space)
        };
        Err(LutError::Context(problem))
    }

    /// Replaces a digest in an older version's form by today's digest of the same space, so that
    /// [`merge`](crate::merge) sees one space. `supernet` returns the identity of a space by its name, if it knows the
    /// space.
    pub fn renew_digests(&mut self, supernet: impl Fn(&str) -> Option<Identity>) {
        let context = &mut self.context;
        let parts = context.parts.iter_mut().map(|part| &mut part.header);
        for header in parts.chain([&mut context.header]).filter(|header| Identity::is_older(&header.space_digest)) {
            if let Some(known) = supernet(&header.space).filter(|known| known.is(&header.space_digest)) {
                known.digest().clone_into(&mut header.space_digest);
            }
        }
    }

    /// The networks in the LUT that were measured whole in the sessions that timed the layers, in the order of their
    /// architectures. Empty for a latency of a GPU other than `queue`, because only that one is timed in every session.
    #[must_use]
    pub fn whole_networks(&self) -> Vec<WholeNetwork<'_>> {
        self.wholes(|_| true)
    }

    /// Those of one space, by architecture. `supernet` is that of batch 1.
    #[must_use]
    pub fn measured(&self, supernet: &Identity) -> HashMap<&Arch, WholeNetwork<'_>> {
        let own = self.wholes(|header| supernet.is(&header.space_digest));
        own.into_iter().map(|network| (network.arch, network)).collect()
    }

    /// The networks of the measurements that are wanted; one that several measured is one network.
    fn wholes(&self, is_wanted: impl Fn(&Header) -> bool) -> Vec<WholeNetwork<'_>> {
        let Context { header, networks, anchors, parts, .. } = &self.context;
        if header.timing.is_some_and(|timing| timing != Timing::Queue) {
            return Vec::new();
        }
        let own = networks.iter().map(|network| (header, &network.arch, &network.sessions_ns));
        let of_parts = parts
            .iter()
            .flat_map(|part| part.networks.iter().map(|network| (&part.header, &network.arch, &network.sessions_ns)));
        let mut all: Vec<(&Header, &Arch, &Vec<f64>)> = own.chain(of_parts).collect();
        if all.is_empty() {
            // Older versions kept the anchors only.
            all = anchors.iter().map(|anchor| (header, &anchor.arch, &anchor.sessions_ns)).collect();
        }
        let mut sessions: BTreeMap<(&str, &Arch), Vec<f64>> = BTreeMap::new();
        for (header, arch, times) in all.into_iter().filter(|(header, ..)| is_wanted(header)) {
            sessions.entry((&header.space_digest, arch)).or_default().extend(times);
        }
        let networks = sessions.into_iter().filter_map(|((_, arch), times)| {
            Some(WholeNetwork { arch, ms: mean(&times)? / 1e6, sessions: times.len() })
        });
        networks.collect()
    }

    /// Selects the kind of GPU latency to estimate.
    ///
    /// # Errors
    /// If the LUT cannot predict it.
    pub fn choose_timing(&mut self, timing: Timing) -> Result<(), LutError> {
        if !self.context.queued.as_ref().is_some_and(|queued| queued.tells(timing)) {
            return Err(LutError::Timing(timing));
        }
        self.context.header.timing = Some(timing);
        Ok(())
    }

    /// Refuses a LUT whose context differs in any of the named values.
    ///
    /// # Errors
    /// What differs.
    pub fn check_context(&self, wanted: &[(&str, Option<String>)]) -> Result<(), LutError> {
        let header = &self.context.header;
        let differs: Vec<String> = wanted
            .iter()
            .filter_map(|(name, value)| {
                let actual = match *name {
                    // A LUT that several boards shared is valid for each of them.
                    "device" => {
                        let mut parts = self.context.parts.iter().map(|part| &part.header.device);
                        parts.find(|part| Some(*part) == value.as_ref()).unwrap_or(&header.device).clone()
                    }
                    "backend" => header.backend.clone(),
                    "batch" => header.batch.to_string(),
                    "threads" => header.threads.to_string(),
                    "allocator" => header.allocator.name().to_owned(),
                    "precision" => header.precision.name().to_owned(),
                    "layout" => header.layout.name().to_owned(),
                    fact => self.context.facts.get(fact).cloned().unwrap_or_default(),
                };
                let value = value.as_ref()?;
                (*value != actual).then(|| format!("{name} is `{actual}` in the LUT, but `{value}` was requested"))
            })
            .collect();
        if differs.is_empty() { Ok(()) } else { Err(LutError::Context(differs.join("; "))) }
    }
}
