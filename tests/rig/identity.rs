//! Who is believed, and who lets us in.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::board::{Board, MEASURE, board, device_file, make_key};
use crate::harness::{Folder, Ran};
use crate::processes::{descendants, wait_until};

#[test]
fn an_unknown_host_is_refused_and_the_shown_command_adds_it() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    fs::remove_file(folder.path("known")).unwrap();
    let ran = folder.fails(MEASURE, 2, "unknown host key");
    let printed = Command::new("ssh-keygen").arg("-lf").arg(board.path("host.pub")).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let fingerprint = printed.split_whitespace().nth(1).unwrap();
    assert!(fingerprint.starts_with("SHA256:") && ran.stderr.contains(fingerprint), "{}", ran.stderr);
    let command = ran.stderr.split_once("equal: ").unwrap().1.trim();
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success());
    folder.ok(MEASURE);
}

/// OpenSSH writes names as hashes on many systems, and several kinds of keys.
#[test]
fn known_hosts_files_of_openssh_are_understood() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    let known = folder.path("known");
    let run = || folder.run("devices check board").code;
    assert!(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&known).status().unwrap().success());
    let hashed = fs::read_to_string(&known).unwrap();
    assert!(hashed.starts_with("|1|"));
    assert_eq!(run(), Some(0));

    let name = format!("[127.0.0.1]:{}", board.port);
    let other = fs::read_to_string(board.path("other.pub")).unwrap();
    let garbage = "\u{0}garbage\n@cert-authority * ssh-ed25519 AAAA\n|1|x|y ssh-ed25519 zzz\n# no\n\nshort\n";
    fs::write(&known, format!("{garbage}{hashed}")).unwrap();
    assert_eq!(run(), Some(0), "lines that mean nothing hide nobody");
    fs::write(&known, format!("{name} {other}{hashed}")).unwrap();
    assert_eq!(run(), Some(0), "one of several keys of a host is right");

    // The key of the same name at another port is somebody else's.
    fs::write(&known, hashed.replace("|1|", "|2|") + &format!("[127.0.0.1]:1 {other}")).unwrap();
    folder.fails(MEASURE, 2, "unknown host key");
    fs::write(&known, format!("127.0.0.1 {}", fs::read_to_string(board.path("host.pub")).unwrap())).unwrap();
    folder.fails(MEASURE, 2, "unknown host key");
}

#[test]
fn a_changed_or_revoked_key_is_always_refused() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    // Control: with the right key it is let through.
    folder.ok("devices check board");
    fs::remove_dir_all(board.work()).unwrap();
    let right = fs::read_to_string(folder.path("known")).unwrap();
    let name = format!("[127.0.0.1]:{}", board.port);
    let other = fs::read_to_string(board.path("other.pub")).unwrap();
    fs::write(folder.path("known"), format!("{name} {other}")).unwrap();
    let ran = folder.fails(MEASURE, 2, "CHANGED");
    assert!(ran.stderr.contains("ssh-keygen -R"), "{}", ran.stderr);
    assert_eq!(folder.run("devices check board").code, Some(2));
    // The right key as well, but taken back.
    fs::write(folder.path("known"), format!("{right}@revoked {right}")).unwrap();
    folder.fails(MEASURE, 2, "revoked");
    assert!(!board.work().exists(), "a host that is not believed is not used");
}

