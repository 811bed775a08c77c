// Actors that call supervisors, and those that have children of their own.

#include "conformance/common.hpp"

using namespace tests;
using troupe::errc;
using troupe::restart;
using troupe::strategy;

namespace {

struct Children {};
struct AddTo {
  troupe::supervisor_ref where;
  std::string name;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(where, name);
  }
};
struct Walk {
  troupe::supervisor_ref where;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(where);
  }
};
struct StopMe {
  static constexpr auto delivery = troupe::drop{};
};
struct Own {};

/// Has two children, and says what it sees of them. With a slot of its own it is started as a Kid.
struct Parent : troupe::actor {
  explicit Parent(std::string below = "below") : below_(std::move(below)) {}
  void on_start() override {
    note("start " + self().name());
    self().spawn<Kid>(below_ + "1", 1);
    self().spawn<Kid>(spec(below_ + "2", restart::transient), 2);
  }
  std::vector<std::string> on(Children) { return children(self().children()); }
  troupe::supervisor_ref on(Own) { return self().children(); }
  void on(End m) {
    end_as(m.how);
    stop();
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Children, Own, End, Pid>;

 private:
  std::string below_;
};

struct Grandparent : troupe::actor {
  void on_start() override { self().spawn<Parent>("parent"); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

/// Does what an actor can do with a supervisor that it was told of.
struct Manager : troupe::actor {
  std::string on(const AddTo& m) {
    try {
      return m.where.start_child<Kid>(spec(m.name), no_slot, "added").info();
    } catch (const troupe::error& e) {
      return std::string(troupe::name(e.code()));
    }
  }
  std::vector<std::string> on(const Walk& m) {
    std::vector<std::string> said;
    const auto code = [&](auto call) { said.emplace_back(troupe::name(error_of([&] { return call(), 0; }).code())); };
    m.where.start_child<Kid>(spec("walked"));
    code([&] { m.where.restart_child("walked"); });
    code([&] { m.where.delete_child("walked"); });
    m.where.terminate_child("walked");
    code([&] { m.where.start_child<Kid>(spec("walked")); });
    m.where.restart_child("walked");
    for (const auto& each : children(m.where)) said.push_back(each);
    said.push_back(std::to_string(m.where.count_children().active));
    said.push_back(m.where.get_childspec("walked").name);
    m.where.terminate_child("walked");
    m.where.delete_child("walked");
    code([&] { m.where.terminate_child("walked"); });
    return said;
  }
  void on(StopMe) {
    try {
      self().find_supervisor("sup")->terminate_child(self().name());
    } catch (const troupe::error& e) {
      note("told " + std::string(troupe::name(e.code())));
      throw;
    }
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<AddTo, Walk, StopMe, Pid>;
};

/// Calls a supervisor while it is being started.
struct Impatient : troupe::actor {
  explicit Impatient(std::string whom) : whom_(std::move(whom)) {}
  void on_start() override {
    const auto where = self().find_supervisor(whom_);
    note("counts " + std::to_string(where->count_children().specs));
    try {
      where->start_child<Kid>(spec("added"));
      note("added");
    } catch (const troupe::error& e) {
      note(troupe::name(e.code()));
    }
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;

 private:
  std::string whom_;
};

int count_of(const std::string& line) {
  const auto all = notes();
  return static_cast<int>(std::ranges::count(all, line));
}
std::size_t last(const std::string& line) {
  const auto all = notes();
  const auto found = std::find(all.rbegin(), all.rend(), line);
  return static_cast<std::size_t>(all.rend() - found);
}

}  // namespace

TEST_CASE(
    "own children: they end with the incarnation that made them, before the next one starts, which makes them again") {
  for (const auto how : abnormal_endings) {
    in_program<Kid, Parent>(quiet(), [&](troupe::system& sys) {
      const auto parent = sys.spawn<Parent>("parent");
      EXPECT(parent.ask(Children{}).get() == lines({"below2 up", "below1 up"}));
      const int old = pid_of(kid(sys, "below1"));
      const auto before = incarnation(sys.root(), "parent");
      parent.tell(End{how});
      EXPECT(restarted(sys.root(), "parent", before));
      EXPECT(parent.ask(Children{}).get() == lines({"below2 up", "below1 up"}));
      EXPECT(pid_of(kid(sys, "below1")) != old);
      EXPECT_EQ(state_of(old), char{0});
      EXPECT_EQ(notes(), lines({"start parent", "start below1", "start below2", "stop below2", "stop below1",
                                "start parent", "start below1", "start below2"}));
      EXPECT_EQ(sys.count().workers, 3U);
    });
  }
}

TEST_CASE("own children: they end when their actor is stopped, and before whoever stops it is answered") {
  in_program<Kid, Parent>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup().child<Parent>(spec("parent")));
    top.terminate_child("parent");
    EXPECT_EQ(sys.count().workers, 0U);
    EXPECT(!sys.find<Kid>("below1"));
    top.restart_child("parent");
    EXPECT_EQ(sys.count().workers, 3U);
    sys.stop(top);
    EXPECT_EQ(sys.count().workers, 0U);
    EXPECT_EQ(last("stop below1"), notes().size());
  });
}

TEST_CASE(
    "own children: one that dies is restarted in its place; a second death within the window ends the actor itself") {
  in_program<Kid, Parent>(quiet(), [](troupe::system& sys) {
    const auto parent = sys.spawn<Parent>("parent");
    const auto before = incarnation(sys.root(), "parent");
    const auto own = parent.ask(Own{}).get();
    restart_by(sys, own, "below1", ending::abort);
    EXPECT_EQ(incarnation(sys.root(), "parent"), before);
    kid(sys, "below1").tell(End{ending::abort});
    EXPECT(restarted(sys.root(), "parent", before));
    EXPECT_EQ(count_of("start parent"), 2);
    EXPECT_EQ(error_of([&] { return own.count_children(); }).code(), errc::closed);  // that was the old one's
    EXPECT(parent.ask(Children{}).get() == lines({"below2 up", "below1 up"}));
    EXPECT(last("start parent") > last("stop below2"));
  });
}

TEST_CASE("own children: when one cannot start, the actor's start fails with its reason, and the others end") {
  in_program<Kid, Parent>(quiet(), [](troupe::system& sys) {
    starts(2, start::fails);
    const auto e = error_of([&] { return sys.spawn<Parent>("parent"); });
    EXPECT_EQ(e.code(), errc::start_failed);
    EXPECT(e.text().find("start refused") != std::string::npos);
    EXPECT_EQ(notes(), lines({"start parent", "start below1", "stop below1"}));
    EXPECT_EQ(sys.count().workers, 0U);
    EXPECT(!sys.find<Kid>("below1"));
  });
}

TEST_CASE("own children: actors below actors below actors end from the leaves up") {
  in_program<Kid, Parent, Grandparent>(quiet(), [](troupe::system& sys) {
    const auto grand = sys.spawn<Grandparent>("grand");
    EXPECT_EQ(sys.count().workers, 4U);
    const auto before = incarnation(sys.root(), "grand");
    sys.send_signal(grand, SIGKILL);
    EXPECT(restarted(sys.root(), "grand", before));
    EXPECT_EQ(sys.count().workers, 4U);
    EXPECT_EQ(notes(), lines({"start parent", "start below1", "start below2", "stop below2", "stop below1",
                              "start parent", "start below1", "start below2"}));
  });
}

TEST_CASE("a supervisor_ref in a message is as good as where it came from") {
  in_program<Kid, Manager>(quiet(), [](troupe::system& sys) {
    const auto manager = sys.spawn<Manager>("manager");
    const auto top = sys.spawn(sup());
    EXPECT_EQ(manager.ask(AddTo{top, "child1"}).get(), std::string("added"));
    EXPECT_EQ(children(top), lines({"child1 up"}));
    EXPECT_EQ(manager.ask(AddTo{top, "child1"}).get(), std::string("already_started"));
    EXPECT_EQ(manager.ask(AddTo{top, "manager"}).get(), std::string("name_taken"));
    EXPECT_EQ(manager.ask(AddTo{troupe::supervisor_ref(77), "child2"}).get(), std::string("closed"));
    sys.stop(manager);
    EXPECT_EQ(children(top), lines({"child1 up"}));  // it hangs below its supervisor, not below who asked for it
  });
}

TEST_CASE("an actor can make all calls, and hears the same errors as main") {
  in_program<Kid, Manager>(quiet(), [](troupe::system& sys) {
    const auto manager = sys.spawn<Manager>("manager");
    const auto top = sys.spawn(sup());
    EXPECT(manager.ask(Walk{top}).get() ==
           lines({"running", "running", "already_present", "walked up", "1", "walked", "not_found"}));
    EXPECT(manager.ask(Walk{sys.root()}).get().at(0) == "running");
  });
}

TEST_CASE("an actor can have itself terminated by its supervisor: its wait ends, and it stops in order") {
  in_program<Kid, Manager>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup().child<Manager>(spec("manager")));
    sys.find<Manager>("manager")->tell(StopMe{});
    EXPECT(is_down(top, "manager"));
    EXPECT(always([&] { return counts(top) == numbers({1, 0, 0, 1}); }, 100ms));
    EXPECT_EQ(sys.count().restarts, 0U);
  });
}

