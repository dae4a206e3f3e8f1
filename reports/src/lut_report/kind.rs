//! Kinds of layers, for grouping LUT rows.

use std::collections::BTreeMap;

use nasprof_lut::Row;

/// A row's attributes and shape as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Such as `conv 1x1`, `conv depthwise`, `batch_norm`.
    pub(crate) name: String,
    /// The kind with kernel, stride and dilation: layers of one family differ in size only.
    pub(crate) family: String,
    /// Channels (or features) of the first input.
    pub(crate) channels: Option<usize>,
    /// Height and width of the first input, if it has them.
    pub(crate) resolution: Option<[usize; 2]>,
}

impl Kind {
    pub(crate) fn of(row: &Row) -> Self {
        let attributes: BTreeMap<&str, &str> =
            row.attributes.split(',').filter_map(|pair| pair.split_once('=')).collect();
        let shape: Vec<usize> =
            row.input_shapes.split(',').next().unwrap_or("").split('x').filter_map(|d| d.parse().ok()).collect();
        let channels = shape.first().copied();
        let kernel = attributes.get("kernel").copied();
        let groups = attributes.get("groups").and_then(|g| g.parse::<usize>().ok());
        let name = match (row.op.as_str(), groups, kernel) {
            ("conv", Some(groups), _) if Some(groups) == channels => "conv depthwise".to_owned(),
            ("conv", Some(_), _) => "conv grouped".to_owned(),
            ("conv", None, Some("1x1")) => "conv 1x1".to_owned(),
            ("conv", None, _) => "conv dense".to_owned(),
            (op, _, _) => op.to_owned(),
        };
        let mut family = name.clone();
        if let Some(kernel) = kernel.filter(|k| !name.ends_with(k)) {
            family = format!("{family} {kernel}");
        }
        for (attribute, short) in [("stride", "stride"), ("dilation", "dilation")] {
            if let Some(value) = attributes.get(attribute) {
                family = format!("{family}, {short} {value}");
            }
        }
        let resolution = match shape[..] {
            [_, height, width] => Some([height, width]),
            _ => None,
        };
        Self { name, family, channels, resolution }
    }
}

/// The names of all kinds, the one with the most time first.
pub(crate) fn kinds_by_time(rows: &[Row]) -> Vec<String> {
    let mut time: BTreeMap<String, f64> = BTreeMap::new();
    for row in rows {
        if let Some(times) = &row.times {
            *time.entry(Kind::of(row).name).or_default() += times.mean_ns;
        }
    }
    let mut kinds: Vec<(String, f64)> = time.into_iter().collect();
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    kinds.into_iter().map(|(name, _)| name).collect()
}
