// native/structures/short-list.h and native/structures/short-text.h against std::vector and std::string.
#include "fuzz.h"

#include "../../native/structures/short-list.h"
#include "../../native/structures/short-text.h"

using namespace rally;

FUZZ("short-list") {
  std::vector<ShortList<uint64_t>> lists(2);
  std::vector<std::vector<uint64_t>> oracle(2);
  std::vector<ShortText> texts(2);
  std::vector<std::string> oracleTexts(2);
  while (!input.isSpent()) {
    const size_t which = input.below(2);
    ShortList<uint64_t>& list = lists[which];
    std::vector<uint64_t>& same = oracle[which];
    switch (input.below(7)) {
      case 0:
        for (size_t count = input.between(1, 30); count > 0; count--) {
          const uint64_t value = same.empty() || input.chance(50) ? input.byte() : 0;
          if (value == 0 && !same.empty()) {  // of its own, which may move
            list.push_back(list[same.size() / 2]);
            same.push_back(uint64_t(same[same.size() / 2]));
          } else {
            list.push_back(value);
            same.push_back(value);
          }
        }
        break;
      case 1:
      case 2:
        for (size_t count = input.between(1, 30); count > 0 && !same.empty(); count--) {
          CHECK_EQ(list.back(), same.back());
          list.pop_back();
          same.pop_back();
        }
        break;
      case 3:
        list = std::move(lists[1 - which]);
        same = std::exchange(oracle[1 - which], {});
        lists[1 - which].clear();
        break;
      case 4:
        list.clear();
        same.clear();
        break;
      case 5: {
        const std::string text = textOf(input.bytes(input.below(20)));
        texts[which] = ShortText(Exact(bytesOf(text)));
        oracleTexts[which] = text;
        break;
      }
      default: std::swap(texts[0], texts[1]); std::swap(oracleTexts[0], oracleTexts[1]);
    }
    for (size_t i = 0; i < 2; i++) {
      CHECK(lists[i].size() == oracle[i].size() && lists[i].isEmpty() == oracle[i].empty());
      CHECK(std::equal(lists[i].begin(), lists[i].end(), oracle[i].begin(), oracle[i].end()));
      CHECK_EQ(textOf(texts[i].bytes()), oracleTexts[i]);
    }
    if (oracle[0].size() + oracle[1].size() > 2'000) return;
  }
}
