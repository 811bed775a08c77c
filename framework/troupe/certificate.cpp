#include <troupe/certificate.hpp>

#include <type_traits>

namespace troupe {

const char* name_of(death_cause cause) noexcept {
  switch (cause) {
    case death_cause::crashed: return "crashed";
    case death_cause::ended: return "ended";
    case death_cause::start_failed: return "start_failed";
    case death_cause::stopped: return "stopped";
    case death_cause::grace_exceeded: return "grace_exceeded";
    case death_cause::killed: return "killed";
    case death_cause::misbehaved: return "misbehaved";
    case death_cause::hung: return "hung";
    case death_cause::start_timeout: return "start_timeout";
    case death_cause::recycled: return "recycled";
    case death_cause::children_failed: return "children_failed";
  }
  return "?";
}

const char* name_of(death_decision decision) noexcept {
  switch (decision) {
    case death_decision::undecided: return "undecided";
    case death_decision::restarted: return "restarted";
    case death_decision::restarts_later: return "restarts_later";
    case death_decision::stays_down: return "stays_down";
    case death_decision::given_up: return "given_up";
    case death_decision::budget_spent: return "budget_spent";
    case death_decision::forgotten: return "forgotten";
  }
  return "?";
}

namespace {

constexpr std::uint32_t most_lines = 1024;  // of a list that another process sends

/// Both directions in one list of fields, so that they cannot differ.
struct field_writer {
  detail::writer& to;

  template <class T>
  void operator()(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    to.bytes(&value, sizeof value);
  }
  void operator()(const std::string& text) {
    (*this)(static_cast<std::uint64_t>(text.size()));
    to.bytes(text.data(), text.size());
  }
  template <class T>
  void operator()(const std::vector<T>& all) {
    (*this)(static_cast<std::uint32_t>(all.size()));
    for (const auto& each : all) (*this)(each);
  }
};

struct field_reader {
  detail::reader& from;

  template <class T>
  void operator()(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    from.bytes(&value, sizeof value);
  }
  void operator()(bool& value) {
    std::uint8_t byte = 0;
    from.bytes(&byte, 1);
    value = byte != 0;
  }
  void operator()(std::string& text) {
    std::uint64_t size = 0;
    (*this)(size);
    const auto* bytes = from.take(size);
    text.assign(reinterpret_cast<const char*>(bytes), size);
  }
  template <class T>
  void operator()(std::vector<T>& all) {
    std::uint32_t count = 0;
    (*this)(count);
    if (count > most_lines) detail::corrupt("a list in a death certificate is too long");
    all.resize(count);
    for (auto& each : all) (*this)(each);
  }
};

template <class Fields, class Message>
void message_fields(Fields& take, Message& its, bool& aged, std::chrono::nanoseconds& age) {
  take(its.id);
  take(its.name);
  take(its.sender);
  take(its.attempt);
  take(its.request);
  take(its.again);
  take(aged);
  take(age);
}

template <class Fields, class Certificate>
void plain_fields(Fields& take, Certificate& its) {
  take(its.identity);
  take(its.name);
  take(its.incarnation);
  take(its.pid);
  take(its.time);
  take(its.lived);
  take(its.why);
  take(its.asked_by);
  take(its.exit_code);
  take(its.signal);
  take(its.core);
  take(its.out_of_memory);
  take(its.text);
  take(its.used);
  take(its.last_lines);
  take(its.trace);
  take(its.fault_address);
  take(its.decision);
  take(its.delay);
}

}  // namespace

void death_certificate::troupe_encode(detail::writer& to) const {
  field_writer take{to};
  plain_fields(take, *this);
  take(in_flight.has_value());
  if (!in_flight) return;
  bool aged = in_flight->age.has_value();
  std::chrono::nanoseconds age = in_flight->age.value_or(std::chrono::nanoseconds{0});
  message_fields(take, *in_flight, aged, age);
}

void death_certificate::troupe_decode(detail::reader& from) {
  field_reader take{from};
  plain_fields(take, *this);
  bool handling = false;
  take(handling);
  in_flight.reset();
  if (!handling) return;
  bool aged = false;
  std::chrono::nanoseconds age{0};
  in_flight = message{};
  message_fields(take, *in_flight, aged, age);
  if (aged) in_flight->age = age;
}

}  // namespace troupe
