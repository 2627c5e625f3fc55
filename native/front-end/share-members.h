// The members of all shares at a front end, by what each could do with the next message: the next one that can accept
// it is found at once, however many cannot.
//
//   share.rings[kind]  ready:   place <-> place <-> place      for each kind of message;
//                      waiting: place <-> place                the first place is next, then it goes to the end
//                      away:    place
//                      (full:   in no ring)
//
// A place is at the level of its member when it was last checked, or at a better one: a member that does worse moves
// down, and is not checked again there. Places below `ready` are also listed at their session:
//
//   standing.passedOver[q]  waiting, away, full: place <-> place         q: as which QoS its messages come
//
// When the session does better (Outbound::noteRoom()), these move up. So checks in vain of choose() are
// paid for: a place moves down only as often as it has moved up.
//
// Members take turns message by message. If each member acknowledges some messages every other millisecond,
// a turn is a run: several messages of one turn of the event loop, which leave in one piece and are acknowledged in
// one. Runs grow while all members acknowledge at least half of theirs in that time. A member that does not ends
// them, so that no message waits longer than that behind others: slow members, and few messages, take turns
// as above.
#pragma once
#include <algorithm>

#include "../assert.h"
#include "../sessions/session.h"
#include "../structures/slab.h"

namespace rally {

class ShareMembers {
 public:
  static constexpr size_t memberBytes = 128;  // the memory of a member, and of its session as one

  // The place of the session in the share, for remove() and update(). `levelOf(session, qos)`, here and below: what it
  // could do with a message of this QoS, 0 or more.
  template <class LevelOf>
  uint32_t add(Share& share, const Subscriber& subscriber, LevelOf&& levelOf) {
    const uint32_t id = members_.add();
    Session& session = *subscriber.session;
    if (session.standing == 0) session.standing = standings_.add();
    standings_[session.standing].shares++;
    members_[id].subscriber = subscriber;
    members_[id].share = &share;
    putBoth(id, levelOf);
    link(session, id);
    return id;
  }

  // The shares that it is a member of, however many other subscriptions it has.
  template <class Visit>
  void eachShareOf(const Session& session, Visit&& visit) {
    if (session.standing == 0) return;
    for (uint32_t id = standings_[session.standing].first; id != 0; id = members_[id].ofSession.next)
      visit(*members_[id].share);
  }

  // The options of the subscription have changed.
  template <class LevelOf>
  void update(uint32_t id, const Subscriber& subscriber, LevelOf&& levelOf) {
    takeBoth(id);
    members_[id].subscriber = subscriber;
    putBoth(id, levelOf);
  }

  // In how many shares it is a member.
  size_t sharesOf(const Session& session) const {
    return session.standing == 0 ? 0 : standings_[session.standing].shares;
  }
  const Subscriber& subscriberOf(uint32_t id) { return members_[id].subscriber; }

  void remove(uint32_t id) {
    takeBoth(id);
    Session& session = *members_[id].subscriber.session;
    ShareRun& run = members_[id].share->run;
    if (run.place >> 1 == id) run.left = 0;
    unlink(session, id);
    members_.remove(id);
    RALLY_ASSERT(session.standing != 0);
    if (--standings_[session.standing].shares > 0) return;
    standings_.remove(session.standing);
    session.standing = 0;
    session.isPassedOver = false;
  }

  void beginTurn(uint64_t nowMs) {
    turn_++;
    nowMs_ = uint32_t(nowMs);
  }

  // The next member in turn among the best that may have the message, none worse than `worst`; nullptr: there is none.
  // If `mayHave(session)` is false, the next one is asked, each at most once at its level.
  template <class LevelOf, class MayHave>
  const Subscriber* choose(Share& share, ShareKind kind, ShareLevel worst, LevelOf&& levelOf, MayHave&& mayHave) {
    if (share.run.left > 0 && share.run.turn != turn_) endRun(share);
    for (auto level = ShareLevel::ready; level <= worst && level != ShareLevel::full; level = below(level)) {
      uint32_t first = 0;  // of those at this level who may not have it: it comes again when all have been asked
      while (const uint32_t place = firstAt(share, kind, level, levelOf)) {
        if (place == first) break;
        const Subscriber& subscriber = memberOf(place).subscriber;
        const bool isChosen = mayHave(*subscriber.session);
        if (!isChosen || level != ShareLevel::ready || !getsNext(share, place)) turn(place);
        if (isChosen) return &subscriber;
        if (first == 0 && at(place).level == level) first = place;
      }
    }
    return nullptr;
  }

