// The queues of the pretended GPU, and what is forbidden while they are captured.

#include "runtime.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <unistd.h>

namespace pretended {

std::recursive_mutex lock;

namespace {
Stream standard;
double launches = 0;
thread_local int captures = 0;
}  // namespace

thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;
thread_local cudaError_t last_error = cudaSuccess;
thread_local int current_gpu = 0;

double setting(const char* name, double otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atof(text) : otherwise;
}

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

void wait_until(double time) {
  for (double left = time - now(); left > 0; left = time - now()) {
    if (left > 2e5) usleep(static_cast<useconds_t>((left - 1e5) / 1e3));
  }
}

cudaError_t wait(double until) {
  wait_until(until);
  return cudaSuccess;
}

size_t capacity() { return static_cast<size_t>(setting("PRETENDED_BYTES", 80.0 * (1 << 30))); }

// The default streams have small numbers as their handles.
Stream* stream_of(cudaStream_t stream) {
  return reinterpret_cast<uintptr_t>(stream) <= 2 ? &standard : reinterpret_cast<Stream*>(stream);
}

bool has_fallen() {
  static const double most = setting("PRETENDED_FALLS_AFTER", -1);
  return most >= 0 && launches > most;
}

cudaError_t told(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

cudaError_t work(cudaStream_t handle, double ns) {
  Lock guard(lock);
  if (has_fallen()) return told(cudaErrorDevicesUnavailable);
  launches++;
  Stream* stream = stream_of(handle);
  if (stream->captures) {
    stream->graph.ns += ns;
    stream->graph.kernels++;
    return cudaSuccess;
  }
  if (captures > 0) std::fprintf(stderr, "pretended GPU: work beside what its thread captures\n");
  stream->busy_until = (stream->busy_until > now() ? stream->busy_until : now()) + ns;
  return cudaSuccess;
}

bool breaks_a_capture(const char* call) {
  if (captures == 0 || capture_mode == cudaStreamCaptureModeRelaxed) return false;
  std::fprintf(stderr, "pretended GPU: %s while its thread captures\n", call);
  return true;
}

void begin_capture(Stream* stream, cudaStreamCaptureMode mode) {
  static unsigned long long next = 1;
  stream->captures = true;
  stream->broken = false;
  stream->mode = mode;
  stream->id = next++;
  stream->graph = Graph();
  if (mode != cudaStreamCaptureModeRelaxed) captures++;
}

void end_capture(Stream* stream) {
  stream->captures = false;
  if (stream->mode != cudaStreamCaptureModeRelaxed) captures--;
}

}  // namespace pretended
