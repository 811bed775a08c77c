// The functions behind the public templates: this process's endpoint.

#include <troupe/detail/node.hpp>

#include <algorithm>
#include <atomic>

#include "channel/endpoint.hpp"

namespace troupe::detail {

namespace {

channel::endpoint& here() { return channel::endpoint::current(); }

/// For the calls that return errors: lack of memory and the like are thrown below.
template <class Call>
auto as_expected(Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const error& e) {
    return tl::unexpected(e);
  }
}

expected<channel::incoming> await_answer(std::uint64_t tag) { return here().await_answer(tag); }

}  // namespace

outbox_block::~outbox_block() {
  if (offset != 0 && channel::endpoint::exists()) here().give_block(offset, bytes);
}

std::shared_ptr<outbox_block> take_block(std::size_t bytes, std::optional<time_point> until) {
  return here().take_block(bytes, until);
}

bool tell_at_once(const address& to, const outgoing& what) {
  channel::endpoint& from = here();
  return from.tell_at_once(from.link_to(to), what);
}

expected<void> tell(const address& to, const outgoing& what, std::optional<time_point> until) {
  return as_expected([&] { return here().tell(here().link_to(to), what, until); });
}

expected<std::uint64_t> ask(const address& to, const outgoing& what, std::uint64_t reply_type, time_point deadline,
                            bool waiting) {
  return as_expected([&] { return here().ask(here().link_to(to), what, reply_type, deadline, waiting); });
}

std::uint64_t ask_failed(error why) { return here().ask_failed(std::move(why)); }
expected<reply_bytes> await_reply(std::uint64_t correlation) { return here().await_reply(correlation); }
expected<std::optional<std::size_t>> await_any(std::span<const std::uint64_t> correlations,
                                               std::optional<time_point> until) {
  return here().await_any(correlations, until);
}
void on_reply(std::uint64_t correlation, reply_handler handler) { here().on_reply(correlation, std::move(handler)); }
void forget_reply(std::uint64_t correlation) noexcept {
  if (channel::endpoint::exists()) here().forget_reply(correlation);
}

bool in_turn() noexcept { return channel::endpoint::exists() && here().in_turn(); }
std::uint64_t own_identity() noexcept { return channel::endpoint::exists() ? here().identity() : 0; }

std::uint64_t find(const std::string& name) {
  const std::uint64_t tag = here().new_tag();
  here().send(wire::frame::find, wire::call{tag, 0}, name);
  const auto got = await_answer(tag);
  if (!got) throw error(got.error());
  wire::answer answer{};
  got->take(answer);
  return answer.what == wire::status::ok ? answer.subject : 0;
}

void monitor(std::uint64_t identity) { here().send(wire::frame::monitor, wire::subject{identity}); }
void demonitor(std::uint64_t identity) { here().send(wire::frame::demonitor, wire::subject{identity}); }

void send_signal(std::uint64_t identity, int signal) {
  here().send(wire::frame::signal, wire::order{identity, signal, 0});
}
void end_actor(std::uint64_t identity, bool kill) {
  here().send(wire::frame::end, wire::order{identity, kill ? 9 : 0, 0});
}

std::uint64_t own_incarnation() { return here().incarnation(); }

std::uint64_t new_enclosure() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

void attachments::enclose(enclosure) {
  throw error(errc::not_allowed, "the end of a pipe travels in messages, queues and arguments only");
}

time_point deadline_in(std::chrono::nanoseconds patience) noexcept {
  constexpr std::chrono::nanoseconds most = std::chrono::hours(24 * 3650);
  return os::clock::now() + std::min(patience, most);
}

bool wait_fd(int fd, bool writable, std::optional<time_point> until) { return here().wait_fd(fd, writable, until); }

}  // namespace troupe::detail
