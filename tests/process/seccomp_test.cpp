// A machine that refuses system calls, as containers and old kernels do: Troupe takes another way, or says what it
// lacks.

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

#include "process/common.hpp"
#include "support/refuse.hpp"

using namespace tests;

namespace {

struct Health {};
struct LeaveOrphan {};

/// What a worker that was made in a strange way may lack.
std::string health() {
  pthread_mutexattr_t kind;
  ::pthread_mutexattr_init(&kind);
  ::pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_t mutex;
  ::pthread_mutex_init(&mutex, &kind);
  ::pthread_mutex_lock(&mutex);
  const bool known_by_libc = mutex.__data.__owner == ::gettid();
  ::pthread_mutex_unlock(&mutex);
  if (!known_by_libc) return "libc takes it for another thread";
  struct sigaction now {};
  ::sigaction(SIGUSR1, nullptr, &now);
  if (now.sa_handler == SIG_IGN) return "it ignores a signal that main does not ignore";
  if (now.sa_handler != SIG_DFL) return "it has a signal handler of main's";
  sigset_t blocked;
  ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
  for (int number = 1; number < NSIG; ++number) {
    if (::sigismember(&blocked, number) == 1) return "it blocks signal " + std::to_string(number);
  }
  if (std::system("true") != 0) return "system() fails in it";
  void* list = nullptr;
  std::size_t size = 0;
  ::syscall(SYS_get_robust_list, 0, &list, &size);
  if (list == nullptr) return "it has no list of robust mutexes";
  for (const auto& each : descriptors_of(::getpid())) {
    if (each == "of-main" || each == "[pidfd]" || each == "[signalfd]")
      return "it holds a descriptor of main's: " + each;
  }
  return "fine";
}

struct Worker : troupe::actor {
  std::string on(Health) { return health(); }
  int on(Pid) { return ::getpid(); }
  void on(Abort) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    std::abort();
  }
  int on(LeaveOrphan) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t between = ::fork();
    if (between == 0) {
      const pid_t orphan = ::fork();
      if (orphan == 0) ::pause();
      ::_exit(::write(ends[1], &orphan, sizeof orphan) == sizeof orphan ? 0 : 1);
    }
    pid_t orphan = 0;
    EXPECT_EQ(::read(ends[0], &orphan, sizeof orphan), static_cast<ssize_t>(sizeof orphan));
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(between), &info, WEXITED);
    return orphan;
  }
  using handles = troupe::handles<Health, Pid, Abort, LeaveOrphan>;
};

/// The signal that its parent gets when this process ends, as in /proc.
int exit_signal_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string field;
  for (int number = 3; number <= 38; ++number) fields >> field;
  return std::atoi(field.c_str());
}

std::vector<pid_t> spawners() { return children_of(::getpid(), "troupe-spawner"); }

/// One has been made in place of the dead one, and the supervisor knows of it: it has heard what was said before.
void expect_two_spawners(troupe::system& sys, pid_t dead) {
  EXPECT(eventually([&] {
    const auto all = spawners();
    return state_of(dead) == 0 && all.size() == 2 && state_of(all[0]) == 'S' && state_of(all[1]) == 'S';
  }));
  for (int i = 0; i < 2; ++i) static_cast<void>(sys.find<Worker>("nobody"));
}

struct machine {
  std::string what;
  std::vector<call> refuses;
  bool orphans = false;  // workers come to be children of the program as orphans
};

/// A program that comes into the world with main's signal handlers and descriptors, of which no worker may have any.
std::unique_ptr<program> start_on(const machine& where, int error, const std::function<void(troupe::system&)>& body) {
  return std::make_unique<program>([where, error, body] {
    refuse(where.refuses, error);
    for (const call each : where.refuses) EXPECT_EQ(error_of_call(each), error);
    ::signal(SIGUSR1, [](int) { note("main's handler has run"); });
    EXPECT(::memfd_create("of-main", 0) > 2);
    return troupe::run<Worker>(0, nullptr, logged(1000), [&](troupe::system& sys) {
      return detail::run_body(
          [&](troupe::system& its) {
            body(its);
            return 0;
          },
          sys);
    });
  });
}

void lead_a_whole_life(troupe::system& sys, bool orphans) {
  auto one = sys.spawn<Worker>("one");
  const auto as_it_should_be = [&] {
    EXPECT_EQ(one.ask(Health{}).get(), std::string("fine"));
    EXPECT_EQ(exit_signal_of(pid_of(one)), orphans ? SIGCHLD : 0);
  };
  as_it_should_be();
  const pid_t first = pid_of(one);
  const auto aborted = error_of([&] { one.ask(Abort{}).get(); });
  EXPECT_EQ(aborted.code(), troupe::errc::outcome_unknown);
  EXPECT(aborted.text().find("SIGABRT") != std::string::npos);  // so its exit status is known
  EXPECT(pid_of(one) != first);
  crash(sys, one);
  as_it_should_be();
  ::kill(pid_of(one), SIGUSR1);
  EXPECT(eventually([&] { return sys.count().deaths == 3; }));
  troupe::process function([](int code) { return code; }, 7);
  function.join();
  EXPECT_EQ(*function.exit_code(), 7);
  const pid_t last = pid_of(one);
  sys.stop(one);
  EXPECT(eventually([&] { return state_of(last) == 0; }));
  EXPECT_EQ(total(63), 0UL);
  EXPECT(!noted("main's handler has run"));
}

