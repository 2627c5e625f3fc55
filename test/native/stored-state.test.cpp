// The state in a data directory that no broker uses.
#include <stdlib.h>

#include <filesystem>

#include "../../native/durable/stored-state.h"
#include "check.h"
#include "octets.h"
#include "reading.h"

using namespace rally;

namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/rallymq-state-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_ + "/store"; }

 private:
  std::string path_;
};

Bytes bytesOf(const char* text) { return {reinterpret_cast<const uint8_t*>(text), std::strlen(text)}; }

// Appends records to the log in the folder, as a run of a broker that ends in order.
template <class Append>
void run(const Folder& folder, Append&& append) {
  log::Options options;
  options.directory = folder.path();
  options.segmentBytes = 1u << 20;
  options.copiesForward = false;
  options.softFreeBytesMin = options.hardFreeBytesMin = 0;
  log::OpenFault fault;
  const std::unique_ptr<log::Log> opened = log::openLog(options, fault);
  if (!CHECK(opened != nullptr)) return;
  struct Nobody final : log::Visitor {
    void record(const log::Found&) override {}
    void damage(const log::Damage&) override {}
  } nobody;
  opened->recover(nobody);
  opened->start();
  FilterTable filters({.topics = opened->identity()[0], .tables = 1});
  append(opened->appender(0), filters);
  opened->appender(0).flush();
  opened->close();
}

StoredState stateIn(const Folder& folder, bool writes) {
  return {folder.path(), writes, [](uint64_t, uint64_t) {}};
}

}  // namespace

TEST("stored state: a retained message has the stamp that was logged with it, and no other one") {
  Reading reading;
  RecoveredState& state = reading.state;
  uint64_t id = 1;
  const auto stampOf = [&](const char* topic) {
    const auto found = state.retained().find(topic);
    return found == state.retained().end() ? 0 : found->second.stamp;
  };
  const auto retain = [&](const char* topic, uint64_t stamp) {
    if (stamp != 0) reading.apply(records::RetainedStamp{stamp, bytesOf(topic)});
    reading.apply(records::Message{.id = id++, .flags = records::Message::retains, .topic = bytesOf(topic)});
  };
  retain("a", 7);
  CHECK_EQ(stampOf("a"), 7u);
  retain("a", 9);
  CHECK_EQ(stampOf("a"), 9u);
  retain("a", 0);  // outside a cluster
  CHECK_EQ(stampOf("a"), 0u);
  retain("b", 7);
  reading.apply(records::RetainedClear{bytesOf("b")});
  CHECK_EQ(stampOf("b"), 0u);
  retain("c", 7);
  reading.apply(records::Message{.id = id++, .flags = records::Message::clearsRetained, .topic = bytesOf("c")});
  CHECK_EQ(stampOf("c"), 0u);
  retain("c", 0);
  CHECK_EQ(stampOf("c"), 0u);
  CHECK_EQ(state.retained().size(), 2u);
}

TEST("stored state: while a log is read, the marks of cleared topics are forgotten when their time is over") {
  constexpr uint64_t markMs = 1'000;
  constexpr uint64_t topics = 20'000;
  Reading reading;
  RecoveredState& state = reading.state;
  size_t most = 0;
  for (uint64_t i = 1; i <= topics; i++) {
    const std::string topic = "device/" + std::to_string(i);
    const uint64_t nowMs = 10'000 + 10 * i;
    if (i % 100 == 0) reading.apply(records::Clock{nowMs, nowMs});
    const bool isKept = i % 1'000 == 0;
    reading.apply(records::RetainedStamp{i, bytesOf(topic.c_str())});
    reading.apply(records::Message{.id = i,
                                   .flags = records::Message::retains,
                                   .expiresAtMs = isKept ? 0 : nowMs + markMs,
                                   .topic = bytesOf(topic.c_str())});
    most = std::max(most, state.retained().size());
  }
  CHECK(most <= 2'048);
  for (uint64_t i = 1'000; i <= topics; i += 1'000) CHECK_EQ(state.retained()["device/" + std::to_string(i)].stamp, i);
}

TEST(
    "stored state: a former member of a share keeps what it has not acknowledged, and the share gets it after its "
    "end") {
  const Folder folder;
  const Bytes share = bytesOf("$share/g/t");
  run(folder, [&](log::Appender& appender, FilterTable& filters) {
    log::append(appender, records::Started{.run = 1, .atMs = 1});
    for (const uint64_t key : {uint64_t(1), uint64_t(2)}) {
      log::append(appender,
                  records::Session{.session = key, .clientId = bytesOf(key == 1 ? "a" : "b"), .expirySeconds = 1'000});
      log::append(appender, records::Subscribe{.session = key, .qos = 1, .filter = share});
    }
    log::append(appender,
                records::Message{.id = 64, .flags = records::Message::isForSessions, .qos = 1, .topic = bytesOf("t")});
    log::append(appender, records::Queued{.session = 1, .message = 64, .share = filters.hashOf(share), .qos = 1});
    log::append(appender, records::Unsubscribe{.session = 1, .filter = share});
  });
  {
    StoredState stored = stateIn(folder, true);
    CHECK(stored.compact());
  }
  run(folder, [&](log::Appender& appender, FilterTable&) { log::append(appender, records::SessionEnd{1}); });
  StoredState stored = stateIn(folder, false);
  CHECK_EQ(stored.state().sessions().size(), 1);
  CHECK_EQ(stored.state().orphans().size(), 1);
}
