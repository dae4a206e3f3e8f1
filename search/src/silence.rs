//! How long a run may make no progress before it counts as hung: a GPU that no longer answers keeps a program waiting for
//! ever, without an error.

use std::time::Duration;

/// The environment variable with the minutes.
pub const VARIABLE: &str = "NASPROF_MAX_SILENCE";
/// Minutes without the variable. No batch should take that long.
const USUAL: f64 = 60.0;
/// The limit is waited for in so many parts.
const PARTS: u32 = 60;

/// Counts the silence of a program. Each part counts once, however long it takes by the clock: when the machine was
/// suspended, the program made no progress either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    part: Duration,
    parts: u32,
}

impl Silence {
    /// No silence yet, with the limit of the environment.
    ///
    /// # Errors
    /// A variable that is not a number of minutes.
    pub fn new() -> Result<Self, String> {
        Self::with(std::env::var(VARIABLE).ok().as_deref())
    }

    fn with(minutes: Option<&str>) -> Result<Self, String> {
        let fits = |&minutes: &f64| minutes > 0.0 && minutes <= 1e6;
        let minutes = minutes.map_or(Some(USUAL), |text| text.trim().parse().ok().filter(fits));
        let minutes =
            minutes.ok_or_else(|| format!("{VARIABLE}: is not a number of minutes above 0 and up to 1000000"))?;
        Ok(Self { part: Duration::from_secs_f64(minutes * 60.0 / f64::from(PARTS)), parts: 0 })
    }

    /// How long to wait before [`Silence::lasts`].
    #[must_use]
    pub fn part(&self) -> Duration {
        self.part
    }

    /// The program was silent for another part. Returns whether the limit is reached.
    pub fn lasts(&mut self) -> bool {
        self.parts += 1;
        self.parts >= PARTS
    }

    /// The program made progress.
    pub fn ends(&mut self) {
        self.parts = 0;
    }

    /// The limit in minutes.
    #[must_use]
    pub fn minutes(&self) -> f64 {
        self.part.as_secs_f64() * f64::from(PARTS) / 60.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_begins_the_silence_anew() {
        let mut silence = Silence::with(None).unwrap();
        assert_eq!((silence.part(), silence.minutes()), (Duration::from_secs(60), 60.0));
        assert_eq!((1..=60).filter(|_| silence.lasts()).count(), 1);
        let mut silence = Silence::with(Some("0.5")).unwrap();
        (0..59).for_each(|_| assert!(!silence.lasts()));
        silence.ends();
        assert!(!silence.lasts(), "the control: without it this is the sixtieth");
        for bad in ["", "0", "-1", "soon", "inf", "NaN", "1e7"] {
            assert!(Silence::with(Some(bad)).unwrap_err().contains(VARIABLE), "{bad}");
        }
    }
}
