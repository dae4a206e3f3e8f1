//! The view of a search or training: live on a terminal, otherwise a line from time to time.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use nasprof_base::text::{percent, significant};
use nasprof_search::events::{Expected, Judging, Step};
use nasprof_search::evolution::Sampling;

use super::{columns, only_words, target, view};
use crate::escape::one_line;

/// Lines of progress are at least so far apart.
const PAUSE: Duration = Duration::from_secs(5);
/// And on a terminal, where they replace one another.
const REDRAW: Duration = Duration::from_millis(250);
/// Samples between two looks at the clock.
const LOOK: u64 = 256;

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

    /// How far the judging of architectures is.
    pub(crate) fn judging(&mut self, judging: &Judging) {
        if self.live {
            self.bar.set_message(judged(judging));
        } else if self.last_status.elapsed() >= PAUSE {
            self.last_status = Instant::now();
            self.status(&judged(judging));
        }
    }

    /// How far a search without training is.
    pub(crate) fn sampling(&mut self, sampling: &Sampling) {
        let pause = if self.live { REDRAW } else { PAUSE };
        // A sample takes microseconds, and so does a look at the clock: one in many is enough.
        if !sampling.sampled.is_multiple_of(LOOK) || self.last_status.elapsed() < pause {
            return;
        }
        self.last_status = Instant::now();
        let text = sampled(sampling, self.started.elapsed());
        if self.live {
            self.bar.set_message(text);
        } else {
            self.status(&text);
        }
    }

    /// Removes the live view.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn judged(judging: &Judging) -> String {
    let Judging { judged, wanted, seconds_left } = judging;
    let left = view::clock(Duration::from_secs(*seconds_left));
    format!("{judged} of {wanted} architectures evaluated with the supernet's weights, {left} left")
}

/// How many are evaluated, of how many samples. Under a tight budget fewer are found than wanted, so no end is foretold.
fn sampled(sampling: &Sampling, elapsed: Duration) -> String {
    let Sampling { evaluated, wanted, sampled } = sampling;
    format!("{evaluated} of {wanted} architectures evaluated, {sampled} sampled, {}", view::clock(elapsed))
}

/// One line.
fn brief(step: &Step) -> String {
    let Step { step: done, steps, loss, .. } = step;
    let left = view::clock(Duration::from_secs(step.seconds_left));
    format!("{}, step {done}/{steps}, loss {loss:.4}, {left} left", epoch(step))
}

/// The epoch, counted from 1 with those of the warm-up.
fn epoch(step: &Step) -> String {
    let warm_up = if step.warming_up { " (warm-up)" } else { "" };
    format!("epoch {}/{}{warm_up}", step.epoch, step.epochs)
}

/// How far, how well, and for each quantity how near to its target.
fn text(step: &Step, elapsed: Duration, columns: usize) -> String {
    let all = step.epochs as usize * step.steps;
    let done = (step.epoch.saturating_sub(1)) as usize * step.steps + step.step;
    let left = view::clock(Duration::from_secs(step.seconds_left));
    let name = epoch(step);
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
        let off = (one.value / target - 1.0) * 100.0;
        let side = if off < 0.0 { "below" } else { "above" };
        value += &format!(", {:.1} % {side} target {}", off.abs(), significant(target));
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
            warming_up: false,
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
        assert_eq!(lines[2], "expected latency           0.512 ms, 2.4 % above target 0.5, multiplier 0.093");
        assert!(lines[3].contains("parameters") && !lines[3].contains("target"), "{text}");
    }

    #[test]
    fn elsewhere_it_is_one_line() {
        assert_eq!(brief(&step()), "epoch 3/11, step 140/280, loss 0.5322, 2:33 left");
        let warming_up = Step { warming_up: true, ..step() };
        assert_eq!(brief(&warming_up), "epoch 3/11 (warm-up), step 140/280, loss 0.5322, 2:33 left");
        let judging = Judging { judged: 3, wanted: 100, seconds_left: 97 };
        assert_eq!(judged(&judging), "3 of 100 architectures evaluated with the supernet's weights, 1:37 left");
        let sampling = Sampling { evaluated: 1200, wanted: 1_000_000, sampled: 4096 };
        let words = "1200 of 1000000 architectures evaluated, 4096 sampled, 0:07";
        assert_eq!(sampled(&sampling, Duration::from_secs(7)), words);
    }
}
