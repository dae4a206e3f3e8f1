// The functions of NVML and of the driver that nasprof and libtorch ask, of a pretended GPU: libnvidia-ml.so.1 and libcuda.so.1.
//
// The environment says what else it is to be: PRETENDED_PID, this process's number as the driver lists it (in a container, another than
// its own); PRETENDED_FOREIGN=1, another process computes there; PRETENDED_SLICES=1, it is divided (MIG), and the other process is on
// another slice.

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NOT_SUPPORTED = 3, TOO_SMALL = 7, NO_SUCH = 2, CLOCK_MHZ = 1980, WATTS = 150 };

typedef struct {
  char legacy[16];
  unsigned domain, bus, device, id, subsystem;
  char place[32];
} Pci;
typedef struct {
  unsigned pid;
  unsigned long long bytes;
  unsigned instance, computing;
} Process;
typedef struct {
  unsigned gpu, memory;
} Busy;

static unsigned setting(const char* name, unsigned otherwise) {
  const char* text = getenv(name);
  return text ? (unsigned)atoi(text) : otherwise;
}
static unsigned gpus(void) { return setting("PRETENDED_GPUS", 1); }
static int number(unsigned* to, unsigned value) { return *to = value, 0; }
// A slice's handle; those of GPUs are small.
enum { SLICE = 100 };
static const char SLICE_UUID[] = "MIG-00010203-0405-0607-0809-0a0b0c0d0e0f";

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
const char* nvmlErrorString(int error) { return (void)error, "not of a pretended GPU"; }
int nvmlSystemGetDriverVersion(char* text, unsigned length) { return snprintf(text, length, "pretended"), 0; }
int nvmlDeviceGetCount_v2(unsigned* count) { return number(count, gpus()); }
// A handle is the number, counted from 1.
int nvmlDeviceGetHandleByIndex_v2(unsigned index, size_t* gpu) { return *gpu = index + 1, index < gpus() ? 0 : NO_SUCH; }
int nvmlDeviceGetName(size_t gpu, char* text, unsigned length) { return (void)gpu, snprintf(text, length, "Pretended GPU"), 0; }
int nvmlDeviceGetUUID(size_t gpu, char* text, unsigned length) { return snprintf(text, length, "GPU-%08zu", gpu), 0; }
int nvmlDeviceGetPciInfo_v3(size_t gpu, Pci* pci) {
  memset(pci, 0, sizeof *pci);
  pci->bus = 3 + (unsigned)gpu;
  snprintf(pci->place, sizeof pci->place, "00000000:%02X:00.0", pci->bus);
  return 0;
}
int nvmlDeviceGetClockInfo(size_t gpu, int which, unsigned* mhz) { return (void)gpu, (void)which, number(mhz, CLOCK_MHZ); }
int nvmlDeviceGetMaxClockInfo(size_t gpu, int which, unsigned* mhz) { return (void)gpu, (void)which, number(mhz, CLOCK_MHZ); }
int nvmlDeviceGetCurrentClocksThrottleReasons(size_t gpu, unsigned long long* reasons) { return (void)gpu, *reasons = 0, 0; }
int nvmlDeviceGetTemperature(size_t gpu, int which, unsigned* celsius) { return (void)gpu, (void)which, number(celsius, 45); }
int nvmlDeviceGetTemperatureThreshold(size_t gpu, int which, unsigned* celsius) { return (void)gpu, (void)which, number(celsius, 90); }
int nvmlDeviceGetComputeRunningProcesses_v3(size_t gpu, unsigned* count, Process* all) {
  unsigned others = gpu == SLICE ? 0 : setting("PRETENDED_FOREIGN", 0);
  int fits = *count >= 1 + others;
  *count = 1 + others;
  if (!fits) return TOO_SMALL;
  *all = (Process){setting("PRETENDED_PID", (unsigned)getpid()), 500u << 20, ~0u, ~0u};
  if (others) all[1] = (Process){1, 300u << 20, ~0u, ~0u};
  return 0;
}
int nvmlDeviceGetHandleByUUID(const char* uuid, size_t* gpu) { return *gpu = SLICE, strcmp(uuid, SLICE_UUID) ? NO_SUCH : 0; }
int nvmlDeviceGetUtilizationRates(size_t gpu, Busy* busy) { return (void)gpu, *busy = (Busy){0, 0}, 0; }
int nvmlDeviceGetMigMode(size_t gpu, unsigned* now, unsigned* then) {
  return (void)gpu, *now = *then = setting("PRETENDED_SLICES", 0), *now ? 0 : NOT_SUPPORTED;
}
int nvmlDeviceGetEnforcedPowerLimit(size_t gpu, unsigned* milliwatts) { return (void)gpu, number(milliwatts, 700000); }
int nvmlDeviceGetTotalEnergyConsumption(size_t gpu, unsigned long long* millijoules) {
  (void)gpu;
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return *millijoules = (unsigned long long)((time.tv_sec + time.tv_nsec / 1e9) * WATTS * 1e3), 0;
}

// What libtorch looks up where it says how full the memory is.
int nvmlDeviceGetHandleByPciBusId_v2(const char* place, size_t* gpu) { return (void)place, *gpu = 1, 0; }
int nvmlDeviceGetComputeRunningProcesses(size_t gpu, unsigned* count, void* all) { return (void)gpu, (void)all, number(count, 0); }
int nvmlDeviceGetNvLinkRemoteDeviceType(void) { return NOT_SUPPORTED; }
int nvmlDeviceGetNvLinkRemotePciInfo_v2(void) { return NOT_SUPPORTED; }
int nvmlDeviceGetGpuFabricInfoV(void) { return NOT_SUPPORTED; }
int nvmlSystemGetCudaDriverVersion_v2(int* version) { return *version = 13000, 0; }

static int context;
int cuInit(unsigned flags) { return (void)flags, 0; }
int cuDeviceGet(int* gpu, int index) { return *gpu = index, 0; }
int cuDeviceGetName(char* text, int length, int gpu) { return (void)gpu, snprintf(text, (size_t)length, "Pretended GPU"), 0; }
int cuDeviceGetUuid_v2(unsigned char* uuid, int gpu) {
  for (unsigned char i = 0; i < 16; i++) uuid[i] = i;
  return (void)gpu, 0;
}
int cuCtxGetCurrent(void** current) { return *current = &context, 0; }
int cuCtxSetCurrent(void* current) { return (void)current, 0; }
int cuDevicePrimaryCtxRetain(void** made, int gpu) { return (void)gpu, *made = &context, 0; }
int cuDevicePrimaryCtxGetState(int gpu, unsigned* flags, int* active) { return (void)gpu, *flags = 0, *active = 1, 0; }
