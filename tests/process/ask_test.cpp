#include <poll.h>

#include <atomic>
#include <thread>

#include "process/common.hpp"

using namespace tests;

namespace {

struct Bytes {
  std::uint64_t count;
};
struct Square {
  int value;
};
struct Later {
  int value;
};
struct Forget {};
struct ForgetAndThrow {
  static constexpr auto delivery = troupe::redeliver{2};
};
struct Slow {
  static constexpr auto delivery = troupe::redeliver{3};
};
struct ForgetAll {};
struct Flush {};
struct Divide {
  double by, what;
};
struct Sit {};
struct AskSelf {};
using squares = troupe::handles<int(Square), Number>;
struct Ask {
  troupe::ref<squares> whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};

struct Server : troupe::actor {
  std::string on(Bytes m) { return std::string(m.count, 'x'); }
  int on(Square m) { return m.value * m.value; }
  troupe::deferred<int> on(Later m) {
    waiting.emplace_back(self().defer<int>(), m.value);
    return waiting.back().first;
  }
  troupe::deferred<int> on(Forget) { return self().defer<int>(); }
  troupe::deferred<int> on(ForgetAndThrow) {
    auto answer = self().defer<int>();
    if (self().attempt() == 1) throw std::runtime_error("as told");
    answer.reply(2);
    return answer;
  }
  int on(Slow) {
    add(10);
    if (self().attempt() > 1) return 1;
    EXPECT(eventually([] { return total(11) == 1; }));
    std::abort();
  }
  int on(ForgetAll) {
    const int count = static_cast<int>(waiting.size());
    waiting.clear();
    return count;
  }
  int on(Flush) {
    const int count = static_cast<int>(waiting.size());
    for (auto i = waiting.rbegin(); i != waiting.rend(); ++i) {
      i->second < 0 ? i->first.fail("below zero") : i->first.reply(i->second);
      i->first.reply(-1);  // a second answer counts for nothing
    }
    waiting.clear();
    return count;
  }
  troupe::result<double> on(Divide m) {
    if (m.by == 0) return troupe::fail("division by zero");
    return m.what / m.by;
  }
  void on(Sit) { ::pause(); }
  std::string on(AskSelf) {
    return std::string(troupe::name(error_of([&] { return self().ref<Server>().ask(Square{1}).get(); }).code()));
  }
  int on(const Ask& m) { return m.whom.ask(Square{7}).get(); }
  void on(Number m) { told = m.value; }
  int on(Numbers) { return told; }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Bytes, Square, Later, Forget, ForgetAndThrow, Slow, ForgetAll, Flush, Divide, Sit, AskSelf, Ask, Number, Numbers, Pid>;
  std::vector<std::pair<troupe::deferred<int>, int>> waiting;
  int told = 0;
};

TEST_CASE("replies that fill the outbox follow each other if each has been read before the next is asked for") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>({.name = "server", .outbox_bytes = 4 << 20});
    for (int i = 0; i < 4; ++i) EXPECT_EQ(server.ask(Bytes{40 << 20}).get().size(), std::size_t{40 << 20});
  });
}

TEST_CASE("what another thread asks with then is called back in the thread that waits, with its answer or its timeout") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    EXPECT_EQ(server.ask(Square{2}).get(), 4);
    for (int i = 0; i < 20; ++i) {
      std::atomic<int> got = 0;
      const auto back = [&](const troupe::expected<int>& answer) {
        got = answer ? *answer : answer.error().code() == troupe::errc::timeout ? 1 : 2;
      };
      std::thread asker([&] {
        ::poll(nullptr, 0, 5);  // main sleeps by then
        i % 2 == 0 ? server.ask(Square{3}).then(back) : server.ask(Later{1}, 20ms).then(back);
      });
      while (got == 0) EXPECT(sys.poll(10s));
      asker.join();
      EXPECT_EQ(got.load(), i % 2 == 0 ? 9 : 1);
    }
  });
}

TEST_CASE("a reply of any size comes back whole") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    for (const std::uint64_t size : {0UL, 1UL, 4000UL, 4060UL, 4096UL, 5000UL, 1UL << 20, 8UL << 20}) {
      for (int i = 0; i < 3; ++i) EXPECT_EQ(server.ask(Bytes{size}).get(), std::string(size, 'x'));
    }
  });
}