/// Patterns count as OpenSSH reads them, for trust and for its withdrawal; of certificates it is said that they do not.
#[test]
fn patterns_of_hosts_are_matched_and_certificates_are_named() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    let key = fs::read_to_string(board.path("host.pub")).unwrap();
    let other = fs::read_to_string(board.path("other.pub")).unwrap();
    let known = |text: String| fs::write(folder.path("known"), text).unwrap();
    for patterns in ["*", "[127.0.0.?]:*", "x,[127.*]:*,!y"] {
        known(format!("{patterns} {key}"));
        folder.ok("devices check board");
    }
    for patterns in ["*,![127.0.0.1]:*", "127.0.0.*", "!x"] {
        known(format!("{patterns} {key}"));
        folder.fails(MEASURE, 2, "unknown host key");
    }
    known(format!("[127.*]:* {other}"));
    folder.fails(MEASURE, 2, "CHANGED");
    known(format!("[127.*]:* {key}@revoked * {key}"));
    folder.fails(MEASURE, 2, "revoked");
    known(format!("@cert-authority [127.*]:* {other}"));
    folder.fails(MEASURE, 2, "certificates are not supported");
    // Control: an authority for others is none of ours, and beside the host's own key it changes nothing.
    known(format!("@cert-authority *.example.org {other}"));
    let ran = folder.fails(MEASURE, 2, "unknown host key");
    assert!(!ran.stderr.contains("certificates"), "{}", ran.stderr);
    known(format!("@cert-authority * {other}* {key}"));
    folder.ok("devices check board");
}

/// A host that is known by one kind of key and shows another: nobody can tell whether it is the same.
#[test]
fn a_host_is_asked_for_the_kind_of_key_that_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let rsa = folder.path().join("rsa");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"]).arg(&rsa).status();
    assert!(made.unwrap().success());
    let Some(board) = Board::with(&format!("HostKey {}", rsa.display()), &[], "127.0.0.1") else { return };
    let user = board.folder(board.port);
    let public = fs::read_to_string(rsa.with_extension("pub")).unwrap();
    fs::write(user.path("known"), format!("[127.0.0.1]:{} {public}", board.port)).unwrap();
    user.ok("devices check board");
    user.ok(MEASURE);
}

#[test]
fn a_wrong_user_key_is_refused_with_what_was_tried() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    let other = board.path("other").display().to_string();
    let ran = folder.fails(&format!("{MEASURE} --set identity_file={other}"), 2, "refuses the login");
    assert!(ran.stderr.contains(&other) && ran.stderr.contains("authorized_keys"), "{}", ran.stderr);
    folder.fails(&format!("{MEASURE} --set identity_file=/absent/key"), 2, "/absent/key");
    folder.fails(
        &format!("{MEASURE} --set identity_file={}", folder.path("known").display()),
        2,
        "not a readable private key",
    );
    folder.fails(&format!("{MEASURE} --set user=nobody-at-all"), 2, "refuses the login");
}

#[test]
fn an_encrypted_key_is_unlocked_by_its_passphrase_or_by_the_ssh_agent() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    let key = board.path("locked");
    make_key(&key, "open sesame");
    fs::copy(key.with_extension("pub"), board.path("authorized")).unwrap();
    let check = format!("devices check board --set identity_file={}", key.display());
    // Without a terminal there is nobody to ask.
    folder.fails(&check, 2, "");
    // On a terminal that `script` makes; each answer is typed when it is asked for, as it would show before.
    let asked = |answers: &[&str]| {
        let inner = folder.command(&check);
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{:?} {check}", inner.get_program()), "/dev/null"]);
        script.current_dir(inner.get_current_dir().unwrap()).stdin(Stdio::piped()).stdout(Stdio::piped());
        script.env_remove("SSH_AUTH_SOCK").envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut child = script.spawn().unwrap();
        let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut terminal, mut buffer, mut answers) = (String::new(), [0; 1024], answers.iter());
        let mut questions = 0;
        while let Ok(n @ 1..) = output.read(&mut buffer) {
            terminal.push_str(&String::from_utf8_lossy(&buffer[..n]));
            if terminal.matches("Passphrase of").count() > questions {
                questions += 1;
                // The terminal goes silent right after the question; what is typed before that shows.
                wait_until("the terminal is silent", || is_silent(child.id()));
                writeln!(input, "{}", answers.next().unwrap()).unwrap();
            }
        }
        (child.wait().unwrap().code(), terminal)
    };
    if Command::new("script").arg("--version").output().is_err() {
        nasprof_testkit::skip::skip("in part: this machine has no `script` to make a terminal");
    } else {
        let (code, terminal) = asked(&["wrong", "open sesame"]);
        assert_eq!(code, Some(0), "{terminal}");
        assert!(terminal.contains("Passphrase of") && !terminal.contains("open sesame"), "{terminal}");
        let (code, terminal) = asked(&["a", "b", "c"]);
        assert!(code == Some(2) && terminal.contains("passphrase is wrong"), "{terminal}");
    }

    let socket = board.path("agent.socket");
    let mut agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the SSH agent", || socket.exists());
    let run = || {
        let mut command = folder.command("devices check board --set identity_file=/absent/key");
        command.env("SSH_AUTH_SOCK", &socket).output().unwrap().status.code()
    };
    let text = fs::read_to_string(folder.path("nasprof/devices/board.toml")).unwrap();
    assert_eq!(run(), Some(2));
    let without = |key: &str| text.lines().filter(|l| !l.starts_with(key)).collect::<Vec<_>>().join("\n");
    device_file(&folder, &without("identity_file"));
    let run = || folder.command("devices check board").env("SSH_AUTH_SOCK", &socket).output().unwrap().status.code();
    assert_eq!(run(), Some(2), "an agent without keys");
    fs::copy(board.path("user.pub"), board.path("authorized")).unwrap();
    let added = Command::new("ssh-add").arg("-q").arg(board.path("user")).env("SSH_AUTH_SOCK", &socket).status();
    assert!(added.unwrap().success());
    assert_eq!(run(), Some(0));
    agent.kill().unwrap();
    agent.wait().unwrap();
}

