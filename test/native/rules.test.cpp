// Rules and the gate that keeps to them, against a list that is read from top to bottom.
#include "check.h"
#include "naive-rules.h"

using namespace rally;

namespace {

constexpr const char* roleName = "r";

NaiveRules everyoneMay(const std::vector<NaiveRule>& rules) {
  NaiveRules all;
  all.roles[roleName] = rules;
  all.everyone = {roleName};
  return all;
}

NaiveRule rule(const char* what, const char* filter) {
  const std::string_view text = what;
  return {.isAllow = text.starts_with("allow"),
          .isPublish = text.find("publish") != std::string_view::npos,
          .isLater = text.ends_with("later"),
          .filter = filter};
}

bool mayReceive(const NaiveRules& rules, const NaiveClient& client, const std::string& topic) {
  return rules.book()->mayReceive(*client.access(), bytesOf(topic));
}

FilterVerdict verdictOf(const NaiveRules& rules, const NaiveClient& client, const std::string& filter,
                        bool grantsBroadFilters = false) {
  RuleGate gate(grantsBroadFilters);
  gate.adopt(rules.book());
  Rights rights{client.access()};
  return gate.judge(rights, bytesOf(filter));
}

// Every topic of up to three of these levels.
std::vector<std::string> allTopics() {
  const std::vector<std::string> levels = {"a", "b", "c", "", "$SYS"};
  std::vector<std::string> topics;
  for (const std::string& first : levels) {
    if (!first.empty()) topics.push_back(first);
    for (const std::string& second : levels) {
      topics.push_back(first + "/" + second);
      for (const std::string& third : levels) topics.push_back(first + "/" + second + "/" + third);
    }
  }
  return topics;
}

}  // namespace

TEST("rules: every topic is decided as a naive list of the same rules decides it") {
  const std::vector<std::string> topics = allTopics();
  check::eachSeed(200, [&](check::Random& random) {
    const NaiveRules rules = randomRules(random);
    const std::shared_ptr<const RuleBook> book = rules.book();
    RuleGate gate(false);
    gate.adopt(book);
    for (int i = 0; i < 4; i++) {
      const NaiveClient client = randomClient(random);
      Rights rights{client.access()};
      for (int round = 0; round < 2; round++) {  // the second time from memory
        for (const std::string& topic : topics) {
          const bool mayPublish = rules.mayPublish(client, topic);
          CHECK_EQ(gate.mayPublish(rights, bytesOf(topic), hashBytes(bytesOf(topic), 1)), mayPublish);
          CHECK_EQ(gate.mayPublishWill(*rights.access, bytesOf(topic)), mayPublish);
          CHECK_EQ(gate.mayReceive(rights, bytesOf(topic)), rules.mayReceive(client, topic));
        }
      }
    }
  });
}

TEST("rules: what covers a filter allows all that it matches, and what refuses it nothing that it would get") {
  const std::vector<std::string> topics = allTopics();
  check::eachSeed(200, [&](check::Random& random) {
    const NaiveRules rules = randomRules(random);
    for (int i = 0; i < 20; i++) {
      const NaiveClient client = randomClient(random);
      const std::string filter = randomFilter(random, false);
      const FilterVerdict strict = verdictOf(rules, client, filter);
      const FilterVerdict broad = verdictOf(rules, client, filter, true);
      if (strict != FilterVerdict::refused) CHECK(broad == strict);
      if (broad == FilterVerdict::covered) CHECK(strict == broad);
      for (const std::string& topic : topics) {
        if (!NaiveRules::filterMatches(filter, topic)) continue;
        if (strict == FilterVerdict::covered) CHECK(rules.mayReceive(client, topic));
        if (broad == FilterVerdict::refused) CHECK(!rules.mayReceive(client, topic));
      }
    }
  });
}

TEST("rules: a filter that an allow rule has is granted, as a whole where no rule denies some of it") {
  check::eachSeed(200, [&](check::Random& random) {
    NaiveRules rules = everyoneMay({});
    for (size_t count = random.between(1, 6); count > 0; count--)
      rules.roles[roleName].push_back({.isPublish = false, .filter = randomFilter(random, false)});
    const std::string filter = rules.roles[roleName][0].filter;
    CHECK(verdictOf(rules, {}, filter) == FilterVerdict::covered);
    rules.roles[roleName].push_back({.isAllow = false, .isPublish = false, .filter = filter});
    CHECK(verdictOf(rules, {}, filter) == FilterVerdict::refused);
  });
}

TEST("rules: verdicts on filters") {
  const NaiveRules rules = everyoneMay({rule("allow subscribe", "a/#"), rule("deny subscribe", "a/secret/#"),
                                        rule("allow subscribe", "users/%u/+"), rule("allow subscribe", "$SYS/load")});
  const NaiveClient alice{.userName = "alice"};
  using enum FilterVerdict;
  const std::tuple<const char*, FilterVerdict, FilterVerdict> expected[] = {
      {"a/b", covered, covered},
      {"a/b/#", covered, covered},
      {"a", covered, covered},
      {"a/#", partly, partly},
      {"a/+", partly, partly},
      {"a/+/x", partly, partly},
      {"a/secret", refused, refused},
      {"a/secret/#", refused, refused},
      {"#", refused, partly},
      {"+", refused, partly},
      {"b", refused, refused},
      {"users/alice/x", covered, covered},
      {"users/alice/+", covered, covered},
      {"users/+/x", refused, partly},
      {"users/bob/x", refused, refused},
      {"users/alice/#", refused, partly},
      {"$SYS/load", covered, covered},
      {"$SYS/#", refused, partly},
      {"+/load", refused, partly},
  };
  for (const auto& [filter, strict, broad] : expected) {
    if (!CHECK(verdictOf(rules, alice, filter) == strict) || !CHECK(verdictOf(rules, alice, filter, true) == broad))
      FAIL(filter);
  }
}

