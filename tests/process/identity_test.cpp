#include <poll.h>

#include <map>

#include "process/common.hpp"

using namespace tests;

namespace {

struct Point {
  int x = 0;
  std::string label;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(x, label);
  }
};
struct Show {};
struct Named : troupe::actor {
  Named(std::string first, std::vector<int> second, const Point& third, double fourth, bool fifth)
      : text(first + "/" + std::to_string(second.size()) + "/" + third.label + std::to_string(third.x) + "/" +
             std::to_string(static_cast<int>(fourth * 10)) + (fifth ? "/yes" : "/no")) {}
  std::string on(Show) { return text + "/" + self().name(); }
  void on(Abort) { std::abort(); }
  using handles = troupe::handles<Show, Abort>;
  std::string text;
};

struct Book {
  std::map<std::string, recorder> refs;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(refs);
  }
};
struct TellAll {
  int value;
};
struct Find {
  std::string name;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(name);
  }
};
struct Me {};
struct Count {
  int left;
};
struct Phonebook : troupe::actor {
  void on(const Book& m) { book = m; }
  void on(TellAll m) {
    for (const auto& [name, who] : book.refs) who.tell(Number{m.value});
  }
  recorder on(const Find& m) {
    const auto found = self().find<Recorder>(m.name);
    return found ? *found : recorder{};
  }
  troupe::actor_ref<Phonebook> on(Me) { return self().ref<Phonebook>(); }
  void on(Count m) {
    ++counted;
    if (m.left > 0) self().ref<Phonebook>().tell(Count{m.left - 1});
  }
  int on(Numbers) { return counted; }
  using handles = troupe::handles<Book, TellAll, Find, Me, Count, Numbers>;
  Book book;
  int counted = 0;
};

