#include <sys/mman.h>
#include <sys/wait.h>

#include <thread>

#include "process/common.hpp"

using namespace tests;

namespace {

using bytes = std::vector<std::uint8_t>;
constexpr std::size_t large = 32 * 1024 * 1024;

struct pair_of_ints {
  int a, b;
};

void greet(troupe::pipe_writer<std::string> out) { out.send("hello"); }
void count_to(troupe::pipe_writer<int> out, int last) {
  for (int i = 1; i <= last; ++i) out.send(i);
}
void send_and_hang(troupe::pipe_writer<int> out, int value) {
  out.send(value);
  note("sent");
  for (;;) ::pause();
}
void hang() {
  for (;;) ::pause();
}
void add_one(troupe::pipe_end<int> end) {
  try {
    for (;;) end.send(end.recv() + 1);
  } catch (const troupe::error& e) {
    note(std::string(troupe::name(e.code())));
  }
}
int swap_large(troupe::pipe_end<bytes> end) {
  end.send(bytes(large, 2));
  const bytes got = end.recv();
  return got.size() == large && got.front() == 1 && got.back() == 1 ? 0 : 1;
}
void send_for_ever(troupe::pipe_writer<bytes> out) {
  for (;;) out.send(bytes(1024 * 1024, 1));
}
void expect_closed(troupe::pipe_writer<int> out) {
  try {
    for (;;) out.send(1);
  } catch (const troupe::error& e) {
    note(std::string(troupe::name(e.code())));
  }
}
void pass_on(troupe::pipe_reader<int> in, int last, troupe::pipe_writer<int> out) {
  for (int i = 1; i <= last; ++i) out.send(in.recv());
}

struct Take {
  troupe::pipe_reader<int> end;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(end);
  }
};
struct Give {
  troupe::actor_ref<struct Reads> to;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to);
  }
};
struct Sum {};
struct SendOne {
  int value;
};
struct Reads : troupe::actor {
  void on(Take m) {
    in = std::move(m.end);
    note("taken");
  }
  int on(Sum) {
    int sum = 0;
    try {
      for (;;) sum += in.recv();
    } catch (const troupe::error& e) {
      if (e.code() != troupe::errc::closed) throw;
    }
    return sum;
  }
  using handles = troupe::handles<Take, Sum>;
  troupe::pipe_reader<int> in;
};
struct Writes : troupe::actor {
  void on(Give m) {
    auto [reader, writer] = troupe::pipe<int>();
    m.to.tell(Take{std::move(reader)});
    out = std::move(writer);
  }
  void on(SendOne m) { out.send(m.value); }
  void on(Abort) { ::_exit(1); }
  using handles = troupe::handles<Give, SendOne, Abort>;
  troupe::pipe_writer<int> out;
};
/// Dies with a message that has an end in it, once.
struct Clumsy : troupe::actor {
  explicit Clumsy(troupe::pipe_writer<int> out) : argument(std::move(out)) {}
  void on(Take m) {
    if (self().attempt() == 1) ::_exit(1);
    note(std::string(troupe::name(error_of([&] { return m.end.recv(); }).code())));
    note(std::string(troupe::name(error_of([&] { return argument.send(1), 0; }).code())));
  }
  using handles = troupe::handles<Take>;
  troupe::pipe_writer<int> argument;
};

struct SendsAtOnce : troupe::actor {
  explicit SendsAtOnce(troupe::pipe_writer<int> out) : out(std::move(out)) {}
  void on_start() override { out.send(7); }
  using handles = troupe::handles<>;
  troupe::pipe_writer<int> out;
};

std::size_t descriptors() { return descriptors_of(::getpid()).size(); }

}  // namespace

TEST_CASE("a greeting comes through a pipe") {
  in_program([](troupe::system&) {
    auto [reader, writer] = troupe::pipe<std::string>();
    troupe::process child(greet, std::move(writer));
    EXPECT_EQ(reader.recv(), "hello");
    EXPECT_EQ(error_of([&reader = reader] { return reader.recv(); }).code(), troupe::errc::closed);
  });
}

TEST_CASE("an end that was moved to an actor which is not started is closed") {
  in_program<Clumsy>(quiet(), [](troupe::system& sys) {
    auto [first, first_out] = troupe::pipe<int>();
    sys.spawn<Clumsy>("one", std::move(first_out));
    auto [reader, writer] = troupe::pipe<int>();
    EXPECT_EQ(error_of([&, &writer = writer] { return sys.spawn<Clumsy>("one", std::move(writer)), 0; }).code(),
              troupe::errc::name_taken);
    EXPECT_EQ(error_of([&reader = reader] { return reader.recv(10s); }).code(), troupe::errc::closed);
    EXPECT(!first.recv(10ms));
  });
}

