#include "storm/ledger.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace storm {

namespace {
ledger* current = nullptr;
}

bool book::add(const entry& what) {
  std::uint64_t at = size.load(std::memory_order_relaxed);
  // The one before was killed between its two stores.
  while (at < entries.size() && entries[at].load(std::memory_order_relaxed) != 0) ++at;
  if (at == entries.size()) return false;
  entries[at].store(what.word(), std::memory_order_release);
  size.store(at + 1, std::memory_order_release);
  return true;
}

ledger& the_ledger() { return *current; }

ledger& new_ledger(std::uint64_t seed) {
  if (current != nullptr) ::munmap(current, sizeof *current);
  constexpr int how = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
  void* memory = ::mmap(nullptr, sizeof(ledger), PROT_READ | PROT_WRITE, how, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  // Fresh pages are zero, and a constructor would make all of them real.
  current = static_cast<ledger*>(memory);
  current->seed = seed;
  return *current;
}

}  // namespace storm
