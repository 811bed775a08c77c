#include "channel/pipe_end.hpp"

#include <algorithm>
#include <cstring>

namespace troupe::channel {

namespace {

constexpr std::size_t chunk_bytes = 64 * 1024;  // what a pipe holds
constexpr unsigned chunks_at_once = 64;         // so that a peer that never stops does not keep anybody reading
constexpr std::size_t small_buffer = 1024 * 1024;

std::span<std::byte> scratch() {
  thread_local std::vector<std::byte> space(chunk_bytes);
  return space;
}

}  // namespace

pipe_end::pipe_end(endpoint& at, os::fd reading, os::fd writing)
    : at_(at),
      reading_(std::move(reading)),
      writing_(std::move(writing)),
      reading_number_(detail::new_enclosure()),
      writing_number_(detail::new_enclosure()) {}

void pipe_end::require_here(const os::fd& which, const char* what) const {
  if (passed_) throw error(errc::not_allowed, "this end has been passed to another process");
  if (!which) throw error(errc::closed, what);
}

// ------------------------------------------------------------------------------------------------------------ sending

void pipe_end::send(std::span<const std::byte> frame) {
  const std::lock_guard lock(sending_);
  require_here(writing_, "this end of the pipe can send nothing more: the other end, or this one's process, is gone");
  if (in_frame_) throw error(errc::deadlock, "this end is in the middle of another send, further up the stack");
  const std::size_t whole = frame.size();
  in_frame_ = true;
  try {
    while (!frame.empty()) {
      const os::transfer put = os::write_some(writing_, frame);
      if (put.what == os::io::hung_up) throw error(errc::closed, "the other end of the pipe is gone");
      if (put.what == os::io::refused) os::fail("write to a pipe");
      frame = frame.subspan(put.bytes);
      if (put.what == os::io::again) wait_to_send();
    }
    in_frame_ = false;
  } catch (...) {
    in_frame_ = false;
    // After half a frame nothing can follow: the receiver drops the half and sees the end of the stream.
    if (frame.size() < whole) writing_.reset();
    throw;
  }
}

/// The other side may be sending too, and reads nothing until we have taken that in.
void pipe_end::wait_to_send() {
  bool listen = false;
  {
    const std::lock_guard lock(receiving_);
    listen = reading_ && !ended_;
    if (listen && take_in() && waiting_ > 0) {
      ++arrived_;
      at_.nudge();
    }
    listen = listen && !ended_;
  }
  const endpoint::awaited_fd both[] = {{writing_.get(), true}, {reading_.get(), false}};
  at_.wait_fds(std::span(both, listen ? 2 : 1), std::nullopt);
}

// ---------------------------------------------------------------------------------------------------------- receiving

/// Reads what is there. True: something has come, or the stream has ended.
bool pipe_end::take_in() {
  const std::span<std::byte> space = scratch();
  bool came = false;
  for (unsigned i = 0; i < chunks_at_once && !ended_; ++i) {
    const os::transfer got = os::read_some(reading_, space);
    if (got.what == os::io::again) break;
    if (got.what == os::io::refused) os::fail("read from a pipe");
    came = true;
    ended_ = got.what == os::io::hung_up;
    // The buffer grows by what arrives; the length that a frame claims is no reason to reserve anything.
    buffer_.insert(buffer_.end(), space.begin(), space.begin() + static_cast<std::ptrdiff_t>(got.bytes));
    if (got.bytes < space.size() && whole_frame()) break;
  }
  return came;
}

/// Its size without the length; none: the end of it has not come.
std::optional<std::size_t> pipe_end::whole_frame() const noexcept {
  const std::size_t have = buffer_.size() - taken_;
  std::uint64_t size = 0;
  if (have < sizeof size) return std::nullopt;
  std::memcpy(&size, buffer_.data() + taken_, sizeof size);
  if (size > have - sizeof size) return std::nullopt;
  return static_cast<std::size_t>(size);
}

void pipe_end::consume(std::size_t bytes) {
  taken_ += bytes;
  if (taken_ == buffer_.size()) {
    buffer_.clear();
    taken_ = 0;
    if (buffer_.capacity() > small_buffer) std::vector<std::byte>().swap(buffer_);
  } else if (taken_ > small_buffer && taken_ > buffer_.size() / 2) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }
}