/// Whether the terminal of a program below `script` does not show what is typed.
fn is_silent(script: u32) -> bool {
    descendants(script).into_iter().any(|process| {
        let Ok(terminal) = fs::read_link(format!("/proc/{}/fd/0", process.pid)) else { return false };
        let state = Command::new("stty").arg("-a").arg("-F").arg(terminal).output();
        state.is_ok_and(|state| String::from_utf8_lossy(&state.stdout).split_whitespace().any(|word| word == "-echo"))
    })
}

/// An SSH client in the folder whose configuration is the folder's `ssh_config`; what runs with it.
fn with_client(folder: &Folder, line: &str, socket: Option<&Path>) -> Ran {
    let bin = folder.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let client = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", folder.path("ssh_config").display());
    fs::write(bin.join("ssh"), client).unwrap();
    fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = folder.command(line);
    // Neither the keys nor the known hosts of whoever runs the tests.
    command.env("PATH", path).env("HOME", folder.path("home"));
    if let Some(socket) = socket {
        command.env("SSH_AUTH_SOCK", socket);
    }
    command.output().unwrap().into()
}

/// A jump host has its own key, in the SSH client's configuration or in the SSH agent; the device file's is the board's.
#[test]
fn each_hop_uses_its_own_key_and_then_the_ssh_agents() {
    let (Some(gate), Some(board)) = (board(), board()) else { return };
    // The gate takes its own key only, the board its own only.
    let folder = board.folder_at("127.0.0.1", board.port, "jump_host = \"gate\"");
    let known = format!("{}{}", board.known("127.0.0.1", board.port), gate.known("127.0.0.1", gate.port));
    fs::write(folder.path("known"), known).unwrap();
    let configure = |key: &Path, more: &str| {
        let (port, key) = (gate.port, key.display());
        let text = format!("Host gate\n HostName 127.0.0.1\n Port {port}\n IdentityFile {key}\n {more}\n");
        fs::write(folder.path("ssh_config"), text).unwrap();
    };
    let check = |socket: Option<&Path>| with_client(&folder, "devices check board", socket);
    configure(&gate.path("user"), "IdentitiesOnly yes");
    let ran = check(None);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let ran = with_client(&folder, MEASURE, None);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);

    // Control: with another key the gate is closed, and it is the gate that is named.
    configure(&gate.path("other"), "IdentitiesOnly yes");
    let ran = check(None);
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
    let gate_name = format!("127.0.0.1:{} refuses the login", gate.port);
    assert!(ran.stdout.contains(&gate_name), "{}", ran.stdout);

    // Then the SSH agent's, unless the configuration wants none but its own.
    let socket = gate.path("agent.socket");
    let mut agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the SSH agent", || socket.exists());
    let add = |key: &Path| {
        let added = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &socket).status().unwrap();
        assert!(added.success());
    };
    add(&gate.path("user"));
    let refused = check(Some(&socket)).code;
    configure(&gate.path("other"), "");
    let taken = check(Some(&socket));
    // A locked key of the configuration is unlocked by the agent without a question.
    make_key(&gate.path("locked"), "open sesame");
    fs::copy(gate.path("locked.pub"), gate.path("authorized")).unwrap();
    configure(&gate.path("locked"), "IdentitiesOnly yes");
    let locked = check(Some(&socket)).code;
    fs::copy(gate.path("user.pub"), gate.path("locked.pub")).unwrap();
    fs::copy(gate.path("user.pub"), gate.path("authorized")).unwrap();
    let unlocked = check(Some(&socket));
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!(refused, Some(2), "IdentitiesOnly");
    assert_eq!(taken.code, Some(0), "{}{}", taken.stdout, taken.stderr);
    assert_ne!(locked, Some(0), "nobody knows the passphrase");
    assert_eq!(unlocked.code, Some(0), "{}{}", unlocked.stdout, unlocked.stderr);
}

