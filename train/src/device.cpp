// Copies to a GPU and layouts in memory, which libtorch's bindings do not have. Null, and the reason in `words`, where libtorch
// refuses.

#include <ATen/core/Tensor.h>
#include <ATen/ops/pin_memory.h>

#include "caught.h"

// A copy of a tensor of the CPU on a GPU, through memory that the GPU reads by itself: the processor does not wait.
extern "C" at::Tensor* nasprof_upload(const at::Tensor* tensor, int index, char* words, size_t capacity) {
  at::Tensor* made = nullptr;
  caught(words, capacity, [&] {
    auto device = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
    made = new at::Tensor(tensor->pin_memory().to(device, /*non_blocking=*/true));
  });
  return made;
}

// A tensor of four dimensions with its channels side by side; the same one if they are.
extern "C" at::Tensor* nasprof_channels_last(const at::Tensor* tensor, char* words, size_t capacity) {
  at::Tensor* made = nullptr;
  caught(words, capacity, [&] { made = new at::Tensor(tensor->contiguous(at::MemoryFormat::ChannelsLast)); });
  return made;
}
