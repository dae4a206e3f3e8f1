#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("image_list"), |data: &[u8]| nasprof_fuzz::run("image_list", data));