#[test]
fn a_board_behind_a_jump_host_is_reached() {
    let (Some(gate), Some(mut board)) = (board(), board()) else { return };
    // Both take the same key and stand in one file.
    fs::copy(board.path("user.pub"), gate.path("authorized")).unwrap();
    let more = format!("jump_host = \"127.0.0.1:{}\"", gate.port);
    let folder = board.folder_at("127.0.0.1", board.port, &more);
    let known = board.known("127.0.0.1", board.port);
    let ran = folder.fails(MEASURE, 2, "unknown host key");
    assert!(ran.stderr.contains(&gate.port.to_string()), "{}", ran.stderr);
    fs::write(folder.path("known"), format!("{known}{}", gate.known("127.0.0.1", gate.port))).unwrap();
    folder.ok(MEASURE);
    assert_eq!(folder.read("a.parquet"), crate::board::undisturbed(MEASURE).read("a.parquet"));
    board.kill_sshd();
    let ran = folder.fails("devices check board", 5, "");
    assert!(ran.stdout.contains("jump host"), "{}", ran.stdout);
}

/// The SSH client's own configuration says what an alias means; here through a client that reads a file of the test.
#[test]
fn an_alias_of_the_ssh_client_is_followed() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    let alias = format!(
        "Host my-alias\n HostName 127.0.0.1\n Port {}\n IdentityFile {}\n UserKnownHostsFile {}\n HostKeyAlias the-board\n",
        board.port,
        board.path("user").display(),
        folder.path("known").display()
    );
    fs::write(folder.path("ssh_config"), alias).unwrap();
    let text = format!(
        "format_version = 1\ntransport = \"ssh\"\nbackend = \"synthetic:quiet\"\nthreads = 1\nhost = \"my-alias\"\n\
         work_folder = {:?}\n",
        board.work()
    );
    device_file(&folder, &text);
    let run = |line: &str| {
        let ran = with_client(&folder, line, None);
        (ran.code, ran.stderr)
    };
    let (code, words) = run(MEASURE);
    assert!(code == Some(2) && words.contains("the-board"), "the key is looked for under its alias: {words}");
    let key = fs::read_to_string(board.path("host.pub")).unwrap();
    fs::write(folder.path("known"), format!("the-board {key}")).unwrap();
    let (code, words) = run(MEASURE);
    assert_eq!(code, Some(0), "{words}");
    fs::write(folder.path("ssh_config"), "Host my-alias\n ProxyCommand nc %h %p\n").unwrap();
    let (code, words) = run(&format!("{MEASURE} --resume"));
    assert!(code == Some(2) && words.contains("ProxyCommand"), "{words}");
}
