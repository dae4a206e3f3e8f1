//! Tables of a validation.

use nasprof_base::text::{ms, percent};
use nasprof_lut::Validation;

use super::super::print;
use super::super::table::{Tone, fit, paint, signed_bar, sparkline};
use crate::failure::Failure;

/// Networks shown, those with the largest errors.
const WORST: usize = 5;

pub(super) fn show(v: &Validation) -> Result<(), Failure> {
    if let (Some(level), Some([low, high])) = (v.level, v.level_interval) {
        print(format!("level now       {level:.4} ({low:.4} to {high:.4}) of the LUT, from its anchors"))?;
    }
    let seed = v.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
    print(format!("networks        {} fresh{seed}", v.n))?;
    if v.uncovered > 0 {
        let left_out = format!("{} more left out: the LUT has no entry for one of their layers", v.uncovered);
        print(paint(Tone::Doubtful, format!("                {left_out}")))?;
    }
    if v.known > 0 {
        let left_out = format!("{} more left out: the LUT was made from them", v.known);
        print(paint(Tone::Doubtful, format!("                {left_out}")))?;
    }
    if v.disturbed_processes > 0 {
        print(paint(Tone::Doubtful, format!("                {}", disturbed(v.disturbed_processes))))?;
    }
    if let Some(timing) = v.timing {
        print(format!("timing          {}", timing.name()))?;
    }
    let mape = paint(tone(v.mape), percent(v.mape));
    print(format!("MAPE            {mape} (bias {}) after dividing by the level", percent(v.bias)))?;
    if let Some(floor) = v.noise_floor {
        print(format!("                {} of it is the noise floor of the measured times", percent(floor)))?;
    }
    print(format!("                {} before dividing by the level", percent(v.raw_mape)))?;
    if let Some(isolated) = v.isolated_mape {
        print(format!("isolated LUT    {}", percent(isolated)))?;
    }
    let within = [v.within_2, v.within_5, v.within_10].map(percent);
    print(format!("within 2/5/10 % {} / {} / {}", within[0], within[1], within[2]))?;
    if let Some(rho) = v.spearman {
        print(format!("rank (Spearman) {rho:.4}"))?;
    }
    if let Some(covered) = v.covered {
        print(format!("in the interval {} of the raw measurements", percent(covered)))?;
    }
    errors(v)
}

/// Says how many processes were disturbed.
pub(in super::super) fn disturbed(count: usize) -> String {
    let (number, does, ran) =
        if count == 1 { ("1 process", "does", "it") } else { (&*format!("{count} processes"), "do", "they") };
    format!("{number} {does} not count: {ran} ran the anchors more than 10 % slower than the median process")
}

fn tone(error: f64) -> Tone {
    match error.abs() {
        error if error <= 0.02 => Tone::Good,
        error if error <= 0.05 => Tone::Doubtful,
        _ => Tone::Bad,
    }
}

/// How errors are spread, and the networks with the largest.
fn errors(v: &Validation) -> Result<(), Failure> {
    let factor = v.level.unwrap_or(1.0);
    let mut rows: Vec<(usize, f64)> =
        v.rows.iter().map(|r| r.estimated_ms * factor / r.measured_ms - 1.0).enumerate().collect();
    let reach = rows.iter().map(|r| r.1.abs()).fold(0.0, f64::max);
    if reach == 0.0 {
        return Ok(());
    }
    let errors: Vec<f64> = rows.iter().map(|r| r.1).collect();
    let (line, end) = (sparkline(&errors, -reach, reach, 40), percent(reach));
    print(format!("errors          -{end} |{line}| +{end}"))?;
    rows.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let heading = format!("{} {:>12} {:>14} {:>9}", fit("worst networks", 16), "measured", "estimated", "error");
    print("")?;
    print(paint(Tone::Strong, heading))?;
    for (i, error) in rows.into_iter().take(WORST) {
        let row = &v.rows[i];
        let (measured, estimated) = (ms(row.measured_ms), ms(row.estimated_ms * factor));
        let name = fit(&format!("number {}", i + 1), 16);
        let words = paint(tone(error), format!("{:>9}", format!("{:+.2} %", error * 100.0)));
        print(format!("{name} {measured:>12} {estimated:>14} {words} {}", signed_bar(error / reach, 8).trim_end()))?;
    }
    Ok(())
}