TEST_CASE("a description that holds an end can be used once: from then on the end is elsewhere") {
  in_program<SendsAtOnce>(quiet(), [](troupe::system& sys) {
    auto [reader, writer] = troupe::pipe<int>();
    const auto described =
        troupe::supervisor({.name = "top"}).child<SendsAtOnce>({.name = "one"}, std::move(writer));
    sys.spawn(described);
    EXPECT_EQ(reader.recv(10s).value_or(0), 7);
    EXPECT_EQ(error_of([&] { return sys.spawn(described), 0; }).code(), troupe::errc::not_allowed);
  });
}

TEST_CASE("a description that holds an end can be used again if nothing was started from it") {
  in_program<SendsAtOnce, Reads>(quiet(), [](troupe::system& sys) {
    auto [reader, writer] = troupe::pipe<int>();
    const auto described =
        troupe::supervisor({.name = "top"}).child<SendsAtOnce>({.name = "one"}, std::move(writer));
    const auto other = sys.spawn<Reads>("one");
    EXPECT_EQ(error_of([&] { return sys.spawn(described), 0; }).code(), troupe::errc::name_taken);
    sys.stop(other);
    EXPECT(eventually([&] { return !sys.find<Reads>("one"); }));
    sys.spawn(described);
    EXPECT_EQ(reader.recv(10s).value_or(0), 7);
  });
}

TEST_CASE("an end for an actor that a reload adds reaches it, also if it is described behind a supervisor") {
  in_program<Reads, SendsAtOnce>(quiet(), [](troupe::system& sys) {
    const auto below = troupe::supervisor({.name = "below"}).child<Reads>({.name = "deep"});
    const auto top = sys.spawn(troupe::supervisor({.name = "top"}).child(below));
    auto [reader, writer] = troupe::pipe<int>();
    top.reload(troupe::supervisor({.name = "top"}).child(below).child<SendsAtOnce>({.name = "added"}, std::move(writer)));
    top.restart_child("added");
    EXPECT_EQ(reader.recv(10s).value_or(0), 7);
  });
}

