//! Operators that reduce several values to one.

use nasprof_graph::{Function, NodeId, Op, Reduction};

use super::super::schema::NodeProto;
use super::attributes::Attributes;
use super::reader::Reader;

impl<'a> Reader<'a> {
    pub(super) fn reduce(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let mut x = self.operand(node, 0)?;
        let axes = self.reduced_axes(node, attributes, self.shape(x).rank())?;
        let keep = attributes.int("keepdims")?.unwrap_or(1) != 0;
        let kind = match node.op_type.as_str() {
            "ReduceMean" => Reduction::Mean,
            "ReduceSum" | "ReduceL1" | "ReduceSumSquare" => Reduction::Sum,
            "ReduceMax" => Reduction::Max,
            "ReduceMin" => Reduction::Min,
            "ReduceProd" => Reduction::Prod,
            "ReduceL2" => Reduction::L2,
            "ReduceLogSumExp" => Reduction::LogSumExp,
            other => return Err(format!("`{other}` is not known")),
        };
        match node.op_type.as_str() {
            "ReduceL1" => x = self.add(Op::elementwise(Function::Abs), &[x])?,
            "ReduceSumSquare" => {
                x = self.add(Op::Elementwise { function: Function::Pow, parameters: vec![2.0] }, &[x])?;
            }
            _ => {}
        }
        if axes.is_empty() {
            return self.add(Op::Identity, &[x]);
        }
        if kind == Reduction::Mean && axes == [2, 3] && self.shape(x).rank() == 4 {
            let mean = self.add(Op::GlobalAvgPool, &[x])?;
            return if keep { Ok(mean) } else { self.add(Op::Flatten, &[mean]) };
        }
        if kind != Reduction::Prod {
            return self.add(Op::Reduce { kind, axes, keep }, &[x]);
        }
        // One axis at a time, starting with the last, so that the others keep their positions.
        for &axis in axes.iter().rev() {
            x = self.add(Op::Reduce { kind, axes: vec![axis], keep }, &[x])?;
        }
        Ok(x)
    }

    /// A pool over all spatial dimensions.
    pub(super) fn global_pool(&mut self, node: &'a NodeProto) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let rank = self.shape(x).rank();
        if rank < 3 {
            return Err(format!("its input has the shape {}, without spatial dimensions", self.shape(x)));
        }
        let op = match (node.op_type.as_str(), rank) {
            ("GlobalAveragePool", 4) => Op::GlobalAvgPool,
            ("GlobalAveragePool", _) => Op::Reduce { kind: Reduction::Mean, axes: (2..rank).collect(), keep: true },
            _ => Op::Reduce { kind: Reduction::Max, axes: (2..rank).collect(), keep: true },
        };
        self.add(op, &[x])
    }
}
