//! Whose a run folder is, and whether it is as the run left it.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nasprof_search::config::Experiment;
use nasprof_search::folder::{
    Checkpoint, Claim, FolderError, LOG, Part, STATE, append_line, claim, claim_sampled, finished, lock, read_header,
    write_result,
};
use nasprof_search::job::{Existing, FILES};
use serde_json::{Value, json};
use tempfile::TempDir;

const EXPERIMENT: &str = r#"
format_version = 1
space = "mobilenet-fashion-mnist"
seed = 1
[data]
dataset = "fashion-mnist"
[training]
epochs = 3
batch_size = 10
[optimizers.weights]
kind = "sgd"
learning_rate = 0.1
[trainer]
arch = "random"
"#;

fn experiment(overrides: &[&str]) -> Experiment {
    let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
    Experiment::parse(EXPERIMENT, &overrides).unwrap()
}

/// The folder of a training with so many of its three epochs done.
fn run_folder(epochs: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("checkpoint")).unwrap();
    fs::write(folder.path().join("config.toml"), experiment(&[]).resolved_toml()).unwrap();
    fs::write(folder.path().join("metrics.csv"), "epoch\n").unwrap();
    fs::write(folder.path().join("checkpoint/e.safetensors"), vec![7; 1000]).unwrap();
    fs::write(folder.path().join("alphas.csv"), "epoch,choice,candidate,probability\n1,a,b,0.5\n").unwrap();
    checkpoint(folder.path(), epochs);
    folder
}

fn checkpoint(folder: &Path, epochs: u32) {
    let parts = ["checkpoint/e.safetensors", "alphas.csv"].map(|file| Part::of(folder, file).unwrap());
    let of = ("space".to_owned(), "data".to_owned(), experiment(&[]).resolved_toml());
    let state = json!({"learned": 0.125});
    let text = Checkpoint::new(of, epochs, "e.safetensors".to_owned(), parts.to_vec(), state).to_text().unwrap();
    fs::write(folder.join(STATE), text).unwrap();
}

