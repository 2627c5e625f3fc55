// What one thread has counted in one stage of the load.
#pragma once
#include <string>

#include "histogram.h"

namespace load {

struct Tally {
  uint64_t published = 0;
  uint64_t delivered = 0;
  Histogram latency;          // from publishing (open loop: from when it was due) to arrival
  Histogram acknowledge;      // from publishing to PUBACK or PUBCOMP, of one message of a publisher at a time
  Histogram scheduleLag;      // open loop: how much later than due the generator itself got to publish
  Histogram connect;          // from opening a socket to CONNACK
  Histogram answer;           // from SUBSCRIBE to the last retained message that it asked for, of a few
  Histogram answerAll;        // the same, of all
  uint64_t refused = 0;       // connections that got no CONNACK, or one with an error
  uint64_t reconnects = 0;    // of clients that come and go
  uint64_t takeovers = 0;     // of those, as the broker said
  uint64_t unsubscribes = 0;  // of those, acknowledged

  void add(const Tally& other) {
    published += other.published;
    delivered += other.delivered;
    latency.add(other.latency);
    acknowledge.add(other.acknowledge);
    scheduleLag.add(other.scheduleLag);
    connect.add(other.connect);
    answer.add(other.answer);
    answerAll.add(other.answerAll);
    refused += other.refused;
    reconnects += other.reconnects;
    takeovers += other.takeovers;
    unsubscribes += other.unsubscribes;
  }
};

// What went wrong with messages, over the whole load.
struct Faults {
  uint64_t lost = 0;         // never came, but later ones of the same topic
  uint64_t undelivered = 0;  // nothing later came either
  uint64_t duplicates = 0;
  uint64_t outOfOrder = 0;  // came late: behind later ones of the same topic
  uint64_t unclear = 0;     // came late or twice, behind more gaps than are remembered
  uint64_t corrupt = 0;     // not what was published, or not for this subscriber
  uint64_t refused = 0;     // PUBACK, PUBREC or PUBCOMP with an error

  bool any() const { return lost + undelivered + duplicates + outOfOrder + unclear + corrupt + refused > 0; }
  std::string text() const {
    return std::to_string(lost) + " lost, " + std::to_string(undelivered) + " undelivered, " +
           std::to_string(duplicates) + " duplicates, " + std::to_string(outOfOrder) + " out of order, " +
           std::to_string(unclear) + " late or double, " + std::to_string(corrupt) + " corrupt";
  }
  void add(const Faults& other) {
    lost += other.lost;
    undelivered += other.undelivered;
    duplicates += other.duplicates;
    outOfOrder += other.outOfOrder;
    unclear += other.unclear;
    corrupt += other.corrupt;
    refused += other.refused;
  }
};

}  // namespace load
