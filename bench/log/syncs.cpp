// Does nothing but write and sync (sync-file.h).
//
//   syncs FILE BYTES          BYTES with each write, until it is killed
//   syncs FILE BYTES COUNT    so often; prints how long a write and its sync took, in microseconds (p50)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../../native/log/short-slice.h"
#include "sync-file.h"

int main(int count, char** arguments) {
  if (count < 3) return 2;
  const std::vector<uint8_t> pages(size_t(std::atoi(arguments[2])), 1);
  SyncFile file(arguments[1], 64 << 20);
  rally::log::takeShortSlices();  // as the log's thread does
  if (count == 3) {
    for (;;) file.write(pages);
  }
  std::vector<double> microseconds(size_t(std::atoi(arguments[3])));
  for (double& each : microseconds) each = file.write(pages);
  std::sort(microseconds.begin(), microseconds.end());
  std::printf("%.0f\n", microseconds[microseconds.size() / 2]);
}
