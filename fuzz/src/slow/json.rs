//! JSON (RFC 8259) into a tree that keeps numbers as they are written, and the comparison with what was read from it.

use std::ops::Range;

use serde_json::Value;

/// A value; members of a map know where their value stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree, Range<usize>)>),
}

/// Reads a whole text.
pub fn parse(text: &str) -> Result<Tree, String> {
    let mut parser = Parser { bytes: text.as_bytes(), at: 0 };
    let tree = parser.value(0)?;
    parser.space();
    if parser.at == text.len() { Ok(tree) } else { Err(format!("more behind the value at {}", parser.at)) }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Tree, String> {
        if depth > 256 {
            return Err("too deep".to_owned());
        }
        self.space();
        match self.bytes.get(self.at) {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.text().map(Tree::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.take("null") => Ok(Tree::Null),
            _ if self.take("true") => Ok(Tree::Bool(true)),
            _ if self.take("false") => Ok(Tree::Bool(false)),
            _ => Err(format!("no value at {}", self.at)),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Tree, String> {
        self.at += 1;
        let mut all = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Tree::List(all));
        }
        loop {
            all.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(Tree::List(all));
            }
            if !self.take(",") {
                return Err(format!("no comma at {}", self.at));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Tree, String> {
        self.at += 1;
        let mut all = Vec::new();
        self.space();
        if self.take("}") {
            return Ok(Tree::Map(all));
        }
        loop {
            self.space();
            let key = self.text()?;
            self.space();
            if !self.take(":") {
                return Err(format!("no colon at {}", self.at));
            }
            self.space();
            let start = self.at;
            let value = self.value(depth + 1)?;
            all.push((key, value, start..self.at));
            self.space();
            if self.take("}") {
                return Ok(Tree::Map(all));
            }
            if !self.take(",") {
                return Err(format!("no comma at {}", self.at));
            }
        }
    }

    fn text(&mut self) -> Result<String, String> {
        if !self.take("\"") {
            return Err(format!("no text at {}", self.at));
        }
        let mut units: Vec<u16> = Vec::new();
        let start = self.at;
        loop {
            let rest = std::str::from_utf8(&self.bytes[self.at..]).map_err(|e| e.to_string())?;
            let character = rest.chars().next().ok_or("a text has no end")?;
            self.at += character.len_utf8();
            match character {
                '"' => return String::from_utf16(&units).map_err(|_| format!("half a surrogate pair in {start}")),
                '\\' => {
                    let escape = *self.bytes.get(self.at).ok_or("an escape is cut off")?;
                    self.at += 1;
                    units.push(match escape {
                        b'"' | b'\\' | b'/' => u16::from(escape),
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => 10,
                        b'r' => 13,
                        b't' => 9,
                        b'u' => {
                            let digits = self.bytes.get(self.at..self.at + 4).ok_or("an escape is cut off")?;
                            self.at += 4;
                            let digits = std::str::from_utf8(digits).map_err(|e| e.to_string())?;
                            if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                                return Err(format!("no escape `{digits}`"));
                            }
                            u16::from_str_radix(digits, 16).map_err(|e| e.to_string())?
                        }
                        other => return Err(format!("no escape {other}")),
                    });
                }
                control if control < ' ' => return Err("a control character".to_owned()),
                other => units.extend(other.encode_utf16(&mut [0; 2]).iter()),
            }
        }
    }

    fn digits(&mut self) -> Result<(), String> {
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(format!("no digit at {start}")) }
    }

    fn number(&mut self) -> Result<Tree, String> {
        let start = self.at;
        self.take("-");
        if !self.take("0") {
            self.digits()?;
        }
        if self.take(".") {
            self.digits()?;
        }
        if self.take("e") || self.take("E") {
            let _signed = self.take("+") || self.take("-");
            self.digits()?;
        }
        Ok(Tree::Number(String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned()))
    }
}

impl Tree {
    /// The value of a key; the last one, if it stands there more than once.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        match self {
            Self::Map(all) => all.iter().rev().find(|(name, _, _)| name == key).map(|(_, value, _)| value),
            _ => None,
        }
    }
}

/// What an absent value stands for.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Whether what was read is what is written. `strict`: keys that were not read are a difference as well.
pub fn same(tree: &Tree, value: &Value, strict: bool) -> Result<(), String> {
    let differs = || Err(format!("{tree:?} was read as {value}"));
    match (tree, value) {
        (Tree::Null, Value::Null) => Ok(()),
        (Tree::Bool(a), Value::Bool(b)) if a == b => Ok(()),
        (Tree::Text(a), Value::String(b)) if a == b => Ok(()),
        (Tree::Number(text), Value::Number(number)) => {
            let whole = number.as_u64().is_some_and(|n| text.parse::<u64>() == Ok(n))
                || number.as_i64().is_some_and(|n| text.parse::<i64>() == Ok(n));
            let real = number.is_f64() && text.parse::<f64>().ok() == number.as_f64();
            if whole || real { Ok(()) } else { differs() }
        }
        (Tree::List(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).try_for_each(|(tree, value)| same(tree, value, strict))
        }
        (Tree::Map(all), Value::Object(read)) => {
            for (key, value) in read {
                let about = |problem| format!("{key}: {problem}");
                match tree.get(key) {
                    Some(tree) => same(tree, value, strict).map_err(about)?,
                    None if is_default(value) => {}
                    None => return Err(about("was made up".to_owned())),
                }
            }
            let unread = |(key, value, _): &&(String, Tree, Range<usize>)| {
                let empty = [Tree::Null, Tree::List(Vec::new()), Tree::Text(String::new())];
                strict && !read.contains_key(key) && !empty.contains(value)
            };
            all.iter().find(unread).map_or(Ok(()), |(key, _, _)| Err(format!("{key}: was not read")))
        }
        _ => differs(),
    }
}

/// Refuses a LUT that was read from JSON as something else.
pub fn lut(text: &str, lut: &nasprof_lut::Lut) -> Result<(), String> {
    let tree = parse(text)?;
    let mut value = serde_json::to_value(lut).map_err(|e| e.to_string())?;
    set_version(tree.get("context").ok_or("no context")?, &mut value["context"]);
    same(&tree, &value, true)
}

/// A LUT is of the current version, whichever its file is of.
pub(super) fn set_version(context: &Tree, value: &mut Value) {
    if context.get("format_version") == Some(&Tree::Number("1".to_owned())) {
        value["format_version"] = 1.into();
    }
}
