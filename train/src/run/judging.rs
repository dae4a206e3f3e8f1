//! The score of an architecture with the weights of the supernet.

use nasprof_graph::Arch;
use nasprof_search::data::Loader;
use nasprof_search::events::RunEvent;

use super::images::take;
use crate::error::SearchError;
use crate::loss::{Score, Tally};
use crate::session::Session;

/// The score of an architecture on all images of a loader.
pub(super) fn judge_all(
    session: &Session<'_>,
    arch: &Arch,
    loader: &Loader,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<Score, SearchError> {
    let mut tally = Tally::default();
    for batch in loader.in_order() {
        let mini = take(&batch?, session.net().device(), emit)?;
        tally = tally.and(session.judge_later(arch, &[mini])?);
        if tally.is_full() {
            tally.score()?;
        }
    }
    tally.score()
}
