//! Progress on the standard error output: a live line on a terminal, a line a stage elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nasprof_profiler::engine::{Progress, Stage};

/// Shows how far a measurement is.
pub(crate) struct Display {
    bar: ProgressBar,
    live: bool,
    started: Instant,
    said: String,
    converged: Option<(usize, usize)>,
}

impl Display {
    pub(crate) fn new() -> Self {
        let live = io::stderr().is_terminal();
        let bar = if live { ProgressBar::new(1) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {bar:24} {pos}/{len} {elapsed}") {
            bar.set_style(style);
        }
        Self { bar, live, started: Instant::now(), said: String::new(), converged: None }
    }

    /// Takes in a stage of the engine.
    pub(crate) fn stage(&mut self, stage: &Stage) {
        match stage {
            Stage::Trial(done, all) => self.bar(&format!("trying {all} layers"), *done, *all),
            Stage::Planned(networks, keys, failed) => {
                let failed = if *failed > 0 { format!("; {failed} do not run") } else { String::new() };
                self.say(&format!("planned {networks} units for {keys} layers{failed}"));
            }
            Stage::Session(session, sessions, progress) => {
                self.progress(&format!("session {}/{sessions}", session + 1), progress);
            }
        }
    }

    /// Takes in progress within a session.
    pub(crate) fn progress(&mut self, what: &str, progress: &Progress) {
        match progress {
            Progress::Waiting(bad) => self.say(&format!("{what}: waiting for a quiet machine ({bad})")),
            Progress::Loading(done, all) => self.bar(&format!("{what}: loading"), *done, *all),
            Progress::Settling => {
                self.converged = None;
                self.say(&format!("{what}: warming up"));
            }
            Progress::Visit(round, _, done, all) => {
                let share = self.converged.map_or_else(String::new, |(c, n)| format!(", {c}/{n} converged"));
                self.bar(&format!("{what}: round {round}{share}"), *done, *all);
            }
            Progress::Round(round, converged, keys) => {
                self.converged = Some((*converged, *keys));
                if !self.live && (*round == 1 || round % 8 == 0) {
                    self.say(&format!("{what}: round {round}, {converged}/{keys} layers converged"));
                }
            }
        }
    }

    fn bar(&mut self, message: &str, done: usize, all: usize) {
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        // Drawing while layers are timed would disturb them: a few frames a second are enough.
        self.bar.set_message(message.to_owned());
    }

    /// A line that stays.
    pub(crate) fn say(&mut self, line: &str) {
        if self.said == line {
            return;
        }
        line.clone_into(&mut self.said);
        if self.live {
            self.bar.println(line);
        } else {
            // Nothing can be done about a closed error output.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// Removes the live line.
    pub(crate) fn finish(&self) -> Duration {
        self.bar.finish_and_clear();
        self.started.elapsed()
    }
}
