//! Queries that take unchanged rows of one table: a few of very many rows, without a second copy of all.

use polars::prelude::{DataFrame, IdxSize, PolarsError};
use polars::sql::SQLContext;
use polars_lazy::frame::IntoLazy;
use sqlparser::ast::{
    Expr, Ident, LimitClause, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Value,
};

use crate::sql::parse;

/// Rows that are sorted at once: polars needs several times their memory.
const PART: usize = 1 << 20;

/// `SELECT columns FROM table`, perhaps with a condition, an order and a limit.
pub(crate) struct Taken {
    /// Name of the table.
    pub(crate) table: String,
    /// Counts the rows; absent if the query has a limit of its own.
    pub(crate) count: Option<Statement>,
    /// The same order with all columns, if the query is ordered by columns of the table.
    ordered: Option<Query>,
    /// Number of first rows that the query needs, by its own limit.
    limit: Option<usize>,
}

impl Taken {
    /// `None` for any other query.
    pub(crate) fn by(statement: &Statement) -> Option<Self> {
        let Statement::Query(query) = statement else { return None };
        let SetExpr::Select(select) = &*query.body else { return None };
        let columns = select.projection.iter().all(|item| match item {
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => column(expr).is_some(),
            _ => false,
        });
        let [from] = &select.from[..] else { return None };
        let TableFactor::Table { name, .. } = &from.relation else { return None };
        let [table] = &name.0[..] else { return None };
        // A query with only projection, table, condition, order and limit equals the counting query in everything else.
        let count = counting(select)?;
        let mut plain = query.clone();
        (plain.order_by, plain.limit_clause) = (None, None);
        if let (SetExpr::Select(plain), SetExpr::Select(count)) = (&mut *plain.body, &*count.body) {
            plain.projection.clone_from(&count.projection);
        }
        let is_plain = columns && from.joins.is_empty() && plain.to_string() == count.to_string();
        let limit = match &query.limit_clause {
            None => None,
            Some(clause) => Some(rows_of(clause)?),
        };
        is_plain.then(|| {
            Some(Self {
                table: table.as_ident()?.value.clone(),
                count: query.limit_clause.is_none().then(|| Statement::Query(count)),
                ordered: ordered(query, select),
                limit,
            })
        })?
    }

    /// Rows of the table that include the first `seen` rows of the query's order; `None` if the query needs all rows,
    /// or if the table is small.
    pub(crate) fn candidates(&self, table: &DataFrame, seen: usize) -> Result<Option<DataFrame>, PolarsError> {
        self.candidates_of_parts(table, seen, PART)
    }

    fn candidates_of_parts(
        &self,
        table: &DataFrame,
        seen: usize,
        part: usize,
    ) -> Result<Option<DataFrame>, PolarsError> {
        let needed = self.limit.unwrap_or(seen);
        let Some(ordered) = self.ordered.as_ref().filter(|_| table.height() > 2 * part) else { return Ok(None) };
        if needed == 0 || needed > part / 2 {
            return Ok(None);
        }
        let mut all: Option<DataFrame> = None;
        for first in (0..table.height()).step_by(part) {
            let mut context = SQLContext::new();
            context.register(&self.table, table.slice(first as i64, part).lazy());
            let rows = context.execute(&ordered.to_string())?.limit(needed as IdxSize).collect()?;
            match &mut all {
                Some(all) => drop(all.vstack_mut(&rows)?),
                None => all = Some(rows),
            }
        }
        Ok(all)
    }
}

/// The name of a column; `None` for numbers and expressions.
fn column(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    }
}

/// `SELECT COUNT(*)` with the table and the condition of another query.
fn counting(select: &Select) -> Option<Box<Query>> {
    let Statement::Query(mut query) = parse("SELECT COUNT(*) FROM t").ok()? else { return None };
    let SetExpr::Select(count) = &mut *query.body else { return None };
    count.from.clone_from(&select.from);
    count.selection.clone_from(&select.selection);
    Some(query)
}

/// Number of first rows within a limit, including its offset.
fn rows_of(clause: &LimitClause) -> Option<usize> {
    let number = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse::<usize>().ok(),
            _ => None,
        },
        _ => None,
    };
    match clause {
        LimitClause::LimitOffset { limit: Some(limit), offset, limit_by } if limit_by.is_empty() => {
            let offset = offset.as_ref().map_or(Some(0), |offset| number(&offset.value));
            number(limit)?.checked_add(offset?)
        }
        _ => None,
    }
}

