#include "os/memory.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <troupe/error.hpp>

namespace troupe::os {

mapping::mapping(const fd& memory, std::uint64_t size, access how, std::uint64_t offset) : size_(size) {
  const int protection = how == access::read_write ? PROT_READ | PROT_WRITE : PROT_READ;
  void* at = ::mmap(nullptr, size, protection, MAP_SHARED, memory.get(), static_cast<off_t>(offset));
  if (at == MAP_FAILED) fail("map shared memory");
  at_ = static_cast<std::byte*>(at);
  ::madvise(at_, size_, MADV_DONTFORK);
  ::madvise(at_, size_, MADV_DONTDUMP);
}

void mapping::reset() noexcept {
  if (at_ != nullptr) ::munmap(at_, size_);
  at_ = nullptr;
  size_ = 0;
}

void populate(std::byte* at, std::uint64_t size) {
  const std::uintptr_t page = 4096;
  const std::uintptr_t before = reinterpret_cast<std::uintptr_t>(at) % page;
  std::byte* const first = at - before;
  const std::uint64_t whole = (before + size + page - 1) / page * page;
  int rc = 0;
  do rc = ::madvise(first, whole, MADV_POPULATE_WRITE);
  while (rc != 0 && errno == EINTR);
  if (rc == 0) return;
  if (errno != EINVAL) fail("make shared memory real");
  // Kernels before 5.14: touch each page without changing it.
  for (std::uint64_t offset = 0; offset < whole; offset += page) {
    auto* word = reinterpret_cast<volatile char*>(first + offset);
    *word = *word;
  }
}

namespace {

/// False: errno says why. What a file may grow to holds for memory too; beyond it the kernel sends this thread SIGXFSZ,
/// which ends a process by default, so it must not arrive.
bool resize(const fd& memory, std::uint64_t size) noexcept {
  sigset_t too_large, before;
  ::sigemptyset(&too_large);
  ::sigaddset(&too_large, SIGXFSZ);
  ::pthread_sigmask(SIG_BLOCK, &too_large, &before);
  const bool done = ::ftruncate(memory.get(), static_cast<off_t>(size)) == 0;
  const int why = errno;
  constexpr timespec at_once{};
  if (!done && why == EFBIG) ::sigtimedwait(&too_large, nullptr, &at_once);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = why;
  return done;
}

}  // namespace

fd make_memory(const char* label, std::uint64_t size) {
  fd memory{::memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!memory) fail("make shared memory");
  if (!resize(memory, size)) fail("size shared memory");
  return memory;
}

void seal_memory(const fd& memory, seal how) {
  int seals = F_SEAL_SHRINK | F_SEAL_GROW;
  if (how != seal::size_first) seals |= F_SEAL_SEAL;
  if (how == seal::one_writer) seals |= F_SEAL_FUTURE_WRITE;
  if (::fcntl(memory.get(), F_ADD_SEALS, seals) == 0) return;
  if (errno != ENOSYS && errno != EPERM && errno != EINVAL) fail("seal shared memory");
  throw error(errc::os, "seal shared memory", errno,
              "without it one process could harm the memory of another; it takes Linux 5.1 and, in a container, a seccomp "
              "profile that allows it");
}

bool has_fixed_size(const fd& memory, std::uint64_t size) noexcept {
  struct stat info {};
  const int seals = ::fcntl(memory.get(), F_GET_SEALS);
  return ::fstat(memory.get(), &info) == 0 && static_cast<std::uint64_t>(info.st_size) == size && seals >= 0 &&
         (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) == (F_SEAL_SHRINK | F_SEAL_GROW);
}

}  // namespace troupe::os
