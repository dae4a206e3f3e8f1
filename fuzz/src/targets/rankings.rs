//! Architectures in lines, and tables of networks with scores.

use nasprof_graph::arch::ArchFile;
use nasprof_graph::arch_reader::ArchReader;
use nasprof_search::ranking::read_table;

use super::measured;

/// What the fast reader reads is what the careful one reads.
pub(super) fn archs(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let space = measured::space();
    let fast = ArchReader::new(&space.name, &space.choices).read(text);
    let careful = ArchFile::parse(text).and_then(|file| file.resolve(&space.name, &space.choices)).ok();
    assert!(fast.is_none() || fast == careful, "the two readers differ");
    if let Some(arch) = fast {
        let written = ArchFile::new(&space.name, &space.choices, &arch);
        let text = serde_json::to_string(&written).expect("an architecture is written");
        assert_eq!(ArchReader::new(&space.name, &space.choices).read(&text), Some(arch), "what is written is read");
    }
}

fn arch(candidate: u16) -> String {
    let space = measured::space();
    let selected = space.choices.iter().map(|choice| candidate % choice.candidates.len() as u16).collect();
    let file = ArchFile::new(&space.name, &space.choices, &nasprof_graph::Arch(selected));
    serde_json::to_string(&file).expect("an architecture is written")
}

pub(super) fn arch_seeds() -> Vec<Vec<u8>> {
    (0..2).map(|candidate| arch(candidate).into_bytes()).collect()
}

/// Each network of a table is one of the space, has a number, and stands once.
pub(super) fn table(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let space = measured::space();
    let Ok(networks) = read_table(text, "accuracy", &space) else { return };
    assert!(!networks.is_empty() && networks.iter().all(|network| network.score.is_finite()));
    for (i, network) in networks.iter().enumerate() {
        let fits = network.arch.0.iter().zip(&space.choices).all(|(&s, c)| usize::from(s) < c.candidates.len());
        assert!(fits && network.arch.0.len() == space.choices.len(), "not of the space");
        assert!(networks[..i].iter().all(|other| other.arch != network.arch), "twice");
    }
}

pub(super) fn table_seeds() -> Vec<Vec<u8>> {
    let quoted = |candidate| arch(candidate).replace('"', "\"\"");
    let text = format!("more,arch,accuracy\n1,\"{}\",0.91\n2,\"{}\",0.5\n", quoted(0), quoted(1));
    vec![text.into_bytes()]
}
