// The load generator: a black-box MQTT client of many connections. One scenario per process; the flags are in
// options.h, the scenarios in plan.h, and what it prints in run.h.
//
//   main thread   run.h: stages, CPU and memory, the result
//   thread 0..n   reactor.h: an epoll loop each, with its clients (client.h) and their roles
#include "run.h"

int main(int count, char** arguments) {
  const load::Options options = load::readOptions(count, arguments);
  load::Run run(options);
  return run.play();
}
