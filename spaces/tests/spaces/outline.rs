//! Modules of spaces: what pictures and reports sum up.

use nasprof_spaces::Space;

#[test]
fn modules_cover_the_graph() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let modules = space.graph.modules();
    let names: Vec<&str> = modules.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names[..3], ["stem", "first", "blocks/0"]);
    assert_eq!(names.len(), 2 + 21 + 2);
    assert_eq!(modules.iter().map(|m| m.params).sum::<u64>(), space.graph.cost().params);
    assert_eq!(modules.iter().map(|m| m.choices.len()).sum::<usize>(), 21);
    assert_eq!(modules[2].output.0, [1, 24, 16, 16]);
}

#[test]
fn shared_parameters_count_once() {
    let space = Space::builtin("ofa-mbv3").unwrap();
    let total: u64 = space.graph.modules().iter().map(|m| m.params).sum();
    assert_eq!(total, space.graph.cost().params);
}
