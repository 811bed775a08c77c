#include <troupe/error.hpp>

#include <array>
#include <cstddef>
#include <new>
#include <system_error>
#include <utility>

#include <troupe/detail/bytes.hpp>

namespace troupe {
namespace {

struct words {
  std::string_view name;
  std::string_view happened;  // what() without a text
  std::string_view to_do;     // what() ends with it
};

// In the order of errc.
constexpr std::array all = {
    words{"os", "a system call failed", ""},
    words{"full", "the mailbox has no room", "wait for longer, send less, or let more workers receive"},
    words{"closed", "the receiver has ended for good", "nothing more goes to it or comes from it"},
    words{"too_large", "the message exceeds a limit that waiting does not change",
          "send it in parts or raise the limit"},
    words{"timeout", "the deadline has passed", "what was asked may still happen: ask again if that does no harm"},
    words{"outcome_unknown", "the callee died after it had started the request",
          "the request is not repeated: find out what was done before you ask again"},
    words{"connecting", "the link is not there yet", "try again when the supervisor has answered, or use tell"},
    words{"corrupt", "bytes from another process are not what they claim to be", "the message was not handled"},
    words{"not_found", "no actor has this name", "spawn it first"},
    words{"name_taken", "an actor of this name exists", "choose another name, or stop that actor first"},
    words{"start_failed", "the actor's constructor or on_start failed", "mend what the actor needs to start"},
    words{"spawn_failed", "no process could be made for the actor", "look at the limits of processes and memory"},
    words{"gave_up", "the supervisor exceeded its restart budget",
          "mend what died last, or raise max_restarts if such deaths are expected"},
    words{"stopping", "the program is being stopped", "nothing new is started: return"},
    words{"failed", "the handler answered with an error", "the actor lives on"},
    words{"unhandled", "the receiver has no handler for this message, or replies with another type",
          "add it to the receiver's handles list"},
    words{"deadlock", "the wait could only end by itself", "use .then(), or tell and let the answer be told back"},
    words{"threads_exist", "run() found other threads", "call run() first in main, before any thread is started"},
    words{"not_allowed", "the call has no meaning here", ""},
    words{"empty", "there is nothing there now", "wait, or come back later"},
    words{"already_present", "the supervisor has a child of this name, which does not run",
          "restart it, or delete it first"},
    words{"already_started", "the supervisor has a child of this name, which runs", "take that one, or another name"},
    words{"running", "the child runs", "terminate it first"},
    words{"restarting", "the child is being restarted", "terminate it first"},
    words{"bad_spec", "no supervisor can have such a child or such flags", "mend the spec"},
    words{"level_missing", "this machine cannot give what options::require_level asks for",
          "give the program what it lacks, or ask for less"},
};
static_assert(all.size() == static_cast<std::size_t>(errc::level_missing) + 1);

const words& words_of(errc code) noexcept {
  static constexpr words unknown{"unknown", "an error of an unknown code", ""};
  const auto at = static_cast<std::size_t>(code);
  return at < all.size() ? all[at] : unknown;
}

std::string sentence(errc code, std::string_view op, int os_errno, std::string_view text) {
  const words& say = words_of(code);
  std::string what{say.name};
  const auto append = [&what](std::string_view part, std::string_view before) {
    if (!part.empty()) what.append(before).append(part);
  };
  append(op, ": ");
  if (os_errno != 0) append(std::system_category().message(os_errno), ": ");
  append(text.empty() && os_errno == 0 ? say.happened : text, ": ");
  append(say.to_do, "; ");
  return what;
}

}  // namespace

std::string_view name(errc code) noexcept { return words_of(code).name; }

error::error(errc code, std::string text) : code_(code), text_(std::move(text)), what_(sentence(code, op_, 0, text_)) {}

error::error(errc code, const char* op, int os_errno, std::string text)
    : code_(code), os_errno_(os_errno), op_(op), text_(std::move(text)), what_(sentence(code, op, os_errno, text_)) {}

namespace detail {

void corrupt(const char* why) { throw error(errc::corrupt, why); }

void rethrow_as_corrupt() {
  try {
    throw;
  } catch (const error& e) {
    if (e.code() == errc::corrupt) throw;
    throw error(errc::corrupt, e.what());
  } catch (const std::bad_alloc&) {
    throw error(errc::corrupt, "decoding it needs more memory than there is");
  } catch (const std::exception& e) {
    throw error(errc::corrupt, e.what());
  } catch (...) {
    throw error(errc::corrupt, "decoding it threw something that is not a std::exception");
  }
}

}  // namespace detail
}  // namespace troupe
