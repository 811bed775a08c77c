#include "channel/letter_reader.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace troupe::channel {

namespace {

constexpr unsigned looks = 1000;  // the writer would have to be faster than this reader so often in a row

std::chrono::system_clock::time_point time_of(std::uint64_t ns) {
  return std::chrono::system_clock::time_point{
      std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds{ns})};
}

/// The parts of a copied letter one after another. What is claimed beyond its end is empty.
class parts {
 public:
  explicit parts(std::span<const std::byte> all) noexcept : left_(all) {}
  std::span<const std::byte> take(std::uint64_t bytes) noexcept {
    const auto part = left_.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, left_.size())));
    left_ = left_.subspan(part.size());
    return part;
  }
  template <class T>
  T take() noexcept {
    T value{};
    const auto from = take(sizeof value);
    if (from.size() == sizeof value) std::memcpy(&value, from.data(), sizeof value);
    return value;
  }
  std::string text(std::uint64_t bytes) {
    const auto from = take(bytes);
    return {reinterpret_cast<const char*>(from.data()), from.size()};
  }

 private:
  std::span<const std::byte> left_;
};

void fill(dead_letter& into, const wire::letter_record& record, std::span<const std::byte> prefix) {
  into.number = record.number;
  into.time = time_of(record.time_ns);
  into.receiver = record.receiver;
  into.sender = record.sender;
  into.sender_incarnation = record.sender_incarnation;
  into.message = record.message;
  into.request = record.request != 0;
  into.why = static_cast<dead_letter::reason>(record.reason);
  into.attempts = record.attempts;
  into.bytes = record.body_bytes;
  into.kept = record.body_kept;
  into.payloads_kept = record.payloads_kept != 0 || record.payloads == 0;
  into.enclosed = record.enclosed != 0;
  parts from(prefix.subspan(sizeof record));
  std::vector<wire::letter_death> deaths(record.deaths);
  for (auto& each : deaths) each = from.take<wire::letter_death>();
  for (unsigned i = 0; i < record.payloads; ++i) into.payloads.push_back(from.take<std::uint64_t>());
  into.receiver_name = from.text(record.receiver_text);
  into.sender_name = from.text(record.sender_text);
  into.message_name = from.text(record.message_text);
  into.text = from.text(record.why_text);
  for (const auto& each : deaths) {
    into.deaths.push_back(
        {each.incarnation, time_of(each.time_ns), each.code, each.signal, from.text(each.text_bytes)});
  }
}

}  // namespace

letter_reader::letter_reader(os::mapping memory) : memory_(std::move(memory)), ring_bytes_(0) {
  if (memory_.size() < wire::letters_header_bytes + wire::min_letters_ring) {
    throw error(errc::corrupt, "the memory of the dead letters is too small to be one");
  }
  const auto* header = memory_.at<wire::letters_header>();
  ring_bytes_ = memory_.size() - wire::letters_header_bytes;
  if (header->layout != wire::layout_version || header->ring_bytes != ring_bytes_ ||
      !std::has_single_bit(ring_bytes_)) {
    throw error(errc::corrupt, "the memory of the dead letters is of another version");
  }
}

letter_reader::extent letter_reader::look() const {
  const auto* header = memory_.at<wire::letters_header>();
  for (unsigned i = 0; i < looks; ++i) {
    // pairs with: letters::publish(). Each word is loaded with acquire, so the second look at the version comes last.
    const std::uint64_t version = header->version.load(std::memory_order_acquire);
    const wire::letters_state& state = header->states[version & 1];
    const extent seen{state.first.load(std::memory_order_acquire), state.end.load(std::memory_order_acquire),
                      state.total.load(std::memory_order_acquire), state.evicted.load(std::memory_order_acquire)};
    if (header->version.load(std::memory_order_acquire) != version) continue;
    if (seen.first <= seen.end && seen.end - seen.first <= ring_bytes_ && seen.first % 8 == 0 && seen.end % 8 == 0) {
      return seen;
    }
    throw error(errc::corrupt, "the memory of the dead letters says what cannot be");
  }
  throw error(errc::corrupt, "the memory of the dead letters changes faster than it can be read");
}

std::uint64_t letter_reader::word(std::uint64_t position) const noexcept {
  const std::uint64_t at = wire::letters_header_bytes + (position & (ring_bytes_ - 1));
  // pairs with: letters::write()
  return memory_.at<const std::atomic<std::uint64_t>>(at)->load(std::memory_order_acquire);
}

