//! Validation of device files.

use nasprof_profiler::protocol::{Layout, Precision};

use super::{COMMAND, ClockCommands, DeviceFile, Transport};

/// Refuses invalid values, and values that a shell or an SSH client would misinterpret.
pub(super) fn check(file: &DeviceFile) -> Result<(), String> {
    if file.format_version != 1 {
        return Err(format!("format_version {} is not known (this version reads 1)", file.format_version));
    }
    if file.threads == 0 || file.threads > 1024 {
        return Err(format!("threads = {} is not in 1..=1024", file.threads));
    }
    if file.temperature_limit.is_some_and(|limit| !(1.0..=150.0).contains(&limit)) {
        return Err("temperature_limit is in degrees Celsius, from 1 to 150".to_owned());
    }
    if file.power_mode.as_ref().is_some_and(|mode| mode.trim().is_empty()) {
        return Err("power_mode is empty".to_owned());
    }
    if file.power_mode.is_some() && file.power_mode_command.is_none() {
        return Err("power_mode needs a power_mode_command that prints it".to_owned());
    }
    if !(5..=3600).contains(&file.silence_seconds) {
        return Err(format!("silence_seconds = {} is not in 5..=3600", file.silence_seconds));
    }
    if file.reconnect_seconds.is_some_and(|seconds| seconds > 86_400) {
        return Err("reconnect_seconds is more than a day".to_owned());
    }
    let texts = [
        ("description", file.description.as_deref()),
        ("work_folder", Some(file.work_folder.as_str())),
        ("agent_on_board", file.agent_on_board.as_deref()),
        ("libtorch", file.libtorch.as_deref()),
        ("onnxruntime", file.onnxruntime.as_deref()),
        ("host", file.host.as_deref()),
        ("user", file.user.as_deref()),
        ("jump_host", file.jump_host.as_deref()),
    ];
    for (key, text) in texts {
        if text.is_some_and(|t| t.is_empty() || t.chars().any(char::is_control)) {
            return Err(format!("{key} is empty or contains a control character"));
        }
    }
    check_command(file)?;
    check_ssh(file)
}

/// A device has an agent or a command; keys for one are refused with the other.
fn check_command(file: &DeviceFile) -> Result<(), String> {
    let Some(command) = &file.command else {
        let missing = format!("backend = \"{COMMAND}\" needs a table [command]");
        return if file.backend == COMMAND { Err(missing) } else { Ok(()) };
    };
    if file.backend != COMMAND {
        return Err(format!("[command] needs backend = \"{COMMAND}\""));
    }
    let of_agents = [
        ("agent", file.agent.is_some()),
        ("agent_on_board", file.agent_on_board.is_some()),
        ("libtorch", file.libtorch.is_some()),
        ("onnxruntime", file.onnxruntime.is_some()),
        ("cores", !file.cores.is_empty()),
        ("precision", file.precision != Precision::default()),
        ("layout", file.layout != Layout::default()),
        ("timing", file.timing.is_some()),
        ("temperature_limit", file.temperature_limit.is_some()),
        ("clocks", file.clocks != ClockCommands::default()),
    ];
    match of_agents.iter().find(|(_, given)| *given) {
        Some((key, _)) => Err(format!("{key} applies only to a device with an agent, not to one with a [command]")),
        None => command.check(),
    }
}

fn check_ssh(file: &DeviceFile) -> Result<(), String> {
    if file.transport == Transport::Local {
        let ssh_only = [
            ("host", file.host.is_some()),
            ("port", file.port.is_some()),
            ("user", file.user.is_some()),
            ("identity_file", file.identity_file.is_some()),
            ("jump_host", file.jump_host.is_some()),
            ("known_hosts", file.known_hosts.is_some()),
            ("agent_on_board", file.agent_on_board.is_some()),
        ];
        return match ssh_only.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(format!("{key} needs transport = \"ssh\"")),
            None => Ok(()),
        };
    }
    let Some(host) = &file.host else {
        return Err("host is missing: the board's name or address".to_owned());
    };
    if file.port == Some(0) {
        return Err("port = 0 is not a port".to_owned());
    }
    let names = [("host", Some(host)), ("user", file.user.as_ref()), ("jump_host", file.jump_host.as_ref())];
    for (key, name) in names {
        if name.is_some_and(|n| !is_name(n)) {
            return Err(format!("{key} is not a name or an address"));
        }
    }
    if file.agent.is_some() && file.agent_on_board.is_some() {
        return Err("agent and agent_on_board exclude each other".to_owned());
    }
    Ok(())
}

