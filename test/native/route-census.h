// What workers know of each other's routes, against what they should.
#pragma once
#include "hand-driven-broker.h"

namespace rally {

using Known = std::map<std::string, Interest>;

template <class Visit>
void eachFilter(HandDrivenBroker& broker, unsigned worker, Visit&& visit) {
  uint32_t next = 0;
  size_t left = SIZE_MAX;
  broker.engine(worker).filterTable().eachFrom(next, left, visit);
}

// The filters, and shares by their whole text, that worker `by` knows of `of`.
inline Known knownBy(HandDrivenBroker& broker, unsigned by, unsigned of) {
  Known known;
  eachFilter(broker, by, [&](const Filter& filter) {
    const bool isDurable = (filter.durableRoutes & bitOf(of)) != 0;
    const bool isShare = filter.isShared && broker.engine(by).filterTable().share(filter.share).routeOf(of);
    if (isShare || (filter.routes & bitOf(of)) != 0)
      known[textOf(filter.text())] = isDurable ? Interest::durable : Interest::live;
  });
  return known;
}

// What it should: the filters that match topics of `by`, covered ones left out.
inline Known toldTo(HandDrivenBroker& broker, unsigned by, unsigned of) {
  Known told;
  FilterTable& filters = broker.engine(of).filterTable();
  const SlotMap& slots = broker.engine(of).slots();
  eachFilter(broker, of, [&](const Filter& filter) {
    const Filter& base = filter.isShared ? *filters.share(filter.share).base : filter;
    const bool isItsOwn = base.hasWildcards() || slots.ownerOf(filters.hashOf(base.text())) == by;
    const bool isShare = filter.isShared && !filter.subscribers.isEmpty();
    if (isItsOwn && (isShare || filter.told != Interest::none))
      told[textOf(filter.text())] = isShare ? Interest::live : filter.told;
  });
  return told;
}

inline bool checkRoutes(HandDrivenBroker& broker, const std::vector<unsigned>& workers) {
  bool areSame = true;
  for (const unsigned by : workers) {
    for (const unsigned of : workers) {
      if (by != of) areSame = CHECK(knownBy(broker, by, of) == toldTo(broker, by, of)) && areSame;
    }
  }
  return areSame;
}

// Lets routes be widened, narrowed and compared.
inline void passSeconds(HandDrivenBroker& broker, int seconds) {
  for (; seconds > 0; seconds--) {
    CHECK(broker.settle());
    broker.advanceTime(1'000);
  }
  CHECK(broker.settle());
}

}  // namespace rally
