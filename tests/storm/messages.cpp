#include "storm/messages.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "storm/ledger.hpp"
#include "support/program.hpp"

namespace storm {

namespace {

volatile std::sig_atomic_t may_exit = 0;

/// While it lives nothing is held that exit() could need.
struct nothing_held {
  nothing_held() { may_exit = 1; }
  ~nothing_held() { may_exit = 0; }
};

/// Sizes from `least` on, each power of two as likely as any other.
std::size_t size_from(std::uint64_t random, std::size_t least, unsigned doublings) {
  const std::size_t base = least << (random % doublings);
  return base + (random >> 8) % base;
}

std::uint64_t key_of(unsigned stream, std::uint64_t number, std::uint64_t which) {
  return mixed(the_ledger().seed ^ mixed(std::uint64_t{stream} << 48 ^ which << 56 ^ number));
}

constexpr std::uint64_t about_content = 8, about_sizes = 9, about_sums = 10;

kind kind_from(std::uint64_t random) {
  const auto percent = random % 100;
  if (percent < 30) return kind::bare;
  if (percent < 70) return kind::plain;
  if (percent < 80) return kind::limited;
  if (percent < 85) return kind::once;
  return percent < 95 ? kind::question : kind::insisting;
}

bool matches(const content& expected, const Item& got, kind what) {
  return expected.what == what && expected.body == got.body.size() && expected.payload == got.payload.size();
}

}  // namespace

std::uint64_t mixed(std::uint64_t value) {  // the finalizer of SplitMix64 (Steele, Lea, Flood 2014)
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

content content_of(unsigned stream, std::uint64_t number) {
  const std::uint64_t random = key_of(stream, number, about_content);
  const std::uint64_t sizes = key_of(stream, number, about_sizes);
  content made{kind_from(random), 0, 0, 0};
  if (made.what == kind::bare) {
    made.body = sizeof Bare::body;
    return made;
  }
  const auto percent = (random >> 32) % 100;
  if (percent < 80) {
    made.body = size_from(sizes, 16, 7);
  } else if (percent < 92) {
    made.body = size_from(sizes, 2048, 4);
  } else if (percent < 97) {
    made.body = size_from(sizes, 32 * 1024, 3);
  } else {
    made.body = size_from(sizes, 16, 4);
    made.payload = size_from(sizes >> 32, 32 * 1024, 5);
  }
  if (!is_tell(made.what)) made.answer = size_from(mixed(sizes), 8, percent < 80 ? 6 : 14);
  return made;
}

unsigned attempts_of(kind what) {
  switch (what) {
    case kind::bare:
    case kind::plain: return 0;
    case kind::limited:
    case kind::insisting: return 3;
    case kind::once:
    case kind::question: return 1;
  }
  return 0;
}

std::string_view type_name(kind what) {
  switch (what) {
    case kind::bare: return troupe::message_name<Bare>();
    case kind::plain: return troupe::message_name<Plain>();
    case kind::limited: return troupe::message_name<Limited>();
    case kind::once: return troupe::message_name<Once>();
    case kind::question: return troupe::message_name<Question>();
    case kind::insisting: return troupe::message_name<Insisting>();
  }
  return {};
}

std::uint64_t sum_of(unsigned stream, std::uint64_t number) { return key_of(stream, number, about_sums); }

void fill(std::span<std::byte> bytes, unsigned stream, std::uint64_t number, part which) {
  const nothing_held here;
  const std::uint64_t key = key_of(stream, number, static_cast<std::uint64_t>(which));
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    const std::uint64_t word = mixed(key + at);
    std::memcpy(bytes.data() + at, &word, std::min<std::size_t>(8, bytes.size() - at));
  }
}

bool whole(std::span<const std::byte> bytes, unsigned stream, std::uint64_t number, part which) {
  const nothing_held here;
  const std::uint64_t key = key_of(stream, number, static_cast<std::uint64_t>(which));
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    const std::uint64_t word = mixed(key + at);
    if (std::memcmp(bytes.data() + at, &word, std::min<std::size_t>(8, bytes.size() - at)) != 0) return false;
  }
  return true;
}

std::string filled(std::size_t bytes, unsigned stream, std::uint64_t number, part which) {
  std::string made(bytes, '\0');
  fill(std::as_writable_bytes(std::span(made)), stream, number, which);
  return made;
}

bool as_sent(const Bare& got) {
  const auto stream = static_cast<unsigned>(got.stream);
  return got.stream < streams && content_of(stream, got.number).what == kind::bare &&
         whole(std::as_bytes(std::span(got.body)), stream, got.number, part::body);
}

bool as_sent(const Item& got, kind what) {
  return got.stream < streams && matches(content_of(got.stream, got.number), got, what) &&
         whole(std::as_bytes(std::span(got.body)), got.stream, got.number, part::body) &&
         whole(got.payload.bytes(), got.stream, got.number, part::payload);
}

bool as_sent(const Answer& got, unsigned stream, std::uint64_t number) {
  return got.stream == stream && got.number == number && got.body.size() == content_of(stream, number).answer &&
         whole(std::as_bytes(std::span(got.body)), stream, number, part::answer);
}

void exit_on_signal() {
  ::signal(SIGUSR1, [](int) {
    // Under a sanitizer exit() looks for leaks first, which takes a worker's life to do.
    if (may_exit != 0 && tests::slowness == 1) std::exit(0);
    ::_exit(0);
  });
}

}  // namespace storm
