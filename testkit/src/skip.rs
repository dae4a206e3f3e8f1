//! Skips tests that cannot run on this machine.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Write;

/// Set to 1 where every test must run.
const NO_SKIP: &str = "NASPROF_TEST_NO_SKIP";

/// Prints why a test, or a part of it, is not run here. The caller then leaves it out.
///
/// # Panics
/// If `NASPROF_TEST_NO_SKIP` is 1: then every test must run.
pub fn skip(reason: impl Display) {
    let words = told(&reason, std::env::var_os(NO_SKIP).as_deref());
    // A closed error output is ignored.
    let _ = writeln!(std::io::stderr(), "{words}");
}

fn told(reason: &impl Display, no_skip: Option<&OsStr>) -> String {
    assert!(no_skip.is_none_or(|value| value != "1"), "{NO_SKIP} is 1, and this test would be skipped: {reason}");
    format!("SKIPPED: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_says_why() {
        for allowed in [None, Some("0"), Some("")] {
            assert_eq!(told(&"no sshd", allowed.map(OsStr::new)), "SKIPPED: no sshd");
        }
    }

    #[test]
    #[should_panic(expected = "would be skipped: no sshd")]
    fn a_skip_fails_where_every_test_must_run() {
        told(&"no sshd", Some(OsStr::new("1")));
    }
}
