// Counters of libtorch's memory allocator on a GPU, which its bindings do not have. Only the interface in libc10 is
// used, so that nothing of CUDA is linked: the allocator registers itself when libtorch_cuda is loaded.

#include <c10/core/CachingDeviceAllocator.h>

namespace {
constexpr auto AGGREGATE = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
}

// Bytes in use now and at most since the last reset. Returns 0, or 1 where there is no such allocator.
extern "C" int nasprof_cuda_allocated(int device, long long* now, long long* peak) {
  try {
    auto stats = c10::getDeviceAllocator(c10::DeviceType::CUDA)->getDeviceStats(static_cast<c10::DeviceIndex>(device));
    *now = stats.allocated_bytes[AGGREGATE].current;
    *peak = stats.allocated_bytes[AGGREGATE].peak;
    return 0;
  } catch (...) {
    return 1;
  }
}

// The most from now on. Returns as above.
extern "C" int nasprof_cuda_reset_peak(int device) {
  try {
    c10::getDeviceAllocator(c10::DeviceType::CUDA)->resetPeakStats(static_cast<c10::DeviceIndex>(device));
    return 0;
  } catch (...) {
    return 1;
  }
}