void letter_reader::copy(std::uint64_t position, std::uint64_t bytes, void* to) const noexcept {
  auto* into = static_cast<std::byte*>(to);
  for (std::uint64_t done = 0; done < bytes; done += sizeof(std::uint64_t)) {
    const std::uint64_t one = word(position + done);
    std::memcpy(into + done, &one, sizeof one);
  }
}

/// False: what lies there is no letter and no pad.
bool letter_reader::head_of(std::uint64_t position, std::uint64_t end, wire::letter_record& into) const noexcept {
  const std::uint64_t limit = std::min(end - position, ring_bytes_ - (position & (ring_bytes_ - 1)));
  constexpr std::uint64_t first = 8;
  if (limit < first) return false;
  copy(position, first, &into);
  if (into.bytes % 8 != 0 || into.bytes < first || into.bytes > limit) return false;
  if (into.kind == wire::letter_kind::pad) return true;
  if (into.kind != wire::letter_kind::letter || into.bytes < sizeof into) return false;
  copy(position + first, sizeof into - first, reinterpret_cast<std::byte*>(&into) + first);
  const std::uint64_t behind = into.prefix_bytes + wire::align8(into.body_kept);
  return into.prefix_bytes % 8 == 0 && into.prefix_bytes >= sizeof into && behind <= into.bytes;
}

/// Calls `visit(record, position, still_there)` for each letter that is not purged until it says false.
/// `still_there()`: what has been copied of this letter was not written over meanwhile.
template <class Visit>
void letter_reader::walk(Visit visit) const {
  extent now = look();
  const std::uint64_t end = now.end;
  std::uint64_t at = now.first;
  // Every step moves on by 8 or more, and the end is that of the first look: the walk ends however busy the writer is.
  while (at < end) {
    wire::letter_record record{};
    const bool whole = head_of(at, end, record);
    const auto still_there = [&] {
      now = look();
      return now.first <= at;
    };
    if (!still_there()) {
      at = now.first;
      continue;
    }
    if (!whole) throw error(errc::corrupt, "the memory of the dead letters holds what is no letter");
    if (record.kind == wire::letter_kind::letter && record.erased == 0 && !visit(record, at, still_there)) return;
    at = std::max(at + record.bytes, now.first);
  }
}

std::vector<dead_letter> letter_reader::list(wire::identity_id receiver) const {
  std::vector<dead_letter> all;
  std::vector<std::byte> prefix;
  walk([&](const wire::letter_record& record, std::uint64_t at, const auto& still_there) {
    if (receiver != 0 && record.receiver != receiver) return true;
    prefix.resize(record.prefix_bytes);
    copy(at, prefix.size(), prefix.data());
    if (still_there()) fill(all.emplace_back(), record, prefix);
    return true;
  });
  return all;
}

std::optional<opened_letter> letter_reader::read(std::uint64_t number) const {
  std::optional<opened_letter> found;
  walk([&](const wire::letter_record& record, std::uint64_t at, const auto& still_there) {
    if (record.number != number) return true;
    std::vector<std::byte> whole(record.bytes);
    copy(at, whole.size(), whole.data());
    if (!still_there()) return false;
    const std::span<const std::byte> bytes(whole);
    fill(found.emplace(), record, bytes.first(record.prefix_bytes));
    parts from(bytes.subspan(record.prefix_bytes));
    const auto body = from.take(wire::align8(record.body_kept)).first(record.body_kept);
    found->body.assign(body.begin(), body.end());
    for (std::size_t i = 0; found->payloads_kept && i < found->payloads.size(); ++i) {
      const auto payload = from.take(found->payloads[i]);
      found->payload_contents.emplace_back(payload.begin(), payload.end());
      from.take(wire::align8(payload.size()) - payload.size());
    }
    return false;
  });
  return found;
}

dead_letter_counts letter_reader::count() const {
  constexpr unsigned tries = 8;
  dead_letter_counts counts;
  for (unsigned i = 0; i < tries; ++i) {
    const extent before = look();
    counts = {before.total, 0, before.evicted, 0};
    walk([&](const wire::letter_record& record, std::uint64_t, const auto&) {
      counts.kept += record.number <= before.total ? 1U : 0U;
      return true;
    });
    counts.purged = counts.total - std::min(counts.total, counts.kept + counts.evicted);
    if (look().first == before.first) break;  // else those that were evicted during the walk were taken for purged
  }
  return counts;
}

}  // namespace troupe::channel
