// native/sessions/fifo.h, native/sessions/packet-id-set.h and native/sessions/window.h, each against the
// standard library.
#include "check.h"
#include "octets.h"

#include <ctime>
#include <deque>
#include <map>
#include <set>

#include "../../native/sessions/packet-id-set.h"
#include "../../native/sessions/window.h"

using namespace rally;

namespace {

constexpr uint32_t packetIdMax = 65'535;

Delivery deliveryOf(uint8_t qos, const std::string& payload) {
  Publication publication;
  publication.workers = 1;
  publication.topic = bytesOf("t");
  publication.payload = bytesOf(payload);
  return {publication.keep(), SubscriptionIds(7), qos, false, false};
}

std::string payloadOf(const Delivery& delivery) { return textOf(delivery.message->payload()); }

}  // namespace

TEST("fifo: random use against a deque; removed elements are let go at once") {
  check::eachSeed(100, [](check::Random& random) {
    Fifo<std::shared_ptr<uint64_t>> fifo;
    std::deque<uint64_t> oracle;
    std::vector<std::weak_ptr<uint64_t>> alive;
    uint64_t added = 0;
    const unsigned pushes = random.chance(50) ? 60 : 45;
    for (int step = 0; step < 1'000; step++) {
      if (random.chance(pushes)) {
        auto value = std::make_shared<uint64_t>(added);
        alive.push_back(value);
        fifo.push(std::move(value));
        oracle.push_back(added++);
      } else if (!oracle.empty()) {
        CHECK_EQ(*fifo.front(), oracle.front());
        fifo.pop();
        CHECK(alive[oracle.front()].expired());
        oracle.pop_front();
      }
      CHECK_EQ(fifo.size(), oracle.size());
      CHECK_EQ(fifo.isEmpty(), oracle.empty());
      CHECK_EQ(fifo.end(), added);
      CHECK_EQ(fifo.first(), added - oracle.size());
      if (oracle.empty()) continue;
      const uint64_t sequence = fifo.first() + random.below(oracle.size());
      CHECK_EQ(*fifo[sequence], sequence);
    }
  });
}

