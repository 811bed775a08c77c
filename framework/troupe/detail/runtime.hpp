#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <troupe/child_spec.hpp>
#include <troupe/dead_letters.hpp>
#include <troupe/detail/actor_type.hpp>
#include <troupe/down.hpp>
#include <troupe/log.hpp>
#include <troupe/orphans.hpp>

namespace troupe::detail {

/// Arguments as they travel to a worker: the address of the function that takes them, then each in a frame of its own;
/// and what is handed over with them.
class packed_arguments final : public attachments {
 public:
  std::vector<std::byte> bytes;
  std::vector<enclosure> enclosed;

  std::uint32_t attach(std::shared_ptr<const outbox_block> block) override;
  std::span<const std::byte> attached(std::uint32_t index) override;
  void enclose(enclosure what) override;
  /// Whoever they are for has started: what is enclosed is its.
  void sent() const;
};

template <class... Arguments>
packed_arguments pack_arguments(std::uintptr_t function, const Arguments&... arguments) {
  packed_arguments packed;
  const auto write = [&](writer& to) {
    to.bytes(&function, sizeof function);
    (write_argument(arguments, to), ...);
  };
  writer probe(nullptr, 0, &packed);
  write(probe);
  packed.bytes.resize(probe.size());
  writer to(packed.bytes.data(), packed.bytes.size(), &packed);
  write(to);
  return packed;
}

/// Calls the function of a troupe::process with the arguments that follow; returns the exit code.
using process_caller = int (*)(reader& arguments);

/// The supervisor process behind troupe::system.
class runtime {
 public:
  virtual void monitor(std::uint64_t identity, std::function<void(const down&)> handler) = 0;
  virtual void wait() = 0;
  virtual bool poll(std::chrono::nanoseconds patience) = 0;
  virtual void stop() = 0;
  virtual bool stopping() const = 0;
  virtual orphan_level orphans() const = 0;
  struct counts {
    std::uint64_t deaths, restarts, dead_letters, workers;
  };
  virtual counts count() const = 0;

 protected:
  ~runtime() = default;
};

struct run_options {
  supervisor_flags supervisor;
  log_options log;
  dead_letter_limits dead_letters;
  std::uint64_t outbox_bytes;
  orphan_level require_level;
};

int run_program(int argc, char** argv, const run_options& how, std::span<const actor_type* const> types,
                const std::function<int(runtime&)>& body);

}  // namespace troupe::detail
