// native/structures/shared-rows.h against a list for each row, and what rows that are alike take.
#include <deque>
#include <map>
#include <memory>
#include <set>

#include "check.h"

#include "../../native/structures/shared-rows.h"

using rally::RowPlace;

namespace {

struct Element {
  std::shared_ptr<uint64_t> number;
  uint8_t options = 0;

  bool isSameAs(const Element& other) const { return number == other.number && options == other.options; }
};
using Rows = rally::SharedRows<Element>;

// Rows, and what should be in them.
struct Model {
  Rows rows;
  std::vector<Rows::Row> all;
  std::vector<std::deque<Element>> expected;
  std::map<uint64_t, RowPlace> places;
  size_t told = 0;  // of what is stored, as the rows tell

  explicit Model(size_t count) : all(count), expected(count) {}

  void push(size_t row, const Element& element) {
    expected[row].push_back(element);
    const auto placeOf = [&](const Element& each) -> RowPlace& { return places[*each.number]; };
    told += rows.push(all[row], Element(element), placeOf, [&](const Element&) { told--; });
  }
  void take(size_t row, bool isFront) {
    Element taken;
    told -= isFront ? rows.takeFront(all[row], taken) : rows.takeBack(all[row], taken);
    CHECK(taken.isSameAs(isFront ? expected[row].front() : expected[row].back()));
    if (isFront) expected[row].pop_front();
    else expected[row].pop_back();
  }
  void takeAt(size_t row, size_t at) {
    const Element meant = expected[row][at];
    size_t found = 0;
    CHECK(rows.find(
        all[row], [&](const Element& each) { return each.isSameAs(meant); }, found));
    CHECK(expected[row][found].isSameAs(meant));
    const auto isMeant = [&](const Element& each) { return each.isSameAs(meant); };
    CHECK(rows.findNearEnds(all[row], isMeant, found, SIZE_MAX) && expected[row][found].isSameAs(meant));
    for (size_t i = 0; i < std::min(found, expected[row].size() - 1 - found); i++)
      CHECK(!isMeant(expected[row][i]) && !isMeant(expected[row][expected[row].size() - 1 - i]));
    told -= rows.takeAt(all[row], found);
    expected[row].erase(expected[row].begin() + std::ptrdiff_t(found));
  }
  void check() {
    for (size_t row = 0; row < all.size(); row++) {
      std::vector<Element> found;
      rows.each(all[row], [&](const Element& element) { found.push_back(element); });
      const bool isSame = CHECK_EQ(found.size(), expected[row].size()) && CHECK_EQ(all[row].size(), found.size());
      for (size_t i = 0; isSame && i < found.size(); i++) CHECK(found[i].isSameAs(expected[row][i]));
      if (isSame && !found.empty()) CHECK(rows.front(all[row]).isSameAs(expected[row].front()));
    }
    std::set<uint64_t> needed;
    for (const std::deque<Element>& each : expected) {
      for (const Element& element : each) needed.insert(*element.number);
    }
    CHECK_EQ(stored(), told);
    rows.eachStored([&](const Element& element) { CHECK(needed.contains(*element.number)); });
  }
  size_t stored() {
    size_t count = 0;
    rows.eachStored([&](const Element&) { count++; });
    return count;
  }
};

}  // namespace

TEST("shared rows: whatever is added and taken, each row has its own in order, and nothing outlives its last row") {
  check::eachSeed(400, [](check::Random& random) {
    Model model(random.between(1, 9));
    std::vector<Element> recent;
    for (size_t steps = random.below(600), i = 0; i < steps; i++) {
      const size_t row = random.below(model.all.size());
      const size_t choice = random.below(10);
      if (choice < 4) {  // a message for some of them
        const Element element{std::make_shared<uint64_t>(i), 0};
        const size_t part = random.between(1, 4);
        for (size_t each = 0; each < model.all.size(); each++) {
          if (random.below(part) > 0) continue;
          model.push(each, {element.number, uint8_t(random.chance(10))});
        }
        recent.push_back(element);
        if (recent.size() > 5) recent.erase(recent.begin());
      } else if (choice < 5 && !recent.empty()) {  // one that came before
        model.push(row, recent[random.below(recent.size())]);
      } else if (choice == 5 && !model.expected[row].empty()) {
        model.takeAt(row, random.below(model.expected[row].size()));
      } else if (choice < 7) {  // a row that comes from elsewhere
        const std::deque<Element> moved = model.expected[random.below(model.all.size())];
        for (const Element& element : moved) model.push(row, element);
        while (model.expected[row].size() > 40) model.take(row, true);
      } else {
        for (size_t count = random.below(8); count > 0 && !model.expected[row].empty(); count--)
          model.take(row, choice != 9);
      }
      if (random.chance(10)) model.check();
    }
    model.check();
    recent.clear();
    for (size_t row = 0; row < model.all.size(); row++) {
      while (!model.expected[row].empty()) model.take(row, random.chance(70));
      model.all[row].trim();
    }
    CHECK_EQ(model.stored(), 0);
    CHECK_EQ(model.rows.bytes(), 0);
  });
}

TEST("shared rows: rows that begin one after the other, have one of their own now and then, or come again are one") {
  check::eachSeed(20, [](check::Random& random) {
    constexpr size_t count = 200;
    constexpr size_t messages = 500;
    Model model(count);
    std::vector<size_t> begins(count);
    for (size_t& begin : begins) begin = random.chance(50) ? 0 : random.below(messages);
    size_t own = 0;
    for (size_t number = 0; number < messages; number++) {
      if (random.chance(20)) {
        const auto few = std::make_shared<uint64_t>(messages + own++);
        const size_t first = random.below(count);
        for (size_t row = first; row < std::min(first + random.below(20), count); row++) model.push(row, {few, 0});
      }
      const auto shared = std::make_shared<uint64_t>(number);
      for (size_t row = 0; row < count; row++) {
        if (begins[row] <= number) model.push(row, {shared, 0});
      }
    }
    size_t ownBytes = 0;
    for (const Rows::Row& row : model.all) ownBytes += row.bytes();
    CHECK(model.stored() < messages + own + 20);
    CHECK(ownBytes < count * 200);
    // As when sessions move or are read from the log: one whole row after the other.
    Model again(count);
    for (size_t row = 0; row < count; row++) {
      for (const Element& element : model.expected[row]) again.push(row, element);
    }
    again.check();
    CHECK(again.stored() < 2 * (messages + own));
  });
}

TEST("shared rows: rows that go on leave nothing behind the one that stands still") {
  Model model(9);
  uint64_t number = 0;
  const auto publish = [&] {
    const Element element{std::make_shared<uint64_t>(number++), 0};
    for (size_t row = 0; row < model.all.size(); row++) {
      if (row == 0 && model.expected[row].size() == 100) continue;  // it is full
      model.push(row, element);
      if (model.expected[row].size() > 110) model.take(row, true);  // it is behind, always
    }
  };
  for (int i = 0; i < 1'000; i++) publish();
  model.check();
  const size_t before = model.rows.bytes();
  for (int i = 0; i < 20'000; i++) publish();
  model.check();
  CHECK(model.rows.bytes() < 2 * before);
  std::printf("# shared rows: %zu bytes, and %zu after 20,000 more\n", before, model.rows.bytes());
}
