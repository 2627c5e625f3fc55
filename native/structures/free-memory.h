// Empties a container and frees its memory, which `container = {}` would keep.
#pragma once

namespace rally {

template <class Container>
void freeMemory(Container& container) {
  Container().swap(container);
}

}  // namespace rally
