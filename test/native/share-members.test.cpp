// native/front-end/share-members.h against members in a plain list, and by how many of them it looks at.
#include "check.h"
#include "octets.h"

#include <map>
#include <optional>
#include <set>

#include "../../native/front-end/share-members.h"

using namespace rally;

namespace {

// Some sessions and shares, and for each session what it could do with QoS 0 and with more.
struct Scene {
  struct Known {
    Subscriber subscriber;
    uint32_t id = 0;
  };

  explicit Scene(size_t sessionCount, size_t shareCount) : shares(shareCount) {
    for (size_t i = 0; i < sessionCount; i++) {
      sessions.push_back(std::make_unique<Session>());
      sessions.back()->key = i;
      levels.push_back({ShareLevel::ready, ShareLevel::ready});
    }
  }

  auto levelOf() {
    return [this](Session& session, uint8_t qos) {
      looks++;
      return levels[session.key][qos];
    };
  }
  void add(size_t share, size_t session, uint8_t qos) {
    Subscriber subscriber;
    subscriber.session = sessions[session].get();
    subscriber.qos = qos & 3;
    known[share][session] = {subscriber, members.add(shares[share], subscriber, levelOf())};
  }
  void remove(size_t share, size_t session) {
    members.remove(known[share][session].id);
    known[share].erase(session);
  }
  // The shares of a session.
  void checkShares(size_t session) {
    std::set<const Share*> expected;
    std::set<const Share*> found;
    for (size_t share = 0; share < shares.size(); share++) {
      if (known[share].contains(session)) expected.insert(&shares[share]);
    }
    members.eachShareOf(*sessions[session], [&](Share& share) { CHECK(found.insert(&share).second); });
    CHECK(found == expected);
  }
  void raise(size_t session) {
    members.raise(*sessions[session], levelOf(), [&](Share& share, ShareKind) { readied.push_back(&share); });
  }
  const Subscriber* choose(size_t share, uint8_t qos, ShareLevel worst) {
    asked.clear();
    return members.choose(shares[share], shareKindOf(qos), worst, levelOf(), [this](const Session& session) {
      CHECK(asked.insert(session.key).second);  // nobody is asked twice
      return !excluded.contains(session.key);
    });
  }
  ShareLevel levelFor(const Known& member, uint8_t qos) const {
    return levels[member.subscriber.session->key][qos == 0 || member.subscriber.qos == 0 ? 0 : 1];
  }

  ShareMembers members;
  std::vector<Share> shares;
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<std::array<ShareLevel, 2>> levels;
  std::map<size_t, std::map<size_t, Known>> known;  // share -> session -> member
  std::vector<Share*> readied;
  std::set<uint64_t> excluded;  // sessions that may not have the next message
  std::set<uint64_t> asked;
  size_t looks = 0;
};

ShareLevel anyLevel(check::Random& random) { return ShareLevel(random.below(4)); }

}  // namespace

TEST("share members: always one of the best that may have the message, against a list") {
  check::eachSeed(150, [](check::Random& random) {
    const size_t sessionCount = random.between(1, 8);
    const size_t shareCount = random.between(1, 4);
    Scene scene(sessionCount, shareCount);
    for (int step = 0; step < 600; step++) {
      const size_t share = random.below(shareCount);
      const size_t session = random.below(sessionCount);
      const uint8_t qos = uint8_t(random.below(3));
      const bool isMember = scene.known[share].contains(session);
      switch (random.below(8)) {
        case 0:
          if (!isMember) scene.add(share, session, qos);
          break;
        case 1:
          if (isMember && random.chance(50)) scene.remove(share, session);
          break;
        case 2:
          if (!isMember) break;
          scene.known[share][session].subscriber.qos = qos & 3;
          scene.members.update(scene.known[share][session].id, scene.known[share][session].subscriber, scene.levelOf());
          break;
        case 3:
        case 4: {  // it does worse, which nobody tells, or better, which is told if somebody has passed it over
          auto& levels = scene.levels[session];
          const auto before = levels;
          levels = {anyLevel(random), anyLevel(random)};
          const bool isBetter = levels[0] < before[0] || levels[1] < before[1];
          if (isBetter && scene.sessions[session]->isPassedOver) scene.raise(session);
          break;
        }
        default: {
          const ShareLevel worst = random.pick(std::vector{ShareLevel::ready, ShareLevel::waiting, ShareLevel::away});
          scene.excluded.clear();
          if (random.chance(30)) {
            for (uint64_t key = 0; key < sessionCount; key++) {
              if (random.chance(50)) scene.excluded.insert(key);
            }
          }
          std::optional<ShareLevel> best;
          for (const auto& [key, member] : scene.known[share]) {
            if (scene.excluded.contains(key)) continue;
            const ShareLevel level = scene.levelFor(member, qos);
            if (level <= worst && (!best || level < *best)) best = level;
          }
          const Subscriber* chosen = scene.choose(share, qos, worst);
          if (!CHECK_EQ(chosen != nullptr, best.has_value()) || !chosen) break;
          const auto found = scene.known[share].find(chosen->session->key);
          if (!CHECK(found != scene.known[share].end())) break;
          CHECK(scene.levelFor(found->second, qos) == *best);
          CHECK_EQ(chosen->qos, found->second.subscriber.qos);
        }
      }
      scene.checkShares(session);
    }
    for (size_t share = 0; share < shareCount; share++) {
      while (!scene.known[share].empty()) scene.remove(share, scene.known[share].begin()->first);
      for (const auto& rings : scene.shares[share].rings) {
        for (const uint32_t first : rings) CHECK_EQ(first, 0);
      }
    }
    for (const auto& session : scene.sessions) CHECK(session->standing == 0 && !session->isPassedOver);
  });
}

