//! The endpoint of a connection, from the device file, then the SSH client's configuration, then defaults.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use nasprof_base::env_path::home;

use crate::error::LinkError;
use crate::file::DeviceFile;

/// A chain of jump hosts longer than this is a loop.
const MAX_JUMPS: usize = 4;
/// Used if neither the device file nor the SSH client's configuration names keys.
const USUAL_KEYS: [&str; 3] = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];
const USUAL_KNOWN_HOSTS: [&str; 2] = ["~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"];

/// One host to log in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Name or address to connect to.
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    /// Private keys, in the order in which they are tried.
    pub(crate) keys: Vec<PathBuf>,
    /// Whether the device file names the key. If so, the file must exist, and the user is asked for its passphrase before
    /// the SSH agent's keys are tried.
    pub(crate) key_is_given: bool,
    /// Whether only these of the SSH agent's keys may be tried.
    pub(crate) identities_only: bool,
    /// For a jump host: the key that the device file names for the board behind it, tried after all others are refused.
    pub(crate) last_key: Option<PathBuf>,
    /// Known-hosts files; new keys belong in the first.
    pub(crate) known_hosts: Vec<PathBuf>,
    /// The host's name in these files.
    pub(crate) known_as: String,
    /// The jump host through which it is reached.
    pub(crate) jump: Option<Box<Self>>,
}

/// The request; everything except the host may come from the configuration.
#[derive(Default)]
struct Wanted<'a> {
    host: &'a str,
    port: Option<u16>,
    user: Option<&'a str>,
    key: Option<&'a PathBuf>,
    last_key: Option<PathBuf>,
    known_hosts: Option<&'a PathBuf>,
    jump: Option<&'a str>,
}

impl Endpoint {
    /// The endpoint of a device file.
    pub(crate) fn of(file: &DeviceFile) -> Result<Self, LinkError> {
        let wanted = Wanted {
            host: file.host.as_deref().unwrap_or_default(),
            port: file.port,
            user: file.user.as_deref(),
            key: file.identity_file.as_ref(),
            last_key: None,
            known_hosts: file.known_hosts.as_ref(),
            jump: file.jump_host.as_deref(),
        };
        resolve(&wanted, 0)
    }

    /// `host:port`, for messages.
    pub(crate) fn shown(&self) -> String {
        format!("{}:{}", self.address, self.port)
    }
}

fn resolve(wanted: &Wanted<'_>, depth: usize) -> Result<Endpoint, LinkError> {
    let fail = |problem: String| LinkError::Configuration { host: wanted.host.to_owned(), problem };
    if depth > MAX_JUMPS {
        return Err(fail("its jump hosts form a loop".to_owned()));
    }
    let options = client_options(wanted).map_err(fail)?;
    let all = |key: &str| -> Vec<&str> {
        options.iter().filter(|(k, v)| k == key && v != "none").map(|(_, value)| value.as_str()).collect()
    };
    let one = |key: &str| all(key).first().map(|&value| value.to_owned());
    let address = one("hostname").unwrap_or_else(|| wanted.host.to_owned());
    let port = wanted.port.or_else(|| one("port")?.parse().ok()).unwrap_or(22);
    let user = wanted.user.map(ToOwned::to_owned).or_else(|| one("user")).or_else(this_user);
    let user = user.ok_or_else(|| fail("no user name is given, and this account has none".to_owned()))?;
    if wanted.jump.is_none() && one("proxycommand").is_some() {
        return Err(fail("ProxyCommand is not supported; use ProxyJump, or jump_host in the device file".to_owned()));
    }
    let given = wanted.key.map(|key| expand(&key.to_string_lossy(), &address, &user));
    let jump = match wanted.jump.map(ToOwned::to_owned).or_else(|| one("proxyjump")) {
        Some(chain) => Some(Box::new(jump(&chain, wanted, given.clone(), depth).map_err(|problem| match problem {
            Ok(error) => *error,
            Err(text) => fail(text),
        })?)),
        None => None,
    };
    let keys = match (given, all("identityfile")) {
        (Some(key), _) => vec![key],
        (None, named) if named.is_empty() => USUAL_KEYS.iter().map(|k| expand(k, &address, &user)).collect(),
        (None, named) => named.iter().map(|k| expand(k, &address, &user)).collect(),
    };
    let last_key = wanted.last_key.clone();
    let identities_only = one("identitiesonly").is_some_and(|value| value == "yes");
    let mut named = all("userknownhostsfile");
    named.extend(all("globalknownhostsfile"));
    let named: Vec<&str> = named.iter().flat_map(|files| files.split(' ')).collect();
    let named = if named.is_empty() { USUAL_KNOWN_HOSTS.to_vec() } else { named };
    let given = wanted.known_hosts.map(|file| file.to_string_lossy().into_owned());
    let known_hosts = match &given {
        // A jump host's key may be in the device file's known-hosts file or in those of the SSH client.
        Some(file) if depth > 0 => std::iter::once(file.as_str()).chain(named).collect(),
        Some(file) => vec![file.as_str()],
        None => named,
    };
    let known_hosts = known_hosts.iter().map(|f| expand(f, &address, &user)).collect();
    // An alias is used unchanged, as in OpenSSH. Otherwise the port is part of the name if it is not 22.
    let known_as = one("hostkeyalias").unwrap_or_else(|| match port {
        22 => address.clone(),
        port => format!("[{address}]:{port}"),
    });
    let key_is_given = wanted.key.is_some();
    Ok(Endpoint { address, port, user, keys, key_is_given, identities_only, last_key, known_hosts, known_as, jump })
}