const std::vector<machine> machines = {
    {"nothing", {}},
    {"clone3", {call::clone3_of_troupe}},
    {"clone3 and clone with CLONE_PARENT", {call::clone3_of_troupe, call::clone_of_siblings}, true},
    {"PR_GET_TID_ADDRESS", {call::thread_id_address}, true},
    {"close_range", {call::close_range}},
    {"epoll_pwait2", {call::epoll_pwait2}},
    {"all of these",
     {call::clone3_of_troupe, call::clone_of_siblings, call::thread_id_address, call::close_range, call::epoll_pwait2},
     true},
};

TEST_CASE("workers start, crash, are replaced and stop on a machine that refuses system calls") {
  for (const auto& each : machines) {
    for (const int error : {ENOSYS, EPERM}) {
      CAPTURE(each.what);
      CAPTURE(error);
      const auto ended =
          start_on(each, error, [&](troupe::system& sys) { lead_a_whole_life(sys, each.orphans); })->wait();
      CHECK_EQ(ended.exit_code, 0);
      CHECK_EQ(ended.log.find("workers are forked twice") != std::string::npos, each.orphans);
    }
  }
}

TEST_CASE("a spawner that dies is replaced, on a machine that refuses system calls, and no zombie is left") {
  for (const auto& each : machines) {
    CAPTURE(each.what);
    const auto ended = start_on(each, ENOSYS, [](troupe::system& sys) {
                         for (std::size_t round = 0; round < 6; ++round) {
                           EXPECT(eventually([] { return spawners().size() == 2; }));
                           ::kill(spawners().at(round % 2), SIGKILL);
                           auto one = sys.spawn<Worker>("one");
                           EXPECT_EQ(one.ask(Health{}).get(), std::string("fine"));
                           crash(sys, one);
                           EXPECT_EQ(one.ask(Health{}).get(), std::string("fine"));
                           sys.stop(one);
                         }
                         EXPECT(eventually([] { return zombies_of(::getpid()).empty(); }));
                       })->wait();
    CHECK_EQ(ended.exit_code, 0);
  }
}

TEST_CASE("a program that adopts its workers leaves alone what a worker leaves behind, and its own children") {
  const machine where = machines.at(2);
  const auto ended = start_on(where, EPERM, [](troupe::system& sys) {
                       auto one = sys.spawn<Worker>("one");
                       const pid_t own = ::fork();
                       if (own == 0) ::_exit(5);
                       const pid_t orphan = one.ask(LeaveOrphan{}).get();
                       EXPECT(state_of(orphan) != 0);
                       for (const pid_t each : children_of(::getpid())) EXPECT(each != orphan);
                       ::kill(orphan, SIGKILL);
                       for (const pid_t each : spawners()) {
                         ::kill(each, SIGKILL);
                         expect_two_spawners(sys, each);
                       }
                       EXPECT(always([] { return true; }, 1500ms));  // strays are looked for meanwhile
                       siginfo_t info{};
                       EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(own), &info, WEXITED), 0);
                       EXPECT_EQ(info.si_status, 5);
                     })->wait();
  CHECK_EQ(ended.exit_code, 0);
}

TEST_CASE("a machine that makes no further process: each spawn is a typed error, and run comes to its end") {
  program poor([] {
    refuse({call::clone3_of_troupe}, ENOSYS);
    refuse({call::clone_of_siblings}, EAGAIN);
    return troupe::run<Worker>(0, nullptr, quiet(), [](troupe::system& sys) {
      return detail::run_body(
          [](troupe::system& its) {
            for (int i = 0; i < 3; ++i) {
              const auto refused = error_of([&] { return its.spawn<Worker>("one"); });
              EXPECT_EQ(refused.code(), troupe::errc::spawn_failed);
              EXPECT(refused.text().find("no process can be made for one") != std::string::npos);
            }
            return 0;
          },
          sys);
    });
  });
  CHECK_EQ(poor.wait().exit_code, 0);
}

TEST_CASE("a machine that lacks what Troupe cannot do without: run says so, and leaves nothing behind") {
  struct lack {
    call what;
    int error;
    std::string says;
  };
  for (const auto& each :
       {lack{call::pidfd_open, ENOSYS, "pidfd_open"}, lack{call::pidfd_open, EPERM, "pidfd_open"},
        lack{call::seal, EPERM, "seal shared memory"}, lack{call::seal, EINVAL, "seal shared memory"},
        lack{call::clone3, EPERM, "start a thread"}}) {
    CAPTURE(each.says);
    CAPTURE(each.error);
    program refused([each] {
      refuse({each.what}, each.error);
      const auto error = error_of([] { return troupe::run<Worker>(0, nullptr, [](troupe::system&) {}); });
      EXPECT(std::string(error.what()).find(each.says) != std::string::npos);
      EXPECT(std::string(error.what()).find("container") != std::string::npos);
      return 0;
    });
    CHECK_EQ(refused.wait().exit_code, 0);
  }
}

}  // namespace
