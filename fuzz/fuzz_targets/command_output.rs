#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("command_output"), |data: &[u8]| nasprof_fuzz::run("command_output", data));