detail::arrival pipe_end::receive(std::optional<os::time_point> until,
                                  const std::function<void(detail::reader&)>& take) {
  for (;;) {
    std::uint64_t seen = 0;
    {
      const std::lock_guard lock(receiving_);
      require_here(reading_, "nothing can be received here: the end was lost with the process that had taken it");
      if (!whole_frame() && !ended_) take_in();
      if (const auto size = whole_frame()) {
        if (!take) return detail::arrival::ready;
        const std::size_t begin = taken_ + detail::pipe_prefix;
        detail::reader from(buffer_.data() + begin, *size);
        struct consumer {
          ~consumer() { its.consume(bytes); }
          pipe_end& its;
          std::size_t bytes;
        } const whether_decoded_or_not{*this, detail::pipe_prefix + *size};
        take(from);
        return detail::arrival::ready;
      }
      if (ended_) return detail::arrival::ended;
      if (until && os::clock::now() >= *until) return detail::arrival::nothing;
      ++waiting_;
      seen = arrived_;
    }
    struct waiter {
      ~waiter() {
        const std::lock_guard lock(its.receiving_);
        --its.waiting_;
      }
      pipe_end& its;
    } const until_here{*this};
    const endpoint::awaited_fd incoming[] = {{reading_.get(), false}};
    at_.wait_fds(incoming, until, [&] { return arrived_ != seen; });
  }
}

// ------------------------------------------------------------------------------------------------------------ passing

void pipe_end::enclose(const os::fd& which, std::uint64_t number, detail::writer& to) {
  if (!which) return;
  const auto self = shared_from_this();
  to.with()->enclose({number, [self, &which] { return which ? which.get() : -1; }, 0, [self] { self->pass(); }});
}

void pipe_end::pass() noexcept {
  passed_ = true;
  reading_.reset();
  writing_.reset();
}

void pipe_end::encode(detail::writer& to) {
  if (passed_) throw error(errc::not_allowed, "this end has been passed to another process");
  if (to.with() == nullptr) {
    throw error(errc::not_allowed, "the end of a pipe travels in messages, queues and arguments only");
  }
  const std::lock_guard lock(receiving_);
  const std::uint64_t from = detail::own_incarnation();
  passed_form form{};
  if (reading_) form.reading = {from, reading_number_};
  if (writing_) form.writing = {from, writing_number_};
  form.kept_bytes = buffer_.size() - taken_;
  to.bytes(&form, sizeof form);
  to.bytes(buffer_.data() + taken_, buffer_.size() - taken_);
  enclose(reading_, reading_number_, to);
  enclose(writing_, writing_number_, to);
}

std::shared_ptr<pipe_end> pipe_end::decode(detail::reader& from) {
  passed_form form{};
  from.bytes(&form, sizeof form);
  const auto kept = static_cast<std::size_t>(form.kept_bytes);
  const std::byte* bytes = from.take(kept);
  auto& here = endpoint::current();
  const auto fetch = [&](detail::fd_token token) {
    os::fd fetched = token.number == 0 ? os::fd{} : here.withdraw(token);
    if (fetched) os::make_nonblocking(fetched);
    return fetched;
  };
  auto end = std::make_shared<pipe_end>(here, fetch(form.reading), fetch(form.writing));
  end->buffer_.assign(bytes, bytes + kept);
  return end;
}

}  // namespace troupe::channel

namespace troupe::detail {

namespace {

/// A copy: a callback that runs in a wait may close the end itself.
std::shared_ptr<channel::pipe_end> use(const pipe_ptr& end) {
  if (!end) throw error(errc::not_allowed, "this is no end of a pipe: it was closed or moved from");
  return end;
}

}  // namespace

std::pair<pipe_ptr, pipe_ptr> make_pipe(bool duplex) {
  auto& here = channel::endpoint::current();
  auto [reading, writing] = os::make_pipe();
  if (!duplex) {
    return {std::make_shared<channel::pipe_end>(here, std::move(reading), os::fd{}),
            std::make_shared<channel::pipe_end>(here, os::fd{}, std::move(writing))};
  }
  auto [reading_back, writing_back] = os::make_pipe();
  return {std::make_shared<channel::pipe_end>(here, std::move(reading), std::move(writing_back)),
          std::make_shared<channel::pipe_end>(here, std::move(reading_back), std::move(writing))};
}

void pipe_send(const pipe_ptr& on, std::span<std::byte> frame) {
  const std::uint64_t size = frame.size() - pipe_prefix;
  std::memcpy(frame.data(), &size, sizeof size);
  use(on)->send(frame);
}

arrival pipe_wait(const pipe_ptr& on, std::optional<time_point> until) { return use(on)->wait(until); }

arrival pipe_receive(const pipe_ptr& on, std::optional<time_point> until, const std::function<void(reader&)>& take) {
  return use(on)->receive(until, take);
}

void pipe_ended() { throw error(errc::closed, "end of stream: the other end of the pipe is gone"); }

void pipe_encode(const pipe_ptr& end, writer& to) {
  const bool present = end != nullptr;
  to.bytes(&present, 1);
  if (present) end->encode(to);
}

pipe_ptr pipe_decode(reader& from) {
  unsigned char present = 0;
  from.bytes(&present, 1);
  return present == 0 ? nullptr : channel::pipe_end::decode(from);
}

}  // namespace troupe::detail
