#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("agent_requests"), |data: &[u8]| nasprof_fuzz::run("agent_requests", data));
