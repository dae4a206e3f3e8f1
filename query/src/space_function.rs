//! `FROM space('NAME', COUNT)`: sampled architectures as a table.

use nasprof_lut::Lut;
use nasprof_spaces::Space;
use polars::prelude::DataFrame;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Statement, TableFactor, UnaryOperator, Value,
};

use crate::error::Problem;
use crate::sources::Sources;
use crate::sql::replace_functions;
use crate::tables::space;

/// More architectures take minutes.
const MAX_COUNT: u64 = 1_000_000;

/// Replaces all calls of `space` in a query by tables; any other function is refused.
pub(crate) fn replace(statement: &mut Statement, sources: &Sources) -> Result<Vec<(String, DataFrame)>, Problem> {
    let mut made: Vec<(String, DataFrame)> = Vec::new();
    replace_functions(statement, &mut |factor| {
        let name = match factor {
            TableFactor::Table { name, args: Some(_), .. } => name.to_string(),
            TableFactor::Table { .. } | TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => return Ok(()),
            TableFactor::Function { name, .. } => name.to_string(),
            other => return Err(Problem::sql(format!("`{other}` is not a table"))),
        };
        let TableFactor::Table { name: relation, args, alias, .. } = factor else { return Err(no_function(&name)) };
        if !name.eq_ignore_ascii_case("space") {
            return Err(no_function(&name));
        }
        let table = format!("space_{}", made.len() + 1);
        let arguments = args.take().map(|args| args.args).unwrap_or_default();
        made.push((table.clone(), frame(&arguments, sources)?));
        *relation = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(table))]);
        let _ = alias;
        Ok(())
    })?;
    Ok(made)
}

fn no_function(name: &str) -> Problem {
    let hint = Some("use space('NAME', COUNT) for a table of architectures, and pass files after the query".to_owned());
    Problem::Sql { at: None, problem: format!("unknown table function `{name}`"), hint }
}

fn frame(arguments: &[FunctionArg], sources: &Sources) -> Result<DataFrame, Problem> {
    let usage = || {
        let hint =
            Some("write space('mobilenet-cifar10', 1000), optionally with a seed and the table of a LUT".to_owned());
        Problem::Sql { at: None, problem: "`space` needs a name and a number of architectures".to_owned(), hint }
    };
    let mut values = arguments.iter().map(literal);
    let (Some(Some(Literal::Text(name))), Some(Some(Literal::Whole(count)))) = (values.next(), values.next()) else {
        return Err(usage());
    };
    let (seed, table) = match (values.next(), values.next(), values.next()) {
        (None, ..) => (0, None),
        (Some(Some(Literal::Whole(seed))), None, _) => (seed, None),
        (Some(Some(Literal::Whole(seed))), Some(Some(Literal::Text(table))), None) => (seed, Some(table)),
        _ => return Err(usage()),
    };
    if count > MAX_COUNT {
        return Err(Problem::sql(format!("space('{name}', {count}): at most {MAX_COUNT} architectures")));
    }
    let about = |problem: String| Problem::sql(format!("space('{name}', {count}): {problem}"));
    let space = match sources.spaces.get(&name) {
        Some(space) => space.clone(),
        None => Space::builtin(&name).map_err(|e| about(e.to_string()))?,
    };
    space::frame(&space, count, seed, lut(&space, table.as_deref(), sources).map_err(about)?).map_err(about)
}

/// The LUT that predicts: the named one, else the only one for the space.
fn lut<'a>(space: &Space, table: Option<&str>, sources: &'a Sources) -> Result<Option<&'a Lut>, String> {
    if let Some(table) = table {
        return sources.luts.get(table).map(Some).ok_or_else(|| format!("`{table}` is not the table of a LUT"));
    }
    let identity = space.graph.identity();
    let mut fitting: Vec<(&String, &Lut)> =
        sources.luts.iter().filter(|(_, lut)| lut.check_space(&space.name, &identity).is_ok()).collect();
    // A single LUT has two names.
    fitting.dedup_by(|(_, a), (_, b)| a == b);
    match &fitting[..] {
        [] => Ok(None),
        [(_, lut)] => Ok(Some(lut)),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!("the space has several LUTs: {}; name one as the fourth argument", names.join(", ")))
        }
    }
}

enum Literal {
    Text(String),
    Whole(u64),
}

fn literal(argument: &FunctionArg) -> Option<Literal> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else { return None };
    let expr = match expr {
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => expr,
        expr => expr,
    };
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::Number(text, _) => text.parse().ok().map(Literal::Whole),
        Value::SingleQuotedString(text) => Some(Literal::Text(text.clone())),
        _ => None,
    }
}
