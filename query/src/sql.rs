//! Checks the text of a query, and finds the position of an error.

use std::ops::ControlFlow;

use nasprof_base::suggest::{did_you_mean, nearest};
use polars::prelude::PolarsError;
use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, SetExpr, Statement,
    TableFactor, VisitMut, VisitorMut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError, ParserOptions};

use crate::error::Problem;

/// Parses a query as polars does. Refuses statements other than queries.
pub(crate) fn parse(text: &str) -> Result<Statement, Problem> {
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let parsed = Parser::new(&GenericDialect).with_options(options).try_with_sql(text);
    let mut statements = parsed.and_then(|mut parser| parser.parse_statements()).map_err(|error| of_parser(&error))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(mut statement @ Statement::Query(_)), true) => check_joins(&mut statement).map(|()| statement),
        (Some(_), true) => Err(only_select()),
        (None, _) => Err(Problem::sql("the query is empty")),
        (Some(_), false) => Err(Problem::sql("there is more than one query")),
    }
}

/// Refuses outer joins on an inequality, because polars answers them as if they were inner joins.
fn check_joins(statement: &mut Statement) -> Result<(), Problem> {
    struct Joins;
    impl VisitorMut for Joins {
        type Break = Problem;

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Problem> {
            joins_of(&query.body)
        }

        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Problem> {
            match factor {
                TableFactor::NestedJoin { table_with_joins, .. } => {
                    table_with_joins.joins.iter().try_for_each(check_join)
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match statement.visit(&mut Joins) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(problem) => Err(problem),
    }
}

fn joins_of(body: &SetExpr) -> ControlFlow<Problem> {
    match body {
        SetExpr::Select(select) => select.from.iter().flat_map(|table| &table.joins).try_for_each(check_join),
        SetExpr::SetOperation { left, right, .. } => {
            joins_of(left)?;
            joins_of(right)
        }
        // The visitor visits an inner query itself.
        _ => ControlFlow::Continue(()),
    }
}

fn check_join(join: &Join) -> ControlFlow<Problem> {
    let constraint = match &join.join_operator {
        JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
            return ControlFlow::Continue(());
        }
        JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on)
        | JoinOperator::Semi(on)
        | JoinOperator::LeftSemi(on)
        | JoinOperator::RightSemi(on)
        | JoinOperator::Anti(on)
        | JoinOperator::LeftAnti(on)
        | JoinOperator::RightAnti(on) => on,
        other => return ControlFlow::Break(Problem::sql(format!("a join of the kind {other:?} is not supported"))),
    };
    match constraint {
        JoinConstraint::On(on) if !is_equality(on) => {
            let hint = Some("use JOIN, then select the other rows with NOT IN".to_owned());
            let problem = format!("an outer join compares by `=` only, not by `{on}`");
            ControlFlow::Break(Problem::Sql { at: None, problem, hint })
        }
        _ => ControlFlow::Continue(()),
    }
}

/// Whether a condition is `a = b`, or several of these joined by AND.
fn is_equality(on: &Expr) -> bool {
    match on {
        Expr::Nested(on) => is_equality(on),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => is_equality(left) && is_equality(right),
        Expr::BinaryOp { op, .. } => *op == BinaryOperator::Eq,
        _ => false,
    }
}

fn only_select() -> Problem {
    let hint = Some("a query begins with SELECT or WITH".to_owned());
    Problem::Sql { at: None, problem: "only queries are supported, not changes".to_owned(), hint }
}

/// The parser's message, with the position.
fn of_parser(error: &ParserError) -> Problem {
    let words = match error {
        ParserError::TokenizerError(words) | ParserError::ParserError(words) => words.clone(),
        ParserError::RecursionLimitExceeded => "the query is nested too deeply".to_owned(),
    };
    let split = words.rsplit_once(" at Line: ").and_then(|(problem, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((problem.to_owned(), (line.trim().parse().ok()?, column.trim().parse().ok()?)))
    });
    let (problem, at) = split.map_or((words, None), |(problem, at)| (problem, Some(at)));
    Problem::Sql { at, problem, hint: Some("write SELECT … FROM … WHERE … GROUP BY … ORDER BY …".to_owned()) }
}

/// The error of polars, with the position of an unknown name and the nearest known name.
pub(crate) fn of_polars(error: &PolarsError, statement: &mut Statement, tables: &[&str], columns: &[&str]) -> Problem {
    match error {
        PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } => {
            of_polars(error, statement, tables, columns)
        }
        PolarsError::ColumnNotFound(words) | PolarsError::SchemaFieldNotFound(words) => {
            unknown("column", words, statement, columns)
        }
        PolarsError::SQLInterface(words) if words.contains("was not found") => {
            unknown("table", words, statement, tables)
        }
        other => {
            let words = other.to_string();
            // Hints of polars for its other interfaces do not apply here.
            Problem::sql(words.lines().next().unwrap_or_default())
        }
    }
}

