// Copies to a GPU and layouts in memory, which libtorch's bindings do not have.

#include <ATen/core/Tensor.h>
#include <ATen/ops/pin_memory.h>

// A copy of a tensor of the CPU on a GPU, through memory that the GPU reads by itself: the processor does not wait. Null where
// libtorch refuses.
extern "C" at::Tensor* nasprof_upload(const at::Tensor* tensor, int index) {
  try {
    auto device = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
    return new at::Tensor(tensor->pin_memory().to(device, /*non_blocking=*/true));
  } catch (...) {
    return nullptr;
  }
}

// A tensor of four dimensions with its channels side by side; the same one if they are. Null where libtorch refuses.
extern "C" at::Tensor* nasprof_channels_last(const at::Tensor* tensor) {
  try {
    return new at::Tensor(tensor->contiguous(at::MemoryFormat::ChannelsLast));
  } catch (...) {
    return nullptr;
  }
}
