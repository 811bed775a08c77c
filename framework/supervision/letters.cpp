#include "supervision/letters.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <exception>

namespace troupe::supervision {

namespace {

constexpr std::size_t longest_name = 256, longest_text = 1024, longest_death = 256;

std::size_t cut(std::size_t bytes, std::size_t limit) { return std::min(bytes, limit); }

/// Grows a letter part by part.
class packer {
 public:
  void bytes(const void* from, std::size_t count) {
    const auto* at = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), at, at + count);
  }
  template <class T>
  void value(const T& of) {
    bytes(&of, sizeof of);
  }
  void text(std::string_view of, std::size_t limit) { bytes(of.data(), cut(of.size(), limit)); }
  void align() { bytes_.resize(wire::align8(bytes_.size())); }
  std::size_t size() const noexcept { return bytes_.size(); }
  std::vector<std::byte> take(const wire::letter_record& front) {
    std::memcpy(bytes_.data(), &front, sizeof front);
    return std::move(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
};

std::span<const noted_death> last_deaths(const letter& of) {
  return of.deaths.last(std::min(of.deaths.size(), letters::most_deaths));
}

wire::letter_record describe(const letter& what) {
  wire::letter_record record{};
  record.kind = wire::letter_kind::letter;
  record.time_ns = what.time_ns;
  record.receiver = what.key.receiver;
  record.sender = what.sender;
  record.sender_incarnation = what.sender_incarnation;
  record.message = what.message;
  record.position = what.key.position;
  record.slot = what.key.slot;
  record.attempts = what.attempts;
  record.body_bytes = std::max<std::uint64_t>(what.body.size(), what.unreadable);
  record.reason = what.reason;
  record.payloads = static_cast<std::uint16_t>(what.payloads.size());
  record.request = what.request ? 1 : 0;
  record.enclosed = what.enclosed ? 1 : 0;
  record.deaths = static_cast<std::uint16_t>(last_deaths(what).size());
  record.receiver_text = static_cast<std::uint16_t>(cut(what.receiver_name.size(), longest_name));
  record.sender_text = static_cast<std::uint16_t>(cut(what.sender_name.size(), longest_name));
  record.message_text = static_cast<std::uint16_t>(cut(what.message_name.size(), longest_name));
  record.why_text = static_cast<std::uint16_t>(cut(what.why.size(), longest_text));
  return record;
}

void pack_prefix(const letter& what, packer& to) {
  for (const auto& each : last_deaths(what)) {
    to.value(wire::letter_death{each.incarnation, each.time_ns, each.code, each.signal,
                                static_cast<std::uint32_t>(cut(each.text.size(), longest_death)), 0});
  }
  for (const auto& each : what.payloads) to.value(static_cast<std::uint64_t>(each.size()));
  to.text(what.receiver_name, longest_name);
  to.text(what.sender_name, longest_name);
  to.text(what.message_name, longest_name);
  to.text(what.why, longest_text);
  for (const auto& each : last_deaths(what)) to.text(each.text, longest_death);
  to.align();
}

}  // namespace

std::uint64_t letters::memory_bytes(const dead_letter_limits& limits) noexcept {
  const std::uint64_t ring = std::clamp(limits.bytes, wire::min_letters_ring, wire::max_letters_ring);
  return wire::letters_header_bytes + std::bit_ceil(ring);
}

letters::letters(os::mapping memory, std::uint32_t most)
    : memory_(std::move(memory)),
      ring_bytes_(memory_.size() - wire::letters_header_bytes),
      most_(std::max<std::uint32_t>(most, 1)) {
  if (header().layout == 0) {
    header().ring_bytes = ring_bytes_;
    header().layout = wire::layout_version;
  }
  if (header().layout != wire::layout_version || header().ring_bytes != ring_bytes_) {
    throw error(errc::corrupt, "the memory of the dead letters is of another version");
  }
  load();
}

/// What an earlier writer has left.
void letters::load() {
  const wire::letters_state& state = header().states[header().version.load(std::memory_order_relaxed) & 1];
  now_ = {state.first.load(std::memory_order_relaxed), state.end.load(std::memory_order_relaxed),
          state.total.load(std::memory_order_relaxed), state.evicted.load(std::memory_order_relaxed)};
  for (std::uint64_t at = now_.first; at < now_.end;) {
    wire::letter_record record{};
    const std::uint64_t to_end = ring_bytes_ - offset_of(at);
    std::memcpy(&record, memory_.data() + wire::letters_header_bytes + offset_of(at),
                static_cast<std::size_t>(std::min<std::uint64_t>(sizeof record, to_end)));
    if (record.bytes == 0 || record.bytes > to_end) {
      throw error(errc::corrupt, "the memory of the dead letters holds what is no letter");
    }
    if (record.kind == wire::letter_kind::letter) {
      const letter_key key{record.receiver, record.slot, record.position};
      entries_.emplace(record.number, entry{at, key, record.erased != 0});
      numbers_.emplace(key, record.number);
      erased_ += record.erased;
    }
    at += record.bytes;
  }
}

// ------------------------------------------------------------------------------------------------------- publishing

void letters::publish(const extent& next) noexcept {
  const std::uint64_t version = header().version.load(std::memory_order_relaxed) + 1;
  wire::letters_state& state = header().states[version & 1];
  // SYNC letters: each word with release, so that whoever reads one of these, or one of what is written over an old
  // letter later, finds in `version` what was published before. pairs with: letter_reader::look()
  state.first.store(next.first, std::memory_order_release);
  state.end.store(next.end, std::memory_order_release);
  state.total.store(next.total, std::memory_order_release);
  state.evicted.store(next.evicted, std::memory_order_release);
  header().version.store(version, std::memory_order_release);
  now_ = next;
}

void letters::write(std::uint64_t position, std::span<const std::byte> bytes) noexcept {
  for (std::size_t done = 0; done < bytes.size(); done += sizeof(std::uint64_t)) {
    std::uint64_t one = 0;
    std::memcpy(&one, bytes.data() + done, sizeof one);
    const std::uint64_t at = wire::letters_header_bytes + offset_of(position + done);
    // pairs with: letter_reader::word()
    memory_.at<std::atomic<std::uint64_t>>(at)->store(one, std::memory_order_release);
  }
}

// ---------------------------------------------------------------------------------------------------------- keeping

std::vector<std::byte> letters::pack(const letter& what) const {
  wire::letter_record record = describe(what);
  packer to;
  to.value(record);
  pack_prefix(what, to);
  record.prefix_bytes = static_cast<std::uint32_t>(to.size());
  // A quarter of the ring at most, so that a letter and the pad before it always find room.
  const std::uint64_t most_body = what.body_in_lane ? ring_bytes_ / 4 : std::min(most_outbox, ring_bytes_ / 4);
  record.body_kept = static_cast<std::uint32_t>(std::min<std::uint64_t>(what.body.size(), most_body));
  to.bytes(what.body.data(), record.body_kept);
  to.align();
  std::uint64_t with_payloads = record.body_kept;
  for (const auto& each : what.payloads) with_payloads += each.size();
  record.payloads_kept = with_payloads <= std::min(most_outbox, ring_bytes_ / 4) ? 1 : 0;
  for (const auto& each : what.payloads) {
    if (record.payloads_kept == 0) break;
    to.bytes(each.data(), each.size());
    to.align();
  }
  record.number = now_.total + 1;
  record.bytes = static_cast<std::uint32_t>(to.size());
  return to.take(record);
}

letters::result letters::append(const letter& what) {
  if (numbers_.contains(what.key)) return result::known;
  extent next;
  std::uint64_t position = 0;
  try {
    const std::vector<std::byte> packed = pack(what);
    make_room(packed.size());
    position = place_for(packed.size());
    write(position, packed);
    next = {now_.first, position + packed.size(), now_.total + 1, now_.evicted};
  } catch (const std::exception&) {  // there is no memory: nothing of it has been published
    publish({now_.first, now_.end, now_.total + 1, now_.evicted + 1});
    return result::no_room;
  }
  publish(next);
  entries_.emplace(next.total, entry{position, what.key, false});
  numbers_.emplace(what.key, next.total);
  return result::kept;
}

/// The position of a letter of this size, behind a pad if it must not cross the ring's end. What it lies in is real, so
/// that lack of memory is an error here and not a SIGBUS.
std::uint64_t letters::place_for(std::uint64_t bytes) {
  const std::uint64_t at = wire::letters_header_bytes + offset_of(now_.end);
  const std::uint64_t to_end = ring_bytes_ - offset_of(now_.end);
  memory_.populate(at, std::min(bytes, to_end));
  if (to_end >= bytes) return now_.end;
  memory_.populate(wire::letters_header_bytes, bytes);
  wire::letter_record pad{};
  pad.bytes = static_cast<std::uint32_t>(to_end);
  pad.kind = wire::letter_kind::pad;
  write(now_.end, std::as_bytes(std::span(&pad, 1)).first(sizeof(std::uint64_t)));
  return now_.end + to_end;
}

/// Published before anything is written over what has gone.
void letters::make_room(std::uint64_t bytes) {
  const std::uint64_t to_end = ring_bytes_ - offset_of(now_.end);
  const std::uint64_t needed = bytes + (to_end < bytes ? to_end : 0);
  extent next = now_;
  while (next.end + needed - next.first > ring_bytes_ || entries_.size() - erased_ >= most_) drop_oldest(next);
  if (next.first != now_.first) publish(next);
}

void letters::drop_oldest(extent& next) {
  const auto oldest = entries_.begin();
  if (oldest->second.erased) {
    --erased_;
  } else {
    ++next.evicted;
  }
  numbers_.erase(oldest->second.key);
  entries_.erase(oldest);
  next.first = entries_.empty() ? next.end : entries_.begin()->second.position;
}

/// Gives the room of purged letters back when nothing older is kept.
void letters::trim() {
  extent next = now_;
  while (!entries_.empty() && entries_.begin()->second.erased) drop_oldest(next);
  if (next.first != now_.first) publish(next);
}

// ---------------------------------------------------------------------------------------------------- looking, purging

std::vector<std::uint64_t> letters::list() const {
  std::vector<std::uint64_t> all;
  for (const auto& [number, each] : entries_) {
    if (!each.erased) all.push_back(number);
  }
  return all;
}

std::uint64_t letters::find(const letter_key& key) const {
  const auto found = numbers_.find(key);
  return found == numbers_.end() || entries_.at(found->second).erased ? 0 : found->second;
}

bool letters::erase(std::uint64_t number) {
  const auto found = entries_.find(number);
  if (found == entries_.end() || found->second.erased) return false;
  const std::uint64_t one = 1;
  // This word alone makes it true.
  write(found->second.position + offsetof(wire::letter_record, erased), std::as_bytes(std::span(&one, 1)));
  found->second.erased = true;
  ++erased_;
  trim();
  return true;
}

std::uint64_t letters::erase_all(wire::identity_id receiver) {
  std::uint64_t erased = 0;
  for (const std::uint64_t number : list()) {
    if (receiver != 0 && entries_.at(number).key.receiver != receiver) continue;
    erased += erase(number) ? 1U : 0U;
  }
  return erased;
}

dead_letter_counts letters::count() const noexcept {
  const std::uint64_t kept = entries_.size() - erased_;
  return {now_.total, kept, now_.evicted, now_.total - kept - now_.evicted};
}

}  // namespace troupe::supervision
