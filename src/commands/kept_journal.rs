//! The journals of a command: the one that it writes, and those that it reads. A refusal leaves no journal that would block
//! the next attempt.

use std::path::{Path, PathBuf};

use nasprof_profiler::engine::Recorder;
use nasprof_profiler::journal::{Event, Replaced, Writer, read_file};
use nasprof_search::job::Existing;

use super::status;
use crate::failure::{Exit, Failure};

/// How to treat an existing journal, from the options; they exclude each other.
pub(super) fn existing(resume: bool, overwrite: bool) -> Existing {
    match (resume, overwrite) {
        (_, true) => Existing::Overwrite,
        (true, _) => Existing::Resume,
        _ => Existing::Refuse,
    }
}

/// The events of each journal; gaps are reported.
pub(super) fn events_of(journals: &[PathBuf]) -> Result<Vec<Vec<Event>>, Failure> {
    let events = |path: &PathBuf| {
        let recovered = read_file(path).map_err(|e| Failure::from(e).context(path.display()))?;
        if let Some(line) = recovered.torn_line {
            status(format!("{}: dropped incomplete line {line}", path.display()));
        }
        if !recovered.events.contains(&Event::Complete) {
            status(format!("{}: the measurement is incomplete", path.display()));
            status("hint: `nasprof measure` with its options and --resume continues it");
        }
        Ok(recovered.events)
    };
    journals.iter().map(events).collect()
}

/// A journal that is being written.
pub(super) struct KeptJournal {
    path: PathBuf,
    /// Nothing was recorded before.
    is_new: bool,
    replaced: Option<Replaced>,
}

impl KeptJournal {
    /// Opens a journal; returns the events recorded so far and the writer that appends to it.
    pub(super) fn open(path: &Path, existing: Existing) -> Result<(Vec<Event>, Writer, Self), Failure> {
        let about = |e| Failure::from(e).context(path.display());
        let (events, writer, replaced) = match existing {
            Existing::Overwrite => {
                let (writer, replaced) = Writer::create_over(path)?;
                (Vec::new(), writer, replaced)
            }
            Existing::Resume if path.exists() => {
                let (recovered, writer) = Writer::resume(path).map_err(about)?;
                (recovered.events, writer, None)
            }
            Existing::Refuse | Existing::Resume => (Vec::new(), Writer::create(path)?, None),
        };
        let is_new = events.is_empty();
        Ok((events, writer, Self { path: path.to_owned(), is_new, replaced }))
    }

    /// Ends the journal with the result. If a measurement was refused before it timed anything, the previous journal is
    /// restored. Otherwise the journal is kept, and the hint says how to continue.
    pub(super) fn end<T>(self, recorder: &Recorder, result: Result<T, Failure>) -> Result<T, Failure> {
        let timed = recorder.has_session();
        let refused = |f: &Failure| matches!(f.exit, Exit::Usage | Exit::Noisy | Exit::ContextChanged);
        let tidied = match &result {
            Err(failure) if self.is_new && !timed && refused(failure) => self.discard(),
            _ => self.replaced.map_or(Ok(()), Replaced::remove).map_err(Failure::from),
        };
        if let Err(untidy) = tidied {
            status(format!("warning: {}", untidy.message));
        }
        result.map_err(|failure| match failure.exit {
            Exit::Noisy if timed => failure.hint(
                "the measurement so far is kept: stop other programs and continue with --resume, or with --resume \
                 --allow-noisy, which flags every row",
            ),
            _ => failure,
        })
    }

    fn discard(self) -> Result<(), Failure> {
        match self.replaced {
            Some(replaced) => Ok(replaced.restore()?),
            None => {
                std::fs::remove_file(&self.path).map_err(|e| Failure::internal(format!("{}: {e}", self.path.display())))
            }
        }
    }
}
