//! The number that ties a reply to its request. Without it, one extra reply would be matched to the next request, and so on.

use serde::{Deserialize, Serialize};

/// A request with its number, or a reply with the number of the request that it answers. In JSON, the number is a key beside
/// the message's own keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Numbered<T> {
    /// The number: 1 for the first request to an agent, then counting up. A reply to a line with an unreadable number has 0.
    pub id: u64,
    /// The message.
    #[serde(flatten)]
    pub message: T,
}

/// The number of a line with an unreadable message; 0 if the number is unreadable too.
#[must_use]
pub fn number_of(line: &str) -> u64 {
    #[derive(Deserialize)]
    struct Number {
        id: u64,
    }
    serde_json::from_str(line).map_or(0, |Number { id }| id)
}

#[cfg(test)]
mod tests {
    use super::super::reply::{Loaded, Reply};
    use super::super::request::Request;
    use super::*;

    #[test]
    fn the_number_stands_beside_the_keys_of_the_message() {
        let request = Numbered { id: 7, message: Request::PassTime { nanoseconds: 9 } };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(line, r#"{"id":7,"request":"pass_time","nanoseconds":9}"#);
        assert_eq!(serde_json::from_str::<Numbered<Request>>(&line).unwrap(), request);
        let reply = Numbered { id: 7, message: Reply::Loaded(Loaded { workload: 1, first_ns: vec![2] }) };
        let line = serde_json::to_string(&reply).unwrap();
        assert_eq!(line, r#"{"id":7,"reply":"loaded","unit":1,"first_ns":[2]}"#);
        assert_eq!(serde_json::from_str::<Numbered<Reply>>(&line).unwrap(), reply);
    }

    #[test]
    fn messages_without_a_number_or_with_keys_too_many_are_not_read() {
        let read = |line: &str| serde_json::from_str::<Numbered<Request>>(line).map(|request| request.id);
        assert_eq!(read(r#"{"id":3,"request":"canary"}"#).unwrap(), 3);
        for line in [
            r#"{"request":"canary"}"#,
            r#"{"id":-1,"request":"canary"}"#,
            r#"{"id":1,"id":2,"request":"canary"}"#,
            r#"{"id":1,"request":"pass_time","nanoseconds":1,"more":1}"#,
            r#"{"id":1,"request":"pass_time","nanoseconds":1,"nanoseconds":2}"#,
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_answered_under_its_number() {
        assert_eq!(number_of(r#"{"id":5,"request":"dance"}"#), 5);
        for line in ["", "null", "{}", r#"{"id":"5"}"#, r#"{"id":-5}"#, r#"{"id":5"#] {
            assert_eq!(number_of(line), 0, "{line}");
        }
    }
}
