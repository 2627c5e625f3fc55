// A map from message numbers, which each topic owner counts up (journal.h). Consecutive numbers of one owner share a
// page, and most look-ups hit the page of the previous one.
//
//   number   count | owner (6 bits)          page   [ 16 consecutive values ]
//                                            block  [ 32 consecutive pages, as far as they exist ]
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "../assert.h"

namespace rally {

template <class T>
class Numbered {
 public:
  // nullptr: not found.
  T* find(uint64_t number) {
    Page* const page = pageOf(number);
    return page && page->has(number) ? &page->at(number) : nullptr;
  }
  // Created if missing.
  T& operator[](uint64_t number) {
    Page* page = pageOf(number);
    if (!page) page = addPage(number);
    if (!page->has(number)) {
      page->used |= Page::bitOf(number);
      size_++;
    }
    return page->at(number);
  }
  void erase(uint64_t number) {
    Page* const page = pageOf(number);
    RALLY_ASSERT(page && page->has(number));
    page->at(number) = T();
    page->used &= uint16_t(~Page::bitOf(number));
    size_--;
    if (page->used == 0) dropPage(number);
  }
  size_t size() const { return size_; }

  template <class Visit>
  void each(Visit&& visit) {
    for (auto& [name, block] : blocks_) {
      for (const auto& page : block->pages)
        if (page) visitPage(*page, [&](T& value, uint16_t) { visit(value); });
    }
  }
  template <class IsMeant>
  void eraseIf(IsMeant&& isMeant) {
    last_ = {};
    std::erase_if(blocks_, [&](auto& entry) {
      bool isEmpty = true;
      for (std::unique_ptr<Page>& page : entry.second->pages) {
        if (!page) continue;
        visitPage(*page, [&](T& value, uint16_t bit) {
          if (!isMeant(value)) return;
          value = T();
          page->used &= uint16_t(~bit);
          size_--;
        });
        if (page->used == 0) page.reset();
        isEmpty = isEmpty && !page;
      }
      return isEmpty;
    });
  }

 private:
  static constexpr unsigned ownerBits = 6;
  static constexpr unsigned pageBits = 4;

  struct Page {
    std::array<T, size_t(1) << pageBits> values{};
    uint16_t used = 0;

    static size_t indexOf(uint64_t number) { return number >> ownerBits & ((1u << pageBits) - 1); }
    static uint16_t bitOf(uint64_t number) { return uint16_t(1u << indexOf(number)); }
    bool has(uint64_t number) const { return (used & bitOf(number)) != 0; }
    T& at(uint64_t number) { return values[indexOf(number)]; }
  };
  struct Last {
    uint64_t number = UINT64_MAX;  // of the page
    Page* page = nullptr;
  };

  static constexpr unsigned blockBits = 5;
  struct Block {
    std::array<std::unique_ptr<Page>, size_t(1) << blockBits> pages;
  };

  static uint64_t pageNumberOf(uint64_t number) { return number >> (ownerBits + pageBits); }
  static size_t ownerOf(uint64_t number) { return number & ((1u << ownerBits) - 1); }
  static size_t placeOf(uint64_t number) { return pageNumberOf(number) & ((1u << blockBits) - 1); }
  static uint64_t nameOf(uint64_t number) {
    return number >> (ownerBits + pageBits + blockBits) << ownerBits | ownerOf(number);
  }

  Page* pageOf(uint64_t number) {
    Last& last = last_[ownerOf(number)];
    if (last.number == pageNumberOf(number)) return last.page;
    const auto found = blocks_.find(nameOf(number));
    Page* const page = found == blocks_.end() ? nullptr : found->second->pages[placeOf(number)].get();
    if (page) last = {pageNumberOf(number), page};
    return page;
  }
  Page* addPage(uint64_t number) {
    std::unique_ptr<Block>& block = blocks_[nameOf(number)];
    if (!block) block = std::make_unique<Block>();
    std::unique_ptr<Page>& page = block->pages[placeOf(number)];
    page = std::make_unique<Page>();
    last_[ownerOf(number)] = {pageNumberOf(number), page.get()};
    return page.get();
  }
  void dropPage(uint64_t number) {
    last_[ownerOf(number)] = {};
    const auto found = blocks_.find(nameOf(number));
    found->second->pages[placeOf(number)].reset();
    for (const auto& page : found->second->pages)
      if (page) return;
    blocks_.erase(found);
  }
  template <class Visit>
  static void visitPage(Page& page, Visit&& visit) {
    for (size_t index = 0; index < page.values.size(); index++) {
      const auto bit = uint16_t(1u << index);
      if ((page.used & bit) != 0) visit(page.values[index], bit);
    }
  }

  std::unordered_map<uint64_t, std::unique_ptr<Block>> blocks_;
  std::array<Last, size_t(1) << ownerBits> last_{};
  size_t size_ = 0;
};

}  // namespace rally