TEST("rules: where nothing is said nothing is allowed, and $SYS is in no wildcard") {
  CHECK(!mayReceive(everyoneMay({}), {}, "a"));
  CHECK(!mayReceive(everyoneMay({rule("allow publish", "a")}), {}, "a"));
  CHECK(!mayReceive(everyoneMay({rule("allow subscribe", "#")}), {}, "$SYS/load"));
  CHECK(!mayReceive(everyoneMay({rule("allow subscribe", "+/load")}), {}, "$SYS/load"));
  CHECK(mayReceive(everyoneMay({rule("allow subscribe", "$SYS/#")}), {}, "$SYS/load"));
}

TEST("rules: names that are more than a level open nothing (CVE-2026-44838, CVE-2017-7650)") {
  const NaiveRules rules = everyoneMay({rule("allow subscribe", "users/%u"), rule("allow subscribe", "%u/load"),
                                        rule("allow subscribe", "c/%c/#"), rule("allow subscribe", "t/%{team}")});
  for (const std::string& name : {std::string("+"), std::string("#"), std::string("a/b"), std::string("a/#"),
                                  std::string(""), std::string("a\0", 2), std::string("$SYS")}) {
    const NaiveClient client{.userName = name, .clientId = name, .team = name};
    const bool isLevel = name == "$SYS";
    for (const char* topic : {"users/a", "users/b/c", "users/", "users", "$SYS/load", "a/load", "c/a", "c", "t/a"})
      CHECK(!mayReceive(rules, client, topic));
    CHECK_EQ(mayReceive(rules, client, "users/" + name), isLevel);
    CHECK(verdictOf(rules, client, "users/+") == FilterVerdict::refused);
    CHECK(verdictOf(rules, client, "#", true) != FilterVerdict::covered);
  }
}

TEST("rules: a rule that denies because of a name that is more than a level denies any level there") {
  const NaiveRules rules = everyoneMay({rule("allow subscribe", "users/#"), rule("deny subscribe", "users/%u/x")});
  CHECK(!mayReceive(rules, {.userName = "a"}, "users/a/x"));
  CHECK(mayReceive(rules, {.userName = "a"}, "users/b/x"));
  CHECK(!mayReceive(rules, {.userName = "a/b"}, "users/c/x"));
  CHECK(mayReceive(rules, {.userName = "a/b"}, "users/c/y"));
  CHECK(mayReceive(rules, {}, "users/c/x"));  // it has no user name: the rule is not about it
}

TEST("rules: of an acl_file a user's topics decide before the patterns for all") {
  NaiveRules rules;
  rules.roles["patterns"] = {rule("deny subscribe later", "a/#"), rule("allow subscribe later", "b/#")};
  rules.roles["alice"] = {rule("allow subscribe", "a/x"), rule("deny subscribe", "b/x")};
  rules.everyone = {"patterns"};
  rules.users["alice"] = {"alice"};
  const NaiveClient alice{.userName = "alice"};
  CHECK(mayReceive(rules, alice, "a/x"));
  CHECK(!mayReceive(rules, alice, "a/y"));
  CHECK(!mayReceive(rules, alice, "b/x"));
  CHECK(mayReceive(rules, alice, "b/y"));
  CHECK(!mayReceive(rules, {.userName = "bob"}, "a/x"));
  CHECK(verdictOf(rules, alice, "a/x") == FilterVerdict::covered);
  CHECK(verdictOf(rules, alice, "b/#") == FilterVerdict::partly);
  CHECK(verdictOf(rules, alice, "a/#", true) == FilterVerdict::partly);
  CHECK(verdictOf(rules, alice, "a/y", true) == FilterVerdict::refused);
}

TEST("rules: an access is read as it is written, with rules of its own") {
  const Octets bytes = fromHex(
      "03 0001 61 0001 62 0001 0001 72 0001 0004 7465616d 0001 78"
      "00000001 02 01 0003 612f2b");
  Reader reader{Bytes(bytes)};
  const std::shared_ptr<const Access> access = readAccess(reader);
  CHECK_EQ(reader.remaining(), 0);
  CHECK(access->hasUserName && access->userName.is(bytesOf("a")) && access->clientId.is(bytesOf("b")));
  CHECK_EQ(access->roles.size(), 1);
  CHECK_EQ(access->claims.size(), 1);
  RuleGate gate(false);
  gate.adopt(NaiveRules().book());
  Rights rights{access};
  CHECK(gate.mayReceive(rights, bytesOf("a/x")));
  CHECK(!gate.mayReceive(rights, bytesOf("a")));
  CHECK(!gate.mayPublish(rights, bytesOf("a/x"), 1));
}
