//! Resolves names on the command line: spaces, devices, files.

mod devices;
mod names;
mod programs;
mod sources;
mod target;

pub(crate) use self::devices::{backend, device, open, open_command, open_with, open_with_progress};
pub(crate) use self::names::{file_name, last_part, plain};
pub(crate) use self::programs::{query_program, search_program};
pub(crate) use self::sources::{
    at_batch, input_shapes, model, model_file, source, source_name, space, space_or, text_file,
};
pub(crate) use self::target::{Target, allocator, layout, precision, runtime, target, timing};
pub(crate) use crate::known::{device_files, known_devices, user_devices};
