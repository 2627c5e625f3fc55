// What a client of a tenant does not see of the topics that its filters match with their prefix: those of others, the
// prefix alone, which would be no topic, and topics that begin with $ to it, unless one of its filters does as well
// [MQTT-4.7.2-1]. The table of filters knows no prefixes, so this is asked where a message is sent.
#pragma once
#include <vector>

#include "../sessions/session-table.h"
#include "../topics/filter-table.h"

namespace rally {

class TenantTopics {
 public:
  explicit TenantTopics(FilterTable& filters) : filters_(filters) {}

  // The session may have got the message under another prefix.
  bool isHidden(Session& session, Bytes prefix, Bytes topic) {
    if (!goesOnBehind(topic, prefix)) return true;
    if (topic[prefix.size()] != '$') [[likely]]
      return false;
    matches_.clear();
    filters_.match(topic, filters_.hashOf(topic), matches_);
    for (Filter* filter : matches_) {
      const bool isMeant = goesOnBehind(filter->text(), prefix) && filter->text()[prefix.size()] == '$';
      if (isMeant && isSubscribed(session, *filter)) return false;
    }
    return true;
  }

  // Whether the topic begins with $ to a tenant's client, and its filter with a wildcard. The filter matches the topic.
  static bool isHiddenFromWildcard(Bytes filter, Bytes prefix, Bytes topic) {
    if (!goesOnBehind(topic, prefix) || !goesOnBehind(filter, prefix)) return false;
    const uint8_t first = filter[prefix.size()];
    return topic[prefix.size()] == '$' && (first == '+' || first == '#');
  }

 private:
  // To the filter, or as a member of one of its shares.
  bool isSubscribed(Session& session, Filter& filter) {
    if (SessionTable::find(session, filter)) return true;
    for (uint32_t id = filter.share; id != 0; id = filters_.share(id).next) {
      if (SessionTable::find(session, *filters_.share(id).own)) return true;
    }
    return false;
  }

  FilterTable& filters_;
  std::vector<Filter*> matches_;
};

}  // namespace rally
