// What many children cost, and what is left of those that have ended: cases 39, 75, 77, 88. Processes cost more than
// Erlang's, so there are fewer of them than in the OTP suite. Limits of time are ratios, as they are there.

#include <algorithm>
#include <ctime>
#include <fstream>

#include "conformance/common.hpp"

using namespace tests;
using troupe::restart;
using troupe::strategy;

namespace {

/// Private memory of this process in KiB.
long private_memory() {
  std::ifstream file("/proc/self/smaps_rollup");
  long sum = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Private_Dirty:")) sum += std::atol(line.c_str() + 14);
  }
  EXPECT(sum > 0);
  return sum;
}

std::string large(std::size_t bytes) { return std::string(bytes, 'l'); }

/// Of processor time of this process, all its threads: what the supervision costs, whatever else the machine does.
double seconds(const std::function<void()>& what) {
  const std::clock_t begun = std::clock();
  what();
  return static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
}

/// Descriptors of this process for arguments of children.
std::size_t arguments_kept() {
  const auto all = descriptors_of(::getpid());
  return std::size_t(
      std::ranges::count_if(all, [](const auto& each) { return each.find("troupe-args") != each.npos; }));
}

/// Says what it was made with.
struct Saying {};
struct Parrot : troupe::actor {
  explicit Parrot(std::string says) : says(std::move(says)) {}
  std::string on(Saying) { return says; }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Saying, Pid>;
  std::string says;
};

}  // namespace

TEST_CASE(
    "simple_one_for_one_corruption: after the death of one temporary child what the others leave is still forgotten") {
  in_program<Extra>(quiet(), [](troupe::system& sys) {
    const auto top =
        sys.spawn(sup(strategy::simple_one_for_one).each<Extra, int, std::string>(spec("child", restart::temporary)));
    const auto round = [&] {
      for (int i = 0; i < 8; ++i) top.start<Extra>(int{i}, large(1 << 20));
      sys.send_signal(*sys.find<Extra>(top.which_children().front().name), SIGKILL);
      EXPECT(eventually([&] { return counts(top) == numbers({1, 7, 0, 7}); }));
      for (const auto& each : top.which_children()) sys.send_signal(*sys.find<Extra>(each.name), SIGKILL);
      EXPECT(eventually([&] { return counts(top) == numbers({1, 0, 0, 0}); }));
    };
    round();
    const auto descriptors = descriptors_of(::getpid());
    const auto mappings = mappings_of(::getpid());
    for (int i = 0; i < 3; ++i) round();
    EXPECT(eventually([&] { return descriptors_of(::getpid()) == descriptors; }));
    EXPECT_EQ(mappings_of(::getpid()), mappings);
  });
}

// OTP compares the memory of supervisors. Here arguments lie in memory of their own, one descriptor for each child.
TEST_CASE(
    "do_not_save_start_parameters_for_temporary_children: nothing of a temporary child is left when it has ended") {
  for (const auto how :
       {strategy::one_for_all, strategy::one_for_one, strategy::rest_for_one, strategy::simple_one_for_one}) {
    in_program<Extra>(quiet(), [&](troupe::system& sys) {
      const bool simple = how == strategy::simple_one_for_one;
      auto described = sup(how);
      if (simple) described.each<Extra, int, std::string>(spec("child", restart::temporary));
      const auto top = sys.spawn(described);
      const auto round = [&] {
        for (int i = 0; i < 20; ++i) {
          simple ? top.start<Extra>(int{i}, large(100'000))
                 : top.start_child<Extra>(spec("child" + std::to_string(i), restart::temporary), i, large(100'000));
        }
        for (const auto& each : top.which_children()) ::kill(each.pid, SIGKILL);
        EXPECT(eventually([&] { return top.count_children().workers == 0; }));
      };
      round();
      const auto descriptors = descriptors_of(::getpid());
      const auto mappings = mappings_of(::getpid());
      const long memory = private_memory();
      for (int i = 0; i < 4; ++i) round();
      EXPECT(eventually([&] { return descriptors_of(::getpid()) == descriptors; }));
      EXPECT_EQ(mappings_of(::getpid()), mappings);
      // KiB: what the arguments of four rounds take. A sanitizer keeps what has been freed.
      if (slowness == 1) EXPECT(private_memory() < memory + 4 * 20 * 100);
    });
  }
}

TEST_CASE("the arguments of a temporary child are dropped as soon as it is up; those of others are kept") {
  in_program<Extra>(quiet(), [](troupe::system& sys) {
    const auto many =
        sys.spawn(sup(strategy::simple_one_for_one).each<Extra, int, std::string>(spec("child", restart::temporary)));
    EXPECT_EQ(arguments_kept(), 0UL);
    for (int i = 0; i < 20; ++i) many.start<Extra>(int{i}, large(1 << 20));
    EXPECT(eventually([] { return arguments_kept() == 0; }));
    EXPECT_EQ(counts(many), numbers({1, 20, 0, 20}));
    sys.spawn<Extra>(spec("stays"), 1, "arguments");
    EXPECT_EQ(arguments_kept(), 1UL);
  });
}

TEST_CASE("a temporary child that a reload has made permanent is restarted with the arguments of the new description") {
  in_program<Parrot>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_one));
    const auto parrot = top.start_child<Parrot>(spec("parrot", restart::temporary), "old");
    EXPECT(eventually([] { return arguments_kept() == 0; }));
    top.reload(sup(strategy::one_for_one).child<Parrot>(spec("parrot"), "new"));
    EXPECT_EQ(parrot.ask(Saying{}).get(), "old");
    crash(sys, parrot);
    EXPECT_EQ(parrot.ask(Saying{}).get(), "new");
  });
}

TEST_CASE(
    "simple_one_for_one_scale_many_temporary_children: to stop a thousand takes no more than 50 times what a hundred "
    "take" *
    doctest::test_suite("serial")) {
  in_program<Extra>(
      quiet(),
      [](troupe::system& sys) {
        const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Extra>(spec("child", restart::temporary)));
        const auto time_to_stop = [&](int many) {
          std::vector<troupe::actor_ref<Extra>> all;
          for (int i = 0; i < many; ++i) all.push_back(top.start<Extra>());
          EXPECT_EQ(counts(top), numbers({1, many, 0, many}));
          return seconds([&] {
            for (const auto& each : all) top.terminate_child(each);
          });
        };
        const double before = time_to_stop(100);
        const double many = time_to_stop(1000);
        const double few = std::max(before, time_to_stop(100));  // the machine may have been less busy for one of them
        EXPECT_EQ(counts(top), numbers({1, 0, 0, 0}));
        EXPECT(many <= 50 * few);
      },
      110s);
}

TEST_CASE("scale_start_stop_many_children: ten times as many children take about ten times as long, at most 50" *
          doctest::test_suite("serial")) {
  in_program<Extra>(
      quiet(),
      [](troupe::system& sys) {
        struct times {
          double start, end;
        };
        const auto measure = [&](int many) {
          const auto top = sys.spawn(sup());
          times its{};
          its.start = seconds([&] {
            for (int i = 0; i < many; ++i) top.start_child<Extra>(spec("child" + std::to_string(i)));
          });
          EXPECT_EQ(counts(top), numbers({many, many, 0, many}));
          its.end = seconds([&] { sys.stop(top); });
          EXPECT_EQ(sys.count().workers, 0U);
          return its;
        };
        const times before = measure(40), many = measure(400), after = measure(40);
        EXPECT(many.start <= 50 * std::max(before.start, after.start));
        EXPECT(many.end <= 50 * std::max(before.end, after.end));
      },
      110s);
}
