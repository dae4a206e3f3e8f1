//! Visits during which a device says that it was slowed down (measurement.md section 6, row 16).

use crate::protocol::Visit;
use crate::statistics::median;

/// A clock this far below the session's usual one is too slow.
const SLOW: f64 = 0.9;
/// Clocks seen before that is judged.
const MIN_CLOCKS: usize = 5;

/// Judges visits by the device's own word, one after the other.
#[derive(Default)]
pub(super) struct Throttle {
    clocks: Vec<f64>,
}

impl Throttle {
    /// Why a visit does not count, if it does not.
    pub(super) fn judge(&mut self, visit: &Visit) -> Option<String> {
        let conditions = visit.conditions.as_ref()?;
        let usual = median(&self.clocks).filter(|_| self.clocks.len() >= MIN_CLOCKS);
        let clock = conditions.clock_mhz.map(f64::from);
        self.clocks.extend(clock);
        match (conditions.throttled.as_deref(), clock, usual) {
            (Some(reasons @ [_, ..]), _, _) => Some(format!("the device was slowed down: {}", reasons.join(", "))),
            (_, Some(clock), Some(usual)) if clock < SLOW * usual => {
                Some(format!("the device's clock was {clock} MHz, usually {usual}"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Conditions;

    fn visit(clock_mhz: Option<u32>, throttled: Option<&[&str]>) -> Visit {
        let throttled = throttled.map(|reasons| reasons.iter().map(|r| (*r).to_owned()).collect());
        let conditions = Some(Conditions { clock_mhz, throttled });
        Visit { sequence: 0, unit: 0, layers: Vec::new(), whole: Vec::new(), conditions }
    }

    #[test]
    fn reasons_and_low_clocks_void_and_the_usual_does_not() {
        let mut throttle = Throttle::default();
        for _ in 0..10 {
            assert_eq!(throttle.judge(&visit(Some(1500), Some(&[]))), None);
        }
        assert_eq!(throttle.judge(&visit(Some(1400), Some(&[]))), None);
        assert!(throttle.judge(&visit(Some(1300), Some(&[]))).unwrap().contains("1300 MHz, usually 1500"));
        assert!(throttle.judge(&visit(Some(1500), Some(&["software power cap"]))).unwrap().contains("power cap"));
    }

    #[test]
    fn a_device_that_says_nothing_is_not_judged() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.judge(&Visit { conditions: None, ..visit(None, None) }), None);
        assert_eq!(throttle.judge(&visit(None, None)), None);
        // The first clocks are no measure of the usual one yet.
        assert_eq!(throttle.judge(&visit(Some(1500), None)), None);
        assert_eq!(throttle.judge(&visit(Some(100), None)), None);
    }
}
