// A client that publishes to itself (QoS 0), each time a millisecond after the last message has come.
//
//   round-trips PORT
//
// For each line of its input it prints a JSON object about the round trips since the last one. It ends with its input.
#include "../catch-up/clients.h"

using namespace bench;

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "round-trips PORT\n");
    return 2;
  }
  Live live(std::atoi(arguments[1]));
  for (int byte = std::getchar(); byte != EOF; byte = std::getchar()) {
    if (byte != '\n') continue;
    std::vector<double> trips = live.take();
    std::printf("{\"count\":%zu,\"p50Us\":%.0f,\"p99Us\":%.0f,\"longestUs\":%.0f}\n", trips.size(),
                percentile(trips, 0.5), percentile(trips, 0.99), percentile(trips, 1));
    std::fflush(stdout);
  }
  return 0;
}
