// The command line of the generator: flags with numbers and words, each with its default. bench/load/scenarios.ts
// is what calls it.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "secure-socket.h"

namespace load {

struct Options {
  std::string scenario = "p2p";
  // The broker.
  std::string host = "127.0.0.1";  // a numeric IPv4 address
  std::string path = "/mqtt";
  std::string transport = "ws";  // or tcp, wss
  uint64_t port = 0;
  uint64_t tcpport = 0;  // of the same broker: a part of the clients of `soak` go there over TCP; 0: none
  std::string nodes;     // ports of brokers that are one, with + between: clients take turns; empty: there is only one
  uint64_t version = 5;  // or 4, which is MQTT 3.1.1
  uint64_t pid = 0;      // of its process, to see its CPU and memory; 0: do not look
  // The load.
  uint64_t publishers = 1;
  uint64_t subscribers = 1;
  uint64_t topics = 1;  // of each publisher
  uint64_t qos = 0;
  uint64_t payload = 64;        // bytes, at least 16
  uint64_t window = 10;         // closed loop: messages of a publisher that have not arrived everywhere
  uint64_t rate = 0;            // open loop: messages a second of all publishers; 0: closed loop
  uint64_t connections = 0;     // that only connect
  uint64_t concurrency = 200;   // connections that are being made at a time
  uint64_t frozen = 0;          // subscribers that never read
  uint64_t slow = 0;            // subscribers that read slowly
  uint64_t slowbytes = 10'000;  // bytes a second that a slow one reads
  uint64_t exact = 0;           // subscriptions without wildcards that match nothing
  uint64_t wildcard = 0;        // subscriptions with wildcards that match nothing
  uint64_t retained = 0;        // retained messages
  uint64_t churn = 0;           // clients that come and go
  uint64_t expiry = 0;          // seconds that sessions outlive their connections; MQTT 5 alone
  // The times, in milliseconds.
  uint64_t warmup = 500;
  uint64_t duration = 2'000;
  uint64_t drain = 2'000;      // at most, for what is under way at the end
  uint64_t patience = 60'000;  // for all connections and subscriptions of a stage
  uint64_t sample = 0;         // between two samples of progress; 0: none
  // The generator.
  uint64_t threads = 1;
};

// Says what is wrong and ends the process.
[[noreturn]] inline void refuse(const std::string& why) {
  std::fprintf(stderr, "generator: %s\n", why.c_str());
  std::exit(2);
}

inline Options readOptions(int count, char** arguments) {
  Options options;
  struct Word {
    const char* name;
    std::string* value;
  };
  struct Number {
    const char* name;
    uint64_t* value;
  };
  const Word words[] = {{"--scenario", &options.scenario},
                        {"--host", &options.host},
                        {"--path", &options.path},
                        {"--transport", &options.transport},
                        {"--nodes", &options.nodes}};
  const Number numbers[] = {{"--port", &options.port},
                            {"--tcpport", &options.tcpport},
                            {"--version", &options.version},
                            {"--pid", &options.pid},
                            {"--publishers", &options.publishers},
                            {"--subscribers", &options.subscribers},
                            {"--topics", &options.topics},
                            {"--qos", &options.qos},
                            {"--payload", &options.payload},
                            {"--window", &options.window},
                            {"--rate", &options.rate},
                            {"--connections", &options.connections},
                            {"--concurrency", &options.concurrency},
                            {"--frozen", &options.frozen},
                            {"--slow", &options.slow},
                            {"--slowbytes", &options.slowbytes},
                            {"--exact", &options.exact},
                            {"--wildcard", &options.wildcard},
                            {"--retained", &options.retained},
                            {"--churn", &options.churn},
                            {"--expiry", &options.expiry},
                            {"--warmup", &options.warmup},
                            {"--duration", &options.duration},
                            {"--drain", &options.drain},
                            {"--patience", &options.patience},
                            {"--sample", &options.sample},
                            {"--threads", &options.threads}};
  for (int i = 1; i < count; i += 2) {
    const std::string_view name = arguments[i];
    if (i + 1 == count) refuse(std::string(name) + " needs a value");
    bool isKnown = false;
    for (const Word& word : words) {
      if (name != word.name) continue;
      *word.value = arguments[i + 1];
      isKnown = true;
    }
    for (const Number& number : numbers) {
      if (name != number.name) continue;
      char* end = nullptr;
      *number.value = std::strtoull(arguments[i + 1], &end, 10);
      if (*end != 0 || end == arguments[i + 1]) refuse(std::string(name) + " needs a number, not " + arguments[i + 1]);
      isKnown = true;
    }
    if (!isKnown) refuse("there is no flag " + std::string(name));
  }
  if (options.transport != "ws" && options.transport != "tcp" && options.transport != "wss")
    refuse("--transport is ws, tcp or wss");
  if (options.transport == "wss" && !SecureSocket::isAvailable)
    refuse("wss needs the headers of OpenSSL where this is compiled: apt-get install libssl-dev");
  if (options.version != 4 && options.version != 5) refuse("--version is 4 or 5");
  if (options.qos > 2) refuse("--qos is 0, 1 or 2");
  if (options.port == 0 || options.port > 65'535) refuse("--port is needed");
  if (options.tcpport > 65'535) refuse("--tcpport is no port");
  if (options.threads == 0 || options.publishers == 0 || options.topics == 0 || options.window == 0)
    refuse("a count is 0");
  return options;
}

}  // namespace load
