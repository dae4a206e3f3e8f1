//! Which columns a query may use.

use std::collections::BTreeSet;

use sqlparser::ast::Statement;
use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

/// The names in a query, or all columns.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    Named(BTreeSet<String>),
}

/// Words that use columns without naming them.
const UNNAMED: [&str; 4] = ["COLUMNS", "EXCLUDE", "NATURAL", "TABLE"];
/// Words that can follow a `*` that is no multiplication.
const BEHIND_WILDCARD: [&str; 5] = ["FROM", "EXCEPT", "ILIKE", "RENAME", "REPLACE"];

impl Wanted {
    /// Takes all words of the query. A word that is no column costs nothing, so the meaning of words is not needed.
    pub(crate) fn by(statement: &Statement) -> Self {
        let Ok(tokens) = Tokenizer::new(&GenericDialect, &statement.to_string()).tokenize() else { return Self::All };
        let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
        let mut names = BTreeSet::new();
        for (i, token) in tokens.iter().enumerate() {
            match token {
                Token::Word(word) if is_one_of(&UNNAMED, token) && word.quote_style.is_none() => return Self::All,
                Token::Word(word) => drop(names.insert(word.value.to_lowercase())),
                Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => {
                    names.insert(text.to_lowercase());
                }
                Token::Mul if is_wildcard(i.checked_sub(1).map(|i| &tokens[i]), tokens.get(i + 1)) => return Self::All,
                _ => {}
            }
        }
        Self::Named(names)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

fn is_one_of(words: &[&str], token: &Token) -> bool {
    matches!(token, Token::Word(word) if words.iter().any(|known| word.value.eq_ignore_ascii_case(known)))
}

/// Whether a `*` means all columns; the one of `COUNT(*)` needs no column.
fn is_wildcard(before: Option<&Token>, behind: Option<&Token>) -> bool {
    match behind {
        None | Some(Token::Comma | Token::SemiColon) => true,
        Some(Token::RParen) => before != Some(&Token::LParen),
        Some(token) => is_one_of(&BEHIND_WILDCARD, token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse;

    #[test]
    fn a_query_wants_the_columns_that_it_names() {
        let of = |text: &str| Wanted::by(&parse(text).unwrap());
        let wanted = of("SELECT \"Key\", MEDIAN(j.ns) * 2 AS m, COUNT(*) FROM journal AS j WHERE clean GROUP BY key");
        for name in ["key", "ns", "clean"] {
            assert!(wanted.has(name), "{name}");
        }
        for name in ["session", "round", "visit", "workload", "layer"] {
            assert!(!wanted.has(name), "{name}");
        }
        // A column in a join, in an order and in a partition.
        assert!(of("SELECT a.ns FROM a JOIN b USING (visit)").has("visit"));
        assert!(of("SELECT ns FROM a ORDER BY round").has("round"));
        assert!(of("SELECT SUM(ns) OVER (PARTITION BY workload) FROM a").has("workload"));
    }

    #[test]
    fn a_wildcard_wants_all() {
        for text in [
            "SELECT * FROM journal",
            "SELECT j.* FROM journal AS j",
            "SELECT *, ns * 2 AS twice FROM journal",
            "SELECT DISTINCT ON (key) * FROM journal",
            "SELECT * EXCLUDE (ns) FROM journal",
            "SELECT * REPLACE (ns / 1000.0 AS ns) FROM journal",
            "SELECT ns FROM (SELECT * FROM journal) AS j",
            "SELECT a.ns FROM journal AS a NATURAL JOIN other AS b",
            "SELECT COLUMNS('n.*') FROM journal",
        ] {
            assert_eq!(Wanted::by(&parse(text).unwrap()), Wanted::All, "{text}");
        }
        // Control: a product and a count are no wildcards.
        for text in ["SELECT ns * round FROM journal", "SELECT COUNT(*) FROM journal", "SELECT (ns * 2) FROM journal"] {
            assert_ne!(Wanted::by(&parse(text).unwrap()), Wanted::All, "{text}");
        }
    }
}
