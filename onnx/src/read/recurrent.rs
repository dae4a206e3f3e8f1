//! LSTM, GRU and plain recurrent layers.

use nasprof_graph::{Cell, NodeId, Op, Shape};

use super::super::schema::NodeProto;
use super::attributes::Attributes;
use super::reader::{Reader, Value};

impl<'a> Reader<'a> {
    /// Outputs: all steps `(steps, directions, N, hidden)`, the last hidden state, and of an LSTM the last cell state.
    pub(super) fn recurrent(
        &mut self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
    ) -> Result<Vec<NodeId>, String> {
        let (cell, usual): (_, &[&str]) = match node.op_type.as_str() {
            "LSTM" => (Cell::Lstm, &["Sigmoid", "Tanh", "Tanh"]),
            "GRU" => (Cell::Gru, &["Sigmoid", "Tanh"]),
            _ => (Cell::Rnn, &["Tanh"]),
        };
        let hidden = attributes.int("hidden_size")?.ok_or("`hidden_size` is missing")?;
        let hidden = usize::try_from(hidden).map_err(|_| format!("`hidden_size` {hidden} is invalid"))?;
        let bidirectional =
            attributes.one_of("direction", &["forward", "bidirectional", "reverse"])? == "bidirectional";
        if let Some(given) = attributes.texts("activations")?
            && given.iter().enumerate().any(|(i, name)| *name != usual[i % usual.len()])
        {
            return Err(format!("activations {given:?} are not supported (only {usual:?})"));
        }
        attributes.expect("input_forget", 0)?;
        if attributes.float("clip")?.is_some() {
            return Err("`clip` is not supported".to_owned());
        }
        if attributes.int("linear_before_reset")?.unwrap_or(0) == 0 && cell == Cell::Gru {
            return Err("`linear_before_reset` 0 is not supported (only 1, as libtorch computes it)".to_owned());
        }
        let batch_first = attributes.int("layout")?.unwrap_or(0) != 0;
        let mut x = self.operand(node, 0)?;
        if batch_first {
            x = self.transposed(x, &[1, 0, 2])?;
        }
        let &[steps, batch, features] = &self.shape(x).0[..] else {
            return Err(format!("its input has the shape {}, not (steps, N, features)", self.shape(x)));
        };
        let directions = if bidirectional { 2 } else { 1 };
        let rows = cell.gates().checked_mul(hidden).ok_or("`hidden_size` is too large")?;
        for (index, columns) in [(1, features), (2, hidden)] {
            let (dims, wanted) = (self.weight(node, index)?, [directions, rows, columns]);
            if dims != wanted {
                let (found, wanted) = (Shape(dims), Shape::from(wanted));
                return Err(format!("its input {index} has the shape {found}, not {wanted}"));
            }
        }
        // Full-length sequences need no lengths; other lengths are not supported.
        if let Some(lengths) = self.ints(node, 4)?
            && lengths.iter().any(|&length| length != steps as i64)
        {
            return Err("sequences of different lengths are not supported".to_owned());
        }
        if Self::name(node, 7).is_some() {
            return Err("peepholes are not supported".to_owned());
        }
        let mut operands = vec![x];
        let given = (5..5 + cell.states()).filter(|&index| Self::name(node, index).is_some());
        let given: Vec<usize> = given.collect();
        let computed = |index: &usize| matches!(self.value(node, *index), Ok(Value::Node(_)));
        if given.len() == cell.states() && given.iter().any(computed) {
            for index in given {
                let mut state = self.operand(node, index)?;
                if batch_first {
                    state = self.transposed(state, &[1, 0, 2])?;
                }
                operands.push(state);
            }
        }
        self.share(node, 1);
        let all = self.add(Op::Recurrent { cell, hidden, bidirectional }, &operands)?;
        let by_direction = self.reshaped(all, &[steps, batch, directions, hidden])?;
        let order: &[usize] = if batch_first { &[1, 0, 2, 3] } else { &[0, 2, 1, 3] };
        let y = self.transposed(by_direction, order)?;
        let mut outputs = vec![y];
        // Each state has the shape of the last step and is computed with it, so it becomes a view.
        for _ in 0..cell.states() {
            let last = self.add(Op::Slice { axis: 0, start: steps - 1, end: steps, step: 1 }, &[all])?;
            let last = self.reshaped(last, &[batch, directions, hidden])?;
            outputs.push(if batch_first { last } else { self.transposed(last, &[1, 0, 2])? });
        }
        Ok(outputs)
    }
}
