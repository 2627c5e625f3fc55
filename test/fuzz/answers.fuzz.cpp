// native/front-end/answers.h against a list.
#include "fuzz.h"

#include <list>

#include "../../native/front-end/answers.h"

using namespace rally;

FUZZ("answers") {
  Answers answers;
  std::list<Answers::Answer> oracle;
  while (!input.isSpent()) {
    const auto packetId = uint16_t(input.between(1, 6));
    const auto qos = uint8_t(input.between(1, 2));
    const auto reason = input.chance(30) ? Reason::quotaExceeded : Reason::success;
    const auto first = std::find_if(oracle.begin(), oracle.end(), [&](const Answers::Answer& each) {
      return !each.isReady && each.packetId == packetId && each.qos == qos;
    });
    CHECK_EQ(answers.expects(packetId, qos), first != oracle.end());
    switch (input.below(6)) {
      case 0:
        if (first != oracle.end()) break;  // which of two would be settled?
        answers.expect(packetId, qos);
        oracle.push_back({.packetId = packetId, .qos = qos, .isTaken = true});
        break;
      case 1:
        if (first != oracle.end()) break;
        answers.expectAgain(packetId, qos);
        oracle.push_back({.packetId = packetId, .qos = qos});
        break;
      case 2:
        answers.add(packetId, qos, reason);
        oracle.push_back({.packetId = packetId, .qos = qos, .isReady = true, .reason = reason});
        break;
      case 3:
      case 4:
        answers.settle(packetId, qos, reason);
        if (first == oracle.end()) break;
        first->isReady = true;
        first->reason = reason;
        break;
      default:
        while (answers.hasReady()) {
          const Answers::Answer answer = answers.takeReady();
          if (!CHECK(!oracle.empty())) return;
          const Answers::Answer& wanted = oracle.front();
          CHECK(wanted.isReady && answer.packetId == wanted.packetId && answer.qos == wanted.qos);
          CHECK(answer.reason == wanted.reason && answer.isTaken == wanted.isTaken);
          oracle.pop_front();
        }
    }
    CHECK_EQ(answers.hasReady(), !oracle.empty() && oracle.front().isReady);
    std::vector<uint16_t> taken;
    answers.eachTaken([&](const Answers::Answer& each) { taken.push_back(each.packetId); });
    std::vector<uint16_t> expected;
    for (const Answers::Answer& each : oracle) {
      if (each.isTaken && each.qos == 2) expected.push_back(each.packetId);
    }
    CHECK(taken == expected);
  }
}
