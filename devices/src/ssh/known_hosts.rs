//! Lines of known-hosts files in the format of sshd(8): markers, pattern lists, hashed names.

/// The meaning of a line for its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// It is a key of the host.
    Trusted,
    /// It must never be accepted.
    Revoked,
    /// It signs hosts' certificates.
    Authority,
}

/// Reads one line. `name` is the host's name in the file; returns `None` for a line about other hosts or an invalid one. The
/// returned line names only this host, because libssh2 supports neither patterns nor marks. Hashed names are left unchanged,
/// because libssh2 can compare them.
pub(super) fn read(line: &str, name: &str) -> Option<(Mark, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (mark, rest) = match line.strip_prefix('@') {
        None => (Mark::Trusted, line),
        Some(marked) => {
            let (mark, rest) = marked.split_once([' ', '\t'])?;
            let mark = match mark {
                "revoked" => Mark::Revoked,
                "cert-authority" => Mark::Authority,
                _ => return None,
            };
            (mark, rest.trim_start())
        }
    };
    let (hosts, key) = rest.split_once([' ', '\t'])?;
    if hosts.starts_with('|') {
        return Some((mark, rest.to_owned()));
    }
    matches(hosts, name).then(|| (mark, format!("{name} {}", key.trim_start())))
}

/// Whether a list of patterns matches a host: at least one pattern matches, and no negated pattern does.
fn matches(patterns: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    let mut found = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if glob(&negated.to_lowercase(), &name) => return false,
            Some(_) => {}
            None => found |= glob(&pattern.to_lowercase(), &name),
        }
    }
    found
}

/// Matches `*` to any text and `?` to any one character. The time is at most proportional to the product of the lengths,
/// whatever the pattern.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to continue after a mismatch: after the last `*` in the pattern, one character further in the text.
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, from)) = back else { return false };
                back = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_openssh_means() {
        for (patterns, name, means) in [
            ("board", "board", true),
            ("Board", "bOARD", true),
            ("board", "board2", false),
            ("a,board,b", "board", true),
            ("*", "[10.0.0.7]:2222", true),
            ("*.example.org", "a.example.org", true),
            ("*.example.org", "example.org", false),
            ("*.example.org", "[a.example.org]:2222", false),
            ("[*.example.org]:2222", "[a.example.org]:2222", true),
            ("10.0.0.?", "10.0.0.7", true),
            ("10.0.0.?", "10.0.0.77", false),
            ("*.example.org,!bad.example.org", "a.example.org", true),
            ("*.example.org,!bad.example.org", "bad.example.org", false),
            ("!bad.example.org,*.example.org", "bad.example.org", false),
            ("!bad.example.org", "a.example.org", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-cd", false),
            ("", "board", false),
            ("", "", true),
        ] {
            assert_eq!(matches(patterns, name), means, "{patterns} / {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        assert!(!glob(&"*a".repeat(2000), &"a".repeat(1999)));
        assert!(glob(&"*a".repeat(2000), &"a".repeat(2000)));
    }

    #[test]
    fn marks_and_names_are_told_apart() {
        let read = |line: &str| super::read(line, "[board]:22");
        let key = "ssh-ed25519 AAAA a comment";
        let own = format!("[board]:22 {key}");
        assert_eq!(read(&format!("x,[board]:*  {key}")), Some((Mark::Trusted, own.clone())));
        assert_eq!(read(&format!("@revoked * {key}")), Some((Mark::Revoked, own.clone())));
        assert_eq!(read(&format!("  @cert-authority\t* {key}")), Some((Mark::Authority, own)));
        assert_eq!(read(&format!("|1|a|b {key}")), Some((Mark::Trusted, format!("|1|a|b {key}"))));
        for nothing in
            ["", "# no", "short", "@revoked", "@revoked-too * ssh-rsa A", "@other * ssh-rsa A", "other ssh-rsa A"]
        {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }
}
