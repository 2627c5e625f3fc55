// The load generator's own counting (bench/load/generator): what it says about a broker must be true.
#include "check.h"

#include <deque>
#include <set>

#include "../../bench/load/generator/histogram.h"
#include "../../bench/load/generator/json.h"
#include "../../bench/load/generator/publish-template.h"
#include "../../bench/load/generator/sequence.h"
#include "../../bench/load/generator/session-record.h"
#include "../../bench/load/generator/websocket.h"

using namespace load;

namespace {

// The smallest value that `share` of the sorted values do not exceed.
uint64_t exactQuantile(const std::vector<uint64_t>& sorted, double share) {
  const auto wanted = size_t(std::max(1.0, share * double(sorted.size()) + 0.999999));
  return sorted[wanted - 1];
}

// A frame as a server sends it: without mask.
void appendServerFrame(Buffer& out, Opcode opcode, const Buffer& payload) {
  out.push_back(uint8_t(0x80 | uint8_t(opcode)));
  if (payload.size() < 126) {
    out.push_back(uint8_t(payload.size()));
  } else if (payload.size() < 65'536) {
    out.push_back(126);
    append16(out, payload.size());
  } else {
    out.push_back(127);
    append32(out, 0);
    append32(out, uint32_t(payload.size()));
  }
  out.insert(out.end(), payload.begin(), payload.end());
}

Buffer unmasked(const Buffer& frame, size_t payloadAt) {
  Buffer payload(frame.begin() + ptrdiff_t(payloadAt), frame.end());
  for (size_t i = 0; i < payload.size(); i++) payload[i] ^= frame[payloadAt - 4 + i % 4];
  return payload;
}

// Numbers in any order, as a set knows them.
template <class Counted>
void countNumbers() {
  check::eachSeed(300, [](check::Random& random) {
    Counted sequence;
    std::set<uint32_t> came;
    uint32_t next = 1;
    for (int step = 0; step < 400; step++) {
      uint32_t number = next;
      if (random.chance(20)) number += uint32_t(random.below(100));
      else if (random.chance(20))
        number -= std::min(number - 1, uint32_t(random.below(random.chance(50) ? 60 : 10'000)));
      const uint32_t last = came.empty() ? 0 : *came.rbegin();
      const Arrival expected = number == last + 1   ? Arrival::next
                               : number > last      ? Arrival::gap
                               : came.count(number) ? Arrival::duplicate
                                                    : Arrival::late;
      CHECK_EQ(sequence.take(number), expected);
      if (expected != Arrival::duplicate) came.insert(number);
      next = std::max(last, number) + 1;
      CHECK_EQ(sequence.last(), *came.rbegin());
      CHECK_EQ(sequence.missing(), *came.rbegin() - came.size());
    }
  });
}

}  // namespace

TEST("histogram: small values are exact, every quantile is within 1/64 of the sorted values") {
  check::eachSeed(50, [](check::Random& random) {
    Histogram histogram;
    std::vector<uint64_t> values;
    for (size_t i = 1 + random.below(2'000); i > 0; i--) {
      values.push_back(random.next() >> random.below(64));
      histogram.record(values.back());
    }
    std::sort(values.begin(), values.end());
    CHECK_EQ(histogram.count(), values.size());
    CHECK_EQ(histogram.max(), values.back());
    for (const double share : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const uint64_t exact = exactQuantile(values, share);
      const uint64_t found = histogram.quantile(share);
      CHECK(found >= exact);
      CHECK(found - exact <= exact / 64);
    }
  });
}

TEST("histogram: an empty one has no values, and sums count both") {
  Histogram a;
  CHECK_EQ(a.quantile(0.5), 0);
  Histogram b;
  a.record(5);
  b.record(1'000'000'000'000);
  b.record(UINT64_MAX);
  a.add(b);
  CHECK_EQ(a.count(), 3);
  CHECK_EQ(a.quantile(0.3), 5);
  CHECK_EQ(a.max(), UINT64_MAX);
}

TEST("sequence: finds gaps, late numbers and duplicates as a set does") { countNumbers<Sequence>(); }
TEST("sequence: of dealt numbers too") { countNumbers<DealtSequence>(); }
TEST("sequence: of dealt numbers it remembers so many, and what comes from before is unclear") {
  for (const uint32_t jump : {0u, 1u, 5'000'000u}) {
    DealtSequence sequence;
    for (uint32_t number = 2; number <= DealtSequence::numbersMax; number++) {
      CHECK_EQ(sequence.take(number), number == 2 ? Arrival::gap : Arrival::next);
    }
    CHECK_EQ(sequence.missing(), 1);
    const uint32_t next = DealtSequence::numbersMax + 1 + jump;
    CHECK_EQ(sequence.take(next), jump == 0 ? Arrival::next : Arrival::gap);
    CHECK_EQ(sequence.take(1), Arrival::unclear);
    CHECK_EQ(sequence.take(next), Arrival::duplicate);
    CHECK_EQ(sequence.take(0), Arrival::duplicate);  // there is none
    CHECK_EQ(sequence.missing(), 1 + jump);
    CHECK_EQ(sequence.last(), next);
  }
}

TEST("sequence: what comes very late is late and neither lost nor a duplicate, until it comes again") {
  Sequence sequence;
  sequence.take(2);
  for (uint32_t number = 3; number <= 1'000'000; number++) CHECK_EQ(sequence.take(number), Arrival::next);
  CHECK_EQ(sequence.missing(), 1);
  CHECK_EQ(sequence.take(1), Arrival::late);
  CHECK_EQ(sequence.missing(), 0);
  CHECK_EQ(sequence.take(1), Arrival::duplicate);
  CHECK_EQ(sequence.take(0), Arrival::duplicate);  // there is none
}

TEST("sequence: of more gaps than it remembers the oldest stay missing, and what comes from there is unclear") {
  Sequence sequence(8);
  for (uint32_t number = 2; number <= 18; number += 2) sequence.take(number);  // nine gaps: 1, 3, ... 17
  CHECK_EQ(sequence.missing(), 9);
  CHECK_EQ(sequence.take(1), Arrival::unclear);
  CHECK_EQ(sequence.take(2), Arrival::unclear);
  CHECK_EQ(sequence.take(5), Arrival::unclear);
  CHECK_EQ(sequence.take(6), Arrival::duplicate);
  CHECK_EQ(sequence.take(7), Arrival::late);
  CHECK_EQ(sequence.missing(), 8);
}

TEST("sequence: what is skipped is for others, and not missing") {
  Sequence sequence;
  sequence.skipTo(5);
  sequence.skipTo(3);
  CHECK_EQ(sequence.last(), 5);
  CHECK_EQ(sequence.missing(), 0);
  CHECK_EQ(sequence.take(6), Arrival::next);
}

TEST("session record: what comes behind thousands of later ones is late, and neither lost nor double") {
  SessionRecord record("a session", stampBytes);
  const uint32_t connection = record.connect();
  const auto take = [&](uint32_t number) {
    record.take(connection, {1, false, 1, payloadOf({0, 7, number}, stampBytes)});
  };
  take(1);
  for (uint32_t number = 3; number < 5'000; number++) take(number);
  take(2);
  const Faults faults = record.faults();
  CHECK_EQ(faults.outOfOrder, 1);
  CHECK_EQ(faults.lost + faults.duplicates + faults.unclear, 0);
}

TEST("session record: what is missing, late or came twice without DUP is a fault, from the first message on") {
  const auto faultsOf = [](const std::vector<std::pair<uint32_t, bool>>& messages) {
    SessionRecord record("a session", stampBytes);
    const uint32_t earlier = record.connect();
    const uint32_t connection = record.connect();
    for (const auto& [number, isDuplicate] : messages) {
      const Buffer payload = payloadOf({0, 7, number}, stampBytes);
      record.take(earlier, {1, false, 1, payload});  // still read by the connection before: does not count
      record.take(connection, {1, isDuplicate, 1, payload});
    }
    return record.faults();
  };
  const Faults none = faultsOf({{5, false}, {6, false}, {5, true}, {6, true}, {7, false}, {4, true}});
  CHECK_EQ(none.lost + none.duplicates + none.outOfOrder + none.corrupt, 0);
  CHECK_EQ(faultsOf({{5, false}, {8, false}}).lost, 2);
  CHECK_EQ(faultsOf({{5, false}, {8, false}, {6, false}}).outOfOrder, 1);
  CHECK_EQ(faultsOf({{5, false}, {4, false}}).outOfOrder, 1);
  CHECK_EQ(faultsOf({{5, false}, {6, false}, {6, false}}).duplicates, 1);
}

TEST("session record: of the clients that share it one connects at a time") {
  SessionRecord record("a session", stampBytes);
  const int one = 1;
  const int other = 2;
  CHECK(record.mayConnect(&one));
  record.beginConnect(&one);
  CHECK(record.mayConnect(&one));
  CHECK(!record.mayConnect(&other));
  record.endConnect(&other);  // which is connected, and leaves
  CHECK(!record.mayConnect(&other));
  record.endConnect(&one);
  CHECK(record.mayConnect(&other));
}

TEST("session record: a session that begins anew misses nothing of before, and keeps what was wrong") {
  SessionRecord record("a session", stampBytes);
  const auto take = [&](uint32_t number) {
    record.take(record.connect(), {1, false, 1, payloadOf({0, 7, number}, stampBytes)});
  };
  take(1);
  take(3);
  record.forget();
  take(9);
  take(10);
  CHECK_EQ(record.faults().lost, 1);
  record.take(record.connect(), {1, false, 1, Buffer(stampBytes + 1, filling)});
  CHECK_EQ(record.faults().corrupt, 1);
}

TEST("WebSocket: server frames cut anywhere give their payloads, pings and the close") {
  check::eachSeed(200, [](check::Random& random) {
    Buffer stream;
    Buffer expected;
    std::deque<Buffer> pings;
    for (size_t i = random.below(8); i > 0; i--) {
      const Buffer payload = random.bytes(random.chance(10) ? 70'000 : random.chance(20) ? 300 : random.below(126));
      if (random.chance(20)) {
        pings.push_back(random.bytes(random.below(126)));
        appendServerFrame(stream, Opcode::ping, pings.back());
      }
      appendServerFrame(stream, Opcode::binary, payload);
      expected.insert(expected.end(), payload.begin(), payload.end());
    }
    appendServerFrame(stream, Opcode::close, {3, 232});
    Unframer unframer;
    Buffer payloads;
    for (size_t at = 0; at < stream.size();) {
      const size_t size = std::min(stream.size() - at, 1 + random.below(random.chance(50) ? 5 : 100'000));
      CHECK(!unframer.isClosed());
      Buffer chunk(stream.begin() + ptrdiff_t(at), stream.begin() + ptrdiff_t(at + size));
      const size_t count = unframer.unframe(chunk);
      payloads.insert(payloads.end(), chunk.begin(), chunk.begin() + ptrdiff_t(count));
      // Of several pings in a chunk the last is answered (RFC 6455, 5.5.3).
      if (const auto ping = unframer.takePing()) {
        while (!pings.empty() && pings.front() != *ping) pings.pop_front();
        CHECK(!pings.empty());
      }
      at += size;
    }
    CHECK(payloads == expected);
    CHECK(unframer.isClosed());
  });
}

TEST("publish template: patched in its mask, it is the packet that was meant") {
  for (const bool isWebSocket : {false, true}) {
    for (const uint8_t version : {uint8_t(4), version5}) {
      for (const uint8_t qos : {uint8_t(0), uint8_t(1), uint8_t(2)}) {
        for (const size_t payloadBytes : {size_t(16), size_t(64), size_t(70'000)}) {
          const PublishTemplate packet({version, qos, false, payloadBytes, isWebSocket}, "a/topic", 7);
          Buffer out(packet.size());
          packet.write(out.data(), 0x1234, 99, 1'000);
          const size_t frameBytes = payloadBytes < 126 - 40 ? 6 : payloadBytes < 65'536 ? 8 : 14;
          const Buffer plain = isWebSocket ? unmasked(out, frameBytes) : out;
          const Frame frame = firstFrame(plain);
          CHECK_EQ(frame.size, plain.size());
          const auto publish = readPublish(frame, version);
          if (!CHECK(publish.has_value())) return;
          CHECK_EQ(publish->qos, qos);
          CHECK_EQ(publish->packetId, qos > 0 ? 0x1234 : 0);
          const auto stamp = stampOf(publish->payload, payloadBytes);
          if (!CHECK(stamp.has_value())) return;
          CHECK_EQ(stamp->atNs, 99);
          CHECK_EQ(stamp->stream, 7);
          CHECK_EQ(stamp->sequence, 1'000);
        }
      }
    }
  }
}

TEST("MQTT: frames and PUBLISH packets that end too early are not read beyond their end") {
  const Buffer packet = publishPacket(version5, "a/b", 1, false, payloadOf({1, 2, 3}, 64));
  for (size_t size = 0; size < packet.size(); size++) {
    const Buffer cut(packet.begin(), packet.begin() + ptrdiff_t(size));
    CHECK_EQ(firstFrame(cut).size, 0);
  }
  for (size_t size = 0; size < 8; size++) {
    const Frame frame{0x32, Bytes(packet).subspan(2, size), size + 2};
    CHECK(!readPublish(frame, version5).has_value());
  }
}

TEST("MQTT: the Receive Maximum of a CONNACK is found behind other properties") {
  const Buffer connack{0, 0, 15, 0x22, 0, 10, 0x26, 0, 1, 'a', 0, 0, 0x24, 1, 0x21, 1, 0, 9};
  CHECK_EQ(receiveMaximumOf(connack), 256);
  CHECK_EQ(receiveMaximumOf(Bytes(connack).first(2)), 65'535);
}

TEST("JSON: commas, escapes and numbers") {
  Json json;
  json.open().text("a", "\"\\\n").number("b", 3).number("c", 0.25).flag("d", true);
  json.openList("e").number({}, 1).number({}, 2e15).closeList().open("f").close().close();
  CHECK_EQ(json.str(), std::string_view(R"({"a":"\"\\ ","b":3,"c":0.25,"d":true,"e":[1,2e+15],"f":{}})"));
}