fn problem<T: std::fmt::Debug>(result: Result<T, FolderError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_run_says_which_keys_differ() {
    let folder = run_folder(3);
    let folder = folder.path();
    assert_eq!(
        claim(folder, &experiment(&[]), Existing::Resume).unwrap(),
        Claim::Resumed { epochs: 3, finished: true }
    );
    for (overrides, existing, naming) in [
        (&[][..], Existing::Refuse, "already holds a finished run of this experiment"),
        (
            &["seed=2"],
            Existing::Refuse,
            "already holds a finished run, of another experiment: `seed` is 1 there and 2 here",
        ),
        (&["seed=2"], Existing::Resume, "another experiment: `seed` is 1 there and 2 here"),
        (&["training.epochs=2"], Existing::Resume, "`training.epochs` is 3 there and 2 here"),
        (&["training.epochs=4"], Existing::Refuse, "`training.epochs` is 3 there and 4 here"),
        (&["training.epochs=4", "seed=2"], Existing::Resume, "`seed` is 1 there and 2 here, `training.epochs` is 3"),
    ] {
        let words = problem(claim(folder, &experiment(overrides), existing));
        assert!(words.contains(naming), "{overrides:?}: {words}");
    }
}

#[test]
fn only_a_finished_run_is_extended() {
    let longer = experiment(&["training.epochs=5"]);
    let folder = run_folder(3);
    assert_eq!(claim(folder.path(), &longer, Existing::Resume).unwrap(), Claim::Extended { from: 3 });
    // Interrupted before the first epoch of the extension: `config.toml` is the new one already.
    fs::write(folder.path().join("config.toml"), longer.resolved_toml()).unwrap();
    assert_eq!(claim(folder.path(), &longer, Existing::Resume).unwrap(), Claim::Extended { from: 3 });
    // It does not have to be extended after all.
    assert_eq!(
        claim(folder.path(), &experiment(&[]), Existing::Resume).unwrap(),
        Claim::Resumed { epochs: 3, finished: true }
    );
    let folder = run_folder(2);
    assert_eq!(
        claim(folder.path(), &experiment(&[]), Existing::Resume).unwrap(),
        Claim::Resumed { epochs: 2, finished: false },
        "the control: it can be resumed as it is"
    );
    let words = problem(claim(folder.path(), &longer, Existing::Resume));
    assert!(words.contains("unfinished run of fewer epochs"), "{words}");
}

/// A checkpoint goes from a GPU to a CPU and back, before and after its run was begun anew there.
#[test]
fn a_run_goes_on_wherever_it_is_computed() {
    let elsewhere = |overrides: &[&str]| experiment(&[&["training.compute=cuda:1"], overrides].concat());
    for (epochs, finished) in [(2, false), (3, true)] {
        let folder = run_folder(epochs);
        let resumed = |here: &Experiment| claim(folder.path(), here, Existing::Resume).unwrap();
        assert_eq!(resumed(&elsewhere(&[])), Claim::Resumed { epochs, finished });
        // Interrupted before its next checkpoint: `config.toml` has the new place, the checkpoint the old one.
        fs::write(folder.path().join("config.toml"), elsewhere(&[]).resolved_toml()).unwrap();
        assert_eq!(resumed(&elsewhere(&[])), Claim::Resumed { epochs, finished });
        assert_eq!(resumed(&experiment(&[])), Claim::Resumed { epochs, finished });
        if finished {
            assert_eq!(resumed(&elsewhere(&["training.epochs=5"])), Claim::Extended { from: 3 });
        }
        // What only a GPU does goes with it, and back.
        let of_gpus = elsewhere(&["training.precision=tf32", "training.cuda_graphs=true"]);
        assert_eq!(resumed(&of_gpus), Claim::Resumed { epochs, finished });
        fs::write(folder.path().join("config.toml"), of_gpus.resolved_toml()).unwrap();
        assert_eq!(resumed(&experiment(&["training.compute=cpu"])), Claim::Resumed { epochs, finished });
        // The control: 16-bit floats, which both can do, make it another run.
        let words = problem(claim(folder.path(), &elsewhere(&["training.precision=bfloat16"]), Existing::Resume));
        assert!(words.contains("`training.precision` is absent there and \"bfloat16\" here"), "{words}");
        assert!(!words.contains("compute") && !words.contains("cuda_graphs"), "{words}");
    }
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(claim(Path::new("/nowhere/at/all"), &experiment(&[]), Existing::Refuse).unwrap(), Claim::New);
    for (file, experiment) in [
        ("config.toml", experiment(&[])),
        ("config.toml", experiment(&["seed=2"])),
        ("config.toml", experiment(&["optimizers.weights.learning_rate=0.2"])),
        (STATE, experiment(&[])),
    ] {
        for existing in [Existing::Resume, Existing::Refuse] {
            let folder = run_folder(2);
            fs::remove_file(folder.path().join(file)).unwrap();
            let words = problem(claim(folder.path(), &experiment, existing));
            let expected = if file == STATE && existing == Existing::Refuse { "holds" } else { "is missing" };
            assert!(words.contains(expected) && words.contains(folder.path().to_str().unwrap()), "{file}: {words}");
            assert!(!folder.path().join(file).exists(), "it was made up");
        }
    }
    // A journal without its `config.toml` is that of an unknown experiment.
    let folder = tempfile::tempdir().unwrap();
    let (begun, experiment_here) = (folder.path(), experiment(&[]));
    assert_eq!(claim(begun, &experiment_here, Existing::Resume).unwrap(), Claim::New);
    fs::write(begun.join("trials.jsonl"), "").unwrap();
    for claim in [claim, claim_sampled] {
        assert!(problem(claim(begun, &experiment_here, Existing::Refuse)).contains("config.toml: is missing"));
        assert_eq!(claim(begun, &experiment_here, Existing::Overwrite).unwrap(), Claim::New);
    }
    // Killed before its first checkpoint: there is nothing to lose.
    let folder = run_folder(1);
    for name in [STATE, "metrics.csv"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert_eq!(
        claim(folder.path(), &experiment(&[]), Existing::Resume).unwrap(),
        Claim::Resumed { epochs: 0, finished: false }
    );
}

/// Whatever is there: a new run takes its place.
#[test]
fn an_overwritten_run_is_a_new_one() {
    for file in ["config.toml", STATE] {
        let folder = run_folder(2);
        fs::write(folder.path().join(file), "damaged").unwrap();
        for claimed in [claim, claim_sampled] {
            assert_eq!(claimed(folder.path(), &experiment(&["seed=2"]), Existing::Overwrite).unwrap(), Claim::New);
        }
    }
}

#[test]
fn an_unreadable_configuration_is_not_written_anew() {
    for content in [b"\xff\xfe".as_slice(), b"format_version = 1\nsede = 3\n"] {
        let folder = run_folder(2);
        let path = folder.path().join("config.toml");
        fs::write(&path, content).unwrap();
        for result in [
            claim(folder.path(), &experiment(&[]), Existing::Resume),
            claim_sampled(folder.path(), &experiment(&[]), Existing::Resume),
        ] {
            let words = problem(result);
            assert!(words.contains("config.toml"), "{words}");
        }
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let folder = run_folder(2);
    let changed = experiment(&["optimizers.weights.learning_rate=0.2"]);
    fs::write(folder.path().join("config.toml"), changed.resolved_toml()).unwrap();
    let words = problem(claim(folder.path(), &changed, Existing::Resume));
    assert!(
        words.contains("`optimizers.weights.learning_rate` is 0.1 in the checkpoint and 0.2 in the file"),
        "{words}"
    );
}

#[test]
fn every_flipped_bit_of_a_checkpoint_is_noticed() {
    let folder = run_folder(2);
    let folder = folder.path();
    let sound = |folder: &Path| read_header(folder).and_then(|header| header.unwrap().check(folder));
    sound(folder).unwrap();
    for (file, step) in [(STATE, 7), ("checkpoint/e.safetensors", 61), ("alphas.csv", 5)] {
        let path = folder.join(file);
        let content = fs::read(&path).unwrap();
        for bit in (0..content.len() * 8).step_by(step) {
            let mut flipped = content.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).unwrap();
            assert!(sound(folder).is_err(), "{file}, bit {bit}");
        }
        fs::write(&path, &content[..content.len() - 1]).unwrap();
        assert!(problem(sound(folder)).contains(file), "cut off");
        fs::remove_file(&path).unwrap();
        if file != STATE {
            let words = problem(sound(folder));
            assert!(words.contains(file) && words.contains("is missing"), "{words}");
        }
        fs::write(&path, &content).unwrap();
        sound(folder).unwrap();
    }
    // A run that is killed before its next checkpoint leaves more rows than the last one knows of.
    let more = fs::read_to_string(folder.join("alphas.csv")).unwrap() + "2,a,b,0.75\n";
    fs::write(folder.join("alphas.csv"), more).unwrap();
    sound(folder).unwrap();
}

/// Nothing shows that a checkpoint without checksums is as it was written.
#[test]
fn old_and_foreign_checkpoints_are_refused() {
    let folder = run_folder(2);
    let state = folder.path().join(STATE);
    let sealed = fs::read_to_string(&state).unwrap();
    let old = json!({"format_version": 1, "space": "s", "tensors": "e.safetensors", "state": {}});
    fs::write(&state, old.to_string()).unwrap();
    assert!(problem(read_header(folder.path())).contains("format_version 1 has no checksums"));
    // As a program would write it that knows the digest.
    let reseal = |from: &str, to: &str| {
        let body = sealed.rsplit_once(",\"sha256\"").unwrap().0.replacen(from, to, 1);
        assert!(!sealed.starts_with(&body), "{from} is not in it");
        let digest: String = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(body.as_bytes()))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        fs::write(&state, format!("{body},\"sha256\":\"{digest}\"}}")).unwrap();
        problem(read_header(folder.path()))
    };
    assert!(reseal("\"format_version\":2", "\"format_version\":3").contains("format_version 3 is not known"));
    assert!(reseal("e.safetensors", "../e.safetensors").contains("outside of its folder"));
    assert!(reseal("alphas.csv", "/etc/passwd").contains("outside of its folder"));
    assert!(reseal("\"epochs\"", "\"epochen\"").contains("not a checkpoint"));
}

#[test]
fn a_finished_run_is_what_it_was() {
    let folder = run_folder(3);
    let folder = folder.path();
    let result = json!({"accuracy": 0.5});
    write_result(folder, None, &result).unwrap();
    assert_eq!(finished::<Value>(folder).unwrap(), Some(result.clone()));
    for file in ["result.json", "config.toml", "metrics.csv", "alphas.csv"] {
        let path = folder.join(file);
        let content = fs::read(&path).unwrap();
        let mut flipped = content.clone();
        flipped[content.len() / 2] ^= 1;
        fs::write(&path, flipped).unwrap();
        let words = problem(finished::<Value>(folder));
        assert!(words.contains(file) && words.contains("altered"), "{words}");
        fs::remove_file(&path).unwrap();
        match finished::<Value>(folder) {
            // It is made again from the checkpoint.
            Ok(found) => assert_eq!((file, found), ("result.json", None)),
            Err(error) => assert!(error.to_string().contains(&format!("{file}: is missing")), "{error}"),
        }
        fs::write(&path, content).unwrap();
    }
    // Without the list nothing shows that the result is whole.
    fs::remove_file(folder.join("run.sha256")).unwrap();
    assert_eq!(finished::<Value>(folder).unwrap(), None);
}

#[test]
fn a_folder_that_cannot_be_read_is_an_error() {
    let folder = run_folder(2);
    let path = folder.path().join("config.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        // Root reads everything: a folder in its place cannot be read by anyone.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
    }
    assert!(problem(claim(folder.path(), &experiment(&[]), Existing::Resume)).contains("config.toml"));
}

/// Killed in the midst of it, it leaves no journal whose experiment is unknown.
#[test]
fn a_cleared_folder_loses_its_experiment_last() {
    let place = |name: &str| FILES.iter().position(|file| *file == name).unwrap();
    for file in FILES.iter().filter(|file| **file != "config.toml") {
        assert!(place(file) < place("config.toml"), "{file}");
    }
}

#[test]
fn one_run_at_a_time_uses_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/run");
    let mut log = lock(&path).unwrap();
    assert!(matches!(lock(&path), Err(FolderError::InUse { path: used }) if used == path));
    append_line(&mut log, "words").unwrap();
    assert!(fs::read_to_string(path.join(LOG)).unwrap().ends_with("Z\twords\n"));
    drop(log);
    lock(&path).unwrap();
}
