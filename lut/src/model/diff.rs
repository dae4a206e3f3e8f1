//! Compares two profiles of models kernel by kernel.

use nasprof_base::statistics::median;
use nasprof_profiler::model_kernels::pair;
use nasprof_profiler::model_profile::{KernelPart, ModelProfile, ModelTime};
use serde::Serialize;

/// A time in both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TimeDiff {
    /// Milliseconds before.
    pub before_ms: f64,
    /// Milliseconds after.
    pub after_ms: f64,
    /// After over before; absent if it took no time before.
    pub ratio: Option<f64>,
    /// 95 % interval of the ratio; absent if a time has no interval, or if the time before may be zero.
    pub ratio_interval: Option<[f64; 2]>,
}

/// The criterion by which two kernels were matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// Name, operator, shapes and provider.
    All,
    /// Operator, shapes and provider; the names differ, like names that a runtime numbers.
    Work,
    /// The name alone; operator, shapes or provider differ.
    Name,
}

/// One kernel in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelDiff {
    /// Its name before.
    pub name: String,
    /// Its operator before.
    pub operator: String,
    /// Its name after.
    pub after_name: String,
    /// Its operator after.
    pub after_operator: String,
    /// The criterion of the match.
    pub likeness: Likeness,
    /// Its times.
    #[serde(flatten)]
    pub time: TimeDiff,
}

/// How two profiles differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelDiff {
    /// A plain run, if both have one.
    pub whole: Option<TimeDiff>,
    /// The sum of each profile's kernels, including kernels of that profile only.
    pub sum: TimeDiff,
    /// Median ratio of the kernels in both: the common factor.
    pub level: Option<f64>,
    /// Kernels in both, the largest difference in time first.
    pub kernels: Vec<KernelDiff>,
    /// Kernels in only one of them, the slowest first.
    pub only_before: Vec<KernelPart>,
    /// Kernels in only one of them, the slowest first.
    pub only_after: Vec<KernelPart>,
}

/// Compares two profiles, of one model or of two.
#[must_use]
pub fn model_diff(before: &ModelProfile, after: &ModelProfile) -> ModelDiff {
    let (first, later) = (&before.kernels, &after.kernels);
    let found = likenesses(first, later);
    let both = found.iter().zip(later);
    let mut kernels: Vec<KernelDiff> =
        both.filter_map(|(found, part)| found.map(|(index, likeness)| kernel(&first[index], part, likeness))).collect();
    kernels.sort_by(|x, y| y.time.change().total_cmp(&x.time.change()));
    let mut taken = vec![false; first.len()];
    found.iter().flatten().for_each(|(index, _)| taken[*index] = true);
    let ratios: Vec<f64> = kernels.iter().filter_map(|kernel| kernel.time.ratio).collect();
    let sum = |profile: &ModelProfile| ModelTime { ms: profile.sum_ms(), interval_ms: None };
    ModelDiff {
        whole: before.whole.zip(after.whole).map(|(a, b)| TimeDiff::of(a, b)),
        sum: TimeDiff::of(sum(before), sum(after)),
        level: median(&ratios),
        kernels,
        only_before: alone(first.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(part, _)| part)),
        only_after: alone(later.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(part, _)| part)),
    }
}

/// For each kernel of the second profile, its match in the first and the criterion.
fn likenesses(first: &[KernelPart], later: &[KernelPart]) -> Vec<Option<(usize, Likeness)>> {
    fn work(part: &KernelPart) -> (&str, &str, &[String], &[String], Option<u64>) {
        let kernel = &part.kernel;
        (&kernel.operator, &kernel.provider, &kernel.inputs, &kernel.outputs, kernel.parameter_bytes)
    }
    // The suffix that ONNX Runtime appends to a changed node depends on the processor.
    fn name(part: &KernelPart) -> Option<&str> {
        let name = part.kernel.name.split("_token_").next().unwrap_or_default();
        Some(name.strip_suffix("_nchwc").unwrap_or(name)).filter(|name| !name.is_empty())
    }
    let mut found = vec![None; later.len()];
    let mut likeness = vec![None; later.len()];
    let mut note = |found: &[Option<usize>], kind: Likeness| {
        for (known, _) in likeness.iter_mut().zip(found).filter(|(known, found)| known.is_none() && found.is_some()) {
            *known = Some(kind);
        }
    };
    pair(&mut found, first, later, |part| Some((name(part)?, work(part))));
    note(&found, Likeness::All);
    // A name with its shapes is a better match than an operator that many kernels have; a number in a name is a worse
    // one.
    pair(&mut found, first, later, |part| Some((name(part)?, &part.kernel.inputs, &part.kernel.outputs)));
    note(&found, Likeness::Name);
    // An operator without shapes is not enough for a match.
    pair(&mut found, first, later, |part| Some(work(part)).filter(|_| !part.kernel.inputs.is_empty()));
    note(&found, Likeness::Work);
    pair(&mut found, first, later, name);
    note(&found, Likeness::Name);
    found.into_iter().zip(likeness).map(|(index, likeness)| index.zip(likeness)).collect()
}

fn kernel(before: &KernelPart, after: &KernelPart, likeness: Likeness) -> KernelDiff {
    KernelDiff {
        name: before.kernel.name.clone(),
        operator: before.kernel.operator.clone(),
        after_name: after.kernel.name.clone(),
        after_operator: after.kernel.operator.clone(),
        likeness,
        time: TimeDiff::of(before.time, after.time),
    }
}

fn alone<'a>(parts: impl Iterator<Item = &'a KernelPart>) -> Vec<KernelPart> {
    let mut parts: Vec<KernelPart> = parts.cloned().collect();
    parts.sort_by(|a, b| b.time.ms.total_cmp(&a.time.ms));
    parts
}

impl TimeDiff {
    /// From two independent measurements.
    #[must_use]
    pub fn of(before: ModelTime, after: ModelTime) -> Self {
        let ratio = (before.ms > 0.0).then(|| after.ms / before.ms);
        let interval = ratio.zip(before.half_width().zip(after.half_width()));
        Self {
            before_ms: before.ms,
            after_ms: after.ms,
            ratio,
            ratio_interval: interval.and_then(|(ratio, (a, b))| ratio_interval(ratio, a, b)),
        }
    }

    /// Difference in milliseconds.
    #[must_use]
    pub fn change(&self) -> f64 {
        (self.after_ms - self.before_ms).abs()
    }

    /// Whether the ratio may be one; absent if unknown.
    #[must_use]
    pub fn may_be_equal(&self) -> Option<bool> {
        let [low, high] = self.ratio_interval?;
        Some((low..=high).contains(&1.0))
    }
}

/// Fieller's interval of a ratio of two independent means with these relative half-widths. None where the lower one may be zero:
/// then no bound holds.
fn ratio_interval(ratio: f64, before: f64, after: f64) -> Option<[f64; 2]> {
    let g = before * before;
    if g >= 1.0 {
        return None;
    }
    let half = (g + after * after - g * after * after).max(0.0).sqrt();
    let end = |sign: f64| (ratio * (1.0 + sign * half) / (1.0 - g)).max(0.0);
    Some([end(-1.0), end(1.0)])
}
