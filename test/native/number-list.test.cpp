// native/durable/number-list.h
#include "check.h"
#include "octets.h"

#include "../../native/durable/number-list.h"

using rally::NumberList;

TEST("number list: gives back what was put in, and does not read past the end") {
  check::eachSeed(200, [](check::Random& random) {
    NumberList list;
    std::vector<uint64_t> numbers;
    for (size_t count = random.below(20); count > 0; count--) {
      const uint64_t last = numbers.empty() ? 0 : numbers.back();
      numbers.push_back(random.chance(20) ? random.below(SIZE_MAX) << random.below(64) : last + 64 * random.below(3));
      list.add(numbers.back());
    }
    std::vector<uint64_t> read;
    CHECK(NumberList::each(Exact(list.bytes()), [&](uint64_t number) { read.push_back(number); }));
    CHECK(read == numbers);
    for (size_t end = 0; end < list.bytes().size(); end++) {
      size_t count = 0;
      NumberList::each(Exact(list.bytes().first(end)), [&](uint64_t) { count++; });
      CHECK(count < numbers.size());
    }
  });
}

TEST("number list: neighbours take a byte each, and what is no number is refused") {
  NumberList list;
  for (uint64_t number = 64; number <= 64 * 100; number += 32) list.add(number);
  CHECK(list.bytes().size() <= 199 + 1);
  const Octets endless(11, 0x80);
  CHECK(!NumberList::each(Exact(endless), [](uint64_t) {}));
}
