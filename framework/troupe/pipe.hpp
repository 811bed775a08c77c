#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <troupe/codec.hpp>
#include <troupe/detail/node.hpp>

namespace troupe {
namespace channel {
class pipe_end;
}
namespace detail {

using pipe_ptr = std::shared_ptr<channel::pipe_end>;
enum class arrival : std::uint8_t { ready, nothing, ended };

std::pair<pipe_ptr, pipe_ptr> make_pipe(bool duplex);
/// `frame` begins with room for pipe_prefix bytes.
void pipe_send(const pipe_ptr& on, std::span<std::byte> frame);
inline constexpr std::size_t pipe_prefix = sizeof(std::uint64_t);
/// Whether a whole frame is there, or comes before `until` (absent: no limit).
arrival pipe_wait(const pipe_ptr& on, std::optional<time_point> until);
/// The same, and hands the frame's bytes to `take`.
arrival pipe_receive(const pipe_ptr& on, std::optional<time_point> until, const std::function<void(reader&)>& take);
void pipe_encode(const pipe_ptr& end, writer& to);
pipe_ptr pipe_decode(reader& from);
[[noreturn]] void pipe_ended();

/// What can be sent on.
template <class Self, class T>
class pipe_sending {
 public:
  /// Sends one value; returns when all of it is in the pipe. Waits as long as the pipe is full; on a duplex end it
  /// takes in meanwhile what arrives, so that two ends can send to each other at the same time, whatever the size.
  /// Throws error: closed (the other end is gone), stopping, not_allowed (this end was passed or moved).
  void send(const T& value) {
    require_serializable<T>();
    writer probe(nullptr, 0);
    encode(value, probe);
    std::vector<std::byte> frame(pipe_prefix + probe.size());
    writer to(frame.data() + pipe_prefix, probe.size());
    encode(value, to);
    pipe_send(static_cast<const Self*>(this)->state_, frame);
  }
};

/// What can be received from.
template <class Self, class T>
class pipe_receiving {
 public:
  /// The next value; waits for it. Throws error: closed (end of stream: the other end is gone and everything that it
  /// had sent whole has been received), stopping, corrupt (that value is lost), not_allowed.
  T recv() { return *next(std::nullopt); }
  /// The same; nullopt: nothing came within `patience`.
  std::optional<T> recv(std::chrono::nanoseconds patience) { return next(deadline_in(patience)); }
  /// Never waits. Errors: empty; closed, corrupt.
  [[nodiscard]] expected<T> try_recv() {
    try {
      auto got = next(time_point{});
      if (got) return std::move(*got);
      return tl::unexpected(error(errc::empty, "nothing has been sent"));
    } catch (const error& e) {
      return tl::unexpected(e);
    }
  }
  /// Whether recv() would return or throw at once; waits for that at most `patience`. Throws error(errc::stopping).
  bool poll(std::chrono::nanoseconds patience = {}) {
    return pipe_wait(state(), deadline_in(patience)) != arrival::nothing;
  }

 private:
  const pipe_ptr& state() const noexcept { return static_cast<const Self*>(this)->state_; }
  std::optional<T> next(std::optional<time_point> until) {
    require_serializable<T>();
    std::optional<T> value;
    const arrival how = pipe_receive(state(), until, [&](reader& from) { value.emplace(decode<T>(from)); });
    if (how == arrival::ended) pipe_ended();
    return value;
  }
};

/// What all ends have in common. An end belongs to one process; it is closed with its object.
///
/// It moves when it is passed: in a message, as an item of a queue, as an argument of spawn or of a process. If that
/// succeeds, it can no longer be used here, and only the receiver decides how long the stream lives; an actor that is
/// started again finds its argument closed, since the end went with the one that had it. Otherwise it is still here.
/// One thread may send while another receives; nobody may use an end while it is being passed.
class pipe_base {
 public:
  /// An end of nothing.
  pipe_base() noexcept = default;
  explicit operator bool() const noexcept { return state_ != nullptr; }
  void close() noexcept { state_.reset(); }
  void troupe_encode(writer& to) const { pipe_encode(state_, to); }
  void troupe_decode(reader& from) { state_ = pipe_decode(from); }

 protected:
  explicit pipe_base(pipe_ptr state) noexcept : state_(std::move(state)) {}
  pipe_base(pipe_base&&) noexcept = default;
  pipe_base& operator=(pipe_base&&) noexcept = default;
  ~pipe_base() = default;

  pipe_ptr state_;
};

}  // namespace detail

/// The end that values come out of.
template <class T>
class pipe_reader : public detail::pipe_base, public detail::pipe_receiving<pipe_reader<T>, T> {
 public:
  pipe_reader() noexcept = default;
  explicit pipe_reader(detail::pipe_ptr state) noexcept : pipe_base(std::move(state)) {}

 private:
  friend detail::pipe_receiving<pipe_reader<T>, T>;
};

/// The end that values are put into.
template <class T>
class pipe_writer : public detail::pipe_base, public detail::pipe_sending<pipe_writer<T>, T> {
 public:
  pipe_writer() noexcept = default;
  explicit pipe_writer(detail::pipe_ptr state) noexcept : pipe_base(std::move(state)) {}

 private:
  friend detail::pipe_sending<pipe_writer<T>, T>;
};

/// An end of a duplex pipe: sends to the other end and receives from it.
template <class T>
class pipe_end : public detail::pipe_base,
                 public detail::pipe_sending<pipe_end<T>, T>,
                 public detail::pipe_receiving<pipe_end<T>, T> {
 public:
  pipe_end() noexcept = default;
  explicit pipe_end(detail::pipe_ptr state) noexcept : pipe_base(std::move(state)) {}

 private:
  friend detail::pipe_sending<pipe_end<T>, T>;
  friend detail::pipe_receiving<pipe_end<T>, T>;
};

/// A new one-way pipe: `auto [reader, writer] = troupe::pipe<std::string>();` (Always with `troupe::`, since there is a
/// system call of that name.)
/// The stream ends for one end as soon as no process has the other, however that process ended and whatever other
/// processes were started in between. Made inside troupe::run. Throws error(errc::os).
template <class T>
struct pipe {
  pipe_reader<T> reader;
  pipe_writer<T> writer;

  pipe() : pipe(detail::make_pipe(false)) {}

 private:
  explicit pipe(std::pair<detail::pipe_ptr, detail::pipe_ptr> made)
      : reader(std::move(made.first)), writer(std::move(made.second)) {}
};

/// A new duplex pipe: `auto [ours, theirs] = troupe::duplex_pipe<std::string>();`
template <class T>
struct duplex_pipe {
  pipe_end<T> first;
  pipe_end<T> second;

  duplex_pipe() : duplex_pipe(detail::make_pipe(true)) {}

 private:
  explicit duplex_pipe(std::pair<detail::pipe_ptr, detail::pipe_ptr> made)
      : first(std::move(made.first)), second(std::move(made.second)) {}
};

}  // namespace troupe