TEST_CASE("large replies that are taken in late all arrive") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    std::vector<troupe::asking<std::string>> asked;
    for (int i = 0; i < 40; ++i) asked.push_back(server.ask(Bytes{1UL << 20}));
    for (auto& each : asked) EXPECT_EQ(each.get().size(), std::size_t{1} << 20);
  });
}

TEST_CASE("a thousand asks are under way at once, and each gets its own answer") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    int answered = 0, right = 0;
    for (int i = 0; i < 1000; ++i) {
      server.ask(Square{i}).then([&, i](const troupe::expected<int>& got) {
        ++answered;
        if (got && *got == i * i) ++right;
      });
    }
    EXPECT(eventually([&] { return answered == 1000; }));
    EXPECT_EQ(right, 1000);
  });
}

TEST_CASE("an answer that is not taken disturbs nobody") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    for (int i = 0; i < 3000; ++i) static_cast<void>(server.ask(Square{i}));
    EXPECT_EQ(server.ask(Square{3}).get(), 9);
  });
}

TEST_CASE("deferred replies reach their askers in any order, and only the first counts") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    auto one = server.ask(Later{1});
    auto two = server.ask(Later{2});
    auto bad = server.ask(Later{-1});
    EXPECT_EQ(server.ask(Square{5}).get(), 25);
    EXPECT_EQ(server.ask(Flush{}).get(), 3);
    EXPECT_EQ(two.get(), 2);
    EXPECT_EQ(one.get(), 1);
    const auto failed = error_of([&] { return bad.get(); });
    EXPECT_EQ(failed.code(), troupe::errc::failed);
    EXPECT_EQ(failed.text(), std::string("below zero"));
  });
}

TEST_CASE("an answer that was deferred and is dropped fails at once, and one that was given stays given") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    const auto failed = error_of([&] { return server.ask(Forget{}, 600s).get(); });
    EXPECT_EQ(failed.code(), troupe::errc::failed);
    EXPECT_EQ(failed.text(), std::string("server has deferred the answer and dropped it"));
    auto kept = server.ask(Later{1}, 600s);
    EXPECT_EQ(server.ask(ForgetAll{}).get(), 1);
    EXPECT_EQ(error_of([&] { return kept.get(); }).code(), troupe::errc::failed);
    auto answered = server.ask(Later{2}, 600s);
    EXPECT_EQ(server.ask(Flush{}).get(), 1);
    EXPECT_EQ(answered.get(), 2);
  });
}

TEST_CASE("an answer whose handler throws has not been dropped: the next attempt gives it") {
  in_program<Server>(quiet(10), [](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    EXPECT_EQ(server.ask(ForgetAndThrow{}, 60s).get(), 2);
  });
}

TEST_CASE("a request that is to be redelivered is handled again although its deadline has passed since it was begun") {
  in_program<Server>(quiet(10), [](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    auto answer = server.ask(Slow{}, 1s);
    EXPECT(eventually([] { return total(10) == 1; }));
    EXPECT_EQ(error_of([&] { return answer.get(); }).code(), troupe::errc::timeout);
    set(11, 1);
    EXPECT(eventually([] { return total(10) == 2; }));
  });
}

TEST_CASE("an answer that is owed when its actor ends is no failed answer") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>({.name = "server", .restart = troupe::restart::temporary});
    auto owed = server.ask(Later{1}, 600s);
    EXPECT_EQ(server.ask(Square{1}).get(), 1);
    sys.stop(server);
    EXPECT(error_of([&] { return owed.get(); }).code() != troupe::errc::failed);
  });
}

TEST_CASE("fail answers with an error, and the actor lives on") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    const pid_t pid = pid_of(server);
    EXPECT_EQ(server.ask(Divide{2, 6}).get(), 3.0);
    const auto failed = error_of([&] { return server.ask(Divide{0, 6}).get(); });
    EXPECT_EQ(failed.code(), troupe::errc::failed);
    EXPECT_EQ(failed.text(), std::string("division by zero"));
    EXPECT_EQ(pid_of(server), pid);
  });
}

TEST_CASE("an ask ends at its deadline, whoever waits for it and however") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    freeze(sys, server);
    const auto late = error_of([&] { return server.ask(Square{1}, 100ms).get(); });
    EXPECT_EQ(late.code(), troupe::errc::timeout);
    EXPECT(late.text().find("server") != std::string::npos);
    std::optional<troupe::errc> code;
    server.ask(Square{1}, 100ms).then([&](const troupe::expected<int>& got) {
      if (!got) code = got.error().code();
    });
    EXPECT(eventually([&] { return code.has_value(); }));
    EXPECT_EQ(*code, troupe::errc::timeout);
    sys.send_signal(server, SIGCONT);
    EXPECT_EQ(server.ask(Square{2}).get(), 4);
  });
}

