//! Worker processes, which train several networks at the same time.
//!
//! Trainings do not depend on one another. So a process that dies loses only its current epoch, and another process
//! continues its network. A process that makes no progress is killed, and so counts as one that died.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Instant;

use nasprof_base::{KILLED, is_over_within};
use nasprof_search::config::Compute;
use nasprof_search::events::RunEvent;
use nasprof_search::job::{Job, Task};
use nasprof_search::silence::Silence;
use nasprof_torch::cuda::ThisProcess;

use crate::error::SearchError;
use crate::place::shared_gpus;

/// Number of processes that may die on one network before the search fails.
const MOST_DEATHS: u32 = 3;
/// Exit code of `nasprof-search` and `nasprof` for a run that can be resumed.
pub const ABANDONED: u8 = 5;

/// Messages from the processes.
pub(super) enum News {
    /// A line for the journal.
    Record(serde_json::Value),
    /// A line for the user.
    Line(String),
    /// A process makes progress.
    Alive,
}

/// Who lets networks be trained.
pub(super) trait Parent {
    /// The next job, whose task is to train one network; `None` if there is none until another one ends.
    fn next(&mut self) -> Option<Job>;

    /// Takes a message from a process.
    fn told(&mut self, news: News) -> Result<(), SearchError>;

    /// Takes a job whose training has ended.
    fn ended(&mut self, job: Job) -> Result<(), SearchError>;
}

/// The output of a process.
enum Said {
    Event(RunEvent),
    /// The process has closed its output.
    Nothing,
}

/// A process with its job.
struct Running {
    child: Child,
    job: Job,
    deaths: u32,
    /// Its slot among the concurrent processes, which determines its GPU.
    slot: usize,
    failed: Option<String>,
    silence: Silence,
}

/// All processes; dropping it kills them, so that none outlives the search.
struct All(Vec<Option<Running>>);

impl Drop for All {
    fn drop(&mut self) {
        for running in self.0.iter_mut().flatten() {
            let _ = running.child.kill();
            // A process can hang in the driver of a lost GPU for ever.
            is_over_within(KILLED, || !matches!(running.child.try_wait(), Ok(None)));
        }
    }
}

/// Runs the parent's jobs, `at_once` at the same time. When a process ends, a new one starts the next job.
pub(super) fn in_processes(at_once: usize, compute: Compute, parent: &mut dyn Parent) -> Result<(), SearchError> {
    let gpus = shared_gpus(compute, &ThisProcess);
    // Jobs whose processes died, with the number of deaths.
    let mut again: Vec<(Job, u32)> = Vec::new();
    let (sender, said) = channel();
    let mut running = All(Vec::new());
    let mut free: Vec<usize> = (0..at_once).rev().collect();
    let silence = Silence::new().map_err(SearchError::Searcher)?;
    let mut part_ends = Instant::now() + silence.part();
    loop {
        while let Some(slot) = free.pop() {
            let Some((job, deaths)) = again.pop().or_else(|| Some((parent.next()?, 0))) else {
                free.push(slot);
                break;
            };
            let number = running.0.len();
            let child = start(&on_gpu(&job, slot, gpus), number, &sender)?;
            running.0.push(Some(Running { child, job, deaths, slot, failed: None, silence }));
        }
        if running.0.iter().all(Option::is_none) {
            return Ok(());
        }
        let (number, what) = match said.recv_timeout(part_ends.saturating_duration_since(Instant::now())) {
            Ok(said) => said,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                part_ends = Instant::now() + silence.part();
                for running in running.0.iter_mut().flatten() {
                    if running.silence.lasts() {
                        // The end of its output tells the rest.
                        let _ = running.child.kill();
                    }
                }
                continue;
            }
        };
        if let Some(running) = &mut running.0[number] {
            running.silence.ends();
        }
        match what {
            Said::Event(RunEvent::Alive) => parent.told(News::Alive)?,
            Said::Event(RunEvent::Record(record)) => parent.told(News::Record(record))?,
            Said::Event(RunEvent::Failed { message, .. }) => {
                if let Some(running) = &mut running.0[number] {
                    running.failed = Some(message);
                }
            }
            Said::Event(_) => {}
            Said::Nothing => {
                let Some(mut ended) = running.0[number].take() else { continue };
                free.push(ended.slot);
                let status = ended.child.wait().map_err(|e| cannot("wait for", &e))?;
                match (status.success(), ended.failed) {
                    (true, _) => parent.ended(ended.job)?,
                    (false, Some(message)) => return Err(failed(message, status)),
                    (false, None) => {
                        let line = died(&ended.job, status, ended.deaths + 1)?;
                        parent.told(News::Line(line))?;
                        again.push((ended.job, ended.deaths + 1));
                    }
                }
            }
        }
    }
}

