//! Links libtorch, as the agent does.

#[path = "../profiler/link.rs"]
mod link;

fn main() {
    link::libtorch();
}
