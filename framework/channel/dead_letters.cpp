// The dead letters as this process's actors and main see them: read in place, changed by the supervisor.

#include <cstring>

#include "channel/endpoint.hpp"

namespace troupe::channel {

const letter_reader& endpoint::letters() {
  std::call_once(letters_once_, [this] {
    const std::uint64_t tag = new_tag();
    send(wire::frame::letters_open, wire::call{tag, 0});
    const incoming got = await_prompt_answer(tag);
    wire::answer answer{};
    if (!got.take(answer) || got.fds.size() != 1 || !os::has_fixed_size(got.fds[0], answer.value)) {
      throw error(errc::corrupt, "the supervisor's answer names no memory of dead letters");
    }
    letters_.emplace(os::mapping(got.fds[0], answer.value, os::access::read_only));
  });
  return *letters_;
}

std::uint64_t endpoint::purge_letters(std::uint64_t number, wire::identity_id receiver) {
  const std::uint64_t tag = new_tag();
  send(wire::frame::letters_purge, wire::purge{tag, number, receiver});
  wire::answer answer{};
  await_prompt_answer(tag).take(answer);
  return answer.value;
}

void endpoint::letter_replayed(std::uint64_t number) {
  if (!in_turn()) {
    purge_letters(number, 0);
  } else {
    replayed_.push_back(number);
  }
}

}  // namespace troupe::channel

namespace troupe::detail {

namespace {

/// A letter on its way again. Its payloads lie in this process's outbox by now.
struct again {
  const opened_letter& letter;
  std::vector<std::shared_ptr<outbox_block>> payloads;
};

void encode_again(const void* what, writer& to) {
  const auto& its = *static_cast<const again*>(what);
  // In the order of the first time, so the numbers in the body mean the same payloads.
  for (const auto& each : its.payloads) to.with()->attach(each);
  to.bytes(its.letter.body.data(), its.letter.body.size());
}

/// What this process has told a receiver that has ended becomes letters when this process says that it has heard of it.
const channel::letter_reader& letters_by_now() {
  auto& here = channel::endpoint::current();
  here.serve_once(os::clock::now());
  return here.letters();
}

}  // namespace

std::vector<dead_letter> list_letters(std::uint64_t receiver) { return letters_by_now().list(receiver); }

std::optional<opened_letter> read_letter(std::uint64_t number) { return channel::endpoint::current().letters().read(number); }

std::uint64_t purge_letters(std::uint64_t number, std::uint64_t receiver) {
  return channel::endpoint::current().purge_letters(number, receiver);
}

dead_letter_counts count_letters() { return letters_by_now().count(); }

bool replay_letter(std::uint64_t number, time_point until) {
  const auto letter = read_letter(number);
  if (!letter) return false;
  if (const std::string missing = letter->incomplete(); !missing.empty()) {
    throw error(errc::not_allowed, "dead letter " + std::to_string(number) + " cannot be replayed: " + missing);
  }
  again what{*letter, {}};
  for (const auto& each : letter->payload_contents) {
    what.payloads.push_back(take_block(each.size(), until));
    std::memcpy(what.payloads.back()->data, each.data(), each.size());
  }
  const address to(letter->receiver);
  const auto told = tell(to, {letter->message, letter->message_name, &what, &encode_again}, until);
  if (!told) throw error(told.error());
  channel::endpoint::current().letter_replayed(number);
  return true;
}

}  // namespace troupe::detail
