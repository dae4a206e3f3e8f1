//! The output of a device's command, byte by byte.

use nasprof_devices::{CommandRun, Fetched};

/// Refuses runs that were made of other bytes, or some that are missing. `is_good` is whether all bytes were taken.
pub fn runs(bytes: &[u8], most: u64, read: &[CommandRun], is_good: bool) -> Result<(), String> {
    // Before the first run a login shell may print lines.
    let mut rest = bytes;
    while !rest.is_empty() && !rest.starts_with(b"nasprof-run ") {
        let end = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |end| end + 1);
        rest = &rest[end..];
    }
    for (i, run) in read.iter().enumerate() {
        let end = rest.iter().position(|&b| b == b'\n').ok_or(format!("run {i} has no line"))?;
        let line = std::str::from_utf8(&rest[..end]).map_err(|e| e.to_string())?;
        let words: Vec<&str> = line.split(' ').collect();
        let [mark, status, late, printed, profile, times] = words[..] else { return Err(format!("line `{line}`")) };
        if mark != "nasprof-run" || status.parse() != Ok(run.status) {
            return Err(format!("run {i} has another status than `{line}`"));
        }
        if (late == "1") != run.late {
            return Err(format!("run {i} is late or not: `{line}`"));
        }
        rest = &rest[end + 1..];
        for (word, file) in
            [(printed, &Fetched::File(run.printed.clone())), (profile, &run.profile), (times, &run.times)]
        {
            let expected = match (word, word.parse::<u64>()) {
                ("-", _) => Fetched::Missing,
                ("+", _) => Fetched::Several,
                (_, Ok(length)) if length > most => Fetched::TooLarge(length),
                (_, Ok(length)) => {
                    let length = length as usize;
                    let content = rest.get(..length).ok_or(format!("run {i} has too few bytes"))?.to_vec();
                    rest = &rest[length..];
                    Fetched::File(content)
                }
                _ => return Err(format!("`{word}` is no length")),
            };
            if *file != expected {
                return Err(format!("run {i} has {file:?} in place of {expected:?}"));
            }
        }
    }
    // What follows is no whole run of good form.
    if is_good
        && let Some(line) = rest.strip_prefix(b"nasprof-run ")
        && let Some(end) = line.iter().position(|&b| b == b'\n')
    {
        let words: Vec<String> = String::from_utf8_lossy(&line[..end]).split(' ').map(str::to_owned).collect();
        let lengths =
            words[2.min(words.len())..].iter().filter_map(|word| word.parse::<u64>().ok()).filter(|&n| n <= most);
        if line.len() as u64 > end as u64 + lengths.sum::<u64>() {
            return Err("a whole run was left out".to_owned());
        }
    }
    Ok(())
}
