//! Hints for errors: one command or one edit that fits this error. A hint that fits only another error misleads.

use nasprof_graph::arch::ArchError;
use nasprof_profiler::journal::JournalError;
use nasprof_search::evolution::TrainedError;
use nasprof_search::folder::FolderError;
use nasprof_search::methods::MethodError;
use nasprof_spaces::SpaceError;

use crate::exit::{Exit, of_io};

/// What to do with the profile of a model where a LUT is needed.
pub(crate) const PROFILE_HINT: &str = "use it with `nasprof lut show`, `nasprof lut diff` or `nasprof report`, or \
    make a LUT of a space with `nasprof measure --space`";

/// What to do with a run folder; `None` where the message says all.
pub(crate) fn folder_hint(error: &FolderError) -> Option<&'static str> {
    let only_epochs = |differences: &[nasprof_search::config::Difference]| {
        !differences.is_empty() && differences.iter().all(|difference| difference.key == "training.epochs")
    };
    Some(match error {
        FolderError::File { .. } => return None,
        FolderError::InUse { .. } => "wait for the other run, or name another folder with -o",
        FolderError::Occupied { finished: true, differences, .. } if differences.is_empty() => {
            "--resume shows its result, --overwrite starts again; -o names another folder"
        }
        FolderError::Occupied { differences, .. } if differences.is_empty() => {
            "--resume continues it, --overwrite starts again; -o names another folder"
        }
        FolderError::Occupied { finished: true, differences, .. } if only_epochs(differences) => {
            "--resume extends the finished run if there are more epochs; -o names another folder"
        }
        FolderError::OtherExperiment { differences, .. } if only_epochs(differences) => {
            "only more epochs extend a run, and never one whose networks are trained one by one: its rungs depend on them; \
             -o names another folder"
        }
        FolderError::Unfinished { .. } => "finish it first: --resume with its own number of epochs; then extend it",
        FolderError::OtherConfig { .. } => "restore config.toml, or start again with --overwrite",
        FolderError::Missing { .. } | FolderError::Altered { .. } => {
            "restore the file, or start again with --overwrite"
        }
        FolderError::Unsealed { .. } => {
            "view the existing files with `nasprof report FOLDER`, or start again with --overwrite"
        }
        FolderError::Occupied { .. }
        | FolderError::OtherExperiment { .. }
        | FolderError::OtherInput { .. }
        | FolderError::OtherData { .. }
        | FolderError::Format { .. } => "name another folder with -o, or start again with --overwrite",
    })
}

/// What is wrong with a space.
pub(crate) fn space_hint(error: &SpaceError) -> &'static str {
    match error {
        SpaceError::Unknown { .. } => "`nasprof space list` lists the spaces; a space can also be a TOML file",
        SpaceError::Syntax(_) | SpaceError::Value { .. } | SpaceError::Graph(_) => {
            "correct the space file; `nasprof space show FILE` checks it"
        }
    }
}

/// What is wrong with an architecture.
pub(crate) fn arch_hint(error: &ArchError) -> String {
    match error {
        ArchError::Version(_) => {
            "`nasprof space sample SPACE -n 1` prints an architecture file of this version".to_owned()
        }
        ArchError::Space { expected, .. } => {
            format!("`nasprof space sample {expected} -n 1` prints an architecture of that space")
        }
        ArchError::List => {
            "for `nasprof estimate`, write one architecture per line: `jq -c '.[]' FILE.json > FILE.jsonl`".to_owned()
        }
        ArchError::Syntax(_) | ArchError::Cut(_) => {
            "`nasprof space sample SPACE -n 1` prints an architecture file".to_owned()
        }
        ArchError::Missing(_) | ArchError::UnknownChoice { .. } | ArchError::UnknownCandidate { .. } => {
            "`nasprof space show SPACE` lists the choices and their candidates".to_owned()
        }
    }
}

/// What is wrong with a journal.
pub(crate) fn journal_hint(error: &JournalError) -> &'static str {
    match error {
        JournalError::Damaged { .. } => "the journal was changed or damaged on disk; measure again into a new file",
        JournalError::Header(_) => "use a journal of this version of nasprof",
        JournalError::InUse(_) => "wait for the other measurement, or write to another file with -o",
        JournalError::File { source, .. } if of_io(source) == Exit::Internal => {
            "free some disk space, then continue with --resume; the measurement so far is kept"
        }
        JournalError::File { .. } => "check that its folder exists and is readable and writable",
    }
}