  template <class LevelOf>
  bool hasReady(Share& share, ShareKind kind, LevelOf&& levelOf) {
    return firstAt(share, kind, ShareLevel::ready, levelOf) != 0;
  }

  // The session may do better: its places go up. `onReady(share, kind)`: for each that is ready now.
  template <class LevelOf, class OnReady>
  void raise(Session& session, LevelOf&& levelOf, OnReady&& onReady) {
    if (session.standing == 0) return;
    Standing& standing = standings_[session.standing];
    bool isAnyLeft = false;
    for (uint8_t qos = 0; qos < 2; qos++) {
      auto& lists = standing.passedOver[qos];
      if (std::all_of(lists.begin(), lists.end(), [](uint32_t first) { return first == 0; })) continue;
      const ShareLevel now = levelOf(session, qos);
      for (auto level = ShareLevel::full; level > now; level = above(level)) {
        for (uint32_t place = lists[indexOf(level)]; place != 0; place = lists[indexOf(level)]) {
          take(place);
          put(place, now);
          if (now == ShareLevel::ready) onReady(*memberOf(place).share, kindOf(place));
        }
      }
      isAnyLeft |= now != ShareLevel::ready;
    }
    session.isPassedOver = isAnyLeft;
  }

 private:
  struct Links {
    uint32_t next = 0;
    uint32_t previous = 0;
  };
  struct Place {
    Links inRing;
    Links inList;
    ShareLevel level = ShareLevel::full;
  };
  struct Member {
    Subscriber subscriber;
    Share* share = nullptr;
    std::array<Place, shareKinds> places;
    uint32_t turn = 0;          // of the event loop, in which it has got something last
    uint32_t sinceMs = 0;       // when it was looked at whether it keeps up with runs ...
    uint32_t acknowledged = 0;  // ... what its window said then ...
    uint32_t given = 0;         // ... what it has got since ...
    uint32_t lengths = 0;       // ... and for which length of runs it did
    Links ofSession;            // the other members that are the same session
  };
  struct Standing {
    uint32_t shares = 0;
    uint32_t first = 0;  // of its members
    std::array<std::array<uint32_t, 3>, 2> passedOver{};
  };
  static_assert(sizeof(Member) + sizeof(Standing) <= memberBytes);

  static ShareLevel below(ShareLevel level) { return ShareLevel(uint8_t(level) + 1); }
  static ShareLevel above(ShareLevel level) { return ShareLevel(uint8_t(level) - 1); }
  static size_t indexOf(ShareLevel passedOver) { return size_t(passedOver) - 1; }

  void link(const Session& session, uint32_t id) {
    uint32_t& first = standings_[session.standing].first;
    members_[id].ofSession = {.next = first, .previous = 0};
    if (first != 0) members_[first].ofSession.previous = id;
    first = id;
  }
  void unlink(const Session& session, uint32_t id) {
    const Links links = members_[id].ofSession;
    (links.previous == 0 ? standings_[session.standing].first : members_[links.previous].ofSession.next) = links.next;
    if (links.next != 0) members_[links.next].ofSession.previous = links.previous;
  }

  // A place is named by its member and its kind; 0 is none.
  static uint32_t placeOf(uint32_t member, ShareKind kind) { return member << 1 | uint32_t(kind); }
  static ShareKind kindOf(uint32_t place) { return ShareKind(place & 1); }
  Member& memberOf(uint32_t place) { return members_[place >> 1]; }
  Place& at(uint32_t place) { return memberOf(place).places[size_t(kindOf(place))]; }
  // The QoS, 0 or more, with which messages of its kind come to the member.
  static uint8_t qosOf(const Member& member, ShareKind kind) {
    return kind == ShareKind::qos0 || member.subscriber.qos == 0 ? 0 : 1;
  }

  // The first place of a ring whose member is still at its level; those before it move down.
  template <class LevelOf>
  uint32_t firstAt(Share& share, ShareKind kind, ShareLevel level, LevelOf&& levelOf) {
    const uint32_t& first = share.rings[size_t(kind)][size_t(level)];
    while (first != 0) {
      const uint32_t place = first;
      const ShareLevel now = levelOf(*memberOf(place).subscriber.session, qosOf(memberOf(place), kind));
      if (now == level) return place;
      take(place);
      put(place, now);
      if (now < level) return place;
    }
    return 0;
  }

