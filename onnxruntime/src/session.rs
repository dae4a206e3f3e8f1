//! Sessions of ONNX Runtime with the options that are part of a LUT's context, and their inputs.

use std::path::Path;

use nasprof_profiler::protocol::Setup;
use ort::session::Session as OrtSession;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use crate::library::Library;
use crate::provider::Provider;

/// Options that all sessions of a process share.
pub(crate) struct Options<'a> {
    pub(crate) library: &'a Library,
    pub(crate) setup: &'a Setup,
    pub(crate) provider: Provider,
}

/// How a model is opened.
#[derive(Clone, Copy)]
pub(crate) enum Opening<'a> {
    /// Optimises it and writes the result to a file.
    Optimize(&'a Path),
    /// Does not optimise it, because it already is, and times every kernel; the path is the prefix of the profile's file
    /// name.
    Profile(&'a Path),
    /// Optimises it and times every kernel; the path is as in [`Opening::Profile`].
    OptimizeAndProfile(&'a Path),
    /// Optimises it.
    Optimized,
}

impl Options<'_> {
    /// Opens a model.
    ///
    /// # Errors
    /// The runtime's message if it refuses the model.
    pub(crate) fn open(&self, model: &[u8], opening: Opening<'_>) -> Result<OrtSession, String> {
        self.builder(opening)?.commit_from_memory(model).map_err(|e| words(&e.to_string()))
    }

    /// Opens a model file.
    ///
    /// # Errors
    /// The runtime's message if it refuses the model.
    pub(crate) fn open_file(&self, model: &Path, opening: Opening<'_>) -> Result<OrtSession, String> {
        self.builder(opening)?.commit_from_file(model).map_err(|e| words(&e.to_string()))
    }

    #[expect(clippy::result_large_err, reason = "the crate's error hands the builder back")]
    fn builder(&self, opening: Opening<'_>) -> Result<SessionBuilder, String> {
        let threads = self.setup.threads.max(1);
        let builder = OrtSession::builder(&self.library.environment).map_err(|e| e.to_string())?;
        let builder = builder
            .with_intra_threads(threads)
            .and_then(|b| b.with_inter_threads(1))
            .and_then(|b| b.with_parallel_execution(false))
            // Threads that spin for work would take cores from other programs, and the times of runs would vary.
            .and_then(|b| b.with_config_entry("session.intra_op.allow_spinning", "0"))
            .and_then(|b| match (self.affinities(threads), opening) {
                (Some(affinities), _) => b.with_config_entry("session.intra_op_thread_affinities", affinities),
                _ => Ok(b),
            });
        let builder = builder.and_then(|b| match opening {
            Opening::Optimize(written) => {
                b.with_optimization_level(GraphOptimizationLevel::All)?.with_optimized_model_path(written)
            }
            Opening::Profile(prefix) => {
                b.with_optimization_level(GraphOptimizationLevel::Disable)?.with_profiling(prefix)
            }
            Opening::Optimized => b.with_optimization_level(GraphOptimizationLevel::All),
            Opening::OptimizeAndProfile(prefix) => {
                b.with_optimization_level(GraphOptimizationLevel::All)?.with_profiling(prefix)
            }
        });
        let builder = builder.and_then(|b| match self.provider.dispatch() {
            Some(provider) => b.with_execution_providers([provider]),
            None => Ok(b),
        });
        builder.map_err(|e| words(&e.to_string()))
    }

    /// The processors for the threads that a session starts, counted from 1. The calling thread is pinned to the first core.
    fn affinities(&self, threads: usize) -> Option<String> {
        let own: Vec<String> = self.setup.cores.iter().skip(1).map(|core| (core + 1).to_string()).collect();
        (threads > 1 && own.len() + 1 == threads).then(|| own.join(";"))
    }
}

/// The runtime's message in one line.
pub(crate) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
