//! The view of a search or training: live on a terminal, otherwise a line from time to time.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use nasprof_base::text::{percent, significant};
use nasprof_search::events::{Expected, Step};

use super::{columns, only_words, target, view};
use crate::escape::one_line;

/// Lines of progress are at least so far apart.
const PAUSE: Duration = Duration::from_secs(5);

/// Shows the events of a run.
pub(crate) struct SearchView {
    bar: ProgressBar,
    live: bool,
    started: Instant,
    last_status: Instant,
}

impl SearchView {
    pub(crate) fn new() -> Self {
        let (live, target) = target();
        let bar = ProgressBar::with_draw_target(None, target);
        only_words(&bar);
        Self { bar, live, started: Instant::now(), last_status: Instant::now() }
    }

    /// Words that stay. They name files of the user's: no control characters reach the terminal.
    pub(crate) fn status(&self, line: &str) {
        let line = one_line(line);
        if self.live {
            self.bar.println(line);
        } else {
            // Nothing can be done about a closed error output.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// How far the run is.
    pub(crate) fn step(&mut self, step: &Step) {
        if self.live {
            self.bar.set_message(text(step, self.started.elapsed(), columns()));
        } else if self.last_status.elapsed() >= PAUSE {
            self.last_status = Instant::now();
            self.status(&brief(step));
        }
    }

    /// Removes the live view.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// One line.
fn brief(step: &Step) -> String {
    let Step { epoch, epochs, step: done, steps, loss, .. } = step;
    let left = view::clock(Duration::from_secs(step.seconds_left));
    format!("epoch {epoch}/{epochs}, step {done}/{steps}, loss {loss:.4}, {left} left")
}

/// How far, how well, and for each quantity how near to its target.
fn text(step: &Step, elapsed: Duration, columns: usize) -> String {
    let all = step.epochs as usize * step.steps;
    let done = (step.epoch.saturating_sub(1)) as usize * step.steps + step.step;
    let left = view::clock(Duration::from_secs(step.seconds_left));
    let name = format!("epoch {}/{}", step.epoch, step.epochs);
    let times = format!("{}, {left} left", view::clock(elapsed));
    let accuracy = percent(1.0 - step.error);
    let loss = format!("{:.4}, accuracy {accuracy} (training images)", step.loss);
    let mut lines = vec![view::line(&name, done, all, &times, columns), view::words("loss", &loss, columns)];
    lines.extend(step.expected.iter().map(|one| expected(one, columns)));
    lines.join("\n")
}

fn expected(one: &Expected, columns: usize) -> String {
    let mut value = format!("{} {}", significant(one.value), one.unit);
    if let Some(target) = one.target {
        value += &format!(", target {} ({:+.1} %)", significant(target), (one.value / target - 1.0) * 100.0);
    }
    if let Some(multiplier) = one.multiplier {
        value += &format!(", multiplier {multiplier:.3}");
    }
    view::words(&format!("expected {}", one.quantity), &value, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Step {
        let latency = Expected {
            quantity: "latency".to_owned(),
            unit: "ms".to_owned(),
            value: 0.512,
            target: Some(0.5),
            multiplier: Some(0.0934),
        };
        let penalty = Expected {
            quantity: "params".to_owned(),
            unit: "parameters".to_owned(),
            value: 120_000.0,
            ..latency.clone()
        };
        let penalty = Expected { target: None, multiplier: None, ..penalty };
        Step {
            epoch: 3,
            epochs: 11,
            step: 140,
            steps: 280,
            loss: 0.53219,
            error: 0.188,
            expected: vec![latency, penalty],
            seconds_left: 153,
        }
    }

    #[test]
    fn the_view_says_all_in_80_columns() {
        let text = text(&step(), Duration::from_secs(45), 80);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
        // 2.5 of 11 epochs.
        assert_eq!(lines[0], "epoch 3/11                 █████░░░░░░░░░░░░░░░░░ 0:45, 2:33 left");
        assert_eq!(lines[1], "loss                       0.5322, accuracy 81.20 % (training images)");
        assert_eq!(lines[2], "expected latency           0.512 ms, target 0.5 (+2.4 %), multiplier 0.093");
        assert!(lines[3].contains("parameters") && !lines[3].contains("target"), "{text}");
    }

    #[test]
    fn elsewhere_it_is_one_line() {
        assert_eq!(brief(&step()), "epoch 3/11, step 140/280, loss 0.5322, 2:33 left");
    }
}
