// A stream of libtorch's own for this thread, and CUDA graphs captured on it.
//
// Streams are switched through the interface in libc10. CUDAGraph is in libtorch_cuda, which is loaded only where there is
// a GPU, and its header needs those of the CUDA toolkit: so its functions are looked up by name when they are needed (the
// names are those of libtorch 2.11), and nothing of CUDA is linked.

#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <utility>

namespace {

using Pool = std::pair<unsigned long long, unsigned long long>;

// Members as functions that take their object first, as the Itanium C++ ABI calls them.
struct Functions {
  void (*construct)(void*, bool);
  void (*destroy)(void*);
  void (*begin)(void*, Pool, int);
  void (*end)(void*);
  void (*replay)(void*);
};

template <typename F> bool find(F& function, const char* name) {
  function = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
  return function != nullptr;
}

const Functions* functions() {
  static Functions found;
  static const bool all = find(found.construct, "_ZN2at4cuda9CUDAGraphC1Eb") &&
      find(found.destroy, "_ZN2at4cuda9CUDAGraphD1Ev") &&
      find(found.begin, "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode") &&
      find(found.end, "_ZN2at4cuda9CUDAGraph11capture_endEv") &&
      find(found.replay, "_ZN2at4cuda9CUDAGraph6replayEv");
  return all ? &found : nullptr;
}

// An object of libtorch's class: a few hundred bytes, with room to spare.
struct Graph {
  alignas(64) unsigned char object[4096];
};

// cudaStreamCaptureModeThreadLocal: other threads may go on.
constexpr int THREAD_LOCAL_MODE = 1;

template <typename Work> int caught(char* error, size_t length, Work work) {
  const char* problem = nullptr;
  try {
    problem = work();
  } catch (const std::exception& thrown) {
    std::snprintf(error, length, "%s", thrown.what());
    return 1;
  } catch (...) {
    problem = "an unknown exception";
  }
  if (problem != nullptr) {
    std::snprintf(error, length, "%s", problem);
    return 1;
  }
  return 0;
}

constexpr const char* MISSING = "this libtorch_cuda has no CUDAGraph of version 2.11";

} // namespace

// All functions return 0, or 1 with the reason in `error`.

// Makes a stream from libtorch's pool the one of this thread; `stream` gets CUDA's handle of it.
extern "C" int nasprof_cuda_own_stream(int device, void** stream, char* error, size_t length) {
  return caught(error, length, [&]() -> const char* {
    c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    auto own = guard.getStreamFromGlobalPool(c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device)));
    // Streams of the pool do not wait for the one before: what was queued there, such as a network's weights, must be done.
    guard.synchronizeStream(guard.exchangeStream(own));
    *stream = own.native_handle();
    return nullptr;
  });
}

// From here on the thread's work is recorded and not run. After a failure the object is kept: libtorch's allocator may go on to ask
// it which work is recorded.
extern "C" int nasprof_cuda_capture_begin(void** graph, char* error, size_t length) {
  return caught(error, length, [&]() -> const char* {
    auto call = functions();
    if (call == nullptr) return MISSING;
    auto own = std::make_unique<Graph>();
    call->construct(own->object, false);
    *graph = own.release();
    call->begin(static_cast<Graph*>(*graph)->object, Pool(0, 0), THREAD_LOCAL_MODE);
    return nullptr;
  });
}

extern "C" int nasprof_cuda_capture_end(void* graph, char* error, size_t length) {
  return caught(error, length, [&]() -> const char* {
    functions()->end(static_cast<Graph*>(graph)->object);
    return nullptr;
  });
}

extern "C" int nasprof_cuda_graph_replay(void* graph, char* error, size_t length) {
  return caught(error, length, [&]() -> const char* {
    functions()->replay(static_cast<Graph*>(graph)->object);
    return nullptr;
  });
}

extern "C" void nasprof_cuda_graph_free(void* graph) {
  char error[8];
  caught(error, sizeof error, [&]() -> const char* {
    auto own = static_cast<Graph*>(graph);
    functions()->destroy(own->object);
    delete own;
    return nullptr;
  });
}
