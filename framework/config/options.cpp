// Every key of a child and of a supervisor: its values, and what people write in their place.

#include "config/options.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <limits>
#include <string>

#include <troupe/detail/spec_limits.hpp>

#include "config/words.hpp"

namespace troupe::config {

using detail::config_field;
using detail::config_problems;
using detail::config_table;
using detail::config_value;
using std::chrono::milliseconds;
using words = std::span<const std::string_view>;

namespace {

constexpr double millisecond = 1e6;
constexpr double longest = 10.0 * 365 * 24 * 3600 * 1000;  // ten years
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 50;
constexpr std::uint64_t most_outbox = std::uint64_t{1} << 40;
constexpr std::uint32_t most_standby = 100;

constexpr auto restarts = std::to_array<std::string_view>({"permanent", "transient", "temporary"});
constexpr auto restart_others =
    std::to_array<std::string_view>({"always",    "permanent",  "forever",
                                     "permanent", "on",         "permanent",
                                     "tmp",       "temporary",  "temp",      "temporary", "once",
                                     "temporary", "off",        "temporary", "failure",   "transient",
                                     "true",      "permanent",  "yes",       "permanent", "unless_stopped",
                                     "permanent", "on_failure", "transient", "onfailure", "transient",
                                     "on_error",  "transient",  "on_crash",  "transient", "never",
                                     "temporary", "no",         "temporary", "false",     "temporary",
                                     "none",      "temporary"});
constexpr auto strategies =
    std::to_array<std::string_view>({"one_for_one", "rest_for_one", "one_for_all", "simple_one_for_one"});
constexpr auto strategy_others =
    std::to_array<std::string_view>({"one", "one_for_one", "all", "one_for_all", "rest", "rest_for_one", "simple",
                                     "simple_one_for_one", "dynamic", "simple_one_for_one", "rest_for_all",
                                     "rest_for_one", "one_for_rest", "rest_for_one", "all_for_one", "one_for_all"});
constexpr auto auto_shutdowns = std::to_array<std::string_view>({"never", "any_significant", "all_significant"});
constexpr auto auto_shutdown_others = std::to_array<std::string_view>(
    {"any", "any_significant", "all", "all_significant", "no", "never", "false", "never", "none", "never"});
constexpr auto mailboxes = std::to_array<std::string_view>({"keep", "clear"});
constexpr auto mailbox_others = std::to_array<std::string_view>(
    {"drop", "clear", "discard", "clear", "delete", "clear", "empty", "clear", "preserve", "keep", "retain", "keep"});
constexpr auto shutdown_others = std::to_array<std::string_view>(
    {"kill",        "brutal_kill", "brutal",      "brutal_kill", "now",       "brutal_kill", "sigkill",
     "brutal_kill", "immediate",   "brutal_kill", "infinite",    "infinity",  "inf",         "infinity",
     "never",       "infinity",    "forever",     "infinity",    "unlimited", "infinity"});

/// One key of a table, if it is there.
struct reading {
  config_table& table;
  config_problems& problems;

  template <class Read>
  void with(std::string_view key, Read read) const {
    if (const config_value* value = table.take(key)) read(config_field{key, *value, problems});
  }
  void flag(std::string_view key, bool& to) const {
    with(key, [&](const config_field& field) { to = config_boolean(field).value_or(to); });
  }
  template <class N>
  void number(std::string_view key, N& to, std::uint64_t least, std::uint64_t most) const {
    with(key, [&](const config_field& field) {
      if (const auto found = config_integer(field, static_cast<std::int64_t>(least), most)) to = static_cast<N>(*found);
    });
  }
  void time(std::string_view key, milliseconds& to, double least) const {
    with(key, [&](const config_field& field) {
      const auto found = config_ticks(field, millisecond, true, least, longest);
      if (found) to = milliseconds{static_cast<milliseconds::rep>(*found)};
    });
  }
  /// 0 is for ever, whatever word people have for it.
  void time_or_never(std::string_view key, milliseconds& to) const {
    const auto* member = table.value().find(key);
    const bool never =
        member != nullptr && (member->value.text == "infinity" ||
                              other_word(member->value.text, shutdown_others) == std::string_view("infinity"));
    if (!never) return time(key, to, 0);
    with(key, [](const config_field& field) {
      field.wrong("a time with a unit, such as \"2s\", or \"0s\" for ever", "\"0s\"");
    });
  }
  template <class N>
  void size(std::string_view key, N& to, std::uint64_t least, std::uint64_t most) const {
    with(key, [&](const config_field& field) {
      if (const auto found = config_size(field, least, most)) to = static_cast<typename bare<N>::type>(*found);
    });
  }
  template <class E>
  void choice(std::string_view key, E& to, words names, words others) const {
    with(key, [&](const config_field& field) {
      if (const auto found = config_choice(field, names, others)) to = static_cast<E>(*found);
    });
  }