/// The last host of a chain `a,b`, reached through the hosts before it. The error is that of another endpoint (inner `Ok`)
/// or a text.
fn jump(
    chain: &str,
    wanted: &Wanted<'_>,
    key: Option<PathBuf>,
    depth: usize,
) -> Result<Endpoint, Result<Box<LinkError>, String>> {
    let (before, last) = match chain.rsplit_once(',') {
        Some((before, last)) => (Some(before), last),
        None => (None, chain),
    };
    let (user, place) = match last.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, last),
    };
    let (host, port) = split_port(place).ok_or_else(|| Err(format!("`{last}` is not [user@]host[:port]")))?;
    // The device file's key is for the board. A jump host has its own keys; this one is tried only if those are refused.
    let last_key = key.or_else(|| wanted.last_key.clone());
    let jump = Wanted { host, port, user, key: None, last_key, known_hosts: wanted.known_hosts, jump: before };
    resolve(&jump, depth + 1).map_err(|error| Ok(Box::new(error)))
}

/// `host`, `host:port`, `[address]:port`, or a bare IPv6 address.
fn split_port(place: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match place.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Some((place, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((place, None)),
    }
    .filter(|(host, _)| !host.is_empty() && !host.starts_with('-'))
}

/// The SSH client's configuration for a host; empty if there is no client. The client itself reads its files, so `Include`,
/// `Match` and patterns have their usual meaning.
fn client_options(wanted: &Wanted<'_>) -> Result<Vec<(String, String)>, String> {
    let mut command = Command::new("ssh");
    command.arg("-G").stdin(Stdio::null());
    if let Some(user) = wanted.user {
        command.args(["-l", user]);
    }
    if let Some(port) = wanted.port {
        command.args(["-p", &port.to_string()]);
    }
    let output = match command.args(["--", wanted.host]).output() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(format!("cannot run `ssh -G`: {e}")),
        Ok(output) => output,
    };
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        return Err(format!("`ssh -G` says: {words}"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|l| l.split_once(' ')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
}

/// Expands `~/` and the tokens of the SSH client's configuration in a path.
fn expand(path: &str, address: &str, user: &str) -> PathBuf {
    // OpenSSH uses the account's home folder. Here `HOME` overrides it, so that a user can have another set of keys.
    let account = || nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir);
    let home = home().or_else(account).unwrap_or_else(|| PathBuf::from("/")).to_string_lossy().into_owned();
    let path = path.trim_matches('"');
    let path = match path.strip_prefix("~/") {
        Some(rest) => format!("{home}/{rest}"),
        None => path.to_owned(),
    };
    let mut expanded = String::new();
    let mut characters = path.chars();
    while let Some(c) = characters.next() {
        match (c, if c == '%' { characters.next() } else { None }) {
            ('%', Some('d')) => expanded.push_str(&home),
            ('%', Some('h')) => expanded.push_str(address),
            ('%', Some('r')) => expanded.push_str(user),
            ('%', Some('%')) => expanded.push('%'),
            ('%', Some(other)) => expanded.extend(['%', other]),
            (c, _) => expanded.push(c),
        }
    }
    PathBuf::from(expanded)
}

fn this_user() -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_split() {
        for (place, expected) in [
            ("a", Some(("a", None))),
            ("a:2222", Some(("a", Some(2222)))),
            ("[::1]:22", Some(("::1", Some(22)))),
            ("[::1]", Some(("::1", None))),
            ("fe80::1", Some(("fe80::1", None))),
            ("a:ssh", None),
            ("a:99999", None),
            ("[::1]x", None),
            ("", None),
            ("-oProxyCommand=x", None),
        ] {
            assert_eq!(split_port(place), expected, "{place}");
        }
    }

    #[test]
    fn a_device_file_goes_over_the_configuration() {
        let text = "format_version = 1\ntransport = \"ssh\"\nbackend = \"torch\"\nthreads = 1\nhost = \"192.0.2.7\"\n\
            port = 2222\nuser = \"pi\"\nidentity_file = \"/k/%h-%r\"\njump_host = \"me@192.0.2.1:2200\"\n";
        let endpoint = Endpoint::of(&toml::from_str(text).unwrap()).unwrap();
        assert_eq!((endpoint.shown().as_str(), endpoint.user.as_str()), ("192.0.2.7:2222", "pi"));
        assert_eq!(endpoint.known_as, "[192.0.2.7]:2222");
        assert_eq!(endpoint.keys, [PathBuf::from("/k/192.0.2.7-pi")]);
        let jump = endpoint.jump.as_ref().unwrap();
        assert_eq!((jump.shown().as_str(), jump.user.as_str()), ("192.0.2.1:2200", "me"));
        assert!(jump.jump.is_none());
        // The board's key is the last that the jump host is shown, not the first.
        assert!(!jump.key_is_given && !jump.keys.contains(&PathBuf::from("/k/192.0.2.7-pi")));
        assert_eq!(jump.last_key, Some(PathBuf::from("/k/192.0.2.7-pi")));
        assert!(endpoint.last_key.is_none() && endpoint.key_is_given);
    }
}
