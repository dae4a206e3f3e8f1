//! Why a processor runs slower than asked for.

use serde::{Deserialize, Serialize};

/// Why a processor runs slower than asked for. The names are those of NVML's clock event reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleReason {
    /// Its power stays below a limit that software set.
    #[serde(rename = "software power cap")]
    SoftwarePowerCap,
    /// It is too hot or draws too much power, or an external signal asks for it.
    #[serde(rename = "hardware slowdown")]
    HardwareSlowdown,
    /// It keeps to the clock of other processors of its group.
    #[serde(rename = "sync boost")]
    SyncBoost,
    /// It is hotter than its software's limit.
    #[serde(rename = "software thermal slowdown")]
    SoftwareThermalSlowdown,
    /// It is too hot.
    #[serde(rename = "hardware thermal slowdown")]
    HardwareThermalSlowdown,
    /// The power supply asks for it.
    #[serde(rename = "hardware power brake")]
    HardwarePowerBrake,
    /// A synthetic device's model has it.
    #[serde(rename = "made up")]
    MadeUp,
}

impl ThrottleReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SoftwarePowerCap,
        Self::HardwareSlowdown,
        Self::SyncBoost,
        Self::SoftwareThermalSlowdown,
        Self::HardwareThermalSlowdown,
        Self::HardwarePowerBrake,
        Self::MadeUp,
    ];

    /// Its name in messages and journals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SoftwarePowerCap => "software power cap",
            Self::HardwareSlowdown => "hardware slowdown",
            Self::SyncBoost => "sync boost",
            Self::SoftwareThermalSlowdown => "software thermal slowdown",
            Self::HardwareThermalSlowdown => "hardware thermal slowdown",
            Self::HardwarePowerBrake => "hardware power brake",
            Self::MadeUp => "made up",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ThrottleReason;

    #[test]
    fn reasons_are_named_as_they_are_written() {
        for reason in ThrottleReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
