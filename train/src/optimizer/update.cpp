// Updates of many tensors at once, through operators of libtorch that its bindings do not have: on a GPU one launch for
// hundreds of tensors in place of ten for each, on a CPU one pass over memory in place of six. Nothing is read back.

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/_foreach_sub.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/stack.h>

#include <optional>
#include <unordered_set>
#include <vector>

#include "caught.h"

namespace {
using Tensors = std::vector<at::Tensor>;

Tensors list(at::Tensor* const* tensors, size_t count) {
  Tensors all;
  all.reserve(count);
  for (size_t i = 0; i < count; i++) all.push_back(*tensors[i]);
  return all;
}

Tensors chosen(const Tensors& all, const std::vector<size_t>& positions) {
  Tensors some;
  some.reserve(positions.size());
  for (size_t i : positions) some.push_back(all[i]);
  return some;
}

// Gradients that lie in memory as their tensors do, each with memory of its own. Autograd may hand out views whose elements
// share memory, one tensor twice, or another order of dimensions.
Tensors laid_out(const Tensors& tensors, Tensors gradients) {
  std::unordered_set<const void*> seen;
  for (size_t i = 0; i < gradients.size(); i++) {
    auto& gradient = gradients[i];
    TORCH_CHECK(gradient.sizes() == tensors[i].sizes(), "a gradient has another shape than its tensor");
    bool own = seen.insert(gradient.const_data_ptr()).second;
    if (!own || gradient.strides() != tensors[i].strides()) {
      gradient = at::empty_like(tensors[i]).copy_(gradient);
    }
  }
  return gradients;
}

// The memory of a dense tensor as one row.
at::Tensor row(const at::Tensor& tensor) {
  return tensor.as_strided({tensor.numel()}, {1}, tensor.storage_offset());
}

// For each element of all tensors, one after the other, which of them it is of.
at::Tensor segments(const Tensors& tensors) {
  // Memory that a GPU reads by itself.
  auto options = at::TensorOptions(at::kLong).pinned_memory(tensors[0].is_cuda());
  auto counts = at::empty({static_cast<int64_t>(tensors.size())}, options);
  int64_t total = 0;
  for (size_t i = 0; i < tensors.size(); i++) {
    counts.data_ptr<int64_t>()[i] = tensors[i].numel();
    total += tensors[i].numel();
  }
  counts = counts.to(tensors[0].device(), /*non_blocking=*/true);
  // With a number in place of the option it would be another function.
  return at::repeat_interleave(counts, std::optional<int64_t>(total));
}

// Shortens each gradient to a norm of at most `longest`. `of` are their segments, where those are known.
Tensors clipped(Tensors gradients, double longest, bool at_once, const at::Tensor* of) {
  if (!at_once) {
    for (auto& gradient : gradients) {
      double norm = gradient.norm().item<double>();
      // Not the other way round: a norm that is no number must show.
      if (!(norm <= longest)) gradient = gradient.mul(longest / norm);
    }
    return gradients;
  }
  // A norm of zero gives infinity, which is cut.
  auto factors = at::stack(at::_foreach_norm(gradients)).reciprocal_().mul_(longest).clamp_max_(1.0);
  Tensors rows;
  for (const auto& gradient : gradients) rows.push_back(row(gradient));
  // Each element's factor, in one multiplication for all tensors.
  auto flat = at::cat(rows).mul_(factors.index_select(0, of ? *of : segments(gradients)));
  int64_t at = 0;
  for (auto& gradient : gradients) {
    gradient = flat.as_strided(gradient.sizes(), gradient.strides(), at);
    at += gradient.numel();
  }
  return gradients;
}

enum Rule { SGD, MOMENTUM, NESTEROV, ADAM };

// The settings of a step; `optimizer/update.rs` has the same.
struct Step {
  int rule;
  double rate, momentum, beta1, beta2, epsilon, decay, clip, scale;
};

// v = momentum * v + rate * (g + decay * w); w -= v
void momentum(const Tensors& w, const Tensors& g, const Tensors& v, double decay, const Step& step, const at::Tensor* rate) {
  if (w[0].scalar_type() == at::kFloat) {
    // One kernel for all of it: with a rate of 1 its velocity is ours. It divides gradients by the scale. Its decay is a number,
    // which a rate on the device cannot change.
    auto decayed = rate && decay > 0 ? at::_foreach_add(g, w, decay) : g;
    std::optional<at::Tensor> scale;
    if (rate) {
      scale = rate->reciprocal();
    } else if (step.rate != 1.0) {
      scale = at::full({}, 1.0 / step.rate, w[0].options());
    }
    at::_fused_sgd_(w, decayed, v, rate ? 0.0 : decay * step.rate, step.momentum, 1.0, 0.0, false, false, false, scale);
    return;
  }
  TORCH_CHECK(!rate, "a rate on the device is for 32-bit floats");
  at::_foreach_mul_(v, step.momentum);
  at::_foreach_add_(v, g, step.rate);
  if (decay > 0) at::_foreach_add_(v, w, step.rate * decay);
  at::_foreach_sub_(w, v);
}

void nesterov(const Tensors& w, const Tensors& g, const Tensors& v, const Step& step) {
  // w += (1 + momentum) * v' - momentum * v, where momentum * v = v' + rate * g
  at::_foreach_mul_(v, step.momentum);
  at::_foreach_sub_(v, g, step.rate);
  at::_foreach_add_(w, v, step.momentum);
  at::_foreach_sub_(w, g, step.rate);
}

// `rates` are corrected for the bias of the moments, which depends on how often a tensor was updated.
void adam(const Tensors& w, const Tensors& g, const Tensors& first, const Tensors& second,
          const std::vector<at::Scalar>& rates, const Step& step) {
  at::_foreach_mul_(first, step.beta1);
  at::_foreach_add_(first, g, 1.0 - step.beta1);
  at::_foreach_mul_(second, step.beta2);
  at::_foreach_addcmul_(second, g, g, 1.0 - step.beta2);
  auto root = at::_foreach_sqrt(second);
  at::_foreach_add_(root, step.epsilon);
  at::_foreach_addcdiv_(w, first, root, rates);
}

void update(Step step, const at::Tensor* rate, const Tensors& w, const Tensors& g, const Tensors& first, const Tensors& second,
            const std::vector<at::Scalar>& rates, double decay) {
  if (step.rule == MOMENTUM) return momentum(w, g, first, decay, step, rate);
  auto gradients = decay > 0 ? at::_foreach_add(g, w, decay) : g;
  if (rate) {
    TORCH_CHECK(step.rule != ADAM, "Adam has a rate for each tensor");
    gradients = at::_foreach_mul(gradients, *rate);
    step.rate = 1.0;
  }
  switch (step.rule) {
    case NESTEROV: return nesterov(w, gradients, first, step);
    case ADAM: return adam(w, gradients, first, second, rates, step);
    default: return at::_foreach_sub_(w, gradients, step.rate);
  }
}

// As `caught`, without autograd.
template <typename F>
int updated(char* words, size_t capacity, F f) {
  return caught(words, capacity, [&] {
    at::NoGradGuard guard;
    f();
  });
}
}  // namespace

