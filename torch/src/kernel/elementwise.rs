//! Element-wise functions as libtorch calls.

use nasprof_graph::Function;
use tch::{Kind, TchError, Tensor};

/// The function's value for its operands and parameters.
pub(super) fn run(function: Function, operands: &[&Tensor], parameters: &[f64]) -> Result<Tensor, TchError> {
    match (operands, parameters) {
        ([x], []) => of_one(function, x),
        ([x], [a]) => of_number(function, x, *a),
        ([x], [low, high]) if function == Function::Clamp => x.f_clamp(*low, *high),
        ([x, y], []) => of_two(function, x, y),
        ([condition, x, y], []) if function == Function::Where => match condition.kind() {
            Kind::Bool => x.f_where_self(condition, y),
            // A stored condition.
            _ => x.f_where_self(&condition.f_to_kind(Kind::Bool)?, y),
        },
        _ => unknown(function, operands.len()),
    }
}

fn unknown(function: Function, operands: usize) -> Result<Tensor, TchError> {
    Err(TchError::Shape(format!("{} of {operands} operands", function.name())))
}

fn of_one(function: Function, x: &Tensor) -> Result<Tensor, TchError> {
    match function {
        Function::Abs => x.f_abs(),
        Function::Neg => x.f_neg(),
        Function::Exp => x.f_exp(),
        Function::Log => x.f_log(),
        Function::Sqrt => x.f_sqrt(),
        Function::Reciprocal => x.f_reciprocal(),
        Function::Erf => x.f_erf(),
        Function::Gelu => x.f_gelu("none"),
        Function::Silu => x.f_silu(),
        Function::Mish => x.f_mish(),
        Function::Softplus => x.f_softplus(),
        // libtorch has no such function; PyTorch's Python layer computes it like this.
        Function::Softsign => x.f_div(&x.f_abs()?.f_add_scalar(1.0)?),
        Function::Elu => x.f_elu(),
        Function::Selu => x.f_selu(),
        Function::Sin => x.f_sin(),
        Function::Cos => x.f_cos(),
        Function::Floor => x.f_floor(),
        Function::Ceil => x.f_ceil(),
        Function::Round => x.f_round(),
        Function::Sign => x.f_sign(),
        Function::Not => x.f_logical_not(),
        Function::ToFloat => x.f_to_kind(Kind::Float),
        other => unknown(other, 1),
    }
}

fn of_number(function: Function, x: &Tensor, number: f64) -> Result<Tensor, TchError> {
    match function {
        Function::BroadcastAdd => x.f_add_scalar(number),
        Function::Sub => x.f_sub_scalar(number),
        Function::BroadcastMul => x.f_mul_scalar(number),
        Function::Div => x.f_div_scalar(number),
        Function::Pow => x.f_pow_tensor_scalar(number),
        Function::Max => x.f_clamp_min(number),
        Function::Min => x.f_clamp_max(number),
        Function::Equal => x.f_eq(number),
        Function::Less => x.f_lt(number),
        Function::LessOrEqual => x.f_le(number),
        Function::Greater => x.f_gt(number),
        Function::GreaterOrEqual => x.f_ge(number),
        other => unknown(other, 1),
    }
}

fn of_two(function: Function, x: &Tensor, y: &Tensor) -> Result<Tensor, TchError> {
    match function {
        Function::BroadcastAdd => x.f_add(y),
        Function::Sub => x.f_sub(y),
        Function::BroadcastMul => x.f_mul(y),
        Function::Div => x.f_div(y),
        Function::Pow => x.f_pow(y),
        Function::Max => x.f_maximum(y),
        Function::Min => x.f_minimum(y),
        Function::Prelu => prelu(x, y),
        Function::Equal => x.f_eq_tensor(y),
        Function::Less => x.f_lt_tensor(y),
        Function::LessOrEqual => x.f_le_tensor(y),
        Function::Greater => x.f_gt_tensor(y),
        Function::GreaterOrEqual => x.f_ge_tensor(y),
        Function::And => x.f_logical_and(y),
        Function::Or => x.f_logical_or(y),
        other => unknown(other, 2),
    }
}

/// libtorch's function takes one slope, or one for each channel. Other slopes are applied by selecting on the sign.
fn prelu(x: &Tensor, slope: &Tensor) -> Result<Tensor, TchError> {
    let (count, size) = (slope.numel() as i64, x.size());
    let by_channel = slope.dim() == x.dim() && slope.size().get(1) == Some(&count) && size.get(1) == Some(&count);
    if count == 1 || by_channel {
        return x.f_prelu(&slope.f_reshape([-1])?);
    }
    x.f_mul(slope)?.f_where_self(&x.f_lt(0.0)?, x)
}
