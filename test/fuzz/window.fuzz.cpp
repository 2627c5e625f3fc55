// native/sessions/window.h against a list of what is in flight.
#include "fuzz.h"

#include <list>

#include "../../native/sessions/window.h"

using namespace rally;

namespace {

struct Flight {
  uint16_t id;
  std::string payload;
  uint8_t qos;
  bool isReleased = false;
  bool isInflight = true;
};

Delivery deliveryOf(const Flight& flight) {
  Publication publication;
  publication.workers = 1;
  publication.topic = bytesOf("t");
  publication.payload = bytesOf(flight.payload);
  return {publication.keep(), {}, flight.qos, false, 0};
}

}  // namespace

FUZZ("window") {
  const size_t inflightMax = input.between(1, 200);
  HeldMessages held(0);
  Window window;
  std::list<Flight> oracle;
  size_t resending = 0;  // how many at the end of the oracle are still to come again
  uint64_t added = 0;
  // To where the circle of packet identifiers closes.
  for (size_t skipped = input.chance(5) ? 65'450 : 0; skipped > 0; skipped--, added++)
    window.finish(*window.find(window.add({}, held), Window::State::sent), held);
  const auto inflight = [&] {
    return size_t(std::count_if(oracle.begin(), oracle.end(), [](const Flight& each) { return each.isInflight; }));
  };
  const auto stateOf = [](const Flight& flight) {
    return flight.isReleased ? Window::State::released : Window::State::sent;
  };
  const auto remove = [&](std::list<Flight>::iterator flight) {
    if (size_t(std::distance(flight, oracle.end())) <= resending) resending--;
    return oracle.erase(flight);
  };
  const auto pick = [&] {
    auto some = oracle.begin();
    std::advance(some, std::ptrdiff_t(input.below(oracle.size())));
    return some;
  };
  while (!input.isSpent()) {
    switch (input.below(8)) {
      case 0:
        for (size_t count = input.between(1, 80); count > 0 && resending == 0 && window.hasRoom(inflightMax); count--) {
          while (window.isResending()) window.advance();  // what is done
          Flight flight{uint16_t(added % 65'535 + 1), std::to_string(added), uint8_t(input.between(1, 2))};
          CHECK_EQ(window.add(deliveryOf(flight), held), flight.id);
          added++;
          oracle.push_back(flight);
        }
        break;
      case 1:
      case 2: {
        if (oracle.empty()) break;
        const auto flight = pick();
        Window::Entry* entry = window.find(flight->id, stateOf(*flight));
        if (!CHECK(entry != nullptr)) return;
        if (flight->qos == 2 && !flight->isReleased && input.chance(50)) {
          window.release(*entry, held);
          flight->isReleased = true;
        } else {
          window.finish(*entry, held);
          remove(flight);
        }
        break;
      }
      case 3:  // all but some
        for (auto flight = oracle.begin(); flight != oracle.end();) {
          if (input.chance(10)) {
            ++flight;
            continue;
          }
          window.finish(*window.find(flight->id, stateOf(*flight)), held);
          flight = remove(flight);
        }
        break;
      case 4: {
        const char last = char('0' + input.below(10));
        const bool isAll = input.chance(50);
        std::vector<Delivery> taken;
        window.takeUnreceived(
            [&](const Delivery& delivery) { return isAll || textOf(delivery.message->payload()).back() == last; },
            taken, held);
        size_t at = 0;
        for (auto flight = oracle.begin(); flight != oracle.end();) {
          if (flight->qos != 1 || (!isAll && flight->payload.back() != last)) {
            ++flight;
            continue;
          }
          if (CHECK(at < taken.size())) CHECK_EQ(textOf(taken[at++].message->payload()), flight->payload);
          flight = remove(flight);
        }
        CHECK_EQ(at, taken.size());
        break;
      }
      case 5:
        window.restart();
        resending = oracle.size();
        for (Flight& flight : oracle) flight.isInflight = false;
        break;
      default: {
        while (window.isResending() && window.resent().state == Window::State::done) window.advance();
        CHECK_EQ(window.isResending(), resending > 0);
        if (resending == 0) break;
        Flight& next = *std::prev(oracle.end(), std::ptrdiff_t(resending));
        CHECK_EQ(window.resentPacketId(), next.id);
        CHECK_EQ(window.resent().state, stateOf(next));
        if (!next.isReleased) CHECK_EQ(textOf(window.resent().delivery.message->payload()), next.payload);
        const bool may = next.isReleased || inflight() < inflightMax;
        CHECK_EQ(window.mayResend(inflightMax), may);
        if (!may) break;
        next.isInflight = !next.isReleased;
        window.advance();
        resending--;
      }
    }
    const auto stranger = uint16_t(input.next());
    if (std::none_of(oracle.begin(), oracle.end(), [&](const Flight& each) { return each.id == stranger; }))
      CHECK(!window.find(stranger, Window::State::sent) && !window.find(stranger, Window::State::released));
    size_t unreceived = 0;
    window.eachUnreceived([&](const Delivery&) { unreceived++; });
    CHECK_EQ(unreceived, std::count_if(oracle.begin(), oracle.end(), [](const Flight& each) { return each.qos == 1; }));
    CHECK_EQ(window.hasRoom(inflightMax), inflight() < inflightMax);
  }
}
