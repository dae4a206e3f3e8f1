//! Functions that general operations are parametrised with.

use serde::{Deserialize, Serialize};

/// What [`crate::Op::Elementwise`] computes for each element. Operands are broadcast as NumPy does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// |x|
    Abs,
    /// -x
    Neg,
    /// e^x
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// 1 / x
    Reciprocal,
    /// Gauss error function.
    Erf,
    /// x/2 * (1 + erf(x / √2)) (Hendrycks and Gimpel 2016)
    Gelu,
    /// x * sigmoid(x)
    Silu,
    /// x * tanh(softplus(x))
    Mish,
    /// ln(1 + e^x)
    Softplus,
    /// x / (1 + |x|)
    Softsign,
    /// x for x > 0, else e^x - 1
    Elu,
    /// Scaled exponential linear unit (Klambauer et al. 2017).
    Selu,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Largest whole number that is not above x.
    Floor,
    /// Smallest whole number that is not below x.
    Ceil,
    /// Nearest whole number, halves to even.
    Round,
    /// -1, 0 or 1
    Sign,
    /// Logical not.
    Not,
    /// A truth value as 0 or 1.
    ToFloat,
    /// x clamped between two bounds, its parameters.
    Clamp,
    /// Sum of two.
    BroadcastAdd,
    /// Difference.
    Sub,
    /// Product of two.
    BroadcastMul,
    /// Quotient.
    Div,
    /// First to the power of the second.
    Pow,
    /// The larger one.
    Max,
    /// The smaller one.
    Min,
    /// x for x > 0, else slope * x; the second operand is the slope.
    Prelu,
    /// Whether both are equal.
    Equal,
    /// Whether the first is smaller.
    Less,
    /// Whether the first is not larger.
    LessOrEqual,
    /// Whether the first is larger.
    Greater,
    /// Whether the first is not smaller.
    GreaterOrEqual,
    /// Logical and.
    And,
    /// Logical or.
    Or,
    /// The second where the first is true, else the third.
    Where,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 39] = [
        Self::Abs,
        Self::Neg,
        Self::Exp,
        Self::Log,
        Self::Sqrt,
        Self::Reciprocal,
        Self::Erf,
        Self::Gelu,
        Self::Silu,
        Self::Mish,
        Self::Softplus,
        Self::Softsign,
        Self::Elu,
        Self::Selu,
        Self::Sin,
        Self::Cos,
        Self::Floor,
        Self::Ceil,
        Self::Round,
        Self::Sign,
        Self::Not,
        Self::ToFloat,
        Self::Clamp,
        Self::BroadcastAdd,
        Self::Sub,
        Self::BroadcastMul,
        Self::Div,
        Self::Pow,
        Self::Max,
        Self::Min,
        Self::Prelu,
        Self::Equal,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::And,
        Self::Or,
        Self::Where,
    ];

    /// Its name, as LUT rows and digests use it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Abs => "abs",
            Self::Neg => "neg",
            Self::Exp => "exp",
            Self::Log => "log",
            Self::Sqrt => "sqrt",
            Self::Reciprocal => "reciprocal",
            Self::Erf => "erf",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Mish => "mish",
            Self::Softplus => "softplus",
            Self::Softsign => "softsign",
            Self::Elu => "elu",
            Self::Selu => "selu",
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Floor => "floor",
            Self::Ceil => "ceil",
            Self::Round => "round",
            Self::Sign => "sign",
            Self::Not => "not",
            Self::ToFloat => "to_float",
            Self::Clamp => "clamp",
            Self::BroadcastAdd => "broadcast_add",
            Self::Sub => "sub",
            Self::BroadcastMul => "broadcast_mul",
            Self::Div => "div",
            Self::Pow => "pow",
            Self::Max => "max",
            Self::Min => "min",
            Self::Prelu => "prelu",
            Self::Equal => "equal",
            Self::Less => "less",
            Self::LessOrEqual => "less_or_equal",
            Self::Greater => "greater",
            Self::GreaterOrEqual => "greater_or_equal",
            Self::And => "and",
            Self::Or => "or",
            Self::Where => "where",
        }
    }

    /// Operands and parameters together.
    #[must_use]
    pub fn arity(self) -> usize {
        match self {
            Self::Clamp | Self::Where => 3,
            Self::BroadcastAdd
            | Self::Sub
            | Self::BroadcastMul
            | Self::Div
            | Self::Pow
            | Self::Max
            | Self::Min
            | Self::Prelu
            | Self::Equal
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::And
            | Self::Or => 2,
            _ => 1,
        }
    }
}

/// How [`crate::Op::Reduce`] combines the elements along its axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Their product, along one axis.
    Prod,
    /// Square root of the sum of their squares.
    L2,
    /// Logarithm of the sum of their exponentials.
    LogSumExp,
}

impl Reduction {
    /// Its name, as LUT rows and digests use it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "reduce_mean",
            Self::Sum => "reduce_sum",
            Self::Max => "reduce_max",
            Self::Min => "reduce_min",
            Self::Prod => "reduce_prod",
            Self::L2 => "reduce_l2",
            Self::LogSumExp => "reduce_log_sum_exp",
        }
    }
}

/// What [`crate::Op::PadNd`] puts around a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadMode {
    /// One value.
    Constant,
    /// The tensor mirrored, without its edge.
    Reflect,
    /// Its edge repeated.
    Edge,
}

impl PadMode {
    /// Its name, as keys and digests use it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Reflect => "reflect",
            Self::Edge => "edge",
        }
    }
}

/// The cell of [`crate::Op::Recurrent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Long short-term memory (Hochreiter and Schmidhuber 1997), without peepholes.
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014), the reset gate applied after the product.
    Gru,
    /// Elman's network with tanh.
    Rnn,
}

impl Cell {
    /// Its name, as LUT rows and digests use it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Gru => "gru",
            Self::Rnn => "rnn",
        }
    }

    /// Number of vectors of the hidden size that it computes in each step.
    #[must_use]
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
            Self::Rnn => 1,
        }
    }

    /// Number of states that it carries from step to step.
    #[must_use]
    pub fn states(self) -> usize {
        match self {
            Self::Lstm => 2,
            Self::Gru | Self::Rnn => 1,
        }
    }
}
