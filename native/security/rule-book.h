// All rules of a broker, and the clients that they apply to. Made on the main thread, immutable, shared by the
// workers.
//
//   [ roles: count 4, each name and rules (rule-set.h) | everyone | anonymous | users: count 4, each name and roles ]
//
// `everyone`, `anonymous` and the roles of a user are lists: [ count 4 | numbers of roles, 4 each ]. Written by
// core/security/encode-rules.ts.
#pragma once
#include <memory>
#include <mutex>
#include <unordered_map>

#include "access.h"

namespace rally {

using RuleSets = std::vector<const RuleSet*>;

inline RuleBits matchingPublish(const RuleSets& sets, const Access& access, Bytes topic) {
  RuleBits bits = 0;
  for (const RuleSet* set : sets) bits |= set->publish.matching(topic, access.values());
  return bits;
}
inline RuleBits matchingReceive(const RuleSets& sets, const Access& access, Bytes topic) {
  RuleBits bits = 0;
  for (const RuleSet* set : sets) bits |= set->receive.matching(topic, access.values());
  return bits;
}

class RuleBook {
 public:
  static std::shared_ptr<const RuleBook> read(Bytes bytes) {
    Reader reader(bytes);
    auto book = std::make_shared<RuleBook>();
    for (uint32_t left = reader.u32(); left > 0 && reader.ok(); left--) {
      book->names_.emplace(toString(reader.prefixed()), uint32_t(book->roles_.size()));
      book->roles_.push_back(std::make_unique<RuleSet>());
      const bool isRead = book->roles_.back()->read(reader);
      RALLY_ASSERT(isRead);
    }
    book->everyone_ = book->readList(reader);
    book->anonymous_ = book->readList(reader);
    for (uint32_t left = reader.u32(); left > 0 && reader.ok(); left--) {
      std::string name = toString(reader.prefixed());
      book->users_.emplace(std::move(name), book->readList(reader));
    }
    RALLY_ASSERT(reader.ok() && reader.remaining() == 0);
    return book;
  }

  // The rules that apply to the client: valid as long as the book and `access`.
  RuleSets setsOf(const Access& access) const {
    RuleSets sets = everyone_;
    const auto add = [&](const RuleSets& more) { sets.insert(sets.end(), more.begin(), more.end()); };
    if (!access.hasUserName) {
      add(anonymous_);
    } else if (const auto user = users_.find(toString(access.userName.bytes())); user != users_.end()) {
      add(user->second);
    }
    for (const std::string& role : access.roles) {
      if (const auto named = names_.find(role); named != names_.end()) sets.push_back(roles_[named->second].get());
    }
    if (access.own) sets.push_back(access.own.get());
    return sets;
  }

  bool mayPublish(const Access& access, Bytes topic) const {
    return isAllowed(matchingPublish(setsOf(access), access, topic));
  }
  bool mayReceive(const Access& access, Bytes topic) const {
    return isAllowed(matchingReceive(setsOf(access), access, topic));
  }

 private:
  RuleSets readList(Reader& reader) const {
    RuleSets list;
    for (uint32_t left = reader.u32(); left > 0 && reader.ok(); left--) {
      const uint32_t role = reader.u32();
      RALLY_ASSERT(role < roles_.size());
      list.push_back(roles_[role].get());
    }
    return list;
  }

  std::vector<std::unique_ptr<RuleSet>> roles_;
  std::unordered_map<std::string, uint32_t> names_;
  RuleSets everyone_;
  RuleSets anonymous_;
  std::unordered_map<std::string, RuleSets> users_;
};

// The book in force: the main thread puts it here, and the workers take it when they are told.
class RuleShelf {
 public:
  void put(std::shared_ptr<const RuleBook> book) {
    const std::lock_guard lock(mutex_);
    book_ = std::move(book);
  }
  std::shared_ptr<const RuleBook> take() const {
    const std::lock_guard lock(mutex_);
    return book_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const RuleBook> book_;
};

}  // namespace rally
