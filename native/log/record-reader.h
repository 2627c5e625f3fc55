// Reads records by name, from any thread; each reader belongs to one. It keeps the block that it read last, since the
// next record usually follows the last.
#pragma once
#include "log.h"
#include "space.h"

namespace rally::log {

class RecordReader final : public Reader {
 public:
  RecordReader(const Space& space, const LogId& log) : space_(space), log_(log) {}

  ReadStatus read(Position name, Found& found) override;
  void trim() override;
  // Heap bytes.
  size_t bytes() const { return block_.capacity(); }

 private:
  bool readAt(const Space::Located& located, RecordHead& head, Bytes& body);
  bool isInBlock(Position at, size_t bytes) const;
  size_t nextBlockBytes(Position at) const;
  bool load(const Space::Located& located, size_t bytes);

  const Space& space_;
  const LogId log_;
  std::vector<uint8_t> block_;
  Position blockAt_;
};

}  // namespace rally::log
