#pragma once

/// The actors that are killed, written as a user writes them, and the ledger in which they say how far they have come.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <troupe/actor.hpp>
#include <troupe/detail/actor_type.hpp>
#include <troupe/detail/runtime.hpp>

namespace crash {

/// Outside all victims; survives them.
struct ledger {
  struct entry {
    std::uint64_t from, number;
    std::uint32_t attempt;
    std::uint32_t intact, done;
  };
  std::atomic<std::uint32_t> told;     ///< tells of the operation that have returned
  std::atomic<std::uint32_t> started;  ///< handlers entered
  std::array<entry, 64> handled;
};
ledger& the_ledger();
void clear_ledger();

/// A message whose every byte is known from its sender and number.
class parcel {
 public:
  parcel() = default;
  parcel(std::uint64_t from, std::uint64_t number, std::size_t size);
  std::uint64_t from() const { return from_; }
  std::uint64_t number() const { return number_; }
  std::size_t size() const { return body_.size(); }
  /// Whether these are the bytes that its sender wrote.
  bool intact() const;

  void troupe_encode(troupe::detail::writer& to) const {
    to.bytes(&from_, sizeof from_);
    to.bytes(&number_, sizeof number_);
    to.bytes(body_.data(), body_.size());
  }
  void troupe_decode(troupe::detail::reader& from) {
    from.bytes(&from_, sizeof from_);
    from.bytes(&number_, sizeof number_);
    const std::size_t left = from.left();
    const std::byte* at = from.take(left);
    body_.assign(at, at + left);
  }

 private:
  std::uint64_t from_ = 0, number_ = 0;
  std::vector<std::byte> body_;
};
/// The same, handled once at most.
struct fragile : parcel {
  using parcel::parcel;
  static constexpr auto delivery = troupe::drop{};
};
/// Handled once at most, and a dead letter then.
struct poison : parcel {
  using parcel::parcel;
  static constexpr auto delivery = troupe::redeliver{1};
};
/// With a body that lies in the sender's outbox.
struct crate {
  std::uint64_t from = 0, number = 0;
  troupe::payload body;
  void troupe_encode(troupe::detail::writer& to) const {
    to.bytes(&from, sizeof from);
    to.bytes(&number, sizeof number);
    body.troupe_encode(to);
  }
  void troupe_decode(troupe::detail::reader& in) {
    in.bytes(&from, sizeof from);
    in.bytes(&number, sizeof number);
    body.troupe_decode(in);
  }
};
/// Bodies are written and compared in words, to keep the handlers short; sizes are multiples of 8.
void write_body(std::uint64_t from, std::uint64_t number, std::span<std::byte> into);
bool body_intact(std::uint64_t from, std::uint64_t number, std::span<const std::byte> body);

using receiver = troupe::ref<troupe::handles<parcel, crate, fragile, poison>>;

/// What a teller does in on_start.
struct script {
  std::array<std::uint64_t, 3> to{};  ///< identities, 0: none
  std::uint64_t number_from = 1;      ///< of its first message
  std::uint32_t before = 1;           ///< messages to each before the operation, none: it connects inside
  std::uint32_t inside = 1;           ///< messages to each in the operation
  std::uint32_t size = 24;
  enum class way : std::uint32_t { parcels, outbox, payload } how = way::parcels;
};

/// Tells what its script says; the operation is what it tells between the marks.
class teller : public troupe::actor {
 public:
  explicit teller(script what) : script_(what) {}
  void on_start() override;
  void on(const parcel&) {}
  using handles = troupe::handles<parcel>;

 private:
  void tell_all();
  script script_;
  std::uint64_t next_ = 0;
};

/// Between the handlers of which two messages the operation lies.
struct window {
  static constexpr std::uint64_t first = ~std::uint64_t{0};  ///< as `begin`: the first that the process handles
  static constexpr std::uint64_t birth = first - 1;          ///< as `begin`: where the actor is made
  std::uint64_t from = 0, begin = 0, end = 0;                ///< end 0: it ends when the actor goes to sleep
  std::array<std::uint64_t, 3> to{};                         ///< whom an adder passes it on to
};

/// Writes down what it handles.
class collector : public troupe::actor {
 public:
  explicit collector(window what) : window_(what) {}
  void on(const parcel& m) { take(m); }
  void on(const fragile& m) { take(m); }
  void on(const poison& m) { take(m); }
  void on(const crate& m);
  using handles = troupe::handles<parcel, fragile, poison, crate>;

 private:
  void take(const parcel& m);
  window window_;
};

struct sums {
  std::uint64_t count = 0;
  std::uint64_t last = 0;
  std::uint64_t lives = 0;  // so that each start changes the state
};
/// Counts what it gets and passes it on, in turns.
class adder : public troupe::checkpointed<sums> {
 public:
  explicit adder(window what);
  void on_start() override { ++state().lives; }
  void on(const parcel& m) { add(m); }
  void on(const poison& m) { add(m); }
  using handles = troupe::handles<parcel, poison>;

 private:
  void add(const parcel& m);
  window window_;
};

/// Of all of them.
std::span<const troupe::detail::actor_type* const> all_types();

template <class Actor, class Argument>
std::vector<std::byte> arguments_of(const Argument& argument) {
  return troupe::detail::pack_arguments(reinterpret_cast<std::uintptr_t>(&troupe::detail::make_actor<Actor, Argument>),
                                        argument)
      .bytes;
}

template <class M>
troupe::detail::outgoing outgoing_of(const M& message) {
  return {troupe::message_id<M>(), troupe::message_name<M>(), &message, &troupe::detail::encode_erased<M>};
}

}  // namespace crash
