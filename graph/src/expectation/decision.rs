//! Decision diagrams: boolean functions of selections, each stored once.

use rustc_hash::FxHashMap;

/// A function in [`Diagrams`].
pub(super) type Ref = usize;

/// Never true.
pub(super) const FALSE: Ref = 0;
/// Always true.
pub(super) const TRUE: Ref = 1;

/// Most functions (tens of MiB); with more, the choices are too entangled.
const MAX_FUNCTIONS: usize = 200_000;
/// Most cached results.
const MAX_COMBINED: usize = 2_000_000;
/// Most choices: functions are combined by recursion over choices.
const MAX_CHOICES: usize = 2000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Function {
    /// The first choice, in diagram order, that the function depends on.
    pub(super) choice: usize,
    /// The function that remains for each of its candidates.
    pub(super) then: Vec<Ref>,
}

/// How two functions are combined into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operator {
    And,
    Or,
    /// The first and not the second.
    Without,
}

/// A table of functions. The first two are the constants; every other comes after the functions that it refers to.
pub(super) struct Diagrams {
    functions: Vec<Function>,
    known: FxHashMap<Function, Ref>,
    /// Results by operands.
    combined: FxHashMap<(Ref, Ref, Operator), Ref>,
}

impl Diagrams {
    /// An empty table, or `None` if there are too many choices.
    pub(super) fn new(choices: usize) -> Option<Self> {
        // Constants depend on no choice: they come after all choices.
        let constant = Function { choice: usize::MAX, then: Vec::new() };
        (choices <= MAX_CHOICES).then(|| Self {
            functions: vec![constant; 2],
            known: FxHashMap::default(),
            combined: FxHashMap::default(),
        })
    }

    /// True when a choice selects one candidate.
    pub(super) fn selects(&mut self, choice: usize, candidate: usize, candidates: usize) -> Option<Ref> {
        self.function(choice, (0..candidates).map(|i| if i == candidate { TRUE } else { FALSE }).collect())
    }

    pub(super) fn and(&mut self, a: Ref, b: Ref) -> Option<Ref> {
        self.combine(a, b, Operator::And)
    }

    pub(super) fn or(&mut self, a: Ref, b: Ref) -> Option<Ref> {
        self.combine(a, b, Operator::Or)
    }

    /// The first and not the second.
    pub(super) fn without(&mut self, a: Ref, b: Ref) -> Option<Ref> {
        self.combine(a, b, Operator::Without)
    }

    /// All functions, the two constants first.
    pub(super) fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Probability that each function is true.
    pub(super) fn probabilities(&self, distributions: &[Vec<f64>]) -> Vec<f64> {
        let mut probabilities = vec![0.0, 1.0];
        for Function { choice, then } in &self.functions[2..] {
            probabilities.push(then.iter().zip(&distributions[*choice]).map(|(&f, p)| p * probabilities[f]).sum());
        }
        probabilities
    }

    /// Selections that make a function other than [`FALSE`] true; 0 where the selection does not matter.
    pub(super) fn selection(&self, function: Ref, choices: usize) -> Vec<u16> {
        let mut selected = vec![0; choices];
        let mut function = function;
        while function != TRUE && function != FALSE {
            // Each function is stored once, so every function but the constant is true for some selection.
            let Function { choice, then } = &self.functions[function];
            let candidate = then.iter().position(|&f| f != FALSE).unwrap_or(0);
            selected[*choice] = candidate as u16;
            function = then[candidate];
        }
        selected
    }

    fn combine(&mut self, a: Ref, b: Ref, operator: Operator) -> Option<Ref> {
        let simple = match operator {
            Operator::And if a == b || b == TRUE || a == FALSE => Some(a),
            Operator::And if a == TRUE || b == FALSE => Some(b),
            Operator::Or if a == b || b == FALSE || a == TRUE => Some(a),
            Operator::Or if a == FALSE || b == TRUE => Some(b),
            Operator::Without if a == FALSE || b == FALSE => Some(a),
            Operator::Without if a == b || b == TRUE => Some(FALSE),
            _ => None,
        };
        if simple.is_some() {
            return simple;
        }
        let operands = match operator {
            Operator::Without => (a, b, operator),
            _ => (a.min(b), a.max(b), operator),
        };
        if let Some(&known) = self.combined.get(&operands) {
            return Some(known);
        }
        let choice = self.functions[a].choice.min(self.functions[b].choice);
        let candidates = [a, b].map(|f| self.after(f, choice)).map(|then| then.len());
        let mut then = Vec::new();
        for candidate in 0..candidates[0].max(candidates[1]) {
            let [left, right] = [a, b].map(|f| self.after(f, choice).get(candidate).copied().unwrap_or(f));
            then.push(self.combine(left, right, operator)?);
        }
        let result = self.function(choice, then)?;
        if self.combined.len() >= MAX_COMBINED {
            return None;
        }
        self.combined.insert(operands, result);
        Some(result)
    }

    /// The function that remains for each candidate of a choice; empty if the function does not depend on the choice.
    fn after(&self, function: Ref, choice: usize) -> &[Ref] {
        let function = &self.functions[function];
        if function.choice == choice { &function.then } else { &[] }
    }

    fn function(&mut self, choice: usize, then: Vec<Ref>) -> Option<Ref> {
        if then.iter().all(|f| *f == then[0]) {
            return then.first().copied();
        }
        let function = Function { choice, then };
        if let Some(&known) = self.known.get(&function) {
            return Some(known);
        }
        if self.functions.len() >= MAX_FUNCTIONS {
            return None;
        }
        self.functions.push(function.clone());
        self.known.insert(function, self.functions.len() - 1);
        Some(self.functions.len() - 1)
    }
}
