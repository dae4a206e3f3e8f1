//! Verifies the host key. Only keys in a known-hosts file are trusted.

use std::fs;
use std::path::PathBuf;

use base64ct::{Base64, Base64Unpadded, Encoding};
use ssh2::{CheckResult, HostKeyType, KnownHostFileKind, KnownHosts, MethodType, Session};

use super::endpoint::Endpoint;
use super::known_hosts::{self, Mark};
use crate::error::{LinkError, lost};

/// Kinds of keys in OpenSSH's order of preference, with the signature methods that prove them.
const KINDS: [(&str, &str); 5] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    ("ssh-rsa", "rsa-sha2-512,rsa-sha2-256"),
];

/// Prefers kinds of keys that are already known for the host, as OpenSSH does; call it before the handshake.
pub(super) fn prefer_known(session: &Session, endpoint: &Endpoint) -> Result<(), LinkError> {
    let lines = Lines::read(endpoint);
    let mut kinds = KINDS.to_vec();
    // A stable sort: OpenSSH's order is kept within the known kinds and within the unknown ones.
    kinds.sort_by_key(|(kind, _)| !lines.knows(session, endpoint, kind));
    let methods: Vec<&str> = kinds.iter().map(|(_, methods)| *methods).collect();
    session.method_pref(MethodType::HostKey, &methods.join(",")).map_err(lost)
}

/// Refuses a host whose key is not known, differs from the known one, or is revoked.
pub(super) fn check(session: &Session, endpoint: &Endpoint) -> Result<(), LinkError> {
    let (key, kind) = session.host_key().ok_or_else(|| lost("the host has no key"))?;
    let kind = kind_name(kind);
    let name = endpoint.known_as.clone();
    let fingerprint = fingerprint(session);
    let lines = Lines::read(endpoint);
    if matches!(lines.hosts(session, &lines.revoked)?.check(&name, key), CheckResult::Match) {
        return Err(LinkError::RevokedHostKey { name, fingerprint });
    }
    match lines.hosts(session, &lines.trusted)?.check(&name, key) {
        CheckResult::Match => Ok(()),
        CheckResult::Mismatch => {
            let files = endpoint.known_hosts.iter().filter(|f| f.exists());
            let file = files.map(|f| f.display().to_string()).collect::<Vec<_>>().join(" or ");
            Err(LinkError::ChangedHostKey { name, kind, fingerprint, file })
        }
        CheckResult::NotFound => {
            let line = format!("{name} {kind} {}", Base64::encode_string(key));
            let file = endpoint.known_hosts.first().cloned().unwrap_or_else(|| PathBuf::from("~/.ssh/known_hosts"));
            let certified = lines.name(session, endpoint, &lines.authorities);
            Err(LinkError::UnknownHostKey { name, kind, fingerprint, line, file: file.into(), certified })
        }
        CheckResult::Failure => Err(LinkError::protocol("the host's key cannot be compared")),
    }
}

/// `SHA256:…` of the host's key, as OpenSSH prints it.
pub(super) fn fingerprint(session: &Session) -> String {
    let hash = session.host_key_hash(ssh2::HashType::Sha256).map(Base64Unpadded::encode_string);
    format!("SHA256:{}", hash.unwrap_or_default())
}

/// The lines of all known-hosts files that may match the host, by their meaning.
struct Lines {
    trusted: Vec<String>,
    revoked: Vec<String>,
    authorities: Vec<String>,
}

impl Lines {
    /// Reads the lines; missing and unreadable files count as empty.
    fn read(endpoint: &Endpoint) -> Self {
        let mut lines = Self { trusted: Vec::new(), revoked: Vec::new(), authorities: Vec::new() };
        for text in endpoint.known_hosts.iter().filter_map(|file| fs::read(file).ok()) {
            for line in String::from_utf8_lossy(&text).lines() {
                match known_hosts::read(line, &endpoint.known_as) {
                    Some((Mark::Trusted, line)) => lines.trusted.push(line),
                    Some((Mark::Revoked, line)) => lines.revoked.push(line),
                    Some((Mark::Authority, line)) => lines.authorities.push(line),
                    None => {}
                }
            }
        }
        lines
    }

    /// Whether one of these lines matches the host, whatever key the line has.
    fn name(&self, session: &Session, endpoint: &Endpoint, lines: &[String]) -> bool {
        self.hosts(session, lines)
            .is_ok_and(|hosts| matches!(hosts.check(&endpoint.known_as, b"no key"), CheckResult::Mismatch))
    }

    fn hosts(&self, session: &Session, lines: &[String]) -> Result<KnownHosts, LinkError> {
        let mut hosts = session.known_hosts().map_err(lost)?;
        for line in lines {
            // An invalid line is ignored; the other lines still count.
            let _ = hosts.read_str(line, KnownHostFileKind::OpenSSH);
        }
        Ok(hosts)
    }

    /// Whether the files contain a key of this kind for the host, under its name or a hash of it. Any other key of that kind
    /// would be a mismatch.
    fn knows(&self, session: &Session, endpoint: &Endpoint, kind: &str) -> bool {
        let of_kind = self.trusted.iter().filter(|line| line.split_whitespace().nth(1) == Some(kind));
        let of_kind: Vec<String> = of_kind.cloned().collect();
        self.name(session, endpoint, &of_kind)
    }
}

fn kind_name(kind: HostKeyType) -> String {
    let name = match kind {
        HostKeyType::Rsa => "ssh-rsa",
        HostKeyType::Dss => "ssh-dss",
        HostKeyType::Ecdsa256 => "ecdsa-sha2-nistp256",
        HostKeyType::Ecdsa384 => "ecdsa-sha2-nistp384",
        HostKeyType::Ecdsa521 => "ecdsa-sha2-nistp521",
        HostKeyType::Ed25519 => "ssh-ed25519",
        HostKeyType::Unknown => "unknown",
    };
    name.to_owned()
}