// One step of `count` tensors. `first` and `second` may be null where the rule has no such state, `rates` where it is not
// Adam. `rate` is null, or a number on the device in place of the step's; `of` is null, or the segments of all tensors.
// `decays` says for each tensor whether the decay acts on it. Nothing is done, and `finite` is 0, where the gradients are
// scaled and no numbers. Returns 0, or 1 and the reason in `words`.
extern "C" int nasprof_update(const Step* step, at::Tensor* const* tensors, at::Tensor* const* gradients,
                              at::Tensor* const* first, at::Tensor* const* second, const double* rates,
                              const unsigned char* decays, size_t count, const at::Tensor* rate,
                              const at::Tensor* of, unsigned char* finite, char* words, size_t capacity) {
  *finite = 1;
  return updated(words, capacity, [&] {
    if (count == 0) return;
    auto w = list(tensors, count);
    auto g = laid_out(w, list(gradients, count));
    if (step->scale > 0) {
      g = at::_foreach_mul(g, 1.0 / step->scale);
      // The one number that is read, for 16-bit floats only: whether they overflowed.
      if (!at::stack(at::_foreach_norm(g)).isfinite().all().item<bool>()) {
        *finite = 0;
        return;
      }
    }
    if (step->clip > 0) g = clipped(std::move(g), step->clip, rate || w[0].is_cuda(), of);
    auto m = first ? list(first, count) : Tensors();
    auto s = second ? list(second, count) : Tensors();
    for (bool decayed : {false, true}) {
      std::vector<size_t> group;
      std::vector<at::Scalar> scalars;
      for (size_t i = 0; i < count; i++) {
        if ((decays[i] != 0) != decayed) continue;
        group.push_back(i);
        if (rates) scalars.emplace_back(-rates[i]);
      }
      if (group.empty()) continue;
      update(*step, rate, chosen(w, group), chosen(g, group), first ? chosen(m, group) : m, second ? chosen(s, group) : s,
             scalars, decayed ? step->decay : 0.0);
    }
  });
}

// The segments of tensors, for a recorded step. Null where libtorch refuses.
extern "C" at::Tensor* nasprof_segments(at::Tensor* const* tensors, size_t count, char* words, size_t capacity) {
  at::Tensor* made = nullptr;
  updated(words, capacity, [&] { made = new at::Tensor(segments(list(tensors, count))); });
  return made;
}

// tensor += by * other, for each.
extern "C" int nasprof_add(at::Tensor* const* tensors, at::Tensor* const* others, size_t count, double by, char* words,
                           size_t capacity) {
  return updated(words, capacity, [&] {
    if (count > 0) at::_foreach_add_(list(tensors, count), list(others, count), by);
  });
}

// tensor = other, for each.
extern "C" int nasprof_copy(at::Tensor* const* tensors, at::Tensor* const* others, size_t count, char* words,
                            size_t capacity) {
  return updated(words, capacity, [&] {
    if (count > 0) at::_foreach_copy_(list(tensors, count), list(others, count));
  });
}