TEST_CASE("a request whose deadline has passed is not handled any more") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    freeze(sys, server);
    EXPECT_EQ(error_of([&] { server.ask(Number{5}, 50ms).get(); }).code(), troupe::errc::timeout);
    sys.send_signal(server, SIGCONT);
    EXPECT_EQ(server.ask(Numbers{}).get(), 0);
  });
}

struct Spin {};
/// Has always one more message for itself, until it has been answered.
struct Busy : troupe::actor {
  explicit Busy(troupe::actor_ref<Server> whom) : to(whom) {}
  void on(Numbers) {
    to.ask(Later{9}, 60s).then([this](const troupe::expected<int>& got) { answer = got.value_or(-1); });
    on(Spin{});
  }
  void on(Spin) {
    add(12);
    if (answer == 0) return self().ref<Busy>().tell(Spin{});
    note("got " + std::to_string(answer));
  }
  using handles = troupe::handles<Numbers, Spin>;
  troupe::actor_ref<Server> to;
  int answer = 0;
};

TEST_CASE("an actor that always has messages hears its answers all the same") {
  in_program<Server, Busy>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    sys.spawn<Busy>("busy", server).tell(Numbers{});
    EXPECT(eventually([] { return total(12) > 5000; }));
    EXPECT_EQ(server.ask(Flush{}).get(), 1);
    EXPECT(eventually([] { return noted("got 9"); }));
  });
}

TEST_CASE("who asks for the first time while its callee is down is answered by the next process") {
  in_program<Server>(quiet(10), [](troupe::system& sys) {
    auto server = sys.spawn<Server>({.name = "server", .backoff = {.first = 100ms, .jitter = 0}});
    server.tell(Number{4});
    EXPECT(eventually([&] { return state_of(children_of(::getpid(), "server").at(0)) == 'S'; }));
    crash(sys, server);
    EXPECT_EQ(server.ask(Square{3}, 20s).get(), 9);
  });
}

TEST_CASE("a request that is to be redelivered is not begun after its deadline") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    freeze(sys, server);
    EXPECT_EQ(error_of([&] { server.ask(Slow{}, 50ms).get(); }).code(), troupe::errc::timeout);
    sys.send_signal(server, SIGCONT);
    EXPECT_EQ(server.ask(Square{3}).get(), 9);
    EXPECT_EQ(total(10), 0UL);
  });
}

TEST_CASE("who asks himself and waits gets an error at once") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    EXPECT_EQ(server.ask(AskSelf{}).get(), std::string("deadlock"));
  });
}

TEST_CASE("an ask of an actor by its interface, from main and from another actor") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    auto other = sys.spawn<Server>("other");
    const troupe::ref<squares> plain = server;
    EXPECT_EQ(plain.ask(Square{9}).get(), 81);
    plain.tell(Number{4});
    EXPECT_EQ(server.ask(Numbers{}).get(), 4);
    EXPECT_EQ(other.ask(Ask{server}).get(), 49);
  });
}

TEST_CASE("a ref that names nobody says so") {
  in_program<Server>([](troupe::system& sys) {
    const troupe::actor_ref<Server> nobody;
    EXPECT(!nobody);
    EXPECT_EQ(error_of([&] { return nobody.ask(Square{1}).get(); }).code(), troupe::errc::not_found);
    EXPECT_EQ(error_of([&] { nobody.tell(Number{1}); }).code(), troupe::errc::not_found);
    EXPECT_EQ(nobody.try_tell(Number{1}).error().code(), troupe::errc::not_found);
    EXPECT(!sys.find<Server>("nobody"));
  });
}

TEST_CASE("callbacks of main run in poll, on the calling thread") {
  in_program<Server>([](troupe::system& sys) {
    auto server = sys.spawn<Server>("server");
    const pid_t here = ::gettid();
    pid_t there = 0;
    server.ask(Square{3}).then([&](const troupe::expected<int>&) { there = ::gettid(); });
    EXPECT(sys.poll(5s));
    EXPECT_EQ(there, here);
    EXPECT(!sys.poll());
  });
}

}  // namespace
