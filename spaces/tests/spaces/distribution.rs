//! Files of probabilities of the candidates.

use std::collections::BTreeMap;

use nasprof_graph::distribution::DistributionFile;
use nasprof_spaces::Space;

#[test]
fn files_round_trip_and_name_what_is_wrong() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let uniform = space.uniform_probabilities();
    let file = DistributionFile::new(&space.name, &space.choices, &uniform);
    let text = serde_json::to_string(&file).unwrap();
    let mut read: DistributionFile = serde_json::from_str(&text).unwrap();
    assert_eq!(read.resolve(&space.name, &space.choices).unwrap(), uniform);
    let mut fails = |change: &dyn Fn(&mut DistributionFile)| {
        let before = read.clone();
        change(&mut read);
        let error = read.resolve(&space.name, &space.choices).unwrap_err().to_string();
        read = before;
        error
    };
    assert!(fails(&|f| f.format_version = 2).contains("format_version 2"));
    assert!(fails(&|f| f.space = "darts".to_owned()).contains("of space `darts`"));
    assert!(fails(&|f| f.choices.clear()).contains("has no selection"));
    let extra = |f: &mut DistributionFile| drop(f.choices.insert("blocks/99".to_owned(), BTreeMap::new()));
    assert!(fails(&extra).contains("no choice `blocks/99` (did you mean `blocks/19`?)"));
    let candidate = |f: &mut DistributionFile| {
        for candidates in f.choices.values_mut() {
            candidates.insert("MB3 3x4".to_owned(), 0.0);
        }
    };
    assert!(fails(&candidate).contains("no candidate `MB3 3x4` (did you mean `MB3 3x3`?)"));
}
