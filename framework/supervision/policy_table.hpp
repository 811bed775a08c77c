#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "supervision/policy.hpp"

/// The rules of policy.cpp as tables, to be held against OTP's manual. Included by policy*.cpp only.
namespace troupe::supervision::policy {

/// OTP 5.4: what becomes of a child that was up and has ended by itself.
enum class fate : std::uint8_t { again, down, gone };

// clang-format off
inline constexpr std::array<std::array<fate, 3>, 3> fates{{
    //               normal       shutdown     abnormal
    /* permanent */ {fate::again, fate::again, fate::again},
    /* transient */ {fate::down,  fate::down,  fate::again},
    /* temporary */ {fate::gone,  fate::gone,  fate::gone},
}};
// clang-format on

/// OTP 5.4: whether that is worth a line in the log.
constexpr bool is_reported(restart kind, exit_kind why) {
  return kind == restart::permanent || why == exit_kind::abnormal;
}

/// The alternatives of `event` that concern one child, in their order.
// clang-format off
enum class trigger : std::uint8_t {
  started, start_failed, declined, exited, taken_over, retry, start_child, terminate, restart, remove, count
};
// clang-format on
static_assert(std::is_same_v<std::variant_alternative_t<std::size_t(trigger::remove), event>, delete_child>);
static_assert(std::is_same_v<std::variant_alternative_t<std::size_t(trigger::start_child), event>, start_child>);

constexpr bool is_call(trigger what) { return what >= trigger::start_child; }

/// What is done about one of them.
enum class act : std::uint8_t {
  unset,
  ignore,
  mark_up,     // the start has succeeded
  fail,        // a start that somebody waits for has failed
  fail_again,  // an attempt to restart has failed
  decline,     // the start came to nothing, which is no failure
  judge,       // the table above
  follow,      // a spare has taken over: what was decided is counted
  try_again,   // the next attempt to restart
  came_up,     // the start has succeeded before the end that was asked for
  finish,      // the end that was asked for has come
  add,         // start_child
  launch,      // restart_child
  quit,        // terminate_child: the call waits for the end
  is_down,     // terminate_child: down already
  join,        // terminate_child: being stopped already, wait too
  cancel,      // terminate_child: no further attempt to restart
  leave_out,   // terminate_child: the others are started without it
  remove,      // delete_child
  hold,        // the call waits until the child has settled, or the group that is restarted
  refuse,      // the supervisor is ending
  // What remains is an answer and nothing else.
  // clang-format off
  present, runs, running, restarting, unknown,
  // clang-format on
};

/// One child's life, while the supervisor runs.
// clang-format off
using table = std::array<std::array<act, std::size_t(trigger::count)>, std::size_t(child_state::count)>;
inline constexpr table acts = [] {
  using enum act;
  return table{{
    //               started  start_failed declined exited      taken_over retry      start_child terminate  restart    delete
    /* absent     */ {ignore,  ignore,     ignore,  ignore,     ignore,    ignore,    add,        unknown,   unknown,   unknown},
    /* down       */ {ignore,  ignore,     ignore,  ignore,     ignore,    ignore,    present,    is_down,   launch,    remove},
    /* waiting    */ {ignore,  ignore,     ignore,  ignore,     ignore,    ignore,    hold,       leave_out, hold,      hold},
    /* starting   */ {mark_up, fail,       decline, fail,       ignore,    ignore,    hold,       quit,      hold,      hold},
    /* up         */ {ignore,  ignore,     ignore,  judge,      follow,    ignore,    runs,       quit,      running,   running},
    /* restarting */ {mark_up, fail_again, decline, fail_again, ignore,    ignore,    hold,       quit,      hold,      hold},
    /* retrying   */ {ignore,  ignore,     ignore,  ignore,     ignore,    try_again, present,    cancel,    restarting, restarting},
    /* stopping   */ {came_up, finish,     finish,  finish,     ignore,    ignore,    hold,       join,      hold,      hold},
  }};
}();
// clang-format on
static_assert(std::ranges::none_of(acts, [](const auto& row) { return std::ranges::count(row, act::unset) > 0; }));

constexpr bool lives(child_state is) {
  return is == child_state::starting || is == child_state::up || is == child_state::restarting ||
         is == child_state::stopping;
}

/// The end of the supervisor has begun: children only end, in whatever way, and calls are refused.
constexpr act act_at_end(child_state is, trigger what) {
  if (is_call(what)) return act::refuse;
  const bool end = what == trigger::exited || what == trigger::start_failed || what == trigger::declined;
  return end && lives(is) ? act::finish : act::ignore;
}

/// `together`: several children are being stopped and started. OTP's supervisor answers no call meanwhile; this one
/// lets terminate_child through, so that none of those starts can hang for ever.
constexpr act choose(state::phase phase, bool together, child_state is, trigger what) {
  if (phase == state::phase::stopping || phase == state::phase::ended) return act_at_end(is, what);
  if (phase == state::phase::booting && is_call(what)) return act::hold;
  if (together && is_call(what) && what != trigger::terminate) return act::hold;
  return acts[std::size_t(is)][std::size_t(what)];
}

/// OTP 5.7: how a child may end that is being stopped, without being reported.
constexpr bool is_expected(const child_rules& rules, exit_kind why) {
  const bool brutal = rules.shutdown.how == shutdown::kind::brutal_kill;
  if (why == exit_kind::abnormal) return brutal;
  if (why == exit_kind::shutdown && !brutal) return true;
  return rules.restart != restart::permanent;
}

}  // namespace troupe::supervision::policy
