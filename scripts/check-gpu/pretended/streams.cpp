// Streams of the pretended GPU, their captures as graphs, and events.

#include "runtime.hpp"

#include <cstdio>
#include <utility>

using namespace pretended;

namespace {

constexpr double EVENT_NS = 1000, GRAPH_NS = 3000, GAP_NS = 400;

struct Event {
  double at = 0;
  bool captured = false;
};

bool waits_for_itself(cudaStream_t handle) {
  if (!stream_of(handle)->captures) return false;
  std::fprintf(stderr, "pretended GPU: a stream is asked for its end while it is captured\n");
  return stream_of(handle)->broken = true;
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  ANSWERS;
  return *stream = reinterpret_cast<cudaStream_t>(new Stream), cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  ANSWERS;
  return waits_for_itself(stream) ? told(cudaErrorStreamCaptureUnsupported) : wait(stream_of(stream)->busy_until);
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  ANSWERS;
  if (waits_for_itself(stream)) return told(cudaErrorStreamCaptureUnsupported);
  return stream_of(stream)->busy_until <= now() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  Lock guard(lock);
  auto [at, captured] = *reinterpret_cast<Event*>(event);
  Stream* stream = stream_of(handle);
  if (stream->captures && !captured) return stream->broken = true, told(cudaErrorStreamCaptureIsolation);
  if (!stream->captures && at > stream->busy_until) stream->busy_until = at;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return *status = stream_of(stream)->captures ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone, cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status, unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t** before, const cudaGraphEdgeData** edges, size_t* count) {
  if (id) *id = stream_of(stream)->id;
  if (graph) *graph = reinterpret_cast<cudaGraph_t>(&stream_of(stream)->graph);
  if (before) *before = nullptr;
  if (edges) *edges = nullptr;
  if (count) *count = 0;
  return cudaStreamIsCapturing(stream, status);
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) { return std::swap(*mode, capture_mode), cudaSuccess; }
cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  Lock guard(lock);
  ANSWERS;
  // Nothing is captured on the default stream.
  if (stream_of(handle) == stream_of(nullptr) || stream_of(handle)->captures) return told(cudaErrorStreamCaptureUnsupported);
  return begin_capture(stream_of(handle), mode), cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  Lock guard(lock);
  Stream* stream = stream_of(handle);
  if (!stream->captures) return told(cudaErrorIllegalState);
  end_capture(stream);
  static const double breaks = setting("PRETENDED_BREAKS_CAPTURE", 0);
  if (stream->broken || static_cast<double>(stream->id) == breaks) return *graph = nullptr, told(cudaErrorStreamCaptureInvalidated);
  return *graph = reinterpret_cast<cudaGraph_t>(new Graph(stream->graph)), cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  return *count = reinterpret_cast<Graph*>(graph)->kernels, cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  return *made = reinterpret_cast<cudaGraphExec_t>(new Graph(*reinterpret_cast<Graph*>(graph))), cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete reinterpret_cast<Graph*>(graph), cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) { return delete reinterpret_cast<Graph*>(graph), cudaSuccess; }
// Kernels of a graph follow each other more closely.
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  auto [ns, kernels] = *reinterpret_cast<Graph*>(graph);
  return work(stream, GRAPH_NS + ns - GAP_NS * kernels);
}

// Events, which cost time.
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  ANSWERS;
  return *event = reinterpret_cast<cudaEvent_t>(new Event), cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete reinterpret_cast<Event*>(event), cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream) {
  Lock guard(lock);
  auto event = reinterpret_cast<Event*>(handle);
  event->captured = stream_of(stream)->captures;
  if (event->captured) return cudaSuccess;
  auto error = work(stream, EVENT_NS);
  event->at = stream_of(stream)->busy_until;
  return error == cudaSuccess ? work(stream, EVENT_NS) : error;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) { return cudaEventRecord(event, stream); }
cudaError_t cudaEventQuery(cudaEvent_t event) {
  ANSWERS;
  NOT_CAPTURING;
  return reinterpret_cast<Event*>(event)->at <= now() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  ANSWERS;
  NOT_CAPTURING;
  return wait(reinterpret_cast<Event*>(event)->at);
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  ANSWERS;
  return *ms = (reinterpret_cast<Event*>(to)->at - reinterpret_cast<Event*>(from)->at) / 1e6, cudaSuccess;
}
}