TEST_CASE(
    "deadlock: an actor that calls a supervisor which waits for its start hears so at once, also one further up") {
  for (const std::string whom : {"sup", "top"}) {
    in_program<Kid, Impatient>(quiet(), [&](troupe::system& sys) {
      sys.spawn(troupe::supervisor({.name = "top"}).child(sup().child<Impatient>(spec("impatient"), whom)));
      EXPECT_EQ(notes(), lines({"counts 1", "deadlock"}));
    });
  }
}

TEST_CASE("deadlock: a call to a supervisor that does not wait for this start is answered") {
  in_program<Kid, Impatient>(quiet(), [](troupe::system& sys) {
    const auto other = sys.spawn(troupe::supervisor({.name = "other"}));
    sys.spawn(sup().child<Impatient>(spec("impatient"), std::string("other")));
    EXPECT_EQ(notes(), lines({"counts 0", "start added", "added"}));
    EXPECT_EQ(children(other), lines({"added up"}));
  });
}

TEST_CASE("names: in one description, between supervisors, of supervisors and actors alike; all or nothing") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup().child<Kid>(spec("a")));
    const auto clash = troupe::supervisor({.name = "other"}).child<Kid>(spec("b")).child<Kid>(spec("a"));
    EXPECT_EQ(error_of([&] { return sys.spawn(clash); }).code(), errc::name_taken);
    EXPECT(!sys.find<Kid>("b"));
    EXPECT(!sys.find_supervisor("other"));
    EXPECT_EQ(error_of([&] { return sys.spawn(troupe::supervisor({.name = "a"})); }).code(), errc::name_taken);
    EXPECT_EQ(error_of([&] { return sys.spawn<Kid>("sup"); }).code(), errc::name_taken);
    EXPECT_EQ(error_of([&] { return top.start_child(troupe::supervisor({.name = "sup"})); }).code(), errc::name_taken);
    EXPECT_EQ(error_of([&] {
                return sys.spawn(troupe::supervisor({.name = "x"}).child(troupe::supervisor({.name = "x"})));
              }).code(),
              errc::bad_spec);  // wrong in itself, whoever else has the name
    top.terminate_child("a");
    EXPECT_EQ(error_of([&] { return sys.spawn(clash); }).code(),
              errc::name_taken);  // a child that is down keeps its name
    top.delete_child("a");
    sys.spawn(clash);
    EXPECT(sys.find<Kid>("a").has_value());
  });
}
