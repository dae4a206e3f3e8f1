//! `nasprof-search`, the program that links libtorch and trains.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};

use nasprof_base::{KILLED, is_over_within};
use nasprof_search::events::RunEvent;
use nasprof_search::job::{Job, Task};
use nasprof_search::pipeline::Trainer;
use nasprof_search::silence::{Silence, VARIABLE};

use super::status;
use crate::display::SearchView;
use crate::failure::{Exit, Failure};
use crate::interruption::{Kept, interruption, while_interruptible};
use crate::resolve;

/// The environment variable of libgomp: how many times a thread that waits looks before it sleeps.
const SPINS: &str = "GOMP_SPINCOUNT";

/// Runs jobs in `nasprof-search`.
pub(super) struct Program;

impl Trainer for Program {
    type Error = Failure;

    fn run(&mut self, job: &Job) -> Result<(), Failure> {
        start(job)
    }

    fn selecting_again(&mut self, factor: f64) {
        status(again(factor));
    }
}

/// The message that a winner is selected again.
pub(super) fn again(factor: f64) -> String {
    format!("selecting again with the LUT's latencies times {factor:.4}, as measured on the device")
}

/// The state that an interrupted job leaves behind.
fn kept(task: &Task) -> Kept {
    match task {
        Task::Run | Task::Select { .. } | Task::Judge { .. } => Kept::Epochs,
        Task::TrainMany { .. } | Task::TrainOne { .. } => Kept::Networks,
    }
}

/// The failure of a program that makes no progress.
fn hung(silence: &Silence, kept: Kept) -> Failure {
    let problem = format!("the training made no progress for {} minutes, as on a GPU that hangs", silence.minutes());
    let from = Failure::interrupted(kept).hint.unwrap_or_default();
    Failure::new(Exit::DeviceLost, problem)
        .hint(format!("{from}; the environment variable {VARIABLE} sets the minutes"))
}

/// Lets libtorch's threads wait for one another in a short loop before they sleep (libgomp reads this when it is loaded). In a long
/// loop, the default, they take the processor from the threads that they wait for if other programs compute as well: three trainings on
/// two cores took 87 s, and 24 s with this; one alone takes as long as before. A user's own setting is kept.
fn wait_briefly(command: &mut Command, is_set: impl Fn(&str) -> bool) {
    if !is_set(SPINS) && !is_set("OMP_WAIT_POLICY") {
        command.env(SPINS, "1000");
    }
}

/// Runs a job in `nasprof-search`, and shows its events.
pub(super) fn start(job: &Job) -> Result<(), Failure> {
    let program = resolve::search_program();
    let name = program.display();
    let cannot = |e: std::io::Error| {
        let hint = "build it with `make build`, and install it next to nasprof";
        Failure::usage(format!("cannot run {name}: {e}")).hint(hint)
    };
    // Set up before the trainer starts. Ctrl-C in a terminal interrupts the trainer as well.
    let kept = kept(&job.task);
    let unset = |problem: String| {
        Failure::usage(problem).hint("unset the environment variable, or set it to minutes such as 60")
    };
    let mut silence = Silence::new().map_err(unset)?;
    let interrupted = interruption(kept)?;
    let mut command = Command::new(&program);
    wait_briefly(&mut command, |name| std::env::var_os(name).is_some());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(cannot)?;
    let text = serde_json::to_vec(job).map_err(Failure::internal)?;
    // A child that does not read its job ends, and its last event says more than the broken pipe.
    let _ = child.stdin.take().map(|mut input| input.write_all(&text));
    let output = child.stdout.take().ok_or_else(|| Failure::internal(format!("{name} has no output")))?;
    let mut view = SearchView::new();
    let mut failure = None;
    let pid = child.id();
    let (sender, lines) = channel();
    // It ends with the output, or when nobody listens.
    std::thread::spawn(move || BufReader::new(output).lines().try_for_each(|line| sender.send(line)));
    let told = while_interruptible(&interrupted, pid, || {
        loop {
            let line = match lines.recv_timeout(silence.part()) {
                Ok(line) => line.map_err(Failure::internal)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) if silence.lasts() => return Err(hung(&silence, kept)),
                Err(RecvTimeoutError::Timeout) => continue,
            };
            silence.ends();
            match serde_json::from_str(&line) {
                Ok(RunEvent::Line(line)) => view.status(&line),
                Ok(RunEvent::Step(step)) => view.step(&step),
                Ok(RunEvent::Judging(judging)) => view.judging(&judging),
                // Only worker processes of a search send records.
                Ok(RunEvent::Alive | RunEvent::Record(_)) => {}
                Ok(RunEvent::Failed { message, hint }) => failure = Some((message, hint)),
                Err(_) => {
                    let problem = format!("{name} sent an unexpected message");
                    return Err(Failure::usage(problem).hint("build both with `make build`"));
                }
            }
        }
    });
    view.finish();
    if told.is_err() {
        let _ = child.kill();
        is_over_within(KILLED, || !matches!(child.try_wait(), Ok(None)));
    }
    // If the user interrupted the program, an incomplete line is not its fault.
    if !interrupted.load(Ordering::Relaxed) {
        told?;
    }
    let status = child.wait().map_err(Failure::internal)?;
    match (status.code(), failure) {
        (Some(0), None) => Ok(()),
        _ if interrupted.load(Ordering::Relaxed) => Err(Failure::interrupted(kept)),
        (code, Some((message, hint))) => {
            let exit = match code {
                Some(code) if code == Exit::Usage as i32 => Exit::Usage,
                Some(code) if code != Exit::DeviceLost as i32 => Exit::Internal,
                // On a lost GPU, the program may end without an exit code.
                _ => Exit::DeviceLost,
            };
            let failure = Failure::new(exit, message);
            Err(match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            })
        }
        (Some(_), None) => Err(Failure::internal(format!("{name}: {status}"))),
        (None, None) => Err(Failure { exit: Exit::DeviceLost, ..Failure::usage(format!("{name}: {status}")) }
            .hint("the same command with --resume continues from the last epoch")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_wait_briefly_unless_the_user_says_how() {
        let spins = |set: &str| {
            let mut command = Command::new("program");
            wait_briefly(&mut command, |name| name == set);
            command.get_envs().any(|(name, value)| name == SPINS && value.is_some())
        };
        assert!(spins("") && spins("OMP_NUM_THREADS"));
        assert!(!spins("GOMP_SPINCOUNT") && !spins("OMP_WAIT_POLICY"));
    }
}
