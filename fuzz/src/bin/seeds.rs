//! Writes the seeds of a target, one file each: `seeds TARGET FOLDER`. Without arguments, prints the targets.

use std::path::PathBuf;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = &arguments[..] else {
        nasprof_fuzz::TARGETS.iter().for_each(|target| println!("{}", target.name));
        return;
    };
    let target = nasprof_fuzz::TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder).expect("a folder is made");
    for (i, seed) in (target.seeds)().into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{i}")), seed).expect("a seed is written");
    }
}
