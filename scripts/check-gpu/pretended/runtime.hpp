// A pretended GPU's queues, in real time: a kernel starts when it was launched and the one before is done, and computes nothing.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace pretended {

// What a capture recorded.
struct Graph {
  double ns = 0;
  size_t kernels = 0;
};

struct Stream {
  double busy_until = 0;
  bool captures = false;
  bool broken = false;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  unsigned long long id = 0;
  Graph graph;
};

// Of each thread: how its captures bear calls of its own, and the last error.
extern thread_local cudaStreamCaptureMode capture_mode;
extern thread_local cudaError_t last_error;
extern thread_local int current_gpu;

// Guards all of this.
extern std::recursive_mutex lock;
using Lock = std::lock_guard<std::recursive_mutex>;

// The environment's number for what this machine is to be: PRETENDED_GPUS (1), PRETENDED_BYTES (80 GiB of memory), PRETENDED_FALLS_AFTER
// so many launches off the bus (never), PRETENDED_BREAKS_CAPTURE, the number of the capture that fails (none, counted from 1).
double setting(const char* name, double otherwise);
double now();
// Waits until a time of the clock has come.
void wait_until(double time);
Stream* stream_of(cudaStream_t stream);
// Puts work of so many nanoseconds into a queue, or into what it captures.
cudaError_t work(cudaStream_t stream, double ns);
// Keeps an error as the last one of this thread.
cudaError_t told(cudaError_t error);
// The error of a GPU that has fallen off the bus, if it has.
bool has_fallen();
// Whether a call that a capture does not bear comes from a thread that captures; says so.
bool breaks_a_capture(const char* call);
void begin_capture(Stream* stream, cudaStreamCaptureMode mode);
void end_capture(Stream* stream);
// Waits, and all is well.
cudaError_t wait(double until);
// Bytes of its memory.
size_t capacity();

}  // namespace pretended

// Of calls that a GPU off the bus does not answer, and of those that a capture does not bear.
#define ANSWERS \
  if (pretended::has_fallen()) return pretended::told(cudaErrorDevicesUnavailable)
#define NOT_CAPTURING \
  if (pretended::breaks_a_capture(__func__)) return pretended::told(cudaErrorStreamCaptureUnsupported)
