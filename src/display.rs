//! Progress on stderr: a live view on a terminal, otherwise one line for each stage.

mod search;
mod view;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use nasprof_profiler::engine::{Progress, Stage};

use self::view::View;
use crate::escape::one_line;

pub(crate) use self::search::SearchView;

/// Drawing while layers are timed would disturb them: a few frames a second are enough.
const FRAMES_PER_SECOND: u8 = 4;

/// The terminal, shared by the measurements that run at the same time.
pub(crate) struct Screen {
    bars: MultiProgress,
    live: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let (live, target) = target();
        Self { bars: MultiProgress::with_draw_target(target), live }
    }

    /// The view of one measurement; its lines begin with `name`, if there are several.
    pub(crate) fn display(&self, name: Option<&str>) -> Display {
        let bar = self.bars.add(ProgressBar::no_length());
        only_words(&bar);
        let prefix = name.map_or_else(String::new, |name| format!("{}: ", one_line(name)));
        Display {
            bar,
            live: self.live,
            prefix,
            started: Instant::now(),
            last_status: String::new(),
            view: View::default(),
        }
    }
}

/// Whether the standard error output is a terminal, and what is drawn on it: nothing elsewhere.
fn target() -> (bool, ProgressDrawTarget) {
    let live = io::stderr().is_terminal();
    (live, if live { ProgressDrawTarget::stderr_with_hz(FRAMES_PER_SECOND) } else { ProgressDrawTarget::hidden() })
}

/// The views draw their bars themselves.
fn only_words(bar: &ProgressBar) {
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
}

/// Columns of the terminal.
fn columns() -> usize {
    usize::from(console::Term::stderr().size().1)
}

/// Shows how far a measurement is.
pub(crate) struct Display {
    bar: ProgressBar,
    live: bool,
    prefix: String,
    started: Instant,
    last_status: String,
    view: View,
}

impl Display {
    /// The device is lost and tried again.
    pub(crate) fn waiting(&mut self, problem: &str, pause: Duration) {
        self.status(&format!("{problem}; retrying in {} s", pause.as_secs()));
    }

    /// All is to be done by then.
    pub(crate) fn ends(&mut self, deadline: Option<Instant>) {
        self.view.deadline = deadline;
    }

    /// Takes in a stage of the engine.
    pub(crate) fn stage(&mut self, stage: &Stage) {
        match stage {
            Stage::Trial(done, all) => self.bar(&format!("trying {all} layers"), *done, *all),
            Stage::Planned(networks, keys, failed) => {
                let failed = if *failed > 0 { format!("; {failed} do not run") } else { String::new() };
                self.status(&format!("planned {networks} workloads for {keys} layers{failed}"));
            }
            Stage::Level(session, sessions, progress) => {
                self.progress(&format!("level {}/{sessions}", session + 1), progress);
            }
            Stage::Energy(done, all) => self.bar("measuring energy", *done, *all),
            Stage::Session(session, sessions, progress) => {
                self.view.sessions_after = sessions - session - 1;
                self.progress(&format!("session {}/{sessions}", session + 1), progress);
            }
        }
    }

    /// Takes in progress within a session.
    pub(crate) fn progress(&mut self, what: &str, progress: &Progress) {
        match progress {
            Progress::Waiting(bad) => self.status(&format!("{what}: waiting for a quiet machine ({bad})")),
            Progress::Loading(done, all) => self.bar(&format!("{what}: loading"), *done, *all),
            Progress::WarmingUp => {
                self.view.begin(&format!("{}{what}", self.prefix), Instant::now());
                self.status(&format!("{what}: warming up"));
            }
            Progress::Visit { round, max_rounds, done, all, what } => {
                self.view.visited(*round, *max_rounds, *done, *all, what);
                if self.live {
                    self.bar.set_message(self.view.text(Instant::now(), columns()));
                }
            }
            Progress::Canary(over_usual) => self.view.noise = Some(*over_usual),
            Progress::Round(round, converged, keys) => {
                self.view.converged = Some((*converged, *keys));
                if !self.live && (*round == 1 || round % 8 == 0) {
                    self.status(&format!("{what}: round {round}, {converged}/{keys} layers known"));
                }
            }
        }
    }

    fn bar(&self, message: &str, done: usize, all: usize) {
        if self.live {
            self.bar.set_message(view::line(&format!("{}{message}", self.prefix), done, all, "", columns()));
        }
    }

    /// A status line, which stays; a line that repeats the last one is left out.
    pub(crate) fn status(&mut self, line: &str) {
        if self.last_status == line {
            return;
        }
        line.clone_into(&mut self.last_status);
        let line = format!("{}{}", self.prefix, one_line(line));
        if self.live {
            self.bar.println(line);
        } else {
            // Nothing can be done about a closed error output.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// Removes the live view.
    pub(crate) fn finish(&self) -> Duration {
        self.bar.finish_and_clear();
        self.started.elapsed()
    }
}