/// Whether a text is safe as a name on an SSH client's command line and in known-hosts files: no option, no space, no comma.
fn is_name(text: &str) -> bool {
    !text.starts_with('-') && text.chars().all(|c| c.is_alphanumeric() || "-_.:@[]%+".contains(c))
}

#[cfg(test)]
mod tests {
    use crate::file::DeviceFile;

    fn parse(lines: &str) -> Result<DeviceFile, String> {
        let text = format!("format_version = 1\nbackend = \"torch\"\nthreads = 1\n{lines}");
        let file: DeviceFile = toml::from_str(&text).map_err(|e| e.to_string())?;
        super::check(&file).map(|()| file)
    }

    #[test]
    fn a_device_has_an_agent_or_a_command() {
        let parse = |lines: &str, table: &str| {
            let text = format!(
                "format_version = 1\nbackend = \"command\"\nthreads = 1\ntransport = \"local\"\n{lines}\n{table}"
            );
            let file: DeviceFile = toml::from_str(&text).map_err(|e| e.to_string())?;
            super::check(&file)
        };
        let table = "[command]\nrun = \"a {model}\"\ntimes_format = \"trtexec\"";
        parse("", table).unwrap();
        assert!(parse("", "").unwrap_err().contains("[command]"));
        for line in [
            "agent = \"a\"",
            "onnxruntime = \"/a\"",
            "precision = \"float16\"",
            "cores = [1]",
            "temperature_limit = 80",
        ] {
            let error = parse(line, table).unwrap_err();
            assert!(error.contains(line.split(' ').next().unwrap()) && error.contains("agent"), "{error}");
        }
    }

    #[test]
    fn values_that_cannot_be_meant_are_refused() {
        let ssh = "transport = \"ssh\"\nhost = \"a\"\n";
        // Control: without the wrong line it is right.
        parse(ssh).unwrap();
        for (line, naming) in [
            ("port = 0", "port"),
            ("port = 65536", "port"),
            ("user = \"-oProxyCommand=x\"", "user"),
            ("user = \"a b\"", "user"),
            ("jump_host = \"a,b\"", "jump_host"),
            ("work_folder = \"\"", "work_folder"),
            ("work_folder = \"a\\nb\"", "work_folder"),
            ("temperature_limit = nan", "temperature_limit"),
            ("temperature_limit = 1000", "temperature_limit"),
            ("power_mode = \"MAXN\"", "power_mode_command"),
            ("silence_seconds = 0", "silence_seconds"),
            ("agent = \"a\"\nagent_on_board = \"b\"", "exclude"),
            ("[clocks]\nreset = \"x\"", "reset"),
        ] {
            let error = parse(&format!("{ssh}{line}")).unwrap_err();
            assert!(error.contains(naming), "{line}: {error}");
        }
        for host in ["", "-oProxyCommand=touch x", "a b", "$(touch x)", "a;b", "a\\u0000b"] {
            assert!(parse(&format!("transport = \"ssh\"\nhost = \"{host}\"")).is_err(), "{host}");
        }
        let command = "transport = \"local\"\n[command]\nrun = \"a {model}\"\ntimes_format = \"trtexec\"";
        assert!(parse(command).unwrap_err().contains("backend"));
        assert!(parse("transport = \"local\"\nhost = \"a\"").unwrap_err().contains("host needs"));
        assert!(parse("transport = \"ssh\"").unwrap_err().contains("host is missing"));
        assert!(parse("transport = \"ssh\"\nhost = \"a\"\nthread = 1").unwrap_err().contains("thread"));
    }
}
