// Rules as a list that is read from top to bottom, which nobody could get wrong: the oracle of the tests of
// native/security. And random ones, with the clients that they are about.
#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../../native/security/rule-gate.h"
#include "random.h"
#include "sent-publish.h"

struct NaiveRule {
  bool isAllow = true;
  bool isPublish = true;
  bool isLater = false;
  std::string filter;  // with %u, %c and %{team}
};

struct NaiveClient {
  std::optional<std::string> userName;
  std::string clientId;
  std::optional<std::string> team;
  std::vector<std::string> roles;
  std::string prefix;  // of its tenant, before all of its topics

  // What stands in a rule, or nothing; a value that is no level counts as any level, for rules that deny.
  bool matches(const std::string& wanted, const std::string& level, bool isAllow) const {
    std::optional<std::string> value = wanted;
    if (wanted == "+") return true;
    if (wanted == "%u") value = userName;
    else if (wanted == "%c") value = clientId;
    else if (wanted == "%{team}") value = team;
    else return wanted == level;
    if (!value) return false;
    const bool isLevel = !value->empty() && value->find_first_of(std::string("/+#\0", 4)) == std::string::npos;
    return isLevel ? *value == level : !isAllow;
  }

  std::shared_ptr<const rally::Access> access() const {
    auto access = std::make_shared<rally::Access>();
    access->hasUserName = userName.has_value();
    access->userName = rally::PlaceholderValue(userName.value_or(""));
    access->clientId = rally::PlaceholderValue(clientId);
    access->roles = roles;
    access->topicPrefix = prefix;
    if (team) access->claims.emplace_back("team", rally::PlaceholderValue(*team));
    return access;
  }
};

struct NaiveRules {
  std::map<std::string, std::vector<NaiveRule>> roles;
  std::vector<std::string> everyone;
  std::vector<std::string> anonymous;
  std::map<std::string, std::vector<std::string>> users;

  bool mayPublish(const NaiveClient& client, const std::string& topic) const { return isAllowed(client, topic, true); }
  bool mayReceive(const NaiveClient& client, const std::string& topic) const { return isAllowed(client, topic, false); }
  // Of a topic of the broker, of which a client of a tenant sees what stands behind its prefix.
  bool mayReceiveWhole(const NaiveClient& client, const std::string& topic) const {
    const std::string seen = topic.starts_with(client.prefix) ? topic.substr(client.prefix.size()) : "";
    return !seen.empty() && mayReceive(client, seen);
  }

  std::vector<NaiveRule> rulesOf(const NaiveClient& client) const {
    std::vector<std::string> names = everyone;
    const auto add = [&](const std::vector<std::string>& more) { names.insert(names.end(), more.begin(), more.end()); };
    if (!client.userName) add(anonymous);
    else if (users.contains(*client.userName)) add(users.at(*client.userName));
    add(client.roles);
    std::vector<NaiveRule> rules;
    for (const std::string& name : names) {
      if (!roles.contains(name)) continue;
      for (const NaiveRule& rule : roles.at(name)) rules.push_back(rule);
    }
    return rules;
  }

  bool isAllowed(const NaiveClient& client, const std::string& topic, bool isPublish) const {
    const std::vector<NaiveRule> rules = rulesOf(client);
    for (const bool isLater : {false, true}) {
      for (const bool isAllow : {false, true}) {
        for (const NaiveRule& rule : rules) {
          const bool isMeant = rule.isAllow == isAllow && rule.isLater == isLater && rule.isPublish == isPublish;
          if (isMeant && matches(rule, client, topic)) return isAllow;
        }
      }
    }
    return false;
  }

  static bool matches(const NaiveRule& rule, const NaiveClient& client, const std::string& topic) {
    const std::vector<std::string> wanted = levelsOf(rule.filter);
    const std::vector<std::string> levels = levelsOf(topic);
    const bool isLiteral = wanted[0] != "#" && wanted[0] != "+" && wanted[0][0] != '%';
    if (topic.starts_with("$") && !isLiteral) return false;
    for (size_t i = 0; i < wanted.size(); i++) {
      if (wanted[i] == "#") return true;
      if (i == levels.size() || !client.matches(wanted[i], levels[i], rule.isAllow)) return false;
    }
    return wanted.size() == levels.size();
  }

  // Of a subscription's filter.
  static bool filterMatches(const std::string& filter, const std::string& topic) {
    return matches({.filter = filter}, {}, topic);
  }
  // The same as a client of a tenant sees both, without its prefix.
  static bool filterMatchesFor(const NaiveClient& client, const std::string& filter, const std::string& topic) {
    const size_t hidden = client.prefix.size();
    return filter.starts_with(client.prefix) && topic.starts_with(client.prefix) && filter.size() > hidden &&
           topic.size() > hidden && filterMatches(filter.substr(hidden), topic.substr(hidden));
  }