TEST_CASE("values come in order, in one process too, whatever their type") {
  in_program([](troupe::system&) {
    auto [reader, writer] = troupe::pipe<int>();
    troupe::process child(count_to, std::move(writer), 100'000);
    for (int i = 1; i <= 100'000; ++i) EXPECT_EQ(reader.recv(), i);
    auto [first, second] = troupe::duplex_pipe<pair_of_ints>();
    first.send({1, 2});
    second.send({3, 4});
    EXPECT_EQ(second.recv().b, 2);
    EXPECT_EQ(first.recv().a, 3);
    auto [some, other] = troupe::pipe<std::string>();
    other.send("");
    EXPECT_EQ(some.recv(), "");
  });
}

TEST_CASE("recv, try_recv and poll say that nothing has come") {
  in_program([](troupe::system&) {
    auto [reader, writer] = troupe::pipe<int>();
    EXPECT(!reader.recv(20ms));
    EXPECT_EQ(reader.try_recv().error().code(), troupe::errc::empty);
    EXPECT(!reader.poll());
    EXPECT(!reader.poll(20ms));
    writer.send(1);
    EXPECT(reader.poll());
    EXPECT(reader.poll(10s));
    EXPECT_EQ(reader.recv(10s).value_or(0), 1);
    writer.send(2);
    EXPECT_EQ(reader.try_recv().value_or(0), 2);
    writer.close();
    EXPECT(reader.poll());
    EXPECT_EQ(reader.try_recv().error().code(), troupe::errc::closed);
    EXPECT_EQ(error_of([&reader = reader] { return reader.recv(1s); }).code(), troupe::errc::closed);
  });
}

TEST_CASE("the stream ends when its writer is killed, also with processes started in between") {
  in_program([](troupe::system&) {
    auto [reader, writer] = troupe::pipe<int>();
    troupe::process before(hang);
    troupe::process child(send_and_hang, std::move(writer), 5);
    troupe::process after(hang);
    EXPECT_EQ(reader.recv(), 5);
    EXPECT(!reader.poll(50ms));
    child.kill();
    EXPECT_EQ(error_of([&reader = reader] { return reader.recv(5s); }).code(), troupe::errc::closed);
    EXPECT(before.is_alive() && after.is_alive());
    before.kill();
    after.kill();
  });
}

TEST_CASE("half a value is dropped when its writer is killed") {
  in_program([](troupe::system&) {
    for (int i = 0; i < 10; ++i) {
      auto [reader, writer] = troupe::pipe<bytes>();
      troupe::process child(send_for_ever, std::move(writer));
      for (int n = 0; n < i; ++n) EXPECT_EQ(reader.recv().size(), std::size_t{1024 * 1024});
      child.kill();
      child.join();
      troupe::errc last = troupe::errc::empty;
      for (int n = 0; n < 10 && last != troupe::errc::closed; ++n) {
        const auto got = reader.try_recv();
        last = got ? troupe::errc::empty : got.error().code();
      }
      EXPECT_EQ(last, troupe::errc::closed);
    }
  });
}

TEST_CASE("a sender learns that the reader is gone") {
  in_program([](troupe::system&) {
    auto [reader, writer] = troupe::pipe<int>();
    troupe::process child(expect_closed, std::move(writer));
    EXPECT_EQ(reader.recv(), 1);
    reader.close();
    child.join();
    EXPECT(noted("closed"));
    auto [first, second] = troupe::duplex_pipe<int>();
    troupe::process echo(add_one, std::move(second));
    first.send(1);
    EXPECT_EQ(first.recv(), 2);
    first.close();
    echo.join();
  });
}

TEST_CASE("two large sends towards each other do not block each other") {
  in_program([](troupe::system&) {
    auto [ours, theirs] = troupe::duplex_pipe<bytes>();
    troupe::process child(swap_large, std::move(theirs));
    ours.send(bytes(large, 1));
    const bytes got = ours.recv();
    EXPECT_EQ(got.size(), large);
    EXPECT(got.front() == 2 && got.back() == 2);
    child.join();
    EXPECT_EQ(child.exit_code().value_or(-1), 0);
  });
}

TEST_CASE("one thread sends large values while another receives") {
  in_program([](troupe::system&) {
    auto [ours, theirs] = troupe::duplex_pipe<bytes>();
    std::thread other([end = std::move(theirs)]() mutable {
      std::thread receives([&] {
        for (int i = 0; i < 20; ++i) EXPECT_EQ(end.recv().size(), std::size_t{1000000});
      });
      for (int i = 0; i < 20; ++i) end.send(bytes(1000000, 1));
      receives.join();
    });
    std::thread receives([&end = ours] {
      for (int i = 0; i < 20; ++i) EXPECT_EQ(end.recv().size(), std::size_t{1000000});
    });
    for (int i = 0; i < 20; ++i) ours.send(bytes(1000000, 1));
    receives.join();
    other.join();
  });
}

TEST_CASE("a send that a callback's exception cuts off is the last one: its reader gets no half value, and the end") {
  in_program<Recorder>([](troupe::system& sys) {
    auto recorder = sys.spawn<Recorder>("recorder");
    auto [reader, writer] = troupe::pipe<bytes>();
    writer.send(bytes(10, 1));
    recorder.ask(Numbers{}).then([](const auto&) { throw std::runtime_error("as told"); });
    try {
      writer.send(bytes(large, 2));
      EXPECT(false);
    } catch (const std::runtime_error& e) {
      EXPECT_EQ(std::string(e.what()), std::string("as told"));
    }
    EXPECT_EQ(error_of([&, &out = writer] { return out.send(bytes(10, 3)), 0; }).code(), troupe::errc::closed);
    EXPECT_EQ(reader.recv().size(), std::size_t{10});
    EXPECT_EQ(error_of([&, &in = reader] { return in.recv(); }).code(), troupe::errc::closed);
  });
}

TEST_CASE("a callback that runs in a send cannot send on the same end, and disturbs nothing") {
  in_program<Recorder>([](troupe::system& sys) {
    auto recorder = sys.spawn<Recorder>("recorder");
    auto [reader, writer] = troupe::pipe<bytes>();
    bytes got;
    std::thread reads;
    recorder.ask(Numbers{}).then([&, &in = reader, &out = writer](const auto&) {
      note(std::string(troupe::name(error_of([&] { return out.send(bytes(10, 1)), 0; }).code())));
      reads = std::thread([&] { got = in.recv(); });
    });
    writer.send(bytes(large, 2));
    reads.join();
    EXPECT_EQ(notes(), std::vector<std::string>{"deadlock"});
    EXPECT(got == bytes(large, 2));
    EXPECT(!reader.poll(0ms));
  });
}

TEST_CASE("an end that has been passed cannot be used or passed again") {
  in_program<Reads>([](troupe::system& sys) {
    auto reads = sys.spawn<Reads>("reads");
    auto [reader, writer] = troupe::pipe<int>();
    const Take message{std::move(reader)};
    reads.tell(message);
    const auto again = error_of([&] { return reads.tell(message), 0; });
    EXPECT_EQ(again.code(), troupe::errc::not_allowed);
    EXPECT(again.text().find("passed to another process") != std::string::npos);
    EXPECT_EQ(error_of([&] { return const_cast<Take&>(message).end.recv(); }).code(), troupe::errc::not_allowed);
    writer.send(4);
    writer.close();
    EXPECT_EQ(reads.ask(Sum{}).get(), 4);
    EXPECT_EQ(error_of([&writer = writer] { return writer.send(1), 0; }).code(), troupe::errc::not_allowed);
  });
}

TEST_CASE("an end whose message could not be sent is still there") {
  in_program<Reads>([](troupe::system& sys) {
    auto reads = sys.spawn<Reads>("reads");
    sys.stop(reads);
    auto [reader, writer] = troupe::pipe<int>();
    Take message{std::move(reader)};
    EXPECT_EQ(error_of([&] { return reads.tell(message), 0; }).code(), troupe::errc::closed);
    writer.send(1);
    EXPECT_EQ(message.end.recv(), 1);
  });
}

TEST_CASE("what an end has read ahead goes with it") {
  in_program([](troupe::system&) {
    auto [reader, writer] = troupe::pipe<int>();
    for (int i = 0; i <= 1000; ++i) writer.send(i);
    EXPECT_EQ(reader.recv(), 0);
    auto [results, out] = troupe::pipe<int>();
    troupe::process child(pass_on, std::move(reader), 1001, std::move(out));
    writer.send(1001);
    for (int i = 1; i <= 1001; ++i) EXPECT_EQ(results.recv(), i);
  });
}

TEST_CASE("an end travels between two workers, and the stream ends with the one that has it") {
  in_program<Reads, Writes>([](troupe::system& sys) {
    auto reads = sys.spawn<Reads>("reads");
    auto writes = sys.spawn<Writes>("writes");
    writes.tell(Give{reads});
    for (const int value : {1, 2, 3}) writes.tell(SendOne{value});
    EXPECT(eventually([] { return noted("taken"); }));
    auto sum = reads.ask(Sum{}, 20s);
    writes.tell(Abort{});
    EXPECT_EQ(sum.get(), 6);
  });
}

TEST_CASE("an end is closed that went down with the worker that had it, in a message or as an argument") {
  in_program<Clumsy>(quiet(5), [](troupe::system& sys) {
    auto [from_argument, argument] = troupe::pipe<int>();
    auto clumsy = sys.spawn<Clumsy>("clumsy", std::move(argument));
    auto [reader, writer] = troupe::pipe<int>();
    clumsy.tell(Take{std::move(reader)});
    EXPECT(eventually([] { return notes().size() == 2; }));
    EXPECT(notes() == std::vector<std::string>(2, "closed"));
    EXPECT_EQ(error_of([&from_argument = from_argument] { return from_argument.recv(5s); }).code(),
              troupe::errc::closed);
    EXPECT_EQ(error_of([&writer = writer] { return writer.send(1), 0; }).code(), troupe::errc::closed);
  });
}

TEST_CASE("an end is closed whose message was never taken out of the mailbox") {
  in_program<Reads>([](troupe::system& sys) {
    const troupe::child_spec spec{.name = "reads", .shutdown = troupe::shutdown::within(50ms)};
    auto reads = sys.spawn<Reads>(spec);
    auto [reader, writer] = troupe::pipe<int>();
    sys.send_signal(reads, SIGSTOP);
    reads.tell(Take{std::move(reader)});
    writer.send(1);
    sys.stop(reads);
    EXPECT(eventually([&writer = writer] {
      try {
        writer.send(1);
        return false;
      } catch (const troupe::error& e) {
        return e.code() == troupe::errc::closed;
      }
    }));
  });
}

TEST_CASE("an end travels in messages only") {
  in_program([](troupe::system&) {
    auto [reader, writer] = troupe::pipe<troupe::pipe_reader<int>>();
    auto [passed, kept] = troupe::pipe<int>();
    const auto pass = [&to = writer, &what = passed] { return to.send(what), 0; };
    EXPECT_EQ(error_of(pass).code(), troupe::errc::not_allowed);
    kept.send(1);
    EXPECT_EQ(passed.recv(), 1);
  });
}

TEST_CASE("pipes leave no descriptor behind") {
  in_program<Reads>([](troupe::system& sys) {
    auto reads = sys.spawn<Reads>("reads");
    const pid_t worker = children_of(::getpid(), "reads").at(0);
    const auto round = [&] {
      auto [reader, writer] = troupe::pipe<std::string>();
      troupe::process child(greet, std::move(writer));
      EXPECT_EQ(reader.recv(), "hello");
      auto [in, out] = troupe::pipe<int>();
      reads.tell(Take{std::move(in)});
      out.send(2);
      out.close();
      EXPECT_EQ(reads.ask(Sum{}).get(), 2);
    };
    round();
    const std::size_t here = descriptors(), there = descriptors_of(worker).size();
    for (int i = 0; i < 100; ++i) round();
    EXPECT(eventually([&] { return descriptors() <= here && descriptors_of(worker).size() <= there; }));
  });
}
