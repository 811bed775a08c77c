#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <troupe/detail/node.hpp>

namespace troupe::detail {

/// A request that is answered after its handler has returned.
struct deferral {
  std::uint64_t incarnation = 0;  ///< of the asker; 0: told, nobody waits
  std::uint64_t correlation = 0;
  std::uint32_t slot = 0;
};

/// What an actor needs of the loop that runs it. Loop thread only. One per worker process.
class worker_context {
 public:
  virtual const std::string& name() const = 0;
  virtual std::uint64_t incarnation() const = 0;
  virtual unsigned attempt() const = 0;
  virtual bool restored() const = 0;

  /// Answers the record that is being handled; does nothing if it was told.
  virtual void reply(std::uint64_t reply_type, const void* body, void (*encode)(const void*, writer&)) = 0;
  virtual void reply_failure(std::string_view text) = 0;
  virtual deferral defer() = 0;
  virtual void reply_deferred(const deferral& to, std::uint64_t reply_type, const void* body,
                              void (*encode)(const void*, writer&)) = 0;
  virtual void fail_deferred(const deferral& to, std::string_view text) = 0;
  /// Nobody can answer it any more. Does nothing if it has been answered, or if the actor is ending.
  virtual void drop_deferred(const deferral& to) noexcept = 0;

  /// `period` zero: once. The message is handed to the actor's own handler.
  virtual std::uint64_t add_timer(std::chrono::nanoseconds first, std::chrono::nanoseconds period,
                                  const outgoing& message) = 0;
  virtual void cancel_timer(std::uint64_t timer) noexcept = 0;
  virtual std::uint64_t add_watch(int descriptor, bool writable, std::function<void()> handler) = 0;
  virtual void remove_watch(std::uint64_t watch) noexcept = 0;
  virtual void stop_self() = 0;
  /// Said with `ready`.
  virtual void announce(const std::string& text) = 0;

 protected:
  ~worker_context() = default;
};

/// Throws error(errc::not_allowed) outside a worker.
worker_context& context();
/// Of the worker, if this is one.
void drop_deferred(const deferral& to) noexcept;

}  // namespace troupe::detail
