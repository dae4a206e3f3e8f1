// The pretended GPU's memory, which is the processor's, and copies.

#include "runtime.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>

using namespace pretended;

namespace {

constexpr double COPY_NS = 1800, BYTES_PER_NS = 2000, BUS_BYTES_PER_NS = 25;

std::map<uintptr_t, size_t> on_gpu, pinned;
size_t used = 0;

bool is_in(const std::map<uintptr_t, size_t>& all, const void* pointer) {
  auto address = reinterpret_cast<uintptr_t>(pointer);
  auto next = all.upper_bound(address);
  return next != all.begin() && address < std::prev(next)->first + std::prev(next)->second;
}

bool is_on_gpu(const void* pointer) { return is_in(on_gpu, pointer); }
bool is_pinned(const void* pointer) { return is_in(pinned, pointer); }

// Few bytes that are read back are numbers of a computation that never was: 1, whole or as doubles.
void make_up(void* to, size_t bytes) {
  if (bytes == 1) *static_cast<char*>(to) = 1;
  const double one = 1.0;
  for (size_t at = 0; bytes <= 2048 && at + 8 <= bytes; at += 8) std::memcpy(static_cast<char*>(to) + at, &one, 8);
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  Lock guard(lock);
  ANSWERS;
  NOT_CAPTURING;
  if (used + bytes > capacity()) return told(cudaErrorMemoryAllocation);
  // Filled with zeros, and never given back: nothing else comes to lie there.
  auto address = (reinterpret_cast<uintptr_t>(std::calloc(1, bytes + 512)) + 511) / 512 * 512;
  on_gpu[address] = bytes;
  used += bytes;
  return *pointer = reinterpret_cast<void*>(address), cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
  Lock guard(lock);
  auto found = on_gpu.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == on_gpu.end()) return pointer ? told(cudaErrorInvalidValue) : cudaSuccess;
  used -= found->second;
  return on_gpu.erase(found), cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) { return *total = capacity(), *free = *total - used, cudaSuccess; }
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  Lock guard(lock);
  NOT_CAPTURING;
  *pointer = std::calloc(1, bytes);
  return pinned[reinterpret_cast<uintptr_t>(*pointer)] = bytes, cudaSuccess;
}
cudaError_t cudaFreeHost(void* pointer) {
  Lock guard(lock);
  pinned.erase(reinterpret_cast<uintptr_t>(pointer));
  return std::free(pointer), cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* all, const void* pointer) {
  Lock guard(lock);
  *all = cudaPointerAttributes();
  all->type = is_on_gpu(pointer) ? cudaMemoryTypeDevice : is_pinned(pointer) ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
  all->device = current_gpu;
  if (all->type != cudaMemoryTypeUnregistered) all->devicePointer = const_cast<void*>(pointer);
  if (all->type != cudaMemoryTypeDevice) all->hostPointer = const_cast<void*>(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t handle) {
  double until = 0;
  {
    Lock guard(lock);
    ANSWERS;
    Stream* stream = stream_of(handle);
    auto pageable = [](const void* pointer) { return !is_on_gpu(pointer) && !is_pinned(pointer); };
    bool within = is_on_gpu(to) && is_on_gpu(from);
    if (stream->captures && (pageable(to) || pageable(from))) {
      std::fprintf(stderr, "pretended GPU: a copy of %zu bytes of the processor's memory in a capture\n", bytes);
      stream->broken = true;
      return told(cudaErrorStreamCaptureUnsupported);
    }
    if (!stream->captures) std::memcpy(to, from, bytes);
    if (!within && is_on_gpu(from)) make_up(to, bytes);
    auto error = work(handle, COPY_NS + bytes / (within ? BYTES_PER_NS : BUS_BYTES_PER_NS));
    if (error != cudaSuccess) return error;
    if (pageable(to)) until = stream->busy_until;
  }
  return wait(until);
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  NOT_CAPTURING;
  auto error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return error == cudaSuccess ? wait(stream_of(nullptr)->busy_until) : error;
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  if (!stream_of(stream)->captures) std::memset(to, value, bytes);
  return work(stream, COPY_NS + bytes / BYTES_PER_NS);
}
cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  NOT_CAPTURING;
  return cudaMemsetAsync(to, value, bytes, nullptr);
}
}
