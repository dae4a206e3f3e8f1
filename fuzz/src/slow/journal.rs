//! Journals, line by line, with a checksum computed bit by bit.

use nasprof_profiler::journal::Event;

use super::json::{Tree, parse, same};

/// Refuses events that were read from a journal as something else.
pub fn events(bytes: &[u8], read: &[Event]) -> Result<(), String> {
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
    let lines: Vec<&[u8]> = bytes[..whole].split(|&b| b == b'\n').collect();
    let lines = &lines[..lines.len() - 1];
    if lines.len() != read.len() {
        return Err(format!("{} lines were read as {} events", lines.len(), read.len()));
    }
    for (i, (line, event)) in lines.iter().zip(read).enumerate() {
        let text = std::str::from_utf8(line).map_err(|e| e.to_string())?;
        let tree = parse(text)?;
        let Tree::Map(members) = &tree else { return Err(format!("line {i} is no map")) };
        if tree.get("sequence") != Some(&Tree::Number(i.to_string())) {
            return Err(format!("line {i} has another number"));
        }
        let (_, content, place) = members.iter().find(|(name, _, _)| name == "event").ok_or("no event")?;
        let crc = crc32(format!("{i}:{}", &text[place.clone()]).as_bytes());
        if tree.get("crc") != Some(&Tree::Text(format!("{crc:08x}"))) {
            return Err(format!("line {i} has another checksum"));
        }
        let value = serde_json::to_value(event).map_err(|e| e.to_string())?;
        same(content, &value, false).map_err(|problem| format!("line {i}: {problem}"))?;
    }
    Ok(())
}

/// CRC-32 of ISO 3309.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
