//! Runs one search or training for `nasprof`: a job as JSON on stdin, events as JSON lines on stdout, the result in
//! the run folder.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nasprof_search::events::RunEvent;
use nasprof_search::folder::FolderError;
use nasprof_search::job::{Job, Task};
use nasprof_train::run::{ABANDONED, many, one, run};
use nasprof_train::{SearchError, on_this_gpu};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Size limit in bytes; jobs are a few kilobytes.
const MAX_JOB: u64 = 1 << 20;

/// Minimum time between two signs of life.
const PAUSE: Duration = Duration::from_secs(5);

/// Writes an event to stdout. If stdout is closed, the reader is gone: the run ends, so that it can be resumed at once.
fn emit(event: RunEvent) {
    if event == RunEvent::Alive {
        static LAST: Mutex<Option<Instant>> = Mutex::new(None);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        *last = Some(Instant::now());
    }
    let mut line = serde_json::to_vec(&event).unwrap_or_default();
    line.push(b'\n');
    let mut output = io::stdout().lock();
    if output.write_all(&line).and_then(|()| output.flush()).is_err() {
        std::process::exit(ABANDONED.into());
    }
}

/// Ends the process as soon as stdout is closed. Waiting for the next failed write can take as long as a step.
fn end_with_the_reader() {
    std::thread::spawn(|| {
        let output = io::stdout();
        // Without requested events, `poll` reports only that the other end is closed.
        let mut waited = [PollFd::new(output.as_fd(), PollFlags::empty())];
        while poll(&mut waited, PollTimeout::NONE) == Err(Errno::EINTR) {}
        if waited[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR)) {
            // Not `exit`, which would destroy libtorch while a thread computes. Checkpoints survive a kill.
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
    });
}

fn fail(code: u8, message: String, hint: Option<String>) -> ExitCode {
    emit(RunEvent::Failed { message, hint });
    ExitCode::from(code)
}

/// What to do about an error, in terms of the command line that started this program.
fn hint(error: &SearchError, task: &Task) -> Option<String> {
    let folder = match error {
        SearchError::Folder(FolderError::InUse { .. }) => "wait for the other run, or name another folder with -o",
        SearchError::File { source, .. } | SearchError::Folder(FolderError::File { source, .. }) => match source.kind()
        {
            ErrorKind::StorageFull => {
                "free some disk space; the same command with --resume continues from the last epoch"
            }
            _ => return None,
        },
        SearchError::Searcher(_) | SearchError::Folder(_) if matches!(task, Task::Judge { .. }) => {
            "--judge needs the finished run of a supernet, by the searcher darts, proxylessnas or fairnas: name its folder with -o, with the \
             experiment and the settings of its search"
        }
        SearchError::Folder(FolderError::Missing { .. } | FolderError::Altered { .. }) => {
            "restore the file, or start again with --overwrite"
        }
        SearchError::GpuLost(_) => "the same command with --resume continues from the last epoch",
        SearchError::Folder(_) | SearchError::Checkpoint { .. } => {
            "start again with --overwrite, or name another folder with -o"
        }
        _ => return error.hint(),
    };
    Some(folder.to_owned())
}

fn main() -> ExitCode {
    // Steps allocate and free gigabytes. If this call fails, a search is only slower.
    let _ = nasprof_agent::retain_freed_memory();
    end_with_the_reader();
    let mut text = String::new();
    let job: Job = match io::stdin().take(MAX_JOB).read_to_string(&mut text).map(|_| serde_json::from_str(&text)) {
        Ok(Ok(job)) => job,
        Ok(Err(error)) => {
            let hint = "run `nasprof search` or `nasprof train` instead".to_owned();
            return fail(2, format!("invalid job on stdin: {error}"), Some(hint));
        }
        Err(error) => return fail(1, format!("cannot read stdin: {error}"), None),
    };
    let done = on_this_gpu(|| match &job.task {
        Task::TrainMany { list } => many(&job, list, &mut emit),
        Task::TrainOne { arch, number, epochs } => one(&job, arch, *number, *epochs, &mut emit),
        Task::Run | Task::Select { .. } | Task::Judge { .. } => run(&job, &mut emit).map(drop),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = match &error {
                SearchError::GpuLost(_) => ABANDONED,
                SearchError::Network(_) => 1,
                // A directory in place of a file, or a folder without permission, is the user's to change.
                SearchError::File { source, .. } | SearchError::Folder(FolderError::File { source, .. }) => {
                    let is_usage = [ErrorKind::IsADirectory, ErrorKind::NotADirectory, ErrorKind::PermissionDenied];
                    if is_usage.contains(&source.kind()) { 2 } else { 1 }
                }
                _ => 2,
            };
            fail(code, error.to_string(), hint(&error, &job.task))
        }
    }
}
