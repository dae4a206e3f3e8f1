//! Login with keys only: from the SSH agent, or from key files, with a prompt for the passphrase.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use nasprof_base::env_path::env_path;
use ssh2::{ErrorCode, Session};

use super::endpoint::Endpoint;
use crate::error::{LinkError, lost};

/// Limits of attempts, because servers disconnect after a few refusals (OpenSSH's `MaxAuthTries` is 6).
const MAX_AGENT_KEYS: usize = 4;
const MAX_TRIES: usize = 5;
/// How often a passphrase may be mistyped.
const MAX_QUESTIONS: usize = 3;
/// Error of libssh2: the private key could not be read, for example because of a wrong passphrase.
const BAD_KEY_FILE: ErrorCode = ErrorCode::Session(-16);

/// Asks the user for the passphrase of a key file.
pub type AskPassphrase = Box<dyn FnMut(&Path) -> io::Result<String> + Send>;

/// Passphrases for logging in. The user is asked only once, so that a lost link is re-established without a prompt.
pub(crate) struct Credentials {
    ask: AskPassphrase,
    passphrases: BTreeMap<PathBuf, String>,
}

impl Credentials {
    pub(crate) fn new(ask: AskPassphrase) -> Self {
        Self { ask, passphrases: BTreeMap::new() }
    }

    /// Logs in. The order is: the host's key files without a passphrase, the SSH agent's keys, key files with a passphrase
    /// (which the agent may already have unlocked), and last the key of the board behind a jump host. If the device file
    /// names a key for this host, that key comes first, with a prompt if necessary.
    pub(super) fn log_in(&mut self, session: &Session, endpoint: &Endpoint) -> Result<(), LinkError> {
        let mut tried = Vec::new();
        let first = if endpoint.key_is_given { Files::All } else { Files::Plain };
        if self.by_files(session, endpoint, first, &mut tried)? || by_agent(session, endpoint, &mut tried) {
            return Ok(());
        }
        if !endpoint.key_is_given && self.by_files(session, endpoint, Files::Locked, &mut tried)? {
            return Ok(());
        }
        if let Some(key) = &endpoint.last_key
            && !endpoint.keys.contains(key)
            && let Ok(text) = fs::read(key)
            && self.by_file(session, endpoint, key, is_encrypted(&text))?
        {
            return Ok(());
        }
        let tried = if tried.is_empty() { "no key was found".to_owned() } else { tried.join(", ") };
        Err(LinkError::Login { user: endpoint.user.clone(), host: endpoint.shown(), tried })
    }

