#include "crash/kstep/scene.hpp"

#include <cstring>
#include <utility>

#include <troupe/detail/worker_main.hpp>

namespace crash {

std::vector<operation> all_operations() {
  std::vector<operation> all;
  add_sending(all);
  add_receiving(all);
  add_turns(all);
  add_keeping(all);
  return all;
}

std::unique_ptr<victim> start_worker(scene& of, life& who) {
  world& in = of.in;
  const int socket = in.socket_of(who);
  const auto types = in.types();
  return std::make_unique<victim>([socket, types] { troupe::detail::worker_main(socket, types); },
                                  victim::others{.control = who.control.get(),
                                                 .serve = [&in, &who] { in.serve(who); },
                                                 .nothing_there = [&in, &who] { return in.nothing_there(who); },
                                                 .wake = [&of] { return of.wake(); }});
}

namespace {

/// The parcel or crate in this record.
std::uint64_t number_of(const channel::inbound& lane, const channel::record& record, complaints& wrong) {
  std::uint64_t number = 0;
  bool intact = false;
  std::span<const std::byte> body = record.body;
  std::uint64_t from = 0;
  if (body.size() >= 16) {
    std::memcpy(&from, body.data(), sizeof from);
    std::memcpy(&number, body.data() + sizeof from, sizeof number);
    body = body.subspan(16);
    if (record.header.message == troupe::message_id<crate>()) {
      body = record.block_count() == 1 ? lane.memory->outbox(record.block(0)) : std::span<const std::byte>{};
    }
    intact = from == lane.sender && !body.empty() && body_intact(from, number, body);
  }
  if (!intact) wrong.push_back("message " + std::to_string(number) + " does not have the bytes that were told");
  return number;
}

}  // namespace

std::vector<std::uint64_t> take_all(world& in, identity& at, complaints& wrong) {
  constexpr std::size_t most = 500;
  auto& mail = in.reader_at(at).mail;
  std::vector<std::uint64_t> all;
  channel::record record;
  // Each look may find lanes that are drained, upon which their successors' turn comes.
  for (std::size_t looks = 0; looks < most; ++looks) {
    channel::inbound* lane = mail.next(record);
    for (const auto slot : std::exchange(mail.broken, {})) {
      wrong.push_back("the lane in slot " + std::to_string(slot) + " holds bytes that are no record");
    }
    bool drained = false;
    for (const auto slot : std::exchange(mail.drained, {})) {
      if (lane != nullptr && lane->slot == slot) lane = nullptr;
      in.drained(at, slot);
      mail.remove(slot);
      drained = true;
    }
    if (lane != nullptr) {
      mail.start(*lane, record);
      all.push_back(number_of(*lane, record, wrong));
      mail.finish(*lane, record);
    } else if (!drained) {
      if (!mail.anything() && mail.drained.empty()) return all;
    }
  }
  wrong.push_back("reading the mailbox does not come to an end");
  return all;
}

bool go_to_sleep(world& in, identity& at) {
  os::hush(*at.doorbell);
  return in.reader_at(at).mail.prepare_sleep();
}

bool rung(const os::fd& doorbell) { return os::wait_ready(doorbell.get(), os::poller::read, os::time_point{}); }

std::string list(const std::vector<std::uint64_t>& numbers) {
  std::string text;
  for (const auto number : numbers) text += (text.empty() ? "" : " ") + std::to_string(number);
  return text.empty() ? "nothing" : text;
}

}  // namespace crash
