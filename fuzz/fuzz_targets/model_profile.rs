#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("model_profile"), |data: &[u8]| nasprof_fuzz::run("model_profile", data));
