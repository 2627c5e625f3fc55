// Each bound of the data plane at its least and at its most, alone and with others: whatever an operator configures,
// nothing is divided by it, shifted by it or looped over until it ends a worker. core/config/limits.ts says what may be
// configured.
#include <cmath>
#include <fstream>
#include <iterator>
#include <regex>

#include "hand-driven-broker.h"

using namespace rally;

namespace {

struct Range {
  const LimitField* field = nullptr;
  double least = 0;
  double most = 0;
};

// `1_024`, `16 * KiB`
double numberOf(const std::string& text) {
  double product = 1;
  std::string digits;
  for (const char each : text) {
    if (each >= '0' && each <= '9') digits += each;
  }
  if (digits.empty()) return std::nan("");
  product = std::stod(digits);
  const size_t unit = text.find("iB");
  if (unit == std::string::npos) return product;
  return product * std::pow(1'024, double(std::string("KMGT").find(text[unit - 1]) + 1));
}

std::vector<Range> ranges() {
  std::ifstream stream("core/config/limits.ts");
  const std::string source(std::istreambuf_iterator<char>(stream), {});
  std::vector<Range> found;
  for (const LimitField& field : limitFields) {
    std::smatch match;
    const std::regex row(std::string(field.name) + R"(: \{ default: [^,]+, min: ([^,]+), max: ([^,}]+))");
    if (std::regex_search(source, match, row)) found.push_back({&field, numberOf(match[1]), numberOf(match[2])});
  }
  return found;
}

// What a few clients do. Where a bound refuses it, or ends a connection, it goes on with the next.
void play(HandDrivenBroker& broker, check::Random& random) {
  std::vector<Client*> clients;
  for (const char* name : {"a", "b", "c", "d"}) {
    Client::Options options;
    options.isPersistent = clients.size() < 2;
    options.topicAliasMaximum = 3;
    options.receiveMaximum = uint16_t(random.pick(std::vector{1, 3, 65'535}));
    options.will = SentPublish{.topic = "will", .payload = "gone", .qos = 1, .retain = true};
    clients.push_back(&broker.add(name, options));
  }
  const std::vector<std::string> filters = {"#", "t/+", "t/1", "$share/s/t/#", "$share/s/+/1", "t/1/2/3"};
  const std::vector<std::string> topics = {"t/1", "t/2", "t/1/2/3"};
  for (int step = 0; step < 60; step++) {
    Client& client = *random.pick(clients);
    if (!client.isConnected) {
      client.connect(unsigned(random.below(broker.workers())));
      client.answersAtOnce = random.chance(60);
    } else if (random.chance(10)) {
      client.drop();
    } else if (random.chance(30)) {
      client.subscribe({{.filter = random.pick(filters), .qos = uint8_t(random.below(3)), .id = 1}});
    } else if (random.chance(10)) {
      client.unsubscribe(random.pick(filters));
    } else if (random.chance(30)) {
      client.answersAtOnce = true;
      client.answer();
    } else {
      const std::string payload(random.below(3'000), 'x');  // more than the least bounds have room for
      client.publish(random.pick(topics), payload, int(random.below(3)), random.chance(30));
    }
    if (random.chance(50) && !CHECK(broker.settle())) return;
  }
  broker.advanceTime(100'000);
  for (Client* client : clients) client->drop();
  CHECK(broker.settle());
}

}  // namespace

TEST("every limit: each at its least and at its most, and many at once, leave a broker that goes on (CVE-2026-42209)") {
  const std::vector<Range> all = ranges();
  CHECK(all.size() > 35);
  for (const Range& range : all) {
    for (const double value : {range.least, range.most}) {
      check::Random random(uint64_t(value) + 7);
      Limits limits;
      if (!CHECK(range.field->set(limits, value))) std::printf("   %s = %g\n", range.field->name, value);
      HandDrivenBroker broker(2, limits);
      play(broker, random);
      if (check::state().failures == 0) continue;
      std::printf("   with %s = %g\n", range.field->name, value);
      return;
    }
  }
  check::eachSeed(40, [&](check::Random& random) {
    Limits limits;
    for (const Range& range : all) {
      const bool isLarge = std::string_view(range.field->name) == "laneRecords";  // as much memory each time
      if (random.chance(30)) range.field->set(limits, random.chance(50) || isLarge ? range.least : range.most);
    }
    HandDrivenBroker broker(unsigned(random.between(1, 3)), limits);
    play(broker, random);
  });
}