  template <class N>
  struct bare {
    using type = N;
  };
  template <class N>
  struct bare<std::optional<N>> {
    using type = N;
  };
};

/// A table within a child: `backoff = { first = "10ms" }`.
template <class Read>
void within(config_table& table, std::string_view key, config_problems& problems, Read read) {
  const config_value* value = table.take(key);
  if (value == nullptr || !config_is_table(config_field{key, *value, problems})) return;
  config_table inner(*value, std::string(key), problems);
  read(reading{inner, problems}, *value);
  inner.refuse_the_rest();
}

void read_shutdown(const config_field& from, shutdown& to) {
  static constexpr auto special = std::to_array<std::string_view>({"brutal_kill", "infinity"});
  const bool text = from.value.is == config_value::kind::string;
  if (text && from.value.text == special[0]) {
    to = shutdown::brutal_kill();
  } else if (text && from.value.text == special[1]) {
    to = shutdown::infinity();
  } else if (text && from.value.text.find_first_of("0123456789") == std::string::npos) {
    auto meant = other_word(from.value.text, shutdown_others);
    if (!meant) meant = nearest(from.value.text, special);
    from.wrong("\"brutal_kill\", \"infinity\" or a time such as \"2s\"", meant ? quote(*meant) : "");
  } else if (!text && from.value.is != config_value::kind::integer && from.value.is != config_value::kind::real) {
    from.wrong("\"brutal_kill\", \"infinity\" or a time such as \"2s\"");
  } else if (const auto grace = config_ticks(from, millisecond, true, 0, longest)) {
    to = shutdown::within(milliseconds{static_cast<milliseconds::rep>(*grace)});
  }
}

void read_backoff(config_table& table, backoff& to, config_problems& problems) {
  within(table, "backoff", problems, [&](const reading& from, const config_value& whole) {
    from.time("first", to.first, 0);
    from.time("max", to.max, 0);
    from.time("reset_after", to.reset_after, 0);
    from.with("jitter", [&](const config_field& field) { to.jitter = config_real(field, 0, 1).value_or(to.jitter); });
    const auto* first = whole.find("first");
    if (first == nullptr) {
      problems.error(whole.at, "backoff: first is missing, the delay before the first restart, as in first = \"10ms\"");
    } else if (to.first > to.max && first->value.is == config_value::kind::string) {
      problems.error(first->value.at, "first: " + quote(first->value.text) + " is more than max, which is " +
                                          detail::config_shown_ticks(static_cast<double>(to.max.count()), millisecond));
    }
  });
}

void read_budget(config_table& table, std::optional<restart_budget>& to, config_problems& problems) {
  within(table, "budget", problems, [&](const reading& from, const config_value&) {
    restart_budget budget;
    from.number("max_restarts", budget.max_restarts, 0, std::numeric_limits<std::uint32_t>::max());
    from.time("within", budget.within, 1);
    to = budget;
  });
}

void read_limits(config_table& table, limits& to, config_problems& problems) {
  within(table, "limits", problems, [&](const reading& from, const config_value&) {
    from.size("data", to.data, 1, most_bytes);
    from.with("cpu", [&](const config_field& field) {
      const auto found = config_ticks(field, 1e9, true, 1, longest / 1000);
      if (found) to.cpu = std::chrono::seconds{static_cast<std::chrono::seconds::rep>(*found)};
    });
    from.with("files", [&](const config_field& field) {
      if (const auto found = config_integer(field, detail::least_files, std::uint64_t{1} << 30))
        to.files = static_cast<std::uint64_t>(*found);
    });
    from.size("file_size", to.file_size, 0, most_bytes);
    from.size("core", to.core, 0, most_bytes);
    from.size("memory", to.memory, 1, most_bytes);
  });
}

void read_recycle(config_table& table, recycle& to, config_problems& problems) {
  within(table, "recycle", problems, [&](const reading& from, const config_value&) {
    from.number("messages", to.messages, 1, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
    from.size("memory", to.memory, 1, most_bytes);
  });
}

void read_lane(const config_field& from, std::uint32_t& to) {
  const auto found = config_size(from, detail::least_lane, detail::most_lane);
  if (!found) return;
  if (std::has_single_bit(*found)) {
    to = static_cast<std::uint32_t>(*found);
    return;
  }
  from.wrong("a power of two from \"4KiB\" to \"16MiB\"", detail::config_shown_size(std::bit_ceil(*found)));
}

}  // namespace

template <class Spec>
void read_child_options(config_table& table, Spec& to, config_problems& problems) {
  const reading from{table, problems};
  from.choice("restart", to.restart, restarts, restart_others);
  from.with("shutdown", [&](const config_field& field) { read_shutdown(field, to.shutdown); });
  from.flag("significant", to.significant);
  read_backoff(table, to.backoff, problems);
  read_budget(table, to.budget, problems);
}
template void read_child_options(config_table&, child_spec&, config_problems&);
template void read_child_options(config_table&, supervisor_spec&, config_problems&);

void read_actor_options(config_table& table, child_spec& to, config_problems& problems) {
  const reading from{table, problems};
  from.time_or_never("start_timeout", to.start_timeout);
  from.time_or_never("deadline", to.deadline);
  from.choice("mailbox", to.mailbox, mailboxes, mailbox_others);
  from.number("standby", to.standby, 0, most_standby);
  read_recycle(table, to.recycle, problems);
  read_limits(table, to.limits, problems);
  from.flag("no_new_privs", to.no_new_privs);
  from.with("lane", [&](const config_field& field) { read_lane(field, to.lane_bytes); });
  from.size("checkpoint", to.checkpoint_bytes, 1, detail::most_checkpoint);
  from.size("outbox", to.outbox_bytes, 0, most_outbox);
}

void read_flags(config_table& table, supervisor_spec& to, config_problems& problems) {
  const reading from{table, problems};
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
  from.choice("strategy", to.strategy, strategies, strategy_others);
  from.number("max_restarts", to.max_restarts, 0, most);
  from.time("within", to.within, 1);
  from.choice("auto_shutdown", to.auto_shutdown, auto_shutdowns, auto_shutdown_others);
  from.number("max_children", to.max_children, 0, most);
}

}  // namespace troupe::config
