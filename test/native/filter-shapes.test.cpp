// native/topics/filter-shapes.h: branches against a set of shapes, and that a topic reaches no more nodes than that.
#include "../../native/topics/filter-shapes.h"

#include <map>
#include <set>
#include <string>

#include "../../native/topics/filter-table.h"
#include "check.h"
#include "octets.h"

using namespace rally;

namespace {

// All beginnings of the filter's shape.
std::set<std::string> beginningsOf(const std::string& filter) {
  std::set<std::string> all;
  std::string shape;
  eachLevel(bytesOf(filter), [&](Bytes level) {
    if (isLevel(level, '#')) return false;
    shape += isLevel(level, '+') ? 's' : 'l';
    all.insert(shape);
    return true;
  });
  return all;
}

std::string randomFilter(check::Random& random) {
  std::string filter;
  const uint64_t levels = 1 + random.below(5);
  for (uint64_t i = 0; i < levels; i++) filter += (i > 0 ? "/" : "") + std::string(random.below(2) == 0 ? "+" : "a");
  if (random.below(4) == 0) filter += "/#";
  return filter;
}

}  // namespace

TEST("filter shapes: a branch for each beginning of a shape, charged to who needed it first") {
  FilterShapes shapes;
  CHECK_EQ(shapes.lacking(bytesOf("site/+/state")), 3);
  shapes.add(bytesOf("site/+/state"), 7);
  shapes.add(bytesOf("house/+/value/#"), 8);
  CHECK_EQ(shapes.branches(), 3);
  CHECK_EQ(shapes.lacking(bytesOf("+/1/state")), 3);
  shapes.add(bytesOf("+/1/state"), 8);
  shapes.add(bytesOf("#"), 8);
  CHECK_EQ(shapes.branches(), 6);
  CHECK_EQ(shapes.chargeOf(7), 3);
  CHECK_EQ(shapes.chargeOf(8), 3);
  shapes.remove(bytesOf("+/1/state"));
  CHECK_EQ(shapes.branches(), 3);
  shapes.forget(7);
  CHECK_EQ(shapes.chargeOf(7), 0);
  shapes.remove(bytesOf("site/+/state"));
  shapes.remove(bytesOf("house/+/value/#"));
  CHECK_EQ(shapes.branches(), 0);
}

TEST("filter shapes: as many as a set of all beginnings has, whatever comes and goes") {
  check::eachSeed(200, [](check::Random& random) {
    FilterShapes shapes;
    std::vector<std::string> filters;
    const auto expected = [&] {
      std::set<std::string> all;
      for (const std::string& filter : filters) all.merge(beginningsOf(filter));
      return all.size();
    };
    for (int i = 0; i < 60; i++) {
      if (filters.empty() || random.below(3) > 0) {
        const std::string filter = randomFilter(random);
        const size_t before = shapes.branches();
        const size_t lacking = shapes.lacking(bytesOf(filter));
        shapes.add(bytesOf(filter), 1 + random.below(3));
        filters.push_back(filter);
        CHECK_EQ(shapes.branches(), before + lacking);
      } else {
        std::swap(filters[random.below(filters.size())], filters.back());
        shapes.remove(bytesOf(filters.back()));
        filters.pop_back();
      }
      CHECK_EQ(shapes.branches(), expected());
    }
    CHECK_EQ(shapes.chargeOf(1) + shapes.chargeOf(2) + shapes.chargeOf(3), shapes.branches());
  });
}

TEST("filter shapes: one session has at most half of the branches, and there are always some for others") {
  FilterShapes shapes;
  constexpr size_t branchesMax = 640;
  const auto takeAll = [&](uint64_t session) {
    for (uint32_t shape = 0; shape < 1U << 12; shape++) {
      std::string filter;
      for (uint32_t level = 0; level < 12; level++) filter += (shape >> level & 1) != 0 ? "+/" : "a/";
      const size_t lacking = shapes.lacking(bytesOf(filter + "x"));
      if (shapes.hasRoom(session, lacking, branchesMax)) shapes.add(bytesOf(filter + "x"), session);
    }
  };
  takeAll(1);
  CHECK(shapes.chargeOf(1) <= branchesMax / 2);
  CHECK(shapes.chargeOf(1) > branchesMax / 2 - 13);
  for (uint64_t session = 2; session < 40; session++) takeAll(session);
  CHECK(shapes.branches() < branchesMax);
  CHECK(shapes.hasRoom(99, shapes.lacking(bytesOf("$share/+/+")), branchesMax));
}

TEST("filter shapes: a topic finds no more filters than there are branches, and two more") {
  check::eachSeed(50, [](check::Random& random) {
    FilterTable table({random.next(), random.next()});
    for (int i = 0; i < 40; i++) table.acquire(bytesOf(randomFilter(random)), 1).routes = 1;
    std::vector<Filter*> matches;
    const std::string topic = "a/a/a/a";
    table.match(bytesOf(topic), table.hashOf(bytesOf(topic)), matches);
    CHECK(matches.size() <= 2 * table.shapes().branches() + 2);
  });
}
