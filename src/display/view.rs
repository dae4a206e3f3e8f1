//! The content of the live view; [`super::Display`] draws it.

use std::time::{Duration, Instant};

use nasprof_base::text::{columns as text_columns, cut};

use crate::escape::one_line;

/// Columns of a name, which may be longer where there is room, and of the longest bar.
const NAME: usize = 26;
const BAR: usize = 22;
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
    /// Layers that are known well enough, of how many; from the first look on.
    pub(super) converged: Option<(usize, usize)>,
    /// The last canary over the usual one, minus one.
    pub(super) noise: Option<f64>,
    /// Sessions that follow this one.
    pub(super) sessions_after: u32,
    /// When all is to be done.
    pub(super) deadline: Option<Instant>,
}

impl View {
    /// A session begins.
    pub(super) fn begin(&mut self, what: &str, now: Instant) {
        let (sessions_after, deadline) = (self.sessions_after, self.deadline);
        *self = Self { what: what.to_owned(), started: Some(now), sessions_after, deadline, ..Self::default() };
    }

    /// A visit ended.
    pub(super) fn visited(&mut self, round: u32, max_rounds: u32, done: usize, all: usize, what: &str) {
        (self.round, self.max_rounds, self.done, self.all) = (round, max_rounds, done, all);
        self.now = one_line(what);
    }

    /// Four lines: how far, how much is converged, what runs, how quiet the machine is.
    pub(super) fn text(&self, now: Instant, columns: usize) -> String {
        let elapsed = self.started.map_or(Duration::ZERO, |s| now.saturating_duration_since(s));
        // Rounds may be fewer, and what comes before and after them is not counted.
        let in_budget = |left: Duration| self.deadline.map_or(left, |end| left.min(end.saturating_duration_since(now)));
        let left = self
            .left(elapsed)
            .map(in_budget)
            .map_or_else(String::new, |t| format!(", at most about {} left", clock(t)));
        let rounds = format!("{}: round {}/{}", self.what, self.round, self.max_rounds);
        let (visits, planned) = self.visits();
        // A device's name stands before it where several are measured; the lines below keep to the same column.
        let below = |name: &str| format!("{name}{}", " ".repeat(width(&rounds, columns) - name.len()));
        let first = line(&rounds, visits, planned, &format!("{}{left}", clock(elapsed)), columns);
        let second = match self.converged {
            Some((converged, keys)) => {
                line(&below("known"), converged, keys, &format!("{converged}/{keys} layers"), columns)
            }
            None => words(&below("known"), "after the first rounds", columns),
        };
        let third = words(&below("now"), &self.now, columns);
        let noise = match self.noise {
            Some(noise) if noise.abs() <= STEADY => format!("steady (canary {:+.1} %)", noise * 100.0),
            Some(noise) => format!("DRIFTING (canary {:+.1} %)", noise * 100.0),
            None => "not known yet".to_owned(),
        };
        format!("{first}\n{second}\n{third}\n{}", words(&below("machine"), &noise, columns))
    }

    /// Visits of this session that are done, and those of all its rounds.
    fn visits(&self) -> (usize, usize) {
        (self.round.saturating_sub(1) as usize * self.all + self.done, self.max_rounds as usize * self.all)
    }

    /// The most that is left if every session goes to its last round at the pace so far.
    fn left(&self, elapsed: Duration) -> Option<Duration> {
        let (visits, planned) = self.visits();
        let rest = planned.saturating_sub(visits) + planned * self.sessions_after as usize;
        (visits > 0).then(|| elapsed.mul_f64(rest as f64 / visits as f64))
    }
}

/// A name, a bar and a remark; the bar becomes shorter where there is little room. A line that wraps would leave its rest
/// behind when the view is drawn again.
pub(super) fn line(name: &str, done: usize, all: usize, remark: &str, columns: usize) -> String {
    let bar = columns.saturating_sub(width(name, columns) + remark.chars().count() + 2).min(BAR);
    let filled = (bar * done.min(all)).checked_div(all).unwrap_or(0);
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(bar - filled));
    words(name, &format!("{bar} {remark}"), columns)
}

/// A name and what is said of it.
pub(super) fn words(name: &str, value: &str, columns: usize) -> String {
    let (name, value) = (one_line(name), one_line(value));
    let width = width(&name, columns);
    let name = cut(&name, width);
    let missing = width - text_columns(&name);
    cut(&format!("{name}{} {value}", " ".repeat(missing)), columns).trim_end().to_owned()
}

/// Columns that a name gets: its own, but at most half of the line.
fn width(name: &str, columns: usize) -> usize {
    text_columns(name).clamp(NAME, NAME.max(columns / 2))
}

pub(super) fn clock(time: Duration) -> String {
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
        let text = view.text(start + Duration::from_secs(45), 80);
        // 4.5 of 40 rounds in 45 s: 35.5 rounds of this session and 40 of the next are left.
        let expected = [
            "session 1/2: round 5/40    ██░░░░░░░░░░░░░░░░░░░░ 0:45, at most about 12:35 left",
            "known                      ███████████░░░░░░░░░░░ 64/127 layers",
        ];
        assert_eq!(text.lines().take(2).collect::<Vec<_>>(), expected);
        for columns in [80, 60, 40, 20, 1] {
            let text = view.text(start + Duration::from_secs(45_000), columns);
            assert!(text.lines().count() == 4 && text.lines().all(|l| text_columns(l) <= columns), "{columns}\n{text}");
        }
        assert!(text.contains("now ") && text.contains("DRIFTING (canary +3.4 %)"), "{text}");
    }

    /// Where several devices are measured, the name of one does not push out how far it is.
    #[test]
    fn a_long_name_has_half_of_the_line() {
        let mut view = View::default();
        view.begin("synthetic:sessions: session 1/2", Instant::now());
        view.visited(5, 40, 16, 32, "network 20");
        let text = view.text(Instant::now(), 100);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("synthetic:sessions: session 1/2: round 5/40 ██"), "{text}");
        let column = |line: &str, value: &str| text_columns(line.split_once(value).unwrap().0);
        assert_eq!(column(lines[0], "█"), column(lines[2], "network 20"));
        // On a narrow terminal it is cut, as before.
        assert!(view.text(Instant::now(), 40).lines().all(|line| text_columns(line) <= 40));
    }

    #[test]
    fn nothing_is_claimed_before_it_is_known() {
        let mut view = View::default();
        view.begin("validate", Instant::now());
        let text = view.text(Instant::now(), 80);
        assert!(text.contains("not known yet") && text.contains("after the first round") && !text.contains("left"));
    }
}
