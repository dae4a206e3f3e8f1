//! The targets and their seeds.

mod agent;
mod command;
mod data;
mod files;
mod journal;
mod measured;
mod profiles;
mod rankings;
mod tables;

/// A kind of input.
pub struct Target {
    /// Its name: that of the program in `fuzz_targets/` and of its folder of inputs.
    pub name: &'static str,
    /// Reads an input; panics if something is wrong with how it was read.
    pub run: fn(&[u8]),
    /// Small inputs that are read, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "onnx", run: files::onnx, seeds: files::onnx_seeds },
    Target { name: "onnxruntime_profile", run: profiles::onnxruntime, seeds: profiles::onnxruntime_seeds },
    Target { name: "model_profile", run: profiles::model, seeds: profiles::model_seeds },
    Target { name: "command_output", run: command::output, seeds: command::output_seeds },
    Target { name: "command_times", run: command::times, seeds: command::times_seeds },
    Target { name: "parquet_lut", run: tables::parquet, seeds: tables::parquet_seeds },
    Target { name: "csv_lut", run: tables::csv, seeds: tables::csv_seeds },
    Target { name: "json_lut", run: tables::json, seeds: tables::json_seeds },
    Target { name: "lut_table", run: tables::table, seeds: tables::table_seeds },
    Target { name: "score_table", run: rankings::table, seeds: rankings::table_seeds },
    Target { name: "arch_lines", run: rankings::archs, seeds: rankings::arch_seeds },
    Target { name: "journal", run: journal::lines, seeds: journal::line_seeds },
    Target { name: "journal_events", run: journal::events, seeds: journal::event_seeds },
    Target { name: "space_file", run: files::space, seeds: files::space_seeds },
    Target { name: "device_file", run: files::device, seeds: files::device_seeds },
    Target { name: "experiment_file", run: files::experiment, seeds: files::experiment_seeds },
    Target { name: "agent_requests", run: agent::requests, seeds: agent::request_seeds },
    Target { name: "agent_replies", run: agent::replies, seeds: agent::reply_seeds },
    Target { name: "idx", run: data::idx, seeds: data::idx_seeds },
    Target { name: "image_list", run: data::list, seeds: data::list_seeds },
];
