// Matrix products of cuBLAS on the pretended GPU. The types are those of its interface, as the C++ ABI hands them on.

#include "runtime.hpp"

#include <cstring>

using namespace pretended;

namespace {

constexpr double PRODUCT_NS = 2500, FLOPS_PER_NS = 20000;

// Settings that are asked for again.
struct Handle {
  cudaStream_t stream = nullptr;
  int math = 0;
  int pointers = 0;
};

// 0 is success, 13 that it cannot be executed.
int product(void* handle, double m, double n, double k) {
  auto error = work(static_cast<Handle*>(handle)->stream, PRODUCT_NS + 2 * m * n * k / FLOPS_PER_NS);
  return error == cudaSuccess ? 0 : 13;
}

}  // namespace

extern "C" {

int cublasCreate_v2(void** handle) { return *handle = new Handle, 0; }
int cublasDestroy_v2(void* handle) { return delete static_cast<Handle*>(handle), 0; }
int cublasSetStream_v2(void* handle, cudaStream_t stream) { return static_cast<Handle*>(handle)->stream = stream, 0; }
int cublasSetWorkspace_v2(void*, void*, size_t) { return 0; }
int cublasSetMathMode(void* handle, int mode) { return static_cast<Handle*>(handle)->math = mode, 0; }
int cublasGetMathMode(void* handle, int* mode) { return *mode = static_cast<Handle*>(handle)->math, 0; }
int cublasSetPointerMode_v2(void* handle, int mode) { return static_cast<Handle*>(handle)->pointers = mode, 0; }
int cublasGetPointerMode_v2(void* handle, int* mode) { return *mode = static_cast<Handle*>(handle)->pointers, 0; }
int cublasSgemm_v2(void* handle, int, int, int m, int n, int k, const void*, const void*, int, const void*, int, const void*, void*, int) {
  return product(handle, m, n, k);
}
int cublasDgemm_v2(void* handle, int, int, int m, int n, int k, const void*, const void*, int, const void*, int, const void*, void*, int) {
  return product(handle, m, n, k);
}
int cublasSgemmEx(void* handle, int, int, int m, int n, int k, const void*, const void*, int, int, const void*, int, int, const void*,
                  void*, int, int) {
  return product(handle, m, n, k);
}
int cublasGemmEx(void* handle, int, int, int m, int n, int k, const void*, const void*, int, int, const void*, int, int, const void*,
                 void*, int, int, int, int) {
  return product(handle, m, n, k);
}
int cublasSgemmStridedBatched(void* handle, int, int, int m, int n, int k, const void*, const void*, int, long long, const void*, int,
                              long long, const void*, void*, int, long long, int count) {
  return product(handle, m, n, double(k) * count);
}
int cublasGemmStridedBatchedEx(void* handle, int, int, int m, int n, int k, const void*, const void*, int, int, long long, const void*,
                               int, int, long long, const void*, void*, int, int, long long, int count, int, int) {
  return product(handle, m, n, double(k) * count);
}
int cublasSgemv_v2(void* handle, int, int m, int n, const void*, const void*, int, const void*, int, const void*, void*, int) {
  return product(handle, m, n, 1);
}
int cublasLtMatmul(void*, void*, const void*, const void*, void*, const void*, void*, const void*, const void*, void*, void*, void*,
                   const void*, void*, size_t, cudaStream_t stream) {
  Handle handle{stream};
  return product(&handle, 0, 0, 0);
}
// One way to do it; its description is of 64 bytes, and what follows says how well it does.
int cublasLtMatmulAlgoGetHeuristic(void*, void*, void*, void*, void*, void*, void*, int, void* found, int* count) {
  std::memset(found, 0, 64);
  return *count = 1, 0;
}
}
