// Frames from another node (native/cluster/): any bytes, and sound frames with records and fields that are not.
// Whatever comes is taken or refused, and the worker goes on.
#include "fuzz.h"

#include "../../native/cluster/record-codec.h"
#include "../../native/cluster/remote-ends.h"
#include "../../native/log/crc32c.h"

using namespace rally;
using namespace rally::cluster;

// A record that is taken is written as it came, unless it has rules in it, whose order does not count.
template <class R>
static void decodeAndEncode(Bytes bytes) {
  R record;
  if (!decode(bytes, {1'000, 0, 2}, record)) return;
  bool isParcel = false;
  record.visit([&]<class Kind>(const Kind&) { isParcel = std::is_same_v<Kind, request::Parcel>; });
  Octets again;
  encode(record, 1'000, again);
  CHECK(isParcel ? again.size() <= bytes.size() : isSame(again, bytes));
}

FUZZ("cluster-records") {
  const bool isRequest = input.chance(50);
  const Exact bytes(octetsOf(input.rest()));
  if (isRequest) decodeAndEncode<Request>(bytes);
  else decodeAndEncode<ShardRecord>(bytes);
}

FUZZ("cluster-frames") {
  Lanes lanes(ClusterPlace{2, 1, 1}, 64, 1'000'000);
  RemoteEnds ends(0, lanes);
  CHECK(ends.open(1, 2));
  uint64_t number = 0;
  while (!input.isSpent()) {
    FrameHead head;
    head.from = 1;
    head.fromIncarnation = input.chance(95) ? 2 : 3;
    head.toIncarnation = 1;
    head.channel = Channel(input.below(channels));
    head.flags = uint8_t(input.chance(10) ? FrameHead::wantsMissing : 0);
    head.probe = uint32_t(input.below(4));
    head.answer = uint32_t(input.below(4));
    head.acknowledged = input.chance(90) ? 0 : input.below(4);
    Octets piece = input.bytes(input.below(200));
    if (!piece.empty()) head.number = input.chance(90) ? number + 1 : input.below(5);
    Octets frame(FrameHead::bytes);
    head.write(frame, log::crc32c(piece));
    frame.insert(frame.end(), piece.begin(), piece.end());
    if (input.chance(10)) frame[input.below(frame.size())] ^= 1;
    const FrameOutcome outcome = ends.receive(1, Exact(frame), 1'000);
    if (outcome == FrameOutcome::taken && head.number != 0) number = head.number;
    if (outcome == FrameOutcome::malformed) break;
    ends.beginTurn();
    const auto take = [](const auto& record) { discard(record); };
    lanes.requests(1, 0).drain(input.below(10), take);
    lanes.deliveries(1, 0).drain(input.below(10), take);
    ends.endTurn(1'000);
  }
  lanes.eachLane([](auto& lane) { lane.clear([](const auto& record) { discard(record); }); });
}