/// What helps where ONNX Runtime, or who asks it, refuses a model.
pub(crate) fn model_hint(problem: &str) -> &'static str {
    let hints = [
        ("open sizes", "set the sizes with --input-shape NAME=1x3x224x224"),
        ("cannot have the shape", "set the sizes with --input-shape NAME=1x3x224x224"),
        ("have to be given", "pass values for the inputs with --input FILE.npz, written by numpy.savez"),
        ("has no input", "check the names with --input-shape and in --input"),
    ];
    let known = hints.iter().find(|(words, _)| problem.contains(words));
    known
        .map(|(_, hint)| *hint)
        .or_else(|| onnx_runtime_hint(problem))
        .unwrap_or("the model must run on this version of ONNX Runtime; `runtime_version` is in every LUT")
}

/// What helps where the library of ONNX Runtime is missing, or is asked for what it does not do.
pub(crate) fn onnx_runtime_hint(problem: &str) -> Option<&'static str> {
    let hints = [
        (
            "found no libonnxruntime",
            "run scripts/install-onnxruntime.sh on this machine, or `pip install onnxruntime` on a board",
        ),
        (
            "precision float16 with",
            "use --backend onnxruntime:cuda for float16; the processor supports float32 and int8",
        ),
        ("precision int8 with", "use --backend onnxruntime, which runs on the processor"),
        ("precision bfloat16 with", "use --precision float16 on a GPU, or --backend torch for bfloat16"),
        ("precision float32-strict with", "use --precision float32"),
        (
            "takes networks channels-first",
            "use --layout channels-first; the runtime chooses the layout of each kernel itself",
        ),
    ];
    hints.iter().find(|(words, _)| problem.contains(words)).map(|(_, hint)| *hint)
}

/// What to do about a search on a table of trained networks.
pub(crate) fn trained_hint(error: &TrainedError) -> Option<String> {
    let hint = match error {
        TrainedError::Table(_) => {
            "set `accuracy_table` to the CSV of NAS-Bench-201 or the networks.parquet of `nasprof train --many`"
        }
        TrainedError::Budget { .. } => "raise the limit, or train networks within it with `nasprof train --many`",
        TrainedError::Config(error) => return error.hint(),
        TrainedError::Method(MethodError::NoCurves { .. }) => "leave `searcher.rungs` out",
        TrainedError::Method(MethodError::Draws { .. }) => "raise `searcher.draws`, or lower the cost",
        TrainedError::Method(MethodError::NoCost { .. }) => "set `searcher.trainings` to 1 or more",
        TrainedError::Method(MethodError::NoNetwork) => {
            "widen the limits: `nasprof rank` lists the best networks within limits"
        }
        TrainedError::Method(_) | TrainedError::Cost(_) | TrainedError::Candidates(_) => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use nasprof_search::config::Difference;

    use super::*;

    /// A run that differs in its epochs alone may have been meant to be extended; any other is another run.
    #[test]
    fn who_cannot_extend_a_run_is_told_why() {
        let other = |key: &str| {
            let difference = Difference { key: key.to_owned(), first: None, second: None };
            let (path, differences) = ("run".into(), vec![difference]);
            folder_hint(&FolderError::OtherExperiment { path, differences }).unwrap()
        };
        assert!(other("training.epochs").contains("only more epochs extend a run"), "{}", other("training.epochs"));
        assert!(other("seed").contains("--overwrite"), "{}", other("seed"));
    }

    #[test]
    fn every_fault_of_a_space_an_architecture_or_a_journal_has_a_hint_that_fits() {
        let text = || "x".to_owned();
        for (error, naming) in [
            (SpaceError::Unknown { name: text(), nearest: None }, "`nasprof space list`"),
            (SpaceError::Syntax(text()), "space file"),
            (SpaceError::Value { key: "kind", problem: text() }, "space file"),
        ] {
            assert!(space_hint(&error).contains(naming), "{error}");
        }
        for (error, naming) in [
            (ArchError::Version(9), "space sample"),
            (ArchError::Space { expected: "small".to_owned(), actual: text() }, "space sample small"),
            (ArchError::Missing(text()), "space show"),
            (ArchError::UnknownChoice { name: text(), nearest: None }, "space show"),
            (ArchError::UnknownCandidate { choice: text(), name: text(), nearest: None }, "candidates"),
        ] {
            assert!(arch_hint(&error).contains(naming), "{error}");
        }
        let file = |kind: ErrorKind| JournalError::File { path: text(), source: Error::from(kind) };
        for (error, naming) in [
            (JournalError::Damaged { line: 1, problem: text() }, "new file"),
            (JournalError::Header(text()), "this version"),
            (JournalError::InUse(text()), "-o"),
            (file(ErrorKind::StorageFull), "free some disk space"),
            (file(ErrorKind::NotFound), "folder"),
        ] {
            assert!(journal_hint(&error).contains(naming), "{error}");
        }
    }
}