TEST_CASE("constructor arguments travel to the worker, and again to its replacement") {
  in_program<Named>([](troupe::system& sys) {
    const std::vector<int> three{1, 2, 3};
    auto named = sys.spawn<Named>("its name", "text", three, Point{7, "label"}, 2.5, true);
    EXPECT_EQ(named.ask(Show{}).get(), std::string("text/3/label7/25/yes/its name"));
    EXPECT_EQ(error_of([&] { named.ask(Abort{}).get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT_EQ(named.ask(Show{}).get(), std::string("text/3/label7/25/yes/its name"));
  });
}

TEST_CASE("large constructor arguments travel") {
  in_program<Named>([](troupe::system& sys) {
    auto named = sys.spawn<Named>("big", std::string(1 << 20, 'a'), std::vector<int>(1 << 18), Point{}, 0.0, false);
    EXPECT_EQ(named.ask(Show{}).get().substr(1 << 20), std::string("/262144/0/0/no/big"));
  });
}

TEST_CASE("a name belongs to one actor at a time") {
  in_program<Recorder>([](troupe::system& sys) {
    auto first = sys.spawn<Recorder>("one");
    const auto taken = error_of([&] { return sys.spawn<Recorder>("one"); });
    EXPECT_EQ(taken.code(), troupe::errc::name_taken);
    EXPECT(taken.text().find("one") != std::string::npos);
    EXPECT_EQ(error_of([&] { return sys.spawn<Recorder>("main"); }).code(), troupe::errc::bad_spec);
    EXPECT_EQ(error_of([&] { return sys.spawn<Recorder>(""); }).code(), troupe::errc::bad_spec);
    EXPECT_EQ(error_of([&] { return sys.spawn<Recorder>(std::string(201, 'n')); }).code(), troupe::errc::bad_spec);
    const std::string longest(200, 'n');
    sys.spawn<Recorder>(longest);
    EXPECT(sys.find<Recorder>(longest).has_value());
    EXPECT_EQ(first.ask(Numbers{}).get(), std::vector<int>{});
  });
}

TEST_CASE("a name that would not be shown on one line is refused") {
  in_program<Recorder>([](troupe::system& sys) {
    for (const auto& name : {std::string("one\nwas killed"), std::string("one\0two", 7), std::string("one\x1b[31m"),
                             std::string("one\rtwo"), std::string("one\xc2\x9b" "31m")}) {
      const auto actor = error_of([&] { return sys.spawn<Recorder>(name); });
      EXPECT_EQ(actor.code(), troupe::errc::bad_spec);
      EXPECT(actor.text().ends_with("this one begins with \"one\""));
      const auto supervisor = error_of([&] { return sys.spawn(troupe::supervisor({.name = name})); });
      EXPECT_EQ(supervisor.code(), troupe::errc::bad_spec);
    }
    EXPECT(pid_of(sys.spawn<Recorder>("one")) > 0);
  });
}

TEST_CASE("a name finds the same actor after a restart") {
  in_program<Recorder>([](troupe::system& sys) {
    auto one = sys.spawn<Recorder>("one");
    const pid_t before = pid_of(one);
    crash(sys, one);
    const auto found = sys.find<Recorder>("one");
    EXPECT(found.has_value());
    EXPECT(*found == one);
    EXPECT(pid_of(*found) != before);
  });
}

TEST_CASE("a name is free when its actor has ended, and old refs stay closed") {
  in_program<Recorder>([](troupe::system& sys) {
    auto old = sys.spawn<Recorder>("one");
    old.tell(Number{1});
    sys.stop(old);
    EXPECT(!sys.find<Recorder>("one"));
    EXPECT_EQ(error_of([&] { old.tell(Number{2}); }).code(), troupe::errc::closed);
    auto fresh = sys.spawn<Recorder>("one");
    EXPECT(!(fresh == old));
    fresh.tell(Number{3});
    EXPECT_EQ(fresh.ask(Numbers{}).get(), std::vector<int>{3});
    EXPECT_EQ(error_of([&] { old.tell(Number{2}); }).code(), troupe::errc::closed);
    EXPECT_EQ(error_of([&] { return old.ask(Numbers{}).get(); }).code(), troupe::errc::closed);
    EXPECT_EQ(error_of([&] { sys.stop(old); }).code(), troupe::errc::not_found);
  });
}

TEST_CASE("the name of a temporary actor is free when it has ended") {
  in_program<Recorder>(quiet(100), [](troupe::system& sys) {
    for (int i = 0; i < 5; ++i) {
      auto one = sys.spawn<Recorder>({.name = "one", .restart = troupe::restart::temporary});
      EXPECT_EQ(error_of([&] { one.ask(Abort{}).get(); }).code(), troupe::errc::outcome_unknown);
      EXPECT(eventually([&] { return !sys.find<Recorder>("one"); }));
      EXPECT_EQ(error_of([&] { one.tell(Number{1}); }).code(), troupe::errc::closed);
    }
  });
}

TEST_CASE("refs inside messages and replies mean the same actors everywhere") {
  in_program<Recorder, Phonebook>([](troupe::system& sys) {
    auto a = sys.spawn<Recorder>("a"), b = sys.spawn<Recorder>("b");
    auto book = sys.spawn<Phonebook>("book");
    book.tell(Book{{{"a", a}, {"b", b}}});
    book.ask(TellAll{4}).get();
    EXPECT_EQ(a.ask(Numbers{}).get(), std::vector<int>{4});
    EXPECT_EQ(b.ask(Numbers{}).get(), std::vector<int>{4});
    EXPECT(book.ask(Find{"b"}).get() == b);
    EXPECT(!book.ask(Find{"c"}).get());
    EXPECT(book.ask(Me{}).get() == book);
  });
}

TEST_CASE("who tells an actor that has ended hears so at the next tell, though it has waited for nothing meanwhile") {
  in_program<Recorder>([](troupe::system& sys) {
    auto one = sys.spawn<Recorder>({.name = "one", .restart = troupe::restart::temporary});
    ::kill(pid_of(one), SIGKILL);
    auto told = one.try_tell(Number{1});
    for (; told; told = one.try_tell(Number{1})) ::poll(nullptr, 0, 2);
    EXPECT_EQ(told.error().code(), troupe::errc::closed);
  });
}

TEST_CASE("an actor tells itself") {
  in_program<Phonebook>([](troupe::system& sys) {
    auto book = sys.spawn<Phonebook>("book");
    book.tell(Count{1000});
    EXPECT(eventually([&] { return book.ask(Numbers{}).get() == 1001; }));
  });
}

}  // namespace