TEST("packet id set: random use against std::set, dense and sparse") {
  check::eachSeed(80, [](check::Random& random) {
    PacketIdSet ids;
    std::set<uint16_t> oracle;
    const size_t range = random.pick(std::vector<size_t>{8, 40, 2'000, packetIdMax});
    const size_t stride = random.pick(std::vector<size_t>{1, 16, 256});
    for (int step = 0; step < 1'500; step++) {
      const auto id = uint16_t((random.below(range) * stride) % packetIdMax + 1);
      CHECK_EQ(ids.contains(id), oracle.contains(id));
      if (random.chance(52)) CHECK_EQ(ids.add(id), oracle.insert(id).second);
      else CHECK_EQ(ids.remove(id), oracle.erase(id) == 1);
      CHECK_EQ(ids.size(), oracle.size());
    }
    for (const uint16_t id : oracle) CHECK(ids.contains(id));
  });
}

TEST("packet id set: all 65,535 at once") {
  PacketIdSet ids;
  for (uint32_t id = 1; id <= packetIdMax; id++) CHECK(ids.add(uint16_t(id)));
  CHECK_EQ(ids.size(), packetIdMax);
  for (uint32_t id = 1; id <= packetIdMax; id++) CHECK(ids.contains(uint16_t(id)) && !ids.add(uint16_t(id)));
  for (uint32_t id = packetIdMax; id >= 1; id--) CHECK(ids.remove(uint16_t(id)));
  CHECK_EQ(ids.size(), 0);
  CHECK(!ids.contains(1) && !ids.remove(1));
}

TEST("packet id set: identifiers that a client has chosen to collide cost no more than others") {
  constexpr uint32_t count = 16'382;
  const auto timeOf = [](auto&& idAt) {
    const std::clock_t start = std::clock();  // of the processor: whoever else it works for does not count
    PacketIdSet ids;
    for (uint32_t i = 0; i < count; i++) CHECK(ids.add(idAt(i)));
    for (uint32_t i = 0; i < count; i++) CHECK(ids.contains(idAt(i)));
    for (uint32_t i = 0; i < count; i++) CHECK(ids.remove(idAt(i)));
    return std::clock() - start;
  };
  // Without mixing each of the spread ones has its place, and the second half of the chosen ones wants those of the
  // first: 16,382 steps against 200 million.
  const auto spread = [](uint32_t i) { return uint16_t(2 * i + 1); };
  const auto chosen = [](uint32_t i) { return uint16_t(i < count / 2 ? i + 1 : i - count / 2 + 1 + 32'768); };
  timeOf(spread);
  CHECK(timeOf(chosen) < 20 * timeOf(spread));
}

TEST("window: identifiers are unique while in flight; found by identifier and state; finished in any order") {
  check::eachSeed(60, [](check::Random& random) {
    HeldMessages held(0);
    Window window;
    struct Flight {
      std::string payload;
      uint8_t qos;
      bool isReleased;
    };
    std::map<uint16_t, Flight> oracle;
    const size_t inflightMax = random.between(1, 60);
    uint32_t sent = 0;
    for (int step = 0; step < 1'500; step++) {
      CHECK_EQ(window.hasRoom(inflightMax), oracle.size() < inflightMax);
      if (window.hasRoom(inflightMax) && random.chance(50)) {
        const std::string payload = std::to_string(sent++);
        const auto qos = uint8_t(random.between(1, 2));
        const uint16_t id = window.add(deliveryOf(qos, payload), held);
        CHECK(id != 0);
        CHECK(!oracle.contains(id));
        oracle[id] = {payload, qos, false};
        continue;
      }
      const auto stranger = uint16_t(random.next());
      if (!oracle.contains(stranger))
        CHECK(!window.find(stranger, Window::State::sent) && !window.find(stranger, Window::State::released));
      if (oracle.empty()) continue;
      auto some = oracle.begin();
      std::advance(some, std::ptrdiff_t(random.below(oracle.size())));
      const auto [id, flight] = *some;
      CHECK(!window.find(id, flight.isReleased ? Window::State::sent : Window::State::released));
      Window::Entry* entry = window.find(id, flight.isReleased ? Window::State::released : Window::State::sent);
      if (!CHECK(entry != nullptr)) return;
      if (!flight.isReleased) {
        CHECK_EQ(payloadOf(entry->delivery), flight.payload);
        CHECK_EQ(entry->delivery.qos, flight.qos);
      }
      if (flight.qos == 2 && !flight.isReleased && random.chance(80)) {
        window.release(*entry, held);
        some->second.isReleased = true;
      } else {
        window.finish(*entry, held);
        oracle.erase(some);
      }
      CHECK(!window.isResending());
    }
  });
}

TEST("window: packet identifiers go around past 65,535, and never over one that is in flight") {
  HeldMessages held(0);
  Window window;
  const uint16_t stuck = window.add(deliveryOf(1, "stuck"), held);
  CHECK_EQ(stuck, 1);
  uint32_t given = 1;
  while (window.hasRoom(100)) {
    const uint16_t id = window.add(deliveryOf(1, "x"), held);
    if (!CHECK(id != stuck)) return;
    given++;
    window.finish(*window.find(id, Window::State::sent), held);
  }
  CHECK_EQ(given, packetIdMax);  // the whole circle but the one that is stuck
  CHECK(!window.hasRoom(1) && !window.isResending());
  window.finish(*window.find(stuck, Window::State::sent), held);
  for (uint32_t i = 0; i < 3 * packetIdMax; i++) {
    const uint16_t id = window.add(deliveryOf(1, "y"), held);
    if (!CHECK_EQ(id, i % packetIdMax + 1)) return;
    if (i >= 5) window.finish(*window.find(uint16_t((i - 5) % packetIdMax + 1), Window::State::sent), held);
  }
  CHECK(window.hasRoom(6) && !window.hasRoom(5));
}

TEST("window: after restart everything unacknowledged comes again, oldest first, as it was") {
  check::eachSeed(100, [](check::Random& random) {
    HeldMessages held(0);
    Window window;
    std::vector<uint16_t> order;
    std::map<uint16_t, std::string> sent;
    std::set<uint16_t> released;
    const auto settleSome = [&](unsigned percent) {
      for (const uint16_t id : std::vector<uint16_t>(order)) {
        if (!random.chance(percent)) continue;
        Window::Entry* entry = window.find(id, released.contains(id) ? Window::State::released : Window::State::sent);
        if (!CHECK(entry != nullptr)) return;
        if (!released.contains(id) && random.chance(50)) {
          window.release(*entry, held);
          released.insert(id);
        } else {
          window.finish(*entry, held);
          released.erase(id);
          std::erase(order, id);
        }
      }
    };
    for (size_t i = random.below(70'000); i > 0 && random.chance(100); i -= std::min<size_t>(i, 1'000)) {
      for (int j = 0; j < 100; j++)
        window.finish(*window.find(window.add(deliveryOf(1, ""), held), Window::State::sent), held);
    }
    for (int round = 0; round < 5; round++) {
      for (size_t i = random.below(30); i > 0; i--) {
        const std::string payload = std::to_string(random.next());
        const uint16_t id = window.add(deliveryOf(2, payload), held);
        order.push_back(id);
        sent[id] = payload;
      }
      settleSome(30);
      window.restart();
      CHECK_EQ(window.isResending(), !order.empty());
      std::vector<uint16_t> again;
      size_t inflight = 0;
      while (window.isResending()) {
        const Window::Entry& entry = window.resent();
        const uint16_t id = window.resentPacketId();
        // What was only released does not count against the Receive Maximum of this connection.
        CHECK(window.mayResend(inflight + 1));
        CHECK_EQ(window.mayResend(inflight), entry.state != Window::State::sent);
        if (entry.state == Window::State::sent) inflight++;
        if (entry.state != Window::State::done) again.push_back(id);
        if (entry.state == Window::State::sent) CHECK_EQ(payloadOf(entry.delivery), sent[id]);
        CHECK_EQ(entry.state == Window::State::released, released.contains(id));
        window.advance();
      }
      CHECK(again == order);
      if (random.chance(50)) {  // acknowledged in the middle of it
        window.restart();
        for (size_t i = random.below(order.size() + 1); i > 0 && window.isResending(); i--) window.advance();
        settleSome(50);
        while (window.isResending()) window.advance();
      }
    }
  });
}

TEST("window: taking what was not received may empty it, however many have gone through it") {
  for (const size_t count : {size_t(1), size_t(64), size_t(65), size_t(200)}) {
    for (const bool isResending : {false, true}) {
      HeldMessages held(0);
      Window window;
      std::vector<uint16_t> ids;
      for (size_t i = 0; i < count; i++) ids.push_back(window.add(deliveryOf(1, std::to_string(i)), held));
      for (size_t i = 1; i < count; i++) window.finish(*window.find(ids[i], Window::State::sent), held);
      if (isResending) window.restart();
      std::vector<Delivery> taken;
      window.takeUnreceived([](const Delivery&) { return true; }, taken, held);
      if (!CHECK_EQ(taken.size(), 1)) return;
      CHECK_EQ(payloadOf(taken[0]), std::string("0"));
      CHECK(!window.isResending() && window.hasRoom(1));
      CHECK(!window.find(ids[0], Window::State::sent));
      const uint16_t next = window.add(deliveryOf(1, "next"), held);
      CHECK_EQ(payloadOf(window.find(next, Window::State::sent)->delivery), std::string("next"));
    }
  }
}

TEST("window: what is taken is what was meant, unreceived and of QoS 1, in order; the rest stays as it was") {
  check::eachSeed(200, [](check::Random& random) {
    HeldMessages held(0);
    Window window;
    std::map<uint16_t, std::pair<std::string, Window::State>> oracle;
    std::vector<uint16_t> order;
    for (size_t i = random.below(150); i > 0; i--) {
      const auto qos = uint8_t(random.between(1, 2));
      const std::string payload = std::to_string(qos) + std::to_string(random.below(3));
      const uint16_t id = window.add(deliveryOf(qos, payload), held);
      oracle[id] = {payload, Window::State::sent};
      order.push_back(id);
    }
    const unsigned finished = random.pick(std::vector<unsigned>{20, 90, 99});
    for (const uint16_t id : order) {
      if (random.chance(finished)) {
        window.finish(*window.find(id, Window::State::sent), held);
        oracle.erase(id);
      } else if (oracle[id].first[0] == '2' && random.chance(50)) {
        window.release(*window.find(id, Window::State::sent), held);
        oracle[id].second = Window::State::released;
      }
    }
    std::vector<std::string> expected;
    for (const uint16_t id : order) {
      if (!oracle.contains(id) || oracle[id].first != "10") continue;
      expected.push_back(oracle[id].first);
      oracle.erase(id);
    }
    std::vector<Delivery> taken;
    window.takeUnreceived([](const Delivery& delivery) { return payloadOf(delivery) == "10"; }, taken, held);
    CHECK_EQ(taken.size(), expected.size());
    for (const uint16_t id : order) {
      for (const Window::State state : {Window::State::sent, Window::State::released}) {
        const bool isThere = oracle.contains(id) && oracle[id].second == state;
        CHECK_EQ(window.find(id, state) != nullptr, isThere);
      }
    }
    CHECK_EQ(window.hasRoom(oracle.size()), false);
    CHECK(window.hasRoom(oracle.size() + 1));
  });
}
