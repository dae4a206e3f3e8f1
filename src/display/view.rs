//! What the live view says; drawing it is [`super::Display`]'s part.

use std::time::{Duration, Instant};

use nasprof_reports::text::{cut, printable};

const WIDTH: usize = 22;
/// A canary further from the usual than this is worth a word; the engine repeats visits beyond 5 %.
const STEADY: f64 = 0.02;

/// State of a session.
#[derive(Debug, Default)]
pub(super) struct View {
    what: String,
    started: Option<Instant>,
    round: u32,
    max_rounds: u32,
    done: usize,
    all: usize,
    now: String,
    /// Layers whose interval is narrow enough, of how many; known after the first round.
    pub(super) converged: Option<(usize, usize)>,
    /// The last canary over the usual one, minus one.
    pub(super) noise: Option<f64>,
    /// Sessions that follow this one.
    pub(super) sessions_after: u32,
}

impl View {
    /// A session begins.
    pub(super) fn begin(&mut self, what: &str, now: Instant) {
        *self =
            Self { what: what.to_owned(), started: Some(now), sessions_after: self.sessions_after, ..Self::default() };
    }

    /// A visit ended.
    pub(super) fn visited(&mut self, round: u32, max_rounds: u32, done: usize, all: usize, what: &str) {
        (self.round, self.max_rounds, self.done, self.all) = (round, max_rounds, done, all);
        self.now = printable(what).replace(['\n', '\t'], " ");
    }

    /// Four lines: how far, how much is converged, what runs, how quiet the machine is.
    pub(super) fn text(&self, now: Instant) -> String {
        let elapsed = self.started.map_or(Duration::ZERO, |s| now.saturating_duration_since(s));
        let left = self.left(elapsed).map_or_else(String::new, |t| format!(", at most {} left", clock(t)));
        let rounds = format!("{}: round {}/{}", self.what, self.round, self.max_rounds);
        let first = line(&rounds, self.done, self.all, &format!("{}{left}", clock(elapsed)));
        let second = match self.converged {
            Some((converged, keys)) => line("converged", converged, keys, &format!("{converged}/{keys} layers")),
            None => format!("{:<26} known after the first round", "converged"),
        };
        let third = format!("{:<26} {}", "now", cut(&self.now, 52));
        let noise = match self.noise {
            Some(noise) if noise.abs() <= STEADY => format!("steady (fixed kernel {:+.1} %)", noise * 100.0),
            Some(noise) => format!("WANDERING (fixed kernel {:+.1} %)", noise * 100.0),
            None => "not known yet".to_owned(),
        };
        format!("{first}\n{second}\n{third}\n{:<26} {noise}", "machine")
    }

    /// The most that is left if every session goes to its last round at the pace so far.
    fn left(&self, elapsed: Duration) -> Option<Duration> {
        let visits = self.round.saturating_sub(1) as usize * self.all + self.done;
        let planned = self.max_rounds as usize * self.all;
        let rest = planned.saturating_sub(visits) + planned * self.sessions_after as usize;
        (visits > 0).then(|| elapsed.mul_f64(rest as f64 / visits as f64))
    }
}

/// A name, a bar and a remark.
pub(super) fn line(name: &str, done: usize, all: usize, remark: &str) -> String {
    let filled = (WIDTH * done.min(all)).checked_div(all).unwrap_or(0);
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(WIDTH - filled));
    format!("{:<26} {bar} {remark}", cut(name, 26)).trim_end().to_owned()
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_fits_80_columns_and_says_all_four() {
        let start = Instant::now();
        let mut view = View { sessions_after: 1, ..View::default() };
        view.begin("session 1/2", start);
        view.visited(5, 40, 16, 32, &"conv(out=1280,kernel=1x1)[320x4x4]".repeat(3));
        view.converged = Some((64, 127));
        view.noise = Some(0.034);
        let text = view.text(start + Duration::from_secs(45));
        assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
        // 4.5 of 40 rounds in 45 s: 35.5 rounds of this session and 40 of the next are left.
        let expected = [
            "session 1/2: round 5/40    ███████████░░░░░░░░░░░ 0:45, at most 12:35 left",
            "converged                  ███████████░░░░░░░░░░░ 64/127 layers",
        ];
        assert_eq!(text.lines().take(2).collect::<Vec<_>>(), expected);
        assert!(text.contains("now ") && text.contains("WANDERING (fixed kernel +3.4 %)"), "{text}");
    }

    #[test]
    fn nothing_is_claimed_before_it_is_known() {
        let mut view = View::default();
        view.begin("validate", Instant::now());
        let text = view.text(Instant::now());
        assert!(text.contains("not known yet") && text.contains("after the first round") && !text.contains("left"));
    }
}
