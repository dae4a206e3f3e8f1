//! Expected values of sums of decision functions, with their gradient, over flat arrays.

use super::decision::{Diagrams, FALSE, Ref, TRUE};

/// `constant + Σ weight · [function is true]`, compiled for evaluation: one forward and one backward sweep.
#[derive(Debug)]
pub(super) struct Circuit {
    /// The part that does not depend on the selections.
    constant: f64,
    /// Per function: its choice, and where its children start.
    choices: Vec<u32>,
    starts: Vec<u32>,
    /// For each candidate, the new number of the function that remains.
    children: Vec<u32>,
    weights: Vec<f64>,
    /// Work space of the two sweeps.
    values: Vec<f64>,
    adjoints: Vec<f64>,
}

impl Circuit {
    /// Keeps only the functions that the weighted functions need.
    pub(super) fn new(diagrams: &Diagrams, weighted: &[(Ref, f64)]) -> Self {
        let functions = diagrams.functions();
        let mut weights = vec![0.0; functions.len()];
        let mut needed = vec![false; functions.len()];
        for &(function, weight) in weighted {
            weights[function] += weight;
            needed[function] = true;
        }
        for i in (2..functions.len()).rev().filter(|&i| functions[i].choice != usize::MAX) {
            if needed[i] {
                functions[i].then.iter().for_each(|&child| needed[child] = true);
            }
        }
        let mut number = vec![0_u32; functions.len()];
        number[TRUE] = 1;
        let mut circuit = Self {
            constant: weights[TRUE],
            choices: vec![0; 2],
            starts: vec![0; 2],
            children: Vec::new(),
            weights: vec![0.0; 2],
            values: Vec::new(),
            adjoints: Vec::new(),
        };
        debug_assert_eq!((FALSE, TRUE), (0, 1));
        for i in (2..functions.len()).filter(|&i| needed[i]) {
            number[i] = circuit.choices.len() as u32;
            circuit.choices.push(functions[i].choice as u32);
            circuit.starts.push(circuit.children.len() as u32);
            circuit.children.extend(functions[i].then.iter().map(|&child| number[child]));
            circuit.weights.push(weights[i]);
        }
        circuit.values = vec![0.0; circuit.choices.len()];
        circuit.values[TRUE] = 1.0;
        circuit.adjoints = vec![0.0; circuit.choices.len()];
        circuit
    }

    /// The expected value.
    pub(super) fn value(&mut self, probabilities: &[Vec<f64>]) -> f64 {
        for i in 2..self.choices.len() {
            let p = &probabilities[self.choices[i] as usize];
            let children = &self.children[self.starts[i] as usize..][..p.len()];
            self.values[i] = children.iter().zip(p).map(|(&child, p)| p * self.values[child as usize]).sum();
        }
        self.constant + self.weights.iter().zip(&self.values).map(|(w, v)| w * v).sum::<f64>()
    }

    /// The expected value, and the conditional expected value for each candidate of each choice.
    pub(super) fn conditional(&mut self, probabilities: &[Vec<f64>], conditional: &mut [Vec<f64>]) -> f64 {
        let total = self.value(probabilities);
        conditional.iter_mut().for_each(|c| c.fill(0.0));
        self.adjoints.copy_from_slice(&self.weights);
        for i in (2..self.choices.len()).rev() {
            let choice = self.choices[i] as usize;
            let (p, adjoint) = (&probabilities[choice], self.adjoints[i]);
            let children = &self.children[self.starts[i] as usize..][..p.len()];
            for ((&child, p), partial) in children.iter().zip(p).zip(&mut conditional[choice]) {
                *partial += adjoint * self.values[child as usize];
                self.adjoints[child as usize] += adjoint * p;
            }
        }
        // A function that does not depend on a choice holds for all of its candidates. The partial derivatives lack its
        // share, which is the same for each candidate; with it their mean is the expected value.
        for (p, partials) in probabilities.iter().zip(conditional) {
            let lacking = total - p.iter().zip(partials.iter()).map(|(p, partial)| p * partial).sum::<f64>();
            partials.iter_mut().for_each(|partial| *partial += lacking);
        }
        total
    }
}