/// The message about a process that died; an error if too many have died on this network.
fn died(job: &Job, status: ExitStatus, deaths: u32) -> Result<String, SearchError> {
    let number = if let Task::TrainOne { number, .. } = job.task { number } else { 0 };
    let line = format!("network {number}: its training process died ({status})");
    if deaths >= MOST_DEATHS {
        return Err(SearchError::Searcher(format!("{line}, like {} others before it", deaths - 1)));
    }
    Ok(format!("{line}; a new process continues the training"))
}

/// The error of a failed process. A process that lost its GPU exits with [`ABANDONED`] or without an exit code.
fn failed(message: String, status: ExitStatus) -> SearchError {
    if status.code().is_none_or(|code| code == i32::from(ABANDONED)) {
        return SearchError::GpuLost(message);
    }
    SearchError::Searcher(message)
}

fn cannot(what: &str, error: &std::io::Error) -> SearchError {
    SearchError::Searcher(format!("cannot {what} a training process: {error}"))
}

/// Starts a process for a job, and a thread that forwards its output together with its number.
fn start(job: &Job, number: usize, sender: &Sender<(usize, Said)>) -> Result<Child, SearchError> {
    let program = std::env::current_exe().map_err(|e| cannot("find the program of", &e))?;
    let spawned = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|e| cannot("start", &e))?;
    let text = serde_json::to_vec(job).map_err(|e| SearchError::Searcher(e.to_string()))?;
    // A process that does not read its job ends, which the thread below notices.
    let _ = child.stdin.take().map(|mut input| input.write_all(&text));
    let (sender, output) = (sender.clone(), child.stdout.take());
    std::thread::spawn(move || {
        let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines()).map_while(Result::ok);
        // Ignores a line that the end of the process cut off.
        for event in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            if sender.send((number, Said::Event(event))).is_err() {
                return;
            }
        }
        let _ = sender.send((number, Said::Nothing));
    });
    Ok(child)
}

/// The job with the GPU of its slot, if there are several GPUs.
fn on_gpu(job: &Job, slot: usize, gpus: u32) -> Job {
    let mut job = job.clone();
    if let Some(training) = job.experiment.training.as_mut().filter(|_| gpus > 1) {
        training.compute = Compute::Cuda(slot as u32 % gpus);
    }
    job
}

#[cfg(test)]
mod tests {
    use nasprof_graph::Arch;

    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn job(compute: &str) -> Job {
        let text = format!(
            "format_version = 1\nspace = \"mobilenet-fashion-mnist\"\n[training]\nepochs = 1\nbatch_size = 1\n\
             compute = \"{compute}\"\n[searcher]\nkind = \"staged\""
        );
        let experiment = nasprof_search::config::Experiment::parse(&text, &[]).unwrap();
        let task = Task::TrainOne { arch: Arch(Vec::new()), number: 7, epochs: 1 };
        Job { task, experiment, folder: "run".into(), existing: nasprof_search::job::Existing::Resume }
    }

    #[test]
    fn processes_share_the_gpus() {
        let compute = |slot, gpus| on_gpu(&job("auto"), slot, gpus).experiment.training.unwrap().compute;
        assert_eq!([0, 1, 2].map(|slot| compute(slot, 2)), [Compute::Cuda(0), Compute::Cuda(1), Compute::Cuda(0)]);
        // The controls: with one GPU or none it is as asked for, and who asks for the CPU gets it.
        assert_eq!([0, 1].map(|slot| compute(slot, 1)), [Compute::Auto, Compute::Auto]);
        assert_eq!(shared_gpus(Compute::Cpu, &ThisProcess), 0);
    }

    #[test]
    fn a_process_that_lost_its_gpu_is_told_from_one_that_failed() {
        let ended = |status| failed("the GPU no longer works".to_owned(), ExitStatus::from_raw(status));
        assert!(matches!(ended(i32::from(ABANDONED) << 8), SearchError::GpuLost(_)));
        // libtorch's own end may not come to an exit code.
        assert!(matches!(ended(6), SearchError::GpuLost(_)));
        assert!(matches!(ended(2 << 8), SearchError::Searcher(_)), "the control");
    }

    #[test]
    fn a_network_that_kills_its_processes_is_given_up() {
        let killed = ExitStatus::from_raw(9);
        assert!(died(&job("cpu"), killed, 1).unwrap().contains("network 7"));
        let error = died(&job("cpu"), killed, MOST_DEATHS).unwrap_err().to_string();
        assert!(error.contains("network 7") && error.contains("like 2 others before it"), "{error}");
    }
}
