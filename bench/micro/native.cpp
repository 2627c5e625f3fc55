// The native rivals of bench/micro: the data plane's own headers, on the inputs that the others get.
//
//   native FOLDER MS   reads FOLDER/stream, filters, topics and texts, runs each case for MS milliseconds (0: once),
//                      and prints a line of JSON for it; `found` is what it must agree upon with the others
#include <sched.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "../../native/sessions/session.h"
#include "../../native/structures/ring.h"
#include "../../native/topics/filter-table.h"
#include "../../native/wire/input.h"
#include "../../native/wire/publish-writer.h"
#include "../../native/wire/publish.h"

using namespace rally;

namespace {

using Text = std::vector<uint8_t>;
using Clock = std::chrono::steady_clock;

constexpr uint8_t version = 5;

Text readFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<Text> linesOf(const Text& text) {
  std::vector<Text> lines(1);
  for (const uint8_t byte : text) {
    if (byte == '\n') lines.emplace_back();
    else lines.back().push_back(byte);
  }
  return lines;
}

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

void print(const char* group, const char* name, double perSecond, uint64_t found) {
  std::printf("{\"group\":\"%s\",\"name\":\"%s\",\"perSecond\":%.0f,\"found\":%llu}\n", group, name, perSecond,
              static_cast<unsigned long long>(found));
}

// `work()` does `operations` and returns what it found.
template <class Work>
void measure(const char* group, const char* name, size_t operations, int ms, Work&& work) {
  const auto start = Clock::now();
  uint64_t rounds = 0;
  uint64_t found = 0;
  do {
    found = work();
    rounds++;
  } while (Clock::now() - start < std::chrono::milliseconds(ms));
  print(group, name, double(rounds * operations) / seconds(Clock::now() - start), found);
}

// The hand-over of a lane: what is pushed becomes visible a batch at a time. Both threads spin, as workers
// under load do, but give way where they share a core.
void measureRing(uint64_t records, uint64_t batch) {
  struct Record {
    uint64_t words[4];
  };
  Ring<Record> ring(16'384);
  const auto start = Clock::now();
  std::thread consumer([&] {
    for (uint64_t taken = 0; taken < records;) {
      const size_t count = ring.drain(256, [](const Record&) {});
      if (count == 0) sched_yield();
      taken += count;
    }
  });
  for (uint64_t sent = 0; sent < records;) {
    const uint64_t end = std::min(records, sent + batch);
    while (sent < end) {
      if (ring.push({{sent, 0, 0, 0}})) sent++;
      else sched_yield();
    }
    ring.commit();
  }
  consumer.join();
  print("hand-over", batch == 1 ? "lane, one by one" : "lane, batches of 128",
        double(records) / seconds(Clock::now() - start), records);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const std::string folder = arguments[1];
  const int ms = std::atoi(arguments[2]);
  const Text stream = readFile(folder + "/stream");
  const std::vector<Text> filters = linesOf(readFile(folder + "/filters"));
  const std::vector<Text> topics = linesOf(readFile(folder + "/topics"));
  const std::vector<Text> texts = linesOf(readFile(folder + "/texts"));

  std::vector<Publish> packets;
  const FrameRules rules{varintMax, true};
  Input().feed(stream, rules, [&](uint8_t first, Bytes body) {
    Publish publish;
    if (readPublish(first, body, version, publish) == Reason::success) packets.push_back(publish);
    return Flow::next;
  });
  measure("frames", "native", packets.size(), ms, [&] {
    uint64_t found = 0;
    Input().feed(stream, rules, [&](uint8_t, Bytes) {
      found++;
      return Flow::next;
    });
    return found;
  });
  measure("decode", "native", packets.size(), ms, [&] {
    uint64_t found = 0;
    Input().feed(stream, rules, [&](uint8_t first, Bytes body) {
      Publish publish;
      if (readPublish(first, body, version, publish) == Reason::success && isTopicName(publish.topic, 128))
        found += publish.payload.size();
      return Flow::next;
    });
    return found;
  });

  PublishWriter writer;
  measure("encode", "native", packets.size(), ms, [&] {
    uint64_t found = 0;
    for (const Publish& packet : packets) {
      Publication publication;
      publication.topic = packet.topic;
      publication.payload = packet.payload;
      publication.qos = packet.qos;
      writer.begin(0);
      PublishWriter::Head& head = writer.head(publication, version, packet.qos, {}, {});
      head.patch(packet.qos, false, false, packet.packetId, 0);
      found += head.bytes.size() + packet.payload.size();
    }
    return found;
  });

  FilterTable table({1, 2});
  for (const Text& filter : filters) table.acquire(filter).routes = 1;
  std::vector<Filter*> matches;
  measure("match", "native", topics.size(), ms, [&] {
    uint64_t found = 0;
    for (const Text& topic : topics) {
      matches.clear();
      table.match(topic, table.hashOf(topic), matches);
      found += matches.size();
    }
    return found;
  });

  size_t bytes = 0;
  for (const Text& text : texts) bytes += text.size();
  measure("utf-8", "native", bytes, ms, [&] {
    uint64_t found = 0;
    for (const Text& text : texts) found += isUtf8(text) ? 1 : 0;
    return found;
  });

  const uint64_t records = 1'000 + uint64_t(ms) * 20'000;
  measureRing(records, 1);
  measureRing(records, 128);
  return 0;
}
