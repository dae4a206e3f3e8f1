//! The score of an architecture with the weights of the supernet.

use nasprof_graph::Arch;
use nasprof_search::config::Loaders;
use nasprof_search::data::Loader;
use nasprof_search::events::RunEvent;

use super::images::take;
use crate::error::SearchError;
use crate::loss::{Score, Tally};
use crate::session::Session;
use crate::supernet::Phase;

/// The score of an architecture on all images of `valid`. With `searcher.recalibrate_batches` it is judged with running
/// statistics of its own, from the first batches of training images: the same ones for each architecture.
pub(super) fn judge_all(
    session: &Session<'_>,
    arch: &Arch,
    loaders: &Loaders,
    valid: &Loader,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<Score, SearchError> {
    let batches = session.recalibrate_batches();
    if batches == 0 {
        return all(session, arch, valid, Phase::Judge, emit);
    }
    session.keeping_statistics(|| {
        let passes = loaders.train.shuffled(0).take(batches as usize * loaders.train_batches.accumulate);
        for (batch, before) in passes.zip(0..) {
            session.recalibrate(arch, &take(&batch?, session.net().device(), emit)?, before)?;
        }
        all(session, arch, valid, Phase::Evaluate, emit)
    })
}

fn all(
    session: &Session<'_>,
    arch: &Arch,
    loader: &Loader,
    phase: Phase,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<Score, SearchError> {
    let mut tally = Tally::default();
    for batch in loader.in_order() {
        let mini = take(&batch?, session.net().device(), emit)?;
        tally = tally.and(session.tally(arch, &[mini], phase)?);
        if tally.is_full() {
            tally.score()?;
        }
    }
    tally.score()
}