    fn by_files(
        &mut self,
        session: &Session,
        endpoint: &Endpoint,
        files: Files,
        tried: &mut Vec<String>,
    ) -> Result<bool, LinkError> {
        for path in &endpoint.keys {
            let text = match fs::read(path) {
                Ok(text) => text,
                Err(e) if endpoint.key_is_given => {
                    return Err(LinkError::Key { path: path.display().to_string(), problem: e.to_string() });
                }
                Err(_) => continue,
            };
            let locked = is_encrypted(&text);
            if matches!((files, locked), (Files::Plain, true) | (Files::Locked, false)) {
                continue;
            }
            match self.by_file(session, endpoint, path, locked) {
                Ok(true) => return Ok(true),
                Ok(false) => tried.push(path.display().to_string()),
                // An unreadable key is skipped if the device file does not name it.
                Err(LinkError::Key { path, problem }) if !endpoint.key_is_given && !locked => {
                    tried.push(format!("{path} ({problem})"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Whether the host accepts the key.
    fn by_file(
        &mut self,
        session: &Session,
        endpoint: &Endpoint,
        path: &Path,
        encrypted: bool,
    ) -> Result<bool, LinkError> {
        let key = |problem: &str| LinkError::Key { path: path.display().to_string(), problem: problem.to_owned() };
        let mut questions = 0;
        loop {
            if encrypted && !self.passphrases.contains_key(path) {
                questions += 1;
                let passphrase = (self.ask)(path).map_err(|e| key(&format!("cannot ask for its passphrase: {e}")))?;
                self.passphrases.insert(path.to_owned(), passphrase);
            }
            let passphrase = self.passphrases.get(path).map(String::as_str);
            match session.userauth_pubkey_file(&endpoint.user, None, path, passphrase) {
                Ok(()) => return Ok(true),
                Err(e) if e.code() == BAD_KEY_FILE && encrypted => {
                    self.passphrases.remove(path);
                    if questions >= MAX_QUESTIONS {
                        return Err(key("the passphrase is wrong"));
                    }
                }
                Err(e) if e.code() == BAD_KEY_FILE => return Err(key("is not a readable private key")),
                // A refused key is not an error of the link; if the link is broken, the next step fails.
                Err(_) => return Ok(false),
            }
        }
    }
}

/// The key files to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Files {
    All,
    /// Those without a passphrase.
    Plain,
    /// Those with one.
    Locked,
}

/// Whether the host accepts one of the SSH agent's keys. Without an agent, or with an empty one, nothing is added to
/// `tried`.
fn by_agent(session: &Session, endpoint: &Endpoint, tried: &mut Vec<String>) -> bool {
    if env_path("SSH_AUTH_SOCK").is_none() {
        return false;
    }
    let identities = session.agent().and_then(|mut agent| {
        agent.connect()?;
        agent.list_identities()?;
        agent.identities().map(|identities| (agent, identities))
    });
    let Ok((agent, identities)) = identities else {
        tried.push("the SSH agent (it does not answer)".to_owned());
        return false;
    };
    // With `IdentitiesOnly`, an agent's key counts only if it belongs to one of the key files.
    let named: Vec<Vec<u8>> = endpoint.keys.iter().filter_map(|path| public_key(path)).collect();
    let allowed = |blob: &[u8]| !endpoint.identities_only || named.iter().any(|key| key == blob);
    let left = MAX_TRIES.saturating_sub(tried.len()).min(MAX_AGENT_KEYS);
    for identity in identities.iter().filter(|identity| allowed(identity.blob())).take(left) {
        if agent.userauth(&endpoint.user, identity).is_ok() {
            return true;
        }
        tried.push(format!("the SSH agent's `{}`", identity.comment()));
    }
    false
}

/// The public key from the file beside a private key, in the format of the agent protocol.
fn public_key(private: &Path) -> Option<Vec<u8>> {
    let mut name = private.as_os_str().to_owned();
    name.push(".pub");
    let text = fs::read_to_string(name).ok()?;
    Base64::decode_vec(text.split_whitespace().nth(1)?).ok()
}

/// Whether a private key needs a passphrase: OpenSSH's format names its cipher, PEM contains the word `ENCRYPTED`.
fn is_encrypted(key: &[u8]) -> bool {
    let text = String::from_utf8_lossy(key);
    if !text.contains("BEGIN OPENSSH PRIVATE KEY") {
        return text.contains("ENCRYPTED");
    }
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let Ok(bytes) = Base64::decode_vec(&body) else { return false };
    // The magic is followed by the length of the cipher's name.
    !bytes.strip_prefix(b"openssh-key-v1\0\0\0\0\x04").is_some_and(|rest| rest.starts_with(b"none"))
}

/// Checks the account's methods. Returns whether it needs no key; an account that accepts no keys is an error.
pub(super) fn check_methods(session: &Session, endpoint: &Endpoint) -> Result<bool, LinkError> {
    match session.auth_methods(&endpoint.user) {
        Ok(methods) if methods.split(',').any(|m| m == "publickey") => Ok(false),
        Ok(methods) => Err(LinkError::Login {
            user: endpoint.user.clone(),
            host: endpoint.shown(),
            tried: format!("nothing, because the host accepts no keys, only {methods}"),
        }),
        Err(_) if session.authenticated() => Ok(true),
        Err(e) => Err(lost(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::is_encrypted;

    #[test]
    fn encrypted_keys_are_told_from_plain_ones() {
        let openssh = |cipher: &[u8]| {
            let mut bytes = b"openssh-key-v1\0\0\0\0".to_vec();
            bytes.push(cipher.len() as u8);
            bytes.extend(cipher);
            let body = <base64ct::Base64 as base64ct::Encoding>::encode_string(&bytes);
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n")
        };
        assert!(!is_encrypted(openssh(b"none").as_bytes()));
        assert!(is_encrypted(openssh(b"aes256-ctr").as_bytes()));
        assert!(is_encrypted(b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"));
        assert!(!is_encrypted(b"-----BEGIN RSA PRIVATE KEY-----\nMII"));
        assert!(!is_encrypted(b"\xff\xfe garbage"));
    }
}
