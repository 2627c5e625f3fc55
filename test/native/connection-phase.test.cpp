// native/front-end/connection-phase.h: every cell of the table, as a drawing of its own.
#include <sstream>
#include <string>

#include "check.h"

#include "../../native/front-end/connection-phase.h"

using namespace rally;

namespace {

constexpr const char* drawn = R"(
  awaitingConnect  connected:attach  ending:leave  ending:goodbye  ending:goodbye  :drain  ending:leave  .             :drain
  connecting       connected:attach  ending:leave  ending:goodbye  ending:goodbye  :drain  ending:leave  .             :drain
  connected        .                 ending:leave  ending:goodbye  :readLast       :drain  ending:leave  .             :drain
  ending           .                 :write        .               .               :drain  .             closing:shut  gone:free
  closing          .                 .             .               .               :cut    .             .             gone:free
  gone             .                 .             .               .               .       .             .             .
)";

constexpr const char* phases[] = {"awaitingConnect", "connecting", "connected", "ending", "closing", "gone"};
constexpr const char* actions[] = {"none",  "attach", "leave", "goodbye", "readLast",
                                   "drain", "write",  "shut",  "cut",     "free"};

PhaseStep parse(Phase phase, const std::string& cell) {
  PhaseStep step{phase, PhaseAction::none};
  if (cell == ".") return step;
  const std::string next = cell.substr(0, cell.find(':'));
  const std::string action = cell.substr(cell.find(':') + 1);
  for (size_t i = 0; i < std::size(phases); i++) {
    if (next == phases[i]) step.next = Phase(i);
  }
  for (size_t i = 0; i < std::size(actions); i++) {
    if (action == actions[i]) step.action = PhaseAction(i);
  }
  return step;
}

}  // namespace

TEST("connection phase: every event in every phase") {
  std::istringstream words(drawn);
  for (size_t phase = 0; phase < phaseCount; phase++) {
    std::string word;
    words >> word;
    CHECK_EQ(word, std::string(phases[phase]));
    for (size_t event = 0; event < connectionEventCount; event++) {
      words >> word;
      CHECK(stepOf(Phase(phase), ConnectionEvent(event)) == parse(Phase(phase), word));
    }
  }
}

TEST("connection phase: nothing leads back, and every way leads to the end") {
  for (size_t phase = 0; phase < phaseCount; phase++) {
    for (size_t event = 0; event < connectionEventCount; event++)
      CHECK(stepOf(Phase(phase), ConnectionEvent(event)).next >= Phase(phase));
    if (Phase(phase) == Phase::gone) continue;
    const PhaseStep severed = stepOf(Phase(phase), ConnectionEvent::severed);
    CHECK(severed.next == Phase::gone || (severed.action == PhaseAction::drain &&
                                          stepOf(Phase(phase), ConnectionEvent::drained).next == Phase::ending));
  }
}
