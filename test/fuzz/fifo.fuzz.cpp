// native/structures/fifo.h and native/sessions/delivery-queue.h against std::deque.
#include "fuzz.h"

#include <deque>

#include "../../native/sessions/delivery-queue.h"

using namespace rally;

namespace {

Delivery deliveryOf(uint32_t number, bool isFromStore) {
  const std::string topic(number % 7 + 1, 't');
  Publication publication;
  publication.workers = 1;
  publication.topic = bytesOf(topic);
  Delivery delivery{.message = publication.keep(), .share = number};
  delivery.isFromStore = isFromStore;
  return delivery;
}

void checkSame(DeliveryQueue& queue, HeldMessages& held, const std::deque<Delivery>& oracle) {
  size_t at = 0;
  size_t bytes = 0;
  size_t retainedBytes = 0;
  size_t retained = 0;
  queue.each(held, [&](const Delivery& each) {
    if (CHECK(at < oracle.size())) CHECK_EQ(each.share, oracle[at++].share);
    if (each.isFromStore) retained++;
    (each.isFromStore ? retainedBytes : bytes) += sizeof(Delivery) + each.message->blockBytes();
  });
  CHECK_EQ(at, oracle.size());
  CHECK(queue.size() == oracle.size() && queue.isEmpty() == oracle.empty());
  CHECK(queue.bytes() == bytes && queue.retainedBytes() == retainedBytes);
  CHECK(queue.retained() == retained && queue.messages() == oracle.size() - retained);
}

}  // namespace

FUZZ("fifo") {
  Fifo<std::unique_ptr<uint64_t>> fifo;
  std::deque<uint64_t> numbers;
  HeldMessages held(0);
  DeliveryQueue queue;
  std::deque<Delivery> oracle;
  uint32_t count = 0;
  while (!input.isSpent()) {
    switch (input.below(7)) {
      case 0:
      case 1:
        for (size_t more = input.between(1, 90); more > 0; more--, count++) {
          fifo.push(std::make_unique<uint64_t>(count));
          numbers.push_back(count);
          queue.push(deliveryOf(count, count % 5 == 0), held);
          oracle.push_back(deliveryOf(count, count % 5 == 0));
        }
        break;
      case 2:
      case 3:
        for (size_t less = input.between(1, 90); less > 0 && !numbers.empty(); less--) {
          CHECK_EQ(*fifo.front(), numbers.front());
          fifo.pop();
          numbers.pop_front();
        }
        for (size_t less = input.between(1, 90); less > 0 && !oracle.empty(); less--) {
          CHECK_EQ(queue.front(held).share, oracle.front().share);
          CHECK_EQ(queue.take(held).share, oracle.front().share);
          oracle.pop_front();
        }
        break;
      case 4:
        for (size_t less = input.between(1, 90); less > 0 && !oracle.empty(); less--) {
          CHECK_EQ(queue.takeNewest(held).share, oracle.back().share);
          oracle.pop_back();
        }
        for (size_t less = input.between(1, 90); less > 0 && !numbers.empty(); less--) {
          CHECK_EQ(*fifo.back(), numbers.back());
          fifo.popBack();
          numbers.pop_back();
        }
        break;
      case 5: {
        const size_t modulus = input.between(1, 9);
        const auto isMeant = [&](const Delivery& each) { return each.share % modulus == 0; };
        std::vector<Delivery> taken;
        queue.take(isMeant, taken, held);
        size_t at = 0;
        for (const Delivery& each : oracle) {
          if (isMeant(each) && CHECK(at < taken.size())) CHECK_EQ(taken[at++].share, each.share);
        }
        CHECK_EQ(at, taken.size());
        std::erase_if(oracle, isMeant);
        break;
      }
      default: {
        DeliveryQueue later = std::exchange(queue, {});
        if (count % 2 == 0) {  // as when its session moves
          later.depart(held);
          CHECK(later.isEmpty());
          later.arrive(held);
        }
        queue.push(deliveryOf(count, false), held);
        queue.append(std::move(later), held);
        oracle.push_front(deliveryOf(count++, false));
      }
    }
    CHECK(fifo.size() == numbers.size() && fifo.isEmpty() == numbers.empty());
    for (uint64_t at = fifo.first(); at != fifo.end(); at++) CHECK_EQ(*fifo[at], numbers[size_t(at - fifo.first())]);
    CHECK(fifo.bytes() <= (numbers.size() + 2 * 64) * 2 * sizeof(uint64_t));  // it gives back
    checkSame(queue, held, oracle);
    size_t blocks = 0;
    for (const Delivery& each : oracle) blocks += each.message->blockBytes();
    CHECK_EQ(held.bytes(), blocks + queue.entryBytes() + held.rows().bytes());
    if (count > 2'000) return;
  }
}
