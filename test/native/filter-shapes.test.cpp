// native/topics/filter-shapes.h: branches against a set of shapes, and that a topic reaches no more nodes than that.
#include "../../native/topics/filter-shapes.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "../../native/topics/filter-table.h"
#include "check.h"
#include "octets.h"

using namespace rally;

namespace {

// Of those that nearly everybody uses.
bool isCommon(const std::string& shape) {
  const auto singles = std::count(shape.begin(), shape.end(), 's');
  return shape.size() <= 4 || (shape.size() <= 8 && singles <= 2) || (shape.size() <= 16 && singles <= 1);
}

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
  const uint64_t levels = 1 + random.below(7);
  for (uint64_t i = 0; i < levels; i++) filter += (i > 0 ? "/" : "") + std::string(random.below(2) == 0 ? "+" : "a");
  if (random.below(4) == 0) filter += "/#";
  return filter;
}

}  // namespace

TEST("filter shapes: a branch for each beginning of a shape, and rare ones are charged to who needed them first") {
  FilterShapes shapes;
  shapes.add(bytesOf("site/+/state"), 7);
  shapes.add(bytesOf("house/+/value/#"), 8);
  CHECK_EQ(shapes.branches(), 3);
  CHECK_EQ(shapes.lacking(bytesOf("+/1/+/state/+")), 1);
  shapes.add(bytesOf("+/1/+/state/+"), 8);
  shapes.add(bytesOf("#"), 8);
  CHECK_EQ(shapes.branches(), 8);
  CHECK_EQ(shapes.rare(), 1);
  CHECK_EQ(shapes.lacking(bytesOf("+/1/+/state/+/+")), 1);
  CHECK_EQ(shapes.chargeOf(7), 0);
  CHECK_EQ(shapes.chargeOf(8), 1);
  shapes.remove(bytesOf("+/1/+/state/+"));
  CHECK_EQ(shapes.branches(), 3);
  CHECK_EQ(shapes.rare(), 0);
  CHECK_EQ(shapes.chargeOf(8), 0);
  shapes.remove(bytesOf("site/+/state"));
  shapes.remove(bytesOf("house/+/value/#"));
  CHECK_EQ(shapes.branches(), 0);
}

TEST("filter shapes: there are as many common branches as are set apart for them") {
  size_t count = 0;
  for (uint32_t levels = 1; levels <= 16; levels++) {
    for (uint32_t bits = 0; bits < 1U << levels; bits++) {
      std::string shape;
      for (uint32_t level = 0; level < levels; level++) shape += (bits >> level & 1) != 0 ? 's' : 'l';
      count += isCommon(shape);
    }
  }
  CHECK_EQ(FilterShapes::commonMax(), count);
  CHECK_EQ(count, 242);
}

TEST("filter shapes: as many as a set of all beginnings has, whatever comes and goes") {
  check::eachSeed(200, [](check::Random& random) {
    FilterShapes shapes;
    std::vector<std::string> filters;
    const auto expected = [&] {
      std::set<std::string> all;
      for (const std::string& filter : filters) all.merge(beginningsOf(filter));
      return all;
    };
    const auto rareOf = [](const std::set<std::string>& shapesOf) {
      return size_t(
          std::count_if(shapesOf.begin(), shapesOf.end(), [](const auto& shape) { return !isCommon(shape); }));
    };
    for (int i = 0; i < 60; i++) {
      if (filters.empty() || random.below(3) > 0) {
        const std::string filter = randomFilter(random);
        const size_t before = shapes.rare();
        const size_t lacking = shapes.lacking(bytesOf(filter));
        shapes.add(bytesOf(filter), 1 + random.below(3));
        filters.push_back(filter);
        CHECK_EQ(shapes.rare(), before + lacking);
      } else {
        std::swap(filters[random.below(filters.size())], filters.back());
        shapes.remove(bytesOf(filters.back()));
        filters.pop_back();
      }
      CHECK_EQ(shapes.branches(), expected().size());
      CHECK_EQ(shapes.rare(), rareOf(expected()));
    }
    CHECK_EQ(shapes.chargeOf(1) + shapes.chargeOf(2) + shapes.chargeOf(3), shapes.rare());
  });
}

TEST(
    "filter shapes: a session gets a small part of the rare ones, many leave some, and common ones are never refused") {
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
  constexpr size_t rareMax = branchesMax - 242;
  CHECK(shapes.chargeOf(1) <= rareMax / 8);
  CHECK(shapes.chargeOf(1) > rareMax / 8 - 13);
  for (uint64_t session = 2; session < 8; session++) takeAll(session);
  CHECK(shapes.hasRoom(99, 13, branchesMax));
  for (uint64_t session = 8; session < 40; session++) takeAll(session);
  CHECK(shapes.branches() < branchesMax);
  for (const char* common : {"sensors/+/temp", "+/+/+/+", "a/b/c/+/e/f/+/h/#", "1/2/3/4/5/6/7/8/9/+/11/12/13/14/15/16"})
    CHECK(shapes.hasRoom(99, shapes.lacking(bytesOf(common)), branchesMax));
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