  // Whether a member that is ready and gets a message gets the next one as well.
  bool getsNext(Share& share, uint32_t place) {
    if (kindOf(place) == ShareKind::qos0) return false;  // nobody acknowledges it
    ShareRun& run = share.run;
    if (run.place != place || run.turn != turn_ || run.left == 0) {
      Member& member = memberOf(place);
      if (member.turn != turn_) setLength(share, member);
      run.place = place;
      run.turn = turn_;
      run.left = run.length;
    }
    memberOf(place).given++;
    return --run.left > 0;
  }
  // Its turn of the event loop is over: the member has had its own.
  void endRun(Share& share) {
    share.run.left = 0;
    turn(share.run.place);
  }
  void setLength(Share& share, Member& member) {
    ShareRun& run = share.run;
    const uint32_t acknowledged = member.subscriber.session->window.acknowledged();
    const bool isInTime = nowMs_ - member.sinceMs <= quickMs;
    const bool keepsUp = 2 * (acknowledged - member.acknowledged) >= std::max<uint32_t>(member.given, 2);
    member.turn = turn_;
    if (isInTime && !keepsUp) return;  // it may still
    member.sinceMs = nowMs_;
    member.acknowledged = acknowledged;
    member.given = 0;
    if (isInTime && member.lengths != run.lengths) {
      member.lengths = run.lengths;
      run.quick++;
    }
    if (isInTime && run.quick < share.connected) return;
    run.length = isInTime ? std::min<uint16_t>(uint16_t(run.length * 2), runMax) : uint16_t(1);
    run.lengths++;
    run.quick = 0;
  }

  // The member has had its turn, for any kind of message.
  void turn(uint32_t place) {
    goLast(place);
    goLast(place ^ 1);
  }
  void goLast(uint32_t place) {
    const Place& own = at(place);
    if (own.level == ShareLevel::full) return;
    uint32_t& first = memberOf(place).share->rings[size_t(kindOf(place))][size_t(own.level)];
    if (first == place) {
      first = own.inRing.next;
    } else if (own.inRing.next != first) {
      remove<&Place::inRing>(first, place);
      append<&Place::inRing>(first, place);
    }
  }

  template <class LevelOf>
  void putBoth(uint32_t id, LevelOf&& levelOf) {
    const Member& member = members_[id];
    for (const ShareKind kind : {ShareKind::qos0, ShareKind::acknowledged})
      put(placeOf(id, kind), levelOf(*member.subscriber.session, qosOf(member, kind)));
  }
  void takeBoth(uint32_t id) {
    for (const ShareKind kind : {ShareKind::qos0, ShareKind::acknowledged}) take(placeOf(id, kind));
  }

  void put(uint32_t place, ShareLevel level) {
    Member& member = memberOf(place);
    at(place).level = level;
    if (level != ShareLevel::full)
      append<&Place::inRing>(member.share->rings[size_t(kindOf(place))][size_t(level)], place);
    if (level == ShareLevel::ready) return;
    append<&Place::inList>(listOf(member, place), place);
    member.subscriber.session->isPassedOver = true;
  }
  void take(uint32_t place) {
    Member& member = memberOf(place);
    const ShareLevel level = at(place).level;
    if (level != ShareLevel::full)
      remove<&Place::inRing>(member.share->rings[size_t(kindOf(place))][size_t(level)], place);
    if (level != ShareLevel::ready) remove<&Place::inList>(listOf(member, place), place);
  }
  uint32_t& listOf(const Member& member, uint32_t place) {
    Standing& standing = standings_[member.subscriber.session->standing];
    return standing.passedOver[qosOf(member, kindOf(place))][indexOf(at(place).level)];
  }

  // A ring of places: `first` and the one before it are neighbours too.
  template <auto links>
  void append(uint32_t& first, uint32_t place) {
    Links& own = at(place).*links;
    if (first == 0) {
      own = {place, place};
      first = place;
      return;
    }
    Links& next = at(first).*links;
    own = {first, next.previous};
    (at(next.previous).*links).next = place;
    next.previous = place;
  }
  template <auto links>
  void remove(uint32_t& first, uint32_t place) {
    const Links own = at(place).*links;
    (at(own.previous).*links).next = own.next;
    (at(own.next).*links).previous = own.previous;
    if (first == place) first = own.next == place ? 0 : own.next;
  }

  static constexpr uint16_t runMax = 32;
  static constexpr uint32_t quickMs = 2;

  Slab<Member> members_;
  Slab<Standing> standings_;
  uint32_t turn_ = 0;
  uint32_t nowMs_ = 0;
};

}  // namespace rally
