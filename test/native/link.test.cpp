// native/cluster/link.h: two links, what carries their frames being late, lossy, or cut off.
#include "check.h"
#include "octets.h"

#include <deque>

#include "../../native/cluster/link.h"

using namespace rally;
using namespace rally::cluster;

namespace {

constexpr uint64_t incarnations[] = {111, 222};

// One end: what it has sent and not been acknowledged, and what has come.
struct End : FrameSink {
  explicit End(unsigned own) : link({incarnations[own], incarnations[1 - own], uint8_t(own), uint8_t(1 - own)}) {}

  void onFrame(unsigned, Bytes frame) override { sent.push_back(octetsOf(frame)); }

  void add(Channel channel, const Octets& record, uint64_t nowMs) {
    link.add(channel, nowMs, [&](Octets& to) { to.insert(to.end(), record.begin(), record.end()); });
    link.cut(channel, nowMs, *this);
  }
  FrameOutcome receive(const Octets& frame, uint64_t nowMs) {
    FrameHead head;
    Bytes piece;
    const Exact exact(frame);
    if (const FrameOutcome outcome = FrameHead::read(exact, head, piece); outcome != FrameOutcome::taken)
      return outcome;
    bool isAny = false;
    const FrameOutcome outcome = link.receive(head, piece, nowMs, [&](Channel channel, Bytes record, uint64_t ageMs) {
      received[size_t(channel)].push_back(octetsOf(record));
      ages.push_back(ageMs);
      return isAny = isSound;
    });
    if (outcome != FrameOutcome::taken) return outcome;
    if (isAny) untaken[size_t(head.channel)] += piece.size();
    else link.noteTaken(head.channel, piece.size());
    return outcome;
  }
  void takeAll() {
    for (const Channel channel : {Channel::requests, Channel::deliveries})
      link.noteTaken(channel, std::exchange(untaken[size_t(channel)], 0));
  }

  Link link;
  std::deque<Octets> sent;
  std::vector<Octets> received[channels];
  std::vector<uint64_t> ages;
  uint64_t untaken[channels] = {};
  bool isSound = true;
};

struct Pair {
  End a{0};
  End b{1};
  uint64_t nowMs = 1'000;

  static FrameOutcome next(End& from, End& to, uint64_t nowMs) {
    const Octets frame = std::move(from.sent.front());
    from.sent.pop_front();
    return to.receive(frame, nowMs);
  }
  void carryAll() {
    for (bool isAny = true; isAny;) {
      a.takeAll();
      b.takeAll();
      a.link.finish(nowMs, a);
      b.link.finish(nowMs, b);
      isAny = !a.sent.empty() || !b.sent.empty();
      while (!a.sent.empty()) next(a, b, nowMs);
      while (!b.sent.empty()) next(b, a, nowMs);
    }
  }
  void tick() {
    nowMs += 1'000;
    a.link.tick();
    b.link.tick();
  }
  size_t waitingBytes() const { return a.link.figures(nowMs).waitingBytes + b.link.figures(nowMs).waitingBytes; }
};

Octets numbered(uint32_t number, size_t bytes) {
  Octets record(std::max<size_t>(bytes, 4), uint8_t(number));
  std::memcpy(record.data(), &number, 4);
  return record;
}

}  // namespace

