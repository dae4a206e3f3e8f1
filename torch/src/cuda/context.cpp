// Settings of libtorch's global context, which its bindings do not have. They are kept in libtorch_cpu, so nothing of CUDA
// is linked.

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <c10/util/env.h>

// TensorFloat-32 in convolutions and in matrix products. Returns 0, or 1 where libtorch refuses.
extern "C" int nasprof_allow_tf32(int allow) {
  try {
    at::globalContext().setAllowTF32CuDNN(allow != 0);
    at::globalContext().setAllowTF32CuBLAS(allow != 0);
    return 0;
  } catch (...) {
    return 1;
  }
}

// Only algorithms that give the same bits each time; an operation that has none is refused when it runs. Returns as above.
extern "C" int nasprof_make_deterministic() {
  try {
    // Read when the first matrix product runs (NVIDIA cuBLAS documentation, "Results reproducibility").
    c10::utils::set_env("CUBLAS_WORKSPACE_CONFIG", ":4096:8", false);
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(true, /*warn_only=*/false);
    context.setDeterministicCuDNN(true);
    context.setBenchmarkCuDNN(false);
    // Memory that nobody reads need not be alike.
    context.setDeterministicFillUninitializedMemory(false);
    return 0;
  } catch (...) {
    return 1;
  }
}

// Casts of operations on this thread to 16-bit floats where that is worth it: 1 is bfloat16, 2 float16, 0 none. Returns what was
// set before.
extern "C" int nasprof_autocast(int cuda, int type) {
  auto device = cuda ? at::kCUDA : at::kCPU;
  int before = 0;
  if (at::autocast::is_autocast_enabled(device)) {
    before = at::autocast::get_autocast_dtype(device) == at::kBFloat16 ? 1 : 2;
  }
  if (type != 0) at::autocast::set_autocast_dtype(device, type == 1 ? at::kBFloat16 : at::kHalf);
  at::autocast::set_autocast_enabled(device, type != 0);
  return before;
}

// Forgets the casts of weights, which change in the next step.
extern "C" void nasprof_forget_casts() { at::autocast::clear_cache(); }
