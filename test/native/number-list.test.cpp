// native/durable/number-list.h, native/sessions/sleeping-deliveries.h
#include "check.h"
#include "octets.h"

#include "../../native/durable/number-list.h"
#include "../../native/sessions/sleeping-deliveries.h"

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

TEST("sleeping deliveries: give back what was put in, in order") {
  check::eachSeed(100, [](check::Random& random) {
    rally::SleepingDeliveries asleep(2);
    std::vector<rally::SleepingDelivery> all;
    size_t heldBytes = 0;
    uint32_t epoch = 0;
    for (size_t count = random.below(40); count > 0; count--) {
      rally::SleepingDelivery each;
      each.message = 1 + (random.chance(20) ? random.below(SIZE_MAX / 2) : random.below(10'000));
      each.at.value = (random.below(1u << 20) << 32) + random.below(1u << 20) * 4 + 4;
      each.contentBytes = random.below(100'000);
      each.qos = uint8_t(random.between(1, 2));
      each.retain = random.chance(10);
      each.epoch = epoch += uint32_t(random.chance(10));
      for (size_t ids = random.below(4); ids > 0; ids--) each.ids.add(uint32_t(random.between(1, 268'435'455)));
      heldBytes += asleep.awake(each).bytes();
      all.push_back(each);
      asleep.add(each);
      if (random.chance(10)) asleep.trim();
    }
    CHECK_EQ(asleep.size(), all.size());
    CHECK_EQ(asleep.heldBytes(), heldBytes);
    size_t at = 0;
    asleep.each([&](const rally::SleepingDelivery& each) {
      const rally::SleepingDelivery& expected = all[at++];
      CHECK(each.message == expected.message && each.at == expected.at && each.contentBytes == expected.contentBytes);
      CHECK(each.qos == expected.qos && each.retain == expected.retain && each.epoch == expected.epoch);
      CHECK(each.ids == expected.ids);
      const rally::Delivery delivery = asleep.awake(each);
      CHECK(delivery.message->isStub && delivery.message->logId == expected.message && delivery.qos == expected.qos);
      CHECK(delivery.message->logPlace().position() == expected.at);
      CHECK_EQ(delivery.message->contentBytes(), expected.contentBytes);
    });
    CHECK_EQ(at, all.size());
  });
}