  // As the control plane writes it.
  Octets encoded() const {
    Octets book;
    std::map<std::string, uint32_t> numbers;
    appendU32(book, uint32_t(roles.size()));
    for (const auto& [name, rules] : roles) {
      numbers.emplace(name, uint32_t(numbers.size()));
      appendText(book, name);
      appendU32(book, uint32_t(rules.size()));
      for (const NaiveRule& rule : rules) {
        book.push_back(uint8_t((rule.isAllow ? rally::allowFirst : rally::denyFirst) << (rule.isLater ? 2 : 0)));
        book.push_back(rule.isPublish ? 0 : 1);
        appendText(book, compiled(rule.filter));
      }
    }
    const auto appendList = [&](const std::vector<std::string>& names) {
      appendU32(book, uint32_t(names.size()));
      for (const std::string& name : names) appendU32(book, numbers.at(name));
    };
    appendList(everyone);
    appendList(anonymous);
    appendU32(book, uint32_t(users.size()));
    for (const auto& [name, names] : users) {
      appendText(book, name);
      appendList(names);
    }
    return book;
  }
  std::shared_ptr<const rally::RuleBook> book() const { return rally::RuleBook::read(encoded()); }

 private:
  static void appendU32(Octets& octets, uint32_t number) {
    appendU16(octets, uint16_t(number >> 16));
    appendU16(octets, uint16_t(number));
  }
  static std::string compiled(const std::string& filter) {
    std::string text;
    for (const std::string& level : levelsOf(filter)) {
      if (level == "%u") text += std::string("\0u", 2);
      else if (level == "%c") text += std::string("\0c", 2);
      else if (level == "%{team}") text += std::string("\0:team", 6);
      else text += level;
      text += '/';
    }
    text.pop_back();
    return text;
  }
};

// --- random ones -----------------------------------------------------------------------------------------

// Few, so that rules, filters, topics and names of clients meet often; and names that try to be more than a level.
inline const std::vector<std::string> topicLevels = {"a", "b", "c", ""};
inline const std::vector<std::string> clientNames = {"a",
                                                     "b",
                                                     "c",
                                                     "a/b",
                                                     "+",
                                                     "#",
                                                     "a/#",
                                                     "+/+",
                                                     "$SYS",
                                                     "$share/g",
                                                     "",
                                                     "%u",
                                                     "%c",
                                                     "a\n",
                                                     "\x7f",
                                                     "b+",
                                                     std::string("a\0", 2)};

inline std::string randomTopic(check::Random& random) {
  std::string topic = random.chance(10) ? "$SYS" : topicLevels[random.below(4)];
  for (size_t more = random.below(3); more > 0; more--)
    topic += "/" + (random.chance(10) ? "$b" : topicLevels[random.below(4)]);
  return topic.empty() ? "a" : topic;
}

// `placeholders`: of a rule.
inline std::string randomFilter(check::Random& random, bool hasPlaceholders) {
  std::string filter;
  for (size_t levels = random.between(1, 3); levels > 0; levels--) {
    if (!filter.empty()) filter += '/';
    const size_t kind = random.below(10);
    if (kind < 2) filter += '+';
    else if (kind < 5 && hasPlaceholders) filter += std::vector<std::string>{"%u", "%c", "%{team}"}[random.below(3)];
    else if (kind == 5) filter += filter.empty() && random.chance(50) ? "$SYS" : "$b";
    else filter += topicLevels[random.below(3)];
  }
  if (random.chance(35)) filter = random.chance(20) ? "#" : filter + "/#";
  return filter;
}

inline NaiveRules randomRules(check::Random& random) {
  NaiveRules rules;
  for (const char* role : {"r", "s", "t"}) {
    std::vector<NaiveRule>& list = rules.roles[role];
    for (size_t count = random.below(7); count > 0; count--) {
      list.push_back({.isAllow = random.chance(70),
                      .isPublish = random.chance(50),
                      .isLater = random.chance(25),
                      .filter = randomFilter(random, true)});
    }
  }
  const auto some = [&] {
    std::vector<std::string> names;
    for (const char* role : {"r", "s", "t"}) {
      if (random.chance(40)) names.push_back(role);
    }
    return names;
  };
  rules.everyone = some();
  rules.anonymous = some();
  for (const std::string& name : clientNames) {
    if (random.chance(50)) rules.users[name] = some();
  }
  return rules;
}

inline NaiveClient randomClient(check::Random& random) {
  NaiveClient client;
  if (random.chance(80)) client.userName = clientNames[random.below(clientNames.size())];
  client.clientId = clientNames[random.below(clientNames.size())];
  if (random.chance(50)) client.team = clientNames[random.below(clientNames.size())];
  if (random.chance(20)) client.roles = {random.chance(50) ? "r" : "s"};
  return client;
}