TEST("share members: all of the best take turns, whichever QoS comes") {
  check::eachSeed(50, [](check::Random& random) {
    const size_t count = random.between(1, 20);
    Scene scene(count, 1);
    for (size_t i = 0; i < count; i++) scene.add(0, i, uint8_t(random.below(3)));
    std::map<uint64_t, size_t> turns;
    for (size_t i = 0; i < 10 * count; i++) {
      const Subscriber* chosen = scene.choose(0, uint8_t(random.below(3)), ShareLevel::away);
      if (CHECK(chosen != nullptr)) turns[chosen->session->key]++;
    }
    for (const auto& [session, times] : turns) CHECK_EQ(times, 10);
    CHECK_EQ(turns.size(), count);
  });
}

TEST(
    "share members: where all acknowledge at once they take turns by the run, each as long, and message by message "
    "else") {
  constexpr size_t count = 5;
  constexpr size_t perTurn = 100;
  HeldMessages held(0);
  Scene scene(count, 1);
  for (size_t i = 0; i < count; i++) scene.add(0, i, 1);
  scene.shares[0].connected = count;
  const MessageRef message(Message::make(1, 0));
  uint64_t nowMs = 1'000;
  // One turn of the event loop: who has got the messages, in order. All but `silent` acknowledge theirs.
  const auto turn = [&](uint64_t afterMs, size_t messages, size_t silent) {
    scene.members.beginTurn(nowMs += afterMs);
    std::vector<uint64_t> got;
    for (size_t i = 0; i < messages; i++) {
      const Subscriber* chosen = scene.choose(0, 1, ShareLevel::ready);
      got.push_back(chosen->session->key);
      Window& window = chosen->session->window;
      const uint16_t packetId = window.add({.message = message, .qos = 1}, held);
      if (got.back() != silent) window.finish(*window.find(packetId, Window::State::sent), held);
    }
    return got;
  };
  const auto longestRun = [](const std::vector<uint64_t>& got) {
    size_t longest = 0;
    size_t run = 0;
    for (size_t i = 0; i < got.size(); i++) {
      run = i > 0 && got[i] == got[i - 1] ? run + 1 : 1;
      longest = std::max(longest, run);
    }
    return longest;
  };
  constexpr size_t nobody = SIZE_MAX;
  CHECK_EQ(longestRun(turn(1, perTurn, nobody)), 1);
  size_t longest = 0;
  std::map<uint64_t, size_t> sums;
  for (int i = 0; i < 50; i++) {
    const std::vector<uint64_t> got = turn(1, perTurn, nobody);
    longest = std::max(longest, longestRun(got));
    for (const uint64_t key : got) sums[key]++;
  }
  CHECK_EQ(longest, 32);
  for (const auto& [key, sum] : sums) CHECK(sum > 950 && sum < 1'050);
  // A run ends with its turn of the event loop.
  sums.clear();
  for (size_t i = 0; i < 10 * count; i++) sums[turn(0, 1, nobody)[0]]++;
  for (const auto& [key, sum] : sums) CHECK_EQ(sum, 10);
  CHECK_EQ(sums.size(), count);
  // Somebody has not acknowledged anything for more than 2 ms, or it is long since.
  for (int i = 0; i < 5; i++) turn(1, perTurn, 3);
  CHECK_EQ(longestRun(turn(1, perTurn, 3)), 1);
  for (int i = 0; i < 50; i++) turn(1, perTurn, nobody);
  CHECK(longestRun(turn(1, perTurn, nobody)) >= 16);
  CHECK_EQ(longestRun(turn(1'000, perTurn, nobody)), 1);
  // Few messages: nobody gets a second one before the others have got theirs.
  for (int i = 0; i < 50; i++) CHECK_EQ(longestRun(turn(10, 5, nobody)), 1);
  for (const auto& session : scene.sessions) session->window.clear(held);
}

TEST("share members: of 10,000 the one that is ready is found with one look, each of the others looked at once") {
  constexpr size_t count = 10'000;
  constexpr size_t ready = 7'777;
  for (const ShareLevel others : {ShareLevel::waiting, ShareLevel::away, ShareLevel::full}) {
    Scene scene(count, 1);
    for (size_t i = 0; i < count; i++) scene.add(0, i, 1);
    for (size_t i = 0; i < count; i++) {
      if (i != ready) scene.levels[i] = {others, others};
    }
    scene.looks = 0;
    for (const uint8_t qos : {uint8_t(0), uint8_t(1)}) {
      for (int i = 0; i < 1'000; i++) {
        const Subscriber* chosen = scene.choose(0, qos, ShareLevel::ready);
        CHECK(chosen && chosen->session->key == ready);
      }
    }
    CHECK_EQ(scene.looks, 2 * (count - 1) + 2'000);
    scene.looks = 0;
    for (int i = 0; i < 1'000; i++) CHECK(scene.choose(0, 1, ShareLevel::away) != nullptr);
    CHECK_EQ(scene.looks, 1'000);
    // It goes as well; the others are asked for less, and whoever does better is found again.
    scene.levels[ready] = {ShareLevel::full, ShareLevel::full};
    scene.looks = 0;
    for (int i = 0; i < 1'000; i++) {
      CHECK(!scene.choose(0, 1, ShareLevel::ready));
      CHECK((scene.choose(0, 1, ShareLevel::away) != nullptr) == (others != ShareLevel::full));
    }
    CHECK(scene.looks <= 1'001);
    scene.levels[4] = {ShareLevel::ready, ShareLevel::ready};
    CHECK(scene.sessions[4]->isPassedOver);
    scene.raise(4);
    CHECK(!scene.sessions[4]->isPassedOver);
    const Subscriber* chosen = scene.choose(0, 1, ShareLevel::ready);
    CHECK(chosen && chosen->session->key == 4);
  }
}

TEST("share members: a session with 10,000 shares goes up in those that have passed it over, and in no other") {
  constexpr size_t count = 10'000;
  Scene scene(1, count);
  for (size_t share = 0; share < count; share++) scene.add(share, 0, 1);
  for (const size_t share : {size_t(3), size_t(5'000)}) {
    scene.levels[0] = {ShareLevel::ready, ShareLevel::waiting};
    CHECK(!scene.choose(share, 1, ShareLevel::ready));
    scene.levels[0] = {ShareLevel::ready, ShareLevel::ready};
    scene.looks = 0;
    scene.readied.clear();
    scene.raise(0);
    CHECK_EQ(scene.looks, 1);
    CHECK(scene.readied == std::vector<Share*>{&scene.shares[share]});
    CHECK(scene.choose(share, 1, ShareLevel::ready) != nullptr);
  }
}

TEST("share: a node gets messages in a row where they are many, within a turn, and as many as its members are due") {
  Share share;
  for (const uint8_t worker : {uint8_t(0), uint8_t(1), uint8_t(2)})
    share.routes.push_back({.connected = worker == 0 ? 4u : 3u, .able = 4, .worker = worker});
  ShareTurn turn{.nowMs = 1'000'000, .elsewhere = 0b110};
  const auto next = [&] {
    ShareSearch search;
    return share.choose(search, ShareKind::acknowledged, turn)->worker;
  };
  const auto longestRun = [&](size_t turns, size_t messages) {
    size_t longest = 0;
    for (size_t i = 0; i < turns; i++, turn.number++) {
      unsigned last = UINT8_MAX;
      for (size_t k = 0, run = 0; k < messages; k++) {
        const unsigned worker = next();
        run = worker == last ? run + 1 : 1;
        if (worker != 0) longest = std::max(longest, run);
        last = worker;
      }
    }
    return longest;
  };
  CHECK_EQ(longestRun(30, 20), size_t(1));  // 600 in a second are few
  turn.nowMs += 1'000;
  longestRun(50, 20);
  turn.nowMs += 1'000;
  next();
  CHECK_EQ(longestRun(10, 40), size_t(RouteRun::length));
  CHECK_EQ(longestRun(50, 1), size_t(1));
  std::array<size_t, 3> got{};
  for (size_t i = 0; i < 10'000; i++, turn.number += i % 40 == 0) got[next()]++;
  CHECK(got[0] > 3'950 && got[0] < 4'050 && got[1] > 2'950 && got[1] < 3'050);
  turn.nowMs += 5'000;  // a pause
  next();
  CHECK_EQ(longestRun(10, 20), size_t(1));
}
