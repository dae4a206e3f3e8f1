//! Every target on its seeds, on inputs that once were faults, and on seeded mutations.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nasprof_fuzz::mutate::mutate;
use nasprof_fuzz::{TARGETS, Target, run};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Mutations of each target, unless the environment says otherwise.
const MUTATIONS: u64 = 500;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Inputs in the repository: those that were faults, and those that reach more code than the seeds.
fn kept(target: &Target) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["regressions", "kept"].map(|folder| root.join(folder).join(target.name));
    let files = folders.into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let mut paths: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

fn replay(target: &Target, mutations: u64, seed: u64) {
    let seeds = (target.seeds)();
    let kept = kept(target);
    assert!(!seeds.is_empty(), "{} has no seeds", target.name);
    // scripts/fuzz.sh gives libFuzzer no more: of a larger seed it would see the beginning only.
    assert!(seeds.iter().all(|seed| seed.len() <= 1 << 16), "{}: a seed is larger than 64 KiB", target.name);
    let inputs: Vec<&Vec<u8>> = seeds.iter().chain(&kept).collect();
    inputs.iter().for_each(|input| run(target.name, input));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let begin = Instant::now();
    let limit = Duration::from_secs(setting("NASPROF_FUZZ_SECONDS", 3600));
    let mut done = 0;
    for i in 0..mutations {
        if begin.elapsed() > limit {
            break;
        }
        let input = mutate(&mut rng, inputs[i as usize % inputs.len()], inputs[(i as usize / 7) % inputs.len()]);
        // The input of a crash is on the disk, whatever ends the process.
        let path = std::env::temp_dir().join(format!("nasprof-fuzz-{}-{}", target.name, std::process::id()));
        fs::write(&path, &input).unwrap();
        let caught = std::panic::catch_unwind(|| run(target.name, &input));
        if caught.is_err() {
            panic!("{}: mutation {i} of seed {seed} is a fault: {}", target.name, path.display());
        }
        fs::remove_file(&path).unwrap();
        done += 1;
    }
    println!("{}: {done} mutations of {} inputs, seed {seed}, {:.1?}", target.name, inputs.len(), begin.elapsed());
}

/// In one test: the guard of the memory counts for the whole process.
#[test]
fn no_input_is_a_fault() {
    let only = std::env::var("NASPROF_FUZZ_TARGET").ok();
    for target in TARGETS.iter().filter(|target| only.as_ref().is_none_or(|only| only == target.name)) {
        replay(target, setting("NASPROF_FUZZ_MUTATIONS", MUTATIONS), setting("NASPROF_FUZZ_SEED", 0));
    }
}
