#include "storm/storm.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iomanip>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <tuple>

#include "storm/actors.hpp"
#include "support/holdings.hpp"
#include "support/program.hpp"

namespace storm {

using tests::eventually;
using tests::slowness;

namespace {

// ------------------------------------------------------------------------------------------------------------- program

/// An ask that is repeated when its callee was killed meanwhile: these only read.
template <class Ref, class Message>
auto insist(const Ref& ref, const Message& message) {
  for (;;) {
    auto got = ref.ask(message).try_get();
    const auto code = got ? troupe::errc::os : got.error().code();
    if (got || code == troupe::errc::stopping || code == troupe::errc::gave_up) return got;
  }
}

void wait_for(troupe::system& sys, phase which) {
  while (the_ledger().now < which && !sys.stopping()) sys.poll(1ms);
}

/// What the sender in turns says that it has sent is what it has accepted; nobody is killed any more.
void settle(const Sent& said) {
  for (unsigned which = 0; which < targets; ++which) {
    const unsigned stream = stream_of(turn_sender, which);
    stream_log& log = the_ledger().sent[stream];
    log.next = said.last[which] + 1;
    for (std::uint64_t number = 1; number <= said.last[which]; ++number) {
      if (log.fates[number] != fate::none) continue;
      log.fates[number] = is_tell(content_of(stream, number).what) ? fate::accepted : fate::intended;
    }
  }
}

void collect(const Kept& state, std::size_t whose) {
  for (unsigned stream = 0; stream < streams; ++stream) {
    effect& its = the_ledger().effects[whose][stream];
    its.count = state.of[stream].count;
    its.sum = state.of[stream].sum;
    its.backward = state.of[stream].backward;
  }
}

void body(troupe::system& sys) {
  ledger& all = the_ledger();
  const auto name = [](unsigned number) { return std::string(book_names[number]); };
  auto last = sys.spawn<Keeper>(name(chain_3), chain_3);
  auto middle = sys.spawn<Relay>(name(chain_2), chain_2, target(last));
  auto first = sys.spawn<Relay>(name(chain_1), chain_1, target(middle));
  auto kept = sys.spawn<Keeper>(name(keeper), keeper);
  const std::array<target, targets> to{sys.spawn<PlainReceiver>(name(0), 0U), sys.spawn<PlainReceiver>(name(1), 1U),
                                       first, kept};
  auto one = sys.spawn<Source>("source-1", 1U, to), two = sys.spawn<Source>("source-2", 2U, to);
  auto in_turns = sys.spawn<TurnSource>("source-3", to);
  auto by_1 = sys.spawn<Bystander>("bystander-1", 0U, Bystander::like{});
  sys.spawn<Bystander>("bystander-2", 1U, Bystander::like(by_1));
  sender own(0, to, [&](std::size_t bytes) { return sys.payload(bytes); });
  // What is asked at the end is asked now, too, so that nothing is new then.
  const auto ask_all = [&] {
    return std::tuple(insist(one, Quiet{}), insist(two, Quiet{}), insist(last, Effects{}), insist(in_turns, Quiet{}));
  };
  ask_all();
  all.now = phase::undisturbed;
  while (working() && !sys.stopping()) {
    own.burst();
    sys.poll(period);
  }
  settle(std::get<3>(ask_all()).value());
  all.now = phase::settled;
  wait_for(sys, phase::collected);
  collect(insist(kept, Effects{}).value(), 0);
  collect(insist(last, Effects{}).value(), 1);
  all.deaths = sys.count().deaths;
  all.dead_letters = sys.count().dead_letters;
  all.now = phase::over;
  // The driver looks at what this process holds, then ends it.
  while (!sys.stopping()) sys.poll(10ms);
}

// -------------------------------------------------------------------------------------------------------------- driver

std::chrono::nanoseconds stall_in(phase which) {
  std::uint64_t longest = 0;
  for (const auto& each : the_ledger().stalls) {
    longest = std::max<std::uint64_t>(longest, each[static_cast<std::size_t>(which)]);
  }
  return std::chrono::nanoseconds(longest);
}

class driver {
 public:
  explicit driver(const plan& what)
      : ledger_(new_ledger(what.seed)),
        plan_(what),
        program_(tests::start_program<Keeper, Relay, PlainReceiver, Source, TurnSource, Bystander>(
            {.supervisor = {.max_restarts = 1'000'000'000, .within = 1s}, .log = true},
            [](troupe::system& sys) { return body(sys), 0; })) {}

  outcome run() {
    const bool done = reach(phase::undisturbed, 60s) && storm() && drain() && look_at_holdings();
    if (!done) result_.hung = hung_;
    program_->signal(SIGTERM);
    result_.log = program_->wait(120s).log;
    result_.found = audit(ledger_, letters_in(result_.log), done);
    result_.deaths = ledger_.deaths;
    result_.dead_letters = ledger_.dead_letters;
    result_.undisturbed_stall = stall_in(phase::undisturbed);
    result_.attacked_stall = stall_in(phase::attacked);
    return result_;
  }

 private:
  bool running() const { return tests::state_of(program_->pid()) != 0 && tests::state_of(program_->pid()) != 'Z'; }
  bool reach(phase which, std::chrono::milliseconds limit) {
    eventually([&] { return ledger_.now >= which || !running(); }, limit);
    if (ledger_.now >= which && running()) return true;
    hung_ = "the program did not reach phase " + std::to_string(static_cast<unsigned>(which));
    return false;
  }
  bool storm();
  bool drain();
  bool look_at_holdings();

  ledger& ledger_;
  plan plan_;
  std::unique_ptr<tests::program> program_;
  std::optional<tests::holdings> before_;
  outcome result_;
  std::string hung_;
};

/// Every sender has an answer of every target, so all lanes, pipes and mappings are there.
bool acquainted() {
  return std::all_of(the_ledger().sent.begin(), the_ledger().sent.end(), [](const stream_log& log) {
    return std::find(log.fates.begin(), log.fates.begin() + 4096, fate::answered) != log.fates.begin() + 4096;
  });
}

bool driver::storm() {
  std::vector<std::string> victims(book_names.begin(), book_names.end());
  victims.insert(victims.end(), sender_names.begin() + 1, sender_names.end());
  killer attacker(program_->pid(), victims, plan_.with, plan_.per_second, mixed(plan_.seed));
  if (plan_.spawner) attacker.include_spawner();
  eventually([&] { return !running(); }, plan_.undisturbed / slowness);
  eventually([&] { return acquainted() || !running(); }, 60s);
  before_.emplace(program_->pid());
  ledger_.now = phase::attacked;
  attacker.rage(plan_.attacked, plan_.kills, 6 * plan_.attacked * slowness + 60s);
  ledger_.now = phase::quiet;
  result_.kills = attacker.kills();
  result_.stops = attacker.stops();
  result_.spawner_kills = attacker.spawner_kills();
  return reach(phase::settled, 120s);
}

bool driver::drain() {
  const bool arrived = eventually([&] { return missing(ledger_) == 0 || !running(); }, 60s);
  if (!arrived) hung_ = std::to_string(missing(ledger_)) + " messages did not arrive";
  if (!arrived) return false;
  ledger_.now = phase::collected;
  return reach(phase::over, 60s);
}

bool driver::look_at_holdings() {
  result_.descriptors = before_->descriptors();
  result_.mappings = before_->mappings();
  eventually([&] { return before_->more(program_->pid()).empty(); });
  result_.leaked = before_->more(program_->pid());
  if (const auto here = tests::kinds_of(::getpid()); tests::text_of(here).find("memfd:troupe") != std::string::npos) {
    result_.leaked += " the test has" + tests::text_of(here);
  }
  return true;
}

double milliseconds(std::chrono::nanoseconds time) { return std::chrono::duration<double, std::milli>(time).count(); }

std::optional<double> from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == 0) return std::nullopt;
  return std::strtod(text, nullptr);
}

}  // namespace

plan planned(plan usual) {
  usual.seed = std::random_device{}() % 1'000'000'000;
  if (const auto seed = from_environment("STORM_SEED")) usual.seed = static_cast<std::uint64_t>(*seed);
  if (const auto seconds = from_environment("STORM_SECONDS")) {
    usual.attacked = std::chrono::milliseconds(static_cast<long>(*seconds * 1000));
    usual.kills = 0;
  }
  if (const auto rate = from_environment("STORM_KILLS_PER_SECOND")) usual.per_second = *rate;
  usual.kills /= static_cast<unsigned>(slowness);
  return usual;
}

std::string outcome::line(const plan& was) const {
  std::ostringstream text;
  text << "storm: seed " << was.seed << ", kills " << kills << ", accepted " << found.accepted << ", lost "
       << found.lost << ", duplicated beyond attempts " << found.beyond << ", reordered " << found.reordered
       << ", torn " << found.torn << ", leaked " << (leaked.empty() ? "0" : leaked) << ", longest stall of a bystander "
       << std::fixed << std::setprecision(1) << milliseconds(attacked_stall) << " ms (undisturbed "
       << milliseconds(undisturbed_stall) << " ms); stops " << stops << ", kills of the spawner " << spawner_kills
       << ", handled " << found.handled << ", again after a death " << found.repeated << ", dead letters "
       << dead_letters << "; supervisor: descriptors " << descriptors << ", mappings " << mappings;
  return text.str();
}

outcome run(const plan& what) {
  forbid_core_dumps();
  return driver(what).run();
}

}  // namespace storm