TEST("link: records of both channels come in order, whatever their sizes, and are acknowledged within a second") {
  check::eachSeed(30, [](check::Random& random) {
    Pair pair;
    std::vector<Octets> sent[channels];
    for (uint32_t i = 0; i < 60; i++) {
      const size_t channel = random.below(channels);
      if (!pair.a.link.mayAdd(Channel(channel))) pair.carryAll();
      sent[channel].push_back(numbered(i, random.chance(20) ? random.below(200'000) : random.below(300)));
      pair.a.add(Channel(channel), sent[channel].back(), pair.nowMs);
    }
    pair.carryAll();
    for (size_t channel = 0; channel < channels; channel++) CHECK(pair.b.received[channel] == sent[channel]);
    pair.tick();
    pair.carryAll();
    CHECK_EQ(pair.waitingBytes(), 0);
    CHECK_EQ(pair.a.link.figures(pair.nowMs).framesResent, 0);
  });
}

TEST("link: a record larger than all credit comes in pieces, and holds up the other channel for none of them") {
  Pair pair;
  const Octets large = numbered(1, 3'000'000);
  pair.a.add(Channel::requests, large, pair.nowMs);
  CHECK(!pair.a.link.mayAdd(Channel::requests));
  CHECK(pair.a.link.mayAdd(Channel::deliveries));
  for (const Octets& frame : pair.a.sent) CHECK(frame.size() <= FrameHead::bytes + Link::pieceBytesMax);
  pair.a.add(Channel::deliveries, numbered(2, 10), pair.nowMs);
  while (!pair.a.sent.empty()) Pair::next(pair.a, pair.b, pair.nowMs);
  CHECK(pair.b.received[1].size() == 1 && pair.b.received[0].empty());
  pair.carryAll();
  CHECK(pair.b.received[0] == std::vector<Octets>{large});
  CHECK(pair.a.link.mayAdd(Channel::requests));
}

TEST("link: no more is on the way than the other end has given credit for") {
  Pair pair;
  uint32_t count = 0;
  while (pair.a.link.mayAdd(Channel::requests)) pair.a.add(Channel::requests, numbered(count++, 1'000), pair.nowMs);
  CHECK(pair.waitingBytes() < Link::windowBytes + Link::frameBytes + 100'000);
  while (!pair.a.sent.empty()) Pair::next(pair.a, pair.b, pair.nowMs);
  pair.b.link.finish(pair.nowMs, pair.b);
  while (!pair.b.sent.empty()) Pair::next(pair.b, pair.a, pair.nowMs);
  CHECK(!pair.a.link.mayAdd(Channel::requests));  // it has come, and nobody has taken it
  CHECK(pair.a.link.mayAdd(Channel::deliveries));
  pair.carryAll();
  CHECK(pair.a.link.mayAdd(Channel::requests));
  CHECK_EQ(pair.b.received[0].size(), count);
}

TEST("link: what is lost comes again, once each and in order, whoever hears of the loss") {
  for (const bool isTold : {true, false}) {
    check::eachSeed(60, [&](check::Random& random) {
      Pair pair;
      uint32_t sent[2][channels] = {};
      uint32_t seen[2][channels] = {};
      const auto checkReceived = [&](End& end, size_t own) {
        for (size_t channel = 0; channel < channels; channel++) {
          for (const Octets& record : end.received[channel])
            CHECK(record == numbered(seen[own][channel], record.size()) && ++seen[own][channel]);
          end.received[channel].clear();
        }
      };
      for (int step = 0; step < 400; step++) {
        const size_t from = random.below(2);
        End& end = from == 0 ? pair.a : pair.b;
        End& other = from == 0 ? pair.b : pair.a;
        const auto channel = Channel(random.below(channels));
        switch (random.below(8)) {
          case 0:
          case 1:
          case 2:
            if (end.link.mayAdd(channel))
              end.add(channel, numbered(sent[from][size_t(channel)]++, random.chance(10) ? 100'000 : random.below(500)),
                      pair.nowMs);
            break;
          case 3: end.link.finish(pair.nowMs, end); break;
          case 4: end.takeAll(); break;
          case 5:
            if (random.chance(20)) {
              end.sent.clear();  // the connection breaks
              if (isTold) end.link.reconnect();
            }
            break;
          case 6:
            if (random.chance(20)) pair.tick();
            break;
          default:
            if (!end.sent.empty()) CHECK(Pair::next(end, other, pair.nowMs) <= FrameOutcome::early);
        }
        checkReceived(pair.a, 0);
        checkReceived(pair.b, 1);
        CHECK(pair.waitingBytes() < 2 * (channels * Link::windowBytes + 300'000));
      }
      for (int i = 0; i < 8; i++) {
        pair.carryAll();
        pair.tick();
      }
      pair.carryAll();
      checkReceived(pair.a, 0);
      checkReceived(pair.b, 1);
      for (size_t own = 0; own < 2; own++) {
        for (size_t channel = 0; channel < channels; channel++) CHECK_EQ(seen[own][channel], sent[1 - own][channel]);
      }
      CHECK_EQ(pair.waitingBytes(), 0);
    });
  }
}

TEST("link: credit that was told in a frame that is lost is told again") {
  Pair pair;
  uint32_t count = 0;
  while (pair.a.link.mayAdd(Channel::requests)) pair.a.add(Channel::requests, numbered(count++, 1'000), pair.nowMs);
  while (!pair.a.sent.empty()) Pair::next(pair.a, pair.b, pair.nowMs);
  pair.b.takeAll();
  pair.b.link.finish(pair.nowMs, pair.b);
  CHECK(!pair.b.sent.empty());
  pair.b.sent.clear();
  pair.carryAll();
  CHECK(!pair.a.link.mayAdd(Channel::requests));
  for (int i = 0; i < 3; i++) {
    pair.tick();
    pair.carryAll();
  }
  CHECK(pair.a.link.mayAdd(Channel::requests));
  CHECK_EQ(pair.a.link.figures(pair.nowMs).framesResent, 0);  // nothing was lost
}

TEST("link: the age of a record counts from when it was encoded, also when it is sent again") {
  Pair pair;
  pair.a.add(Channel::requests, numbered(0, 10), pair.nowMs);
  pair.a.link.finish(pair.nowMs, pair.a);
  pair.a.sent.clear();
  pair.nowMs += 700;
  pair.a.link.reconnect();
  pair.a.add(Channel::requests, numbered(1, 10), pair.nowMs);
  pair.carryAll();
  CHECK(pair.b.ages == (std::vector<uint64_t>{700, 0}));
}

TEST("link: damaged frames are refused and break nothing, and impossible ones break the link") {
  Pair pair;
  pair.a.add(Channel::requests, numbered(0, 300), pair.nowMs);
  pair.a.link.finish(pair.nowMs, pair.a);
  const Octets good = pair.a.sent.front();
  for (size_t i = 0; i < good.size(); i++) {
    Octets bad = good;
    bad[i] ^= 0x10;
    CHECK(pair.b.receive(bad, pair.nowMs) == (i == 2 ? FrameOutcome::foreignVersion : FrameOutcome::damaged));
  }
  for (size_t size = 0; size < good.size(); size++)
    CHECK(pair.b.receive(octetsOf(Bytes(good).first(size)), pair.nowMs) == FrameOutcome::damaged);
  CHECK(pair.b.receive(good, pair.nowMs) == FrameOutcome::taken);
  CHECK(pair.b.receive(good, pair.nowMs) == FrameOutcome::repeated);
  CHECK_EQ(pair.b.received[0].size(), 1);

  const auto breaks = [](auto change) {
    Pair own;
    FrameHead head;
    change(head);
    Octets frame(FrameHead::bytes);
    head.write(frame, 0);
    CHECK(own.b.receive(frame, own.nowMs) == FrameOutcome::malformed);
    CHECK(own.b.link.isBroken() && !own.b.link.mayAdd(Channel::requests));
    own.b.link.reconnect();
    own.b.link.tick();
    own.b.link.finish(own.nowMs, own.b);
    CHECK(own.b.sent.empty());
  };
  breaks([](FrameHead& head) { head.acknowledged = 1; });  // nothing was sent
  breaks([](FrameHead& head) { head.taken[1] = 1; });
  pair.a.add(Channel::requests, numbered(0, 10), pair.nowMs);
  pair.b.isSound = false;  // a record that is none
  CHECK(pair.b.receive(pair.a.sent.back(), pair.nowMs) == FrameOutcome::malformed);
  CHECK(pair.b.link.isBroken());
}
