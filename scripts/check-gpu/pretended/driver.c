// The functions of NVML and of the driver that nasprof and libtorch ask, of a pretended GPU: libnvidia-ml.so.1 and libcuda.so.1.

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

static unsigned gpus(void) {
  const char* text = getenv("PRETENDED_GPUS");
  return text ? (unsigned)atoi(text) : 1;
}
static int number(unsigned* to, unsigned value) { return *to = value, 0; }

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
  (void)gpu;
  int fits = *count >= 1;
  *count = 1;
  if (!fits) return TOO_SMALL;
  *all = (Process){(unsigned)getpid(), 500u << 20, ~0u, ~0u};
  return 0;
}
int nvmlDeviceGetUtilizationRates(size_t gpu, Busy* busy) { return (void)gpu, *busy = (Busy){0, 0}, 0; }
int nvmlDeviceGetMigMode(size_t gpu, unsigned* now, unsigned* then) { return (void)gpu, (void)now, (void)then, NOT_SUPPORTED; }
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
int cuCtxGetCurrent(void** current) { return *current = &context, 0; }
int cuCtxSetCurrent(void* current) { return (void)current, 0; }
int cuDevicePrimaryCtxRetain(void** made, int gpu) { return (void)gpu, *made = &context, 0; }
int cuDevicePrimaryCtxGetState(int gpu, unsigned* flags, int* active) { return (void)gpu, *flags = 0, *active = 1, 0; }
