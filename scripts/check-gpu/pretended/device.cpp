// The pretended GPU itself and its kernels, as the CUDA runtime shows them.

#include "runtime.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <vector>

using namespace pretended;

namespace {

constexpr int MULTIPROCESSORS = 132, L2_BYTES = 50 << 20, VERSION = 13000;
// A kernel's time is made up of its function and its threads.
constexpr double KERNEL_NS = 1500, FUNCTION_NS = 120, THREAD_NS = 0.012;

int gpus() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible && (*visible == '\0' || *visible == '-') ? 0 : static_cast<int>(setting("PRETENDED_GPUS", 1));
}

// cuDNN talks to a driver by itself, and there is none: libtorch takes its own kernels.
void leave_cudnn_out() {
  static bool done = false;
  void* libtorch = done ? nullptr : dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD);
  if (!libtorch) return;
  auto context = reinterpret_cast<void* (*)()>(dlsym(libtorch, "_ZN2at13globalContextEv"));
  auto enable = reinterpret_cast<void (*)(void*, bool)>(dlsym(libtorch, "_ZN2at7Context19setUserEnabledCuDNNEb"));
  if (context && enable) enable(context(), false);
  done = true;
}

double kernel_ns(const void* function, dim3 grid, dim3 block) {
  double threads = double(grid.x) * grid.y * grid.z * block.x * block.y * block.z;
  return KERNEL_NS + reinterpret_cast<uintptr_t>(function) / 16 % 17 * FUNCTION_NS + threads * THREAD_NS;
}

struct Call {
  dim3 grid, block;
  size_t shared;
  void* stream;
};
thread_local std::vector<Call> calls;

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  leave_cudnn_out();
  *count = gpus();
  return *count > 0 ? cudaSuccess : told(cudaErrorNoDevice);
}
cudaError_t cudaGetDevice(int* device) { return *device = current_gpu, cudaSuccess; }
cudaError_t cudaSetDevice(int device) {
  leave_cudnn_out();
  if (device < 0 || device >= gpus()) return told(cudaErrorInvalidDevice);
  return current_gpu = device, cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  ANSWERS;
  NOT_CAPTURING;
  return wait(stream_of(nullptr)->busy_until);
}
cudaError_t cudaDriverGetVersion(int* version) { return *version = VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = VERSION, cudaSuccess; }
cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) { return *can = 0, cudaSuccess; }
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* most) { return *least = 0, *most = -5, cudaSuccess; }
cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
  std::snprintf(text, length, "0000:%02X:00.0", 4 + device);
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* all, int device) {
  std::memset(all, 0, sizeof *all);
  std::strcpy(all->name, "Pretended GPU");
  all->totalGlobalMem = capacity();
  all->major = 9;
  all->multiProcessorCount = MULTIPROCESSORS;
  all->warpSize = 32;
  all->maxThreadsPerBlock = all->maxThreadsDim[0] = all->maxThreadsDim[1] = 1024;
  all->maxThreadsDim[2] = 64;
  all->maxThreadsPerMultiProcessor = 2048;
  all->maxBlocksPerMultiProcessor = 32;
  all->regsPerBlock = all->regsPerMultiprocessor = 65536;
  all->sharedMemPerBlock = 48 << 10;
  all->sharedMemPerBlockOptin = all->sharedMemPerMultiprocessor = 227 << 10;
  all->maxGridSize[0] = INT32_MAX;
  all->maxGridSize[1] = all->maxGridSize[2] = UINT16_MAX;
  all->l2CacheSize = L2_BYTES;
  all->pciBusID = 4 + device;
  all->unifiedAddressing = all->canMapHostMemory = all->concurrentKernels = 1;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device) {
  cudaDeviceProp all;
  cudaGetDeviceProperties(&all, device);
  const std::map<int, int> known = {
      {cudaDevAttrMaxThreadsPerBlock, 1024}, {cudaDevAttrMaxBlockDimX, 1024}, {cudaDevAttrMaxBlockDimY, 1024},
      {cudaDevAttrMaxBlockDimZ, 64}, {cudaDevAttrMaxGridDimX, INT32_MAX}, {cudaDevAttrMaxGridDimY, UINT16_MAX},
      {cudaDevAttrMaxGridDimZ, UINT16_MAX}, {cudaDevAttrL2CacheSize, L2_BYTES}, {cudaDevAttrWarpSize, 32},
      {cudaDevAttrMultiProcessorCount, MULTIPROCESSORS}, {cudaDevAttrMaxSharedMemoryPerBlock, 48 << 10},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, 227 << 10}, {cudaDevAttrMaxSharedMemoryPerMultiprocessor, 227 << 10},
      {cudaDevAttrComputeCapabilityMajor, 9}, {cudaDevAttrMaxThreadsPerMultiProcessor, 2048}, {cudaDevAttrUnifiedAddressing, 1},
  };
  auto found = known.find(which);
  return *value = found == known.end() ? 0 : found->second, cudaSuccess;
}
// libtorch looks up all it could ask the driver for, where it says how full the memory is. What is not there is not supported (801).
static int not_supported() { return 801; }
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** found, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  static void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  *found = driver ? dlsym(driver, name) : nullptr;
  if (!*found) *found = reinterpret_cast<void*>(not_supported);
  if (result) *result = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  auto error = last_error;
  return last_error = cudaSuccess, error;
}
cudaError_t cudaPeekAtLastError() { return last_error; }


// Kernels. That they are registered says nothing to a GPU that runs none.
void** __cudaRegisterFatBinary(void*) {
  static void* binary[4];
  return binary;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void**, const char*, char*, const char*, int, void*, void*, void*, void*, int*) {}
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void* stream) {
  return calls.push_back({grid, block, shared, stream}), 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  auto call = calls.back();
  *grid = call.grid, *block = call.block, *shared = call.shared, *static_cast<void**>(stream) = call.stream;
  return calls.pop_back(), cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  return *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function)), cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void**, size_t, cudaStream_t stream) {
  return work(stream, kernel_ns(kernel, grid, block));
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* call, const void* function, void**) {
  return work(call->stream, kernel_ns(function, call->gridDim, call->blockDim));
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* all, const void*) {
  *all = cudaFuncAttributes();
  return all->maxThreadsPerBlock = 1024, all->numRegs = 32, all->ptxVersion = all->binaryVersion = 90, cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* count, const void*, int, size_t, unsigned) {
  return *count = 2, cudaSuccess;
}
}