/// The query with all columns and without its limit, if its order uses only columns of the table and no new name.
fn ordered(query: &Query, select: &Select) -> Option<Query> {
    let OrderByKind::Expressions(order) = &query.order_by.as_ref()?.kind else { return None };
    let is_new = |name: &Ident| {
        select.projection.iter().any(|item| {
            matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value.eq_ignore_ascii_case(&name.value))
        })
    };
    if !order.iter().all(|by| column(&by.expr).is_some_and(|name| !is_new(name))) {
        return None;
    }
    let Statement::Query(mut all) = parse("SELECT * FROM t").ok()? else { return None };
    let SetExpr::Select(rows) = &mut *all.body else { return None };
    rows.from.clone_from(&select.from);
    rows.selection.clone_from(&select.selection);
    all.order_by.clone_from(&query.order_by);
    Some(*all)
}

#[cfg(test)]
mod tests {
    use polars::prelude::{NamedFrom, Series};

    use super::*;

    #[test]
    fn rows_that_are_only_taken_are_counted_without_them() {
        let count = |text: &str| Taken::by(&parse(text).unwrap())?.count.map(|count| count.to_string());
        let ordered = count("SELECT key, j.ns AS t FROM journal AS j WHERE ns > 2 ORDER BY ns DESC");
        assert_eq!(ordered.unwrap(), "SELECT COUNT(*) FROM journal AS j WHERE ns > 2");
        assert_eq!(count("SELECT * FROM journal").unwrap(), "SELECT COUNT(*) FROM journal");
        for text in [
            "SELECT MAX(ns) FROM journal",
            "SELECT key FROM journal GROUP BY key",
            "SELECT DISTINCT key FROM journal",
            "SELECT * FROM journal LIMIT 3",
            "SELECT * FROM a JOIN b ON a.key = b.key",
            "SELECT * FROM a, b",
            "SELECT * FROM a UNION SELECT * FROM b",
            "WITH a AS (SELECT 1 AS x) SELECT x FROM a",
            "SELECT ns * 2 FROM journal",
        ] {
            assert_eq!(count(text), None, "{text}");
        }
    }

    /// The candidates alone give the same answer as the table.
    #[test]
    fn the_first_rows_of_parts_hold_the_first_rows_of_all() {
        let count = 100_i64;
        let scattered = |factor: i64| (0..count).map(|i| (i * factor) % 101).collect::<Vec<i64>>();
        let empty = (0..count).map(|i| (i % 7 > 0).then_some(i % 5)).collect::<Vec<Option<i64>>>();
        let columns =
            [("a", scattered(37)), ("b", scattered(11))].map(|(name, values)| Series::new(name.into(), values).into());
        let mut columns = columns.to_vec();
        columns.push(Series::new("c".into(), empty).into());
        let table = DataFrame::new_infer_height(columns).unwrap();
        let answer = |text: &str, table: &DataFrame| {
            let mut context = SQLContext::new();
            context.register("t", table.clone().lazy());
            context.execute(text).unwrap().collect().unwrap()
        };
        for text in [
            "SELECT b, a AS x FROM t ORDER BY a LIMIT 3",
            "SELECT * FROM t AS u WHERE b > 50 ORDER BY u.a DESC LIMIT 2 OFFSET 2",
            "SELECT a FROM t ORDER BY c DESC NULLS LAST, b LIMIT 4",
            "SELECT a FROM t ORDER BY c NULLS FIRST, b DESC LIMIT 4",
            "SELECT a, c FROM t ORDER BY c, a LIMIT 4",
        ] {
            let taken = Taken::by(&parse(text).unwrap()).unwrap();
            let candidates = taken.candidates_of_parts(&table, 0, 10).unwrap().unwrap();
            assert!(candidates.height() <= 40, "{text}: {}", candidates.height());
            assert!(answer(text, &candidates).equals_missing(&answer(text, &table)), "{text}");
        }
        let all = Taken::by(&parse("SELECT a FROM t ORDER BY a DESC").unwrap()).unwrap();
        let first = all.candidates_of_parts(&table, 2, 10).unwrap().unwrap();
        assert_eq!(first.height(), 20);
        assert!(all.candidates_of_parts(&table, 0, 10).unwrap().is_none(), "all rows are seen");
        assert!(all.candidates_of_parts(&table, 2, 50).unwrap().is_none(), "few rows are sorted at once");
        for text in
            ["SELECT a AS b FROM t ORDER BY b LIMIT 3", "SELECT a FROM t ORDER BY 1 LIMIT 3", "SELECT a FROM t LIMIT 3"]
        {
            let taken = Taken::by(&parse(text).unwrap()).unwrap();
            assert!(taken.candidates_of_parts(&table, 0, 10).unwrap().is_none(), "{text}");
        }
    }
}
