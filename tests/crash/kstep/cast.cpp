#include "crash/kstep/cast.hpp"

#include <sys/mman.h>

#include <new>
#include <stdexcept>

#include "crash/kstep/stepper.hpp"

namespace crash {

ledger& the_ledger() {
  static ledger* const one = [] {
    void* at = ::mmap(nullptr, sizeof(ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::runtime_error("no memory for the ledger");
    return new (at) ledger{};
  }();
  return *one;
}

void clear_ledger() { new (&the_ledger()) ledger{}; }

namespace {

/// Before the handler's work, and after it.
std::size_t enter(const parcel& m, bool intact, unsigned attempt) {
  auto& book = the_ledger();
  const std::uint32_t at = book.started.load(std::memory_order_relaxed);
  if (at >= book.handled.size()) return at;
  book.handled[at] = {m.from(), m.number(), attempt, intact ? 1U : 0U, 0};
  book.started.store(at + 1, std::memory_order_release);
  return at;
}

void leave(std::size_t entry) {
  if (entry < the_ledger().handled.size()) the_ledger().handled[entry].done = 1;
}

void mark(const window& where, const parcel& m) {
  if (m.from() != where.from) return;
  static bool marked = false;
  if (!marked && (m.number() == where.begin || where.begin == window::first)) {
    marked = true;
    crash_begin_mark();
  }
  if (m.number() == where.end) crash_end_mark();
}

}  // namespace

// ------------------------------------------------------------------------------------------------------------ messages

namespace {

std::uint64_t word_at(std::uint64_t from, std::uint64_t number, std::size_t index) {
  return from * 0x9e3779b97f4a7c15 + number * 0xd6e8feb86659fd93 + index + 1;
}

}  // namespace

void write_body(std::uint64_t from, std::uint64_t number, std::span<std::byte> into) {
  for (std::size_t at = 0; at + 8 <= into.size(); at += 8) {
    const std::uint64_t word = word_at(from, number, at);
    std::memcpy(into.data() + at, &word, sizeof word);
  }
}

bool body_intact(std::uint64_t from, std::uint64_t number, std::span<const std::byte> body) {
  std::uint64_t differences = body.size() % 8;
  for (std::size_t at = 0; at + 8 <= body.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, body.data() + at, sizeof word);
    differences |= word ^ word_at(from, number, at);
  }
  return differences == 0;
}

parcel::parcel(std::uint64_t from, std::uint64_t number, std::size_t size) : from_(from), number_(number), body_(size) {
  write_body(from, number, body_);
}

bool parcel::intact() const { return body_intact(from_, number_, body_); }

// -------------------------------------------------------------------------------------------------------------- actors

void teller::on_start() {
  next_ = script_.number_from;
  for (std::uint32_t i = 0; i < script_.before; ++i) {
    for (const auto to : script_.to) {
      if (to != 0) receiver(to).tell(parcel(self().identity(), next_, script_.size));
    }
    ++next_;
  }
  tell_all();
}

void teller::tell_all() {
  using way = script::way;
  const std::size_t large = 3000;  // more than half of the ring
  std::vector<parcel> parcels;
  std::vector<crate> crates;
  for (std::uint32_t i = 0; i < script_.inside; ++i) {
    parcels.emplace_back(self().identity(), next_ + i, script_.how == way::outbox ? large : script_.size);
    if (script_.how != way::payload) continue;
    crates.push_back({self().identity(), next_ + i, self().payload(large)});
    write_body(self().identity(), next_ + i, crates.back().body.data());
  }
  std::array<receiver, 3> to{receiver(script_.to[0]), receiver(script_.to[1]), receiver(script_.to[2])};
  auto& told = the_ledger().told;
  const auto patience = std::chrono::hours(1);
  crash_begin_mark();
  for (std::uint32_t i = 0; i < script_.inside; ++i) {
    for (const auto& each : to) {
      if (!each) continue;
      if (script_.how == way::payload) {
        each.tell(crates[i], patience);
      } else {
        each.tell(parcels[i], patience);
      }
      told.store(told.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  }
  crash_end_mark();
}

void collector::take(const parcel& m) {
  const std::size_t entry = enter(m, m.intact(), self().attempt());
  mark(window_, m);
  leave(entry);
}

void collector::on(const crate& m) {
  const bool same = m.body.size() > 0 && body_intact(m.from, m.number, m.body.bytes());
  const parcel name(m.from, m.number, 0);
  const std::size_t entry = enter(name, same, self().attempt());
  mark(window_, name);
  leave(entry);
}

adder::adder(window what) : window_(what) {
  if (window_.begin == window::birth) crash_begin_mark();
}

void adder::add(const parcel& m) {
  const std::size_t entry = enter(m, m.intact(), self().attempt());
  const bool after_tells = window_.begin == window::first;  // the first tells of a process are long: they connect
  if (!after_tells) mark(window_, m);
  ++state().count;
  state().last = m.number();
  for (const auto to : window_.to) {
    if (to != 0) receiver(to).tell(parcel(self().identity(), m.number(), m.size()));
  }
  if (after_tells) mark(window_, m);
  leave(entry);
}

std::span<const troupe::detail::actor_type* const> all_types() {
  static const troupe::detail::actor_type* const types[] = {
      &troupe::detail::type_of<teller>(), &troupe::detail::type_of<collector>(), &troupe::detail::type_of<adder>()};
  return types;
}

}  // namespace crash
