// native/front-end/watch.h: marks, delivery times, traces and spans; native/wire/traceparent.h.
#include "../../native/wire/traceparent.h"
#include "hand-driven-broker.h"

using namespace rally;

namespace {

uint64_t timesOf(HandDrivenBroker& broker, unsigned worker) {
  uint64_t count = 0;
  const Latencies& times = broker.engine(worker).counters().deliveryTime;
  for (size_t bucket = 0; bucket < Latencies::buckets; bucket++) count += times.count(bucket);
  return count;
}

Octets userPropertyOf(const std::string& name, const std::string& value) {
  Octets bytes = {uint8_t(Property::userProperty)};
  for (const std::string& text : {name, value}) {
    bytes.push_back(uint8_t(text.size() >> 8));
    bytes.push_back(uint8_t(text.size()));
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  return bytes;
}

constexpr const char* parentText = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

bool reads(const std::string& text, bool& isSampled) {
  TraceParent parent;
  const bool isGood = readTraceParent(bytesOf(text), parent);
  isSampled = parent.isSampled;
  return isGood;
}

// A watch alone, and what it has told.
struct Watched {
  Counters counters;
  Fifo<Event> events;
  Watch watch{counters, events};
  Session session;

  Watched() { session.key = 7; }
  void publish(const char* topic, const Octets& properties = {}) {
    Publication publication;
    publication.topic = bytesOf(topic);
    publication.properties = properties;
    publication.payload = bytesOf("payload");
    publication.originSession = 7;
    publication.workers = 1;
    if (!watch.isDue()) return;
    watch.onPublish(publication, session);
    watch.afterPublish(publication, session);
  }
  std::vector<Octets> take() {
    std::vector<Octets> records;
    for (; !events.isEmpty(); events.pop()) records.push_back(events.front().bytes);
    return records;
  }
};

}  // namespace

TEST("watch: each delivery of a sampled message is timed once its socket has it, on whatever worker") {
  for (const unsigned workers : {1u, 2u}) {
    HandDrivenBroker broker(workers);
    Client& publisher = broker.connected("p", 0);
    for (unsigned worker = 0; worker < workers; worker++) {
      Client& subscriber = broker.connected("s" + std::to_string(worker), worker);
      subscriber.subscribe("a/#", 1);
    }
    broker.settle();
    for (int i = 0; i < 20; i++) publisher.publish("a/" + std::to_string(i), "x", i % 2);
    broker.settle();
    for (unsigned worker = 0; worker < workers; worker++) CHECK_EQ(timesOf(broker, worker), uint64_t(20));
  }
}

TEST("watch: what a socket does not take is not timed yet, nor what is retained or waited for a client that was away") {
  HandDrivenBroker broker(1);
  Client& publisher = broker.connected("p", 0);
  Client& slow = broker.connected("slow", 0);
  slow.subscribe("a", 0);
  broker.settle();
  slow.stopReading();
  publisher.publish("a", "x", 0, true);
  broker.settle();
  CHECK_EQ(timesOf(broker, 0), uint64_t(0));
  slow.goOnReading();
  broker.settle();
  CHECK_EQ(timesOf(broker, 0), uint64_t(1));
  Client& later = broker.connected("later", 0);
  later.subscribe("a", 0);
  broker.settle();
  CHECK_EQ(later.received.size(), size_t(1));
  CHECK_EQ(timesOf(broker, 0), uint64_t(1));
}

TEST("watch: a trace has what its filter matches and what its sessions do, and no more than so many in a second") {
  Watched watched;
  for (int i = 0; i < 3; i++) watched.publish("a/b");
  CHECK_EQ(watched.take().size(), size_t(0));
  watched.watch.trace(2, bytesOf("a/+"), 4);
  watched.publish("a/b");
  watched.publish("b");
  std::vector<Octets> records = watched.take();
  CHECK_EQ(records.size(), size_t(1));
  CHECK_EQ(int(records[0][0]), int(RecordKind::published));
  CHECK_EQ(int(records[0][1]), 1 << 2);
  CHECK_EQ(textOf(Bytes(records[0]).subspan(40)), std::string("a/bpayl"));
  watched.session.traces = 1 << 5;
  watched.publish("b");
  CHECK_EQ(int(watched.take()[0][1]), 1 << 5);
  for (uint32_t i = 0; i < 2 * Watch::recordsPerSecond; i++) watched.publish("b");
  CHECK_EQ(watched.take().size(), size_t(Watch::recordsPerSecond - 2));
  watched.watch.tick();
  records = watched.take();
  CHECK_EQ(records.size(), size_t(1));
  CHECK_EQ(int(records[0][0]), int(RecordKind::missed));
  watched.session.traces = 0;
  watched.watch.endTrace(2);
  watched.publish("a/b");
  CHECK_EQ(watched.take().size(), size_t(0));
}

TEST("watch: spans are made of messages whose parent is sampled, or by the ratio") {
  Watched watched;
  const Octets sampled = userPropertyOf("traceparent", parentText);
  Octets unsampled = sampled;
  unsampled.back() = '0';
  watched.publish("a", sampled);
  CHECK_EQ(watched.take().size(), size_t(0));
  watched.watch.makeSpans(true, true, 0);
  watched.publish("a", sampled);
  watched.publish("a", unsampled);
  watched.publish("a");
  const std::vector<Octets> records = watched.take();
  CHECK_EQ(records.size(), size_t(1));
  CHECK_EQ(int(records[0][0]), int(RecordKind::publishSpan));
  CHECK_EQ(toHex(Bytes(records[0]).subspan(48, 16)), std::string("0af7651916cd43dd8448eb211c80319c"));
  CHECK_EQ(toHex(Bytes(records[0]).subspan(72, 8)), std::string("b7ad6b7169203331"));
  watched.watch.makeSpans(true, false, 1);
  for (const Octets& properties : {sampled, unsampled, Octets()}) watched.publish("a", properties);
  CHECK_EQ(watched.take().size(), size_t(3));
  watched.watch.makeSpans(true, false, 0);
  watched.publish("a", sampled);
  CHECK_EQ(watched.take().size(), size_t(0));
}

TEST("traceparent: what W3C Trace Context calls valid is read, and nothing else") {
  bool isSampled = false;
  CHECK(reads(parentText, isSampled) && isSampled);
  const std::string good = parentText;
  CHECK(reads(good.substr(0, 53) + "00", isSampled) && !isSampled);
  CHECK(reads(good.substr(0, 53) + "03", isSampled) && isSampled);
  CHECK(reads("cc" + good.substr(2) + "-more", isSampled));
  for (const std::string& wrong :
       {std::string(), good.substr(0, 54), good + "-more", "ff" + good.substr(2), "cc" + good.substr(2) + "more",
        "0g" + good.substr(2), std::string("00-") + std::string(32, '0') + good.substr(35),
        good.substr(0, 36) + std::string(16, '0') + "-01", good.substr(0, 3) + "0AF7" + good.substr(7),
        good.substr(0, 53) + "0x", good.substr(0, 35) + "_" + good.substr(36)})
    CHECK(!reads(wrong, isSampled));
  Octets properties = {uint8_t(Property::payloadFormatIndicator), 1, uint8_t(Property::contentType), 0, 1, 'x'};
  const Octets user = userPropertyOf("traceparent", parentText);
  const Octets other = userPropertyOf("other", "value");
  properties.insert(properties.end(), other.begin(), other.end());
  properties.insert(properties.end(), user.begin(), user.end());
  CHECK_EQ(textOf(userProperty(properties, "traceparent")), good);
  CHECK(userProperty(properties, "tracestate").empty());
}