fn unknown(what: &str, words: &str, statement: &mut Statement, known: &[&str]) -> Problem {
    // The name is the first text in quotes; the rest of the message lists the known names.
    let quoted = words.split(['"', '\'', '`']).nth(1).filter(|name| !name.is_empty());
    let name = quoted.unwrap_or(words.lines().next().unwrap_or_default());
    let near = nearest(name, known.iter().copied().filter(|known| *known != name));
    let problem = format!("no {what} `{name}`{}", did_you_mean(near.as_deref()));
    Problem::Sql { at: place_of(statement, name), problem, hint: None }
}

/// Position of the first occurrence of a name.
fn place_of(statement: &mut Statement, name: &str) -> Option<(u64, u64)> {
    struct Finder<'a> {
        name: &'a str,
        at: Option<(u64, u64)>,
    }
    impl Finder<'_> {
        fn look(&mut self, ident: &Ident) -> ControlFlow<()> {
            if ident.value != self.name || ident.span.start.line == 0 {
                return ControlFlow::Continue(());
            }
            self.at = Some((ident.span.start.line, ident.span.start.column));
            ControlFlow::Break(())
        }
    }
    impl VisitorMut for Finder<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) => self.look(ident),
                Expr::CompoundIdentifier(idents) => idents.iter().try_for_each(|ident| self.look(ident)),
                _ => ControlFlow::Continue(()),
            }
        }

        fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
            relation.0.iter().filter_map(|part| part.as_ident()).try_for_each(|ident| self.look(ident))
        }
    }
    let mut finder = Finder { name, at: None };
    let _ = statement.visit(&mut finder);
    finder.at
}

/// Lets `change` replace each table that comes from a function.
pub(crate) fn replace_functions(
    statement: &mut Statement,
    change: &mut dyn FnMut(&mut TableFactor) -> Result<(), Problem>,
) -> Result<(), Problem> {
    struct Functions<'a>(&'a mut dyn FnMut(&mut TableFactor) -> Result<(), Problem>);
    impl VisitorMut for Functions<'_> {
        type Break = Problem;

        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Problem> {
            match (self.0)(factor) {
                Ok(()) => ControlFlow::Continue(()),
                Err(problem) => ControlFlow::Break(problem),
            }
        }
    }
    match statement.visit(&mut Functions(change)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(problem) => Err(problem),
    }
}

/// Functions whose results polars counts as unsigned.
const COUNTS: [&str; 13] = [
    "array_length",
    "bit_length",
    "char_length",
    "character_length",
    "count",
    "dense_rank",
    "len",
    "length",
    "octet_length",
    "position",
    "rank",
    "row_number",
    "strpos",
];

/// Makes counts signed: otherwise `COUNT(*) - 3` of two rows is 4294967295.
pub(crate) fn sign_counts(statement: &mut Statement) {
    struct Counts;
    impl VisitorMut for Counts {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            let is_count = |name: &ObjectName| COUNTS.iter().any(|count| name.to_string().eq_ignore_ascii_case(count));
            match expr {
                Expr::Function(function) if is_count(&function.name) => {}
                Expr::Position { .. } => {}
                _ => return ControlFlow::Continue(()),
            }
            let signed =
                Parser::new(&GenericDialect).try_with_sql("CAST(1 AS BIGINT)").and_then(|mut p| p.parse_expr());
            if let Ok(Expr::Cast { kind, expr: _, data_type, array, format }) = signed {
                let count = Box::new(std::mem::replace(expr, Expr::Identifier(Ident::new(""))));
                *expr = Expr::Cast { kind, expr: count, data_type, array, format };
            }
            ControlFlow::Continue(())
        }
    }
    let _ = statement.visit(&mut Counts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_questions_are_parsed() {
        for text in ["SELECT 1", "WITH a AS (SELECT 1 AS x) SELECT x FROM a;", "SELECT a, b, FROM t"] {
            parse(text).unwrap();
        }
        for text in [
            "DROP TABLE lut",
            "DELETE FROM lut",
            "TRUNCATE TABLE lut",
            "CREATE TABLE a AS SELECT * FROM lut",
            "COPY lut TO 'a.csv'",
            "INSERT INTO lut VALUES (1)",
            "SELECT 1; DROP TABLE lut",
            "",
            ";",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_fault_has_its_place() {
        let error = parse("SELECT op\nFROM lut GRUOP BY op").unwrap_err();
        assert!(error.to_string().starts_with("line 2, column "), "{error}");
        let mut statement = parse("SELECT op,\n  mean_m FROM lut JOIN ltu ON a.x = b.y").unwrap();
        assert_eq!(place_of(&mut statement, "mean_m"), Some((2, 3)));
        assert_eq!(place_of(&mut statement, "ltu"), Some((2, 24)));
        assert_eq!(place_of(&mut statement, "y"), Some((2, 39)));
        assert_eq!(place_of(&mut statement, "absent"), None);
        let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
        assert!(parse(&deep).unwrap_err().to_string().contains("nested too deeply"));
    }
}
