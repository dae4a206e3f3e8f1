//! Fits a latency to the time that follows from the layers, and chooses the form by left-out networks.

use nasprof_base::statistics::mean;
use nasprof_base::{Whole, two_parts};

/// A form with a constant must predict left-out networks this much better than one without: some constant is always a
/// little better by luck.
const WORTH_IT: f64 = 0.9;

/// A network: its time before the calibration, its layers, and its measured time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Example {
    pub(super) time_ns: f64,
    pub(super) layers: f64,
    pub(super) whole_ns: f64,
}

/// The constant beside the factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Scale,
    PerLayer,
    PerCall,
}

/// The parts of a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parts {
    pub(super) scale: f64,
    pub(super) layer_ns: f64,
    pub(super) call_ns: f64,
}

impl Parts {
    fn whole_ns(&self, network: &Example) -> f64 {
        self.scale * network.time_ns + self.layer_ns * network.layers + self.call_ns
    }
}

/// The form that predicts left-out networks best, with its relative errors.
pub(super) fn fit(networks: &[Example]) -> Option<(Parts, Vec<f64>)> {
    let mut best: Option<(Parts, Vec<f64>)> = None;
    for form in [Form::Scale, Form::PerLayer, Form::PerCall] {
        let Some(parts) = solve(form, networks) else { continue };
        let left_out = |i: usize| {
            let others = [&networks[..i], &networks[i + 1..]].concat();
            Some(solve(form, &others)?.whole_ns(&networks[i]) / networks[i].whole_ns - 1.0)
        };
        let Some(errors) = (0..networks.len()).map(left_out).collect::<Option<Vec<f64>>>() else { continue };
        let limit = match &best {
            Some((known, errors)) if known.layer_ns == 0.0 && known.call_ns == 0.0 => WORTH_IT * rms(errors),
            Some((_, errors)) => rms(errors),
            None => f64::INFINITY,
        };
        if rms(&errors) < limit {
            best = Some((parts, errors));
        }
    }
    best
}

/// Root mean square.
pub(super) fn rms(errors: &[f64]) -> f64 {
    mean(&errors.iter().map(|e| e * e).collect::<Vec<_>>()).unwrap_or(0.0).sqrt()
}

/// Least squares of relative errors. `None` if the networks do not separate the parts, or if the factor is not
/// positive.
fn solve(form: Form, networks: &[Example]) -> Option<Parts> {
    let count = match form {
        Form::Scale => {
            let over = |of: fn(f64) -> f64| networks.iter().map(|n| of(n.time_ns / n.whole_ns)).sum::<f64>();
            let scale = over(|x| x) / over(|x| x * x);
            return (scale.is_finite() && scale > 0.0).then_some(Parts { scale, layer_ns: 0.0, call_ns: 0.0 });
        }
        // A line fits any two networks.
        _ if networks.len() < 3 => return None,
        Form::PerLayer => |network: &Example| network.layers,
        Form::PerCall => |_: &Example| 1.0,
    };
    let whole = |n: &Example| Whole { whole: n.whole_ns, sum: n.time_ns, count: count(n) };
    let (scale, constant) = two_parts(&networks.iter().map(whole).collect::<Vec<_>>())?;
    Some(match form {
        Form::PerCall => Parts { scale, layer_ns: 0.0, call_ns: constant },
        _ => Parts { scale, layer_ns: constant, call_ns: 0.0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(scale: f64, layer_ns: f64, call_ns: f64) -> Vec<Example> {
        let network = |i: u32| {
            let (time_ns, layers) = (1e5 + 7e3 * f64::from(i * i % 11), 40.0 + f64::from(i * 5 % 7));
            let noise = 1.0 + 1e-4 * (f64::from(i * 7 % 5) - 2.0);
            Example { time_ns, layers, whole_ns: noise * (scale * time_ns + layer_ns * layers + call_ns) }
        };
        (0..30).map(network).collect()
    }

    #[test]
    fn each_form_is_found_where_it_is_the_true_one() {
        for (scale, layer_ns, call_ns) in [(0.9, 0.0, 0.0), (0.95, -550.0, 0.0), (1.0, 0.0, 9_000.0)] {
            let (parts, errors) = fit(&networks(scale, layer_ns, call_ns)).unwrap();
            assert!((parts.scale / scale - 1.0).abs() < 0.01, "{parts:?}");
            assert!((parts.layer_ns - layer_ns).abs() < 20.0 && (parts.call_ns - call_ns).abs() < 500.0, "{parts:?}");
            assert!(rms(&errors) < 5e-4);
        }
        // Control: without the constant, predictions of the same networks are much worse.
        let all = networks(0.95, -550.0, 0.0);
        let plain = solve(Form::Scale, &all).unwrap();
        assert!(rms(&all.iter().map(|n| plain.whole_ns(n) / n.whole_ns - 1.0).collect::<Vec<_>>()) > 5e-3);
    }

    #[test]
    fn networks_that_are_all_alike_have_a_factor_alone() {
        let (parts, _) = fit(&[Example { time_ns: 1e5, layers: 40.0, whole_ns: 9e4 }; 12]).unwrap();
        assert!((parts.scale - 0.9).abs() < 1e-9 && parts.layer_ns == 0.0 && parts.call_ns == 0.0);
        assert!(fit(&[]).is_none());
    }
}
