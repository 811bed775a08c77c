#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <troupe/message.hpp>

using namespace std::string_view_literals;
using troupe::message_id;
using troupe::message_name;

struct AtTop {
  struct Inside {};
};

namespace message_test {

struct Greet {};
enum class Colour {};
union Either {
  int number;
  float other;
};
template <class T>
struct Box {};
template <class T>
struct Named {
  static constexpr std::string_view troupe_name = "message_test.Named";
};
struct Renamed {
  static constexpr const char* troupe_name = "old name";
};
struct Tell {
  static constexpr auto delivery = troupe::redeliver{5};
};
struct Once {
  static constexpr auto delivery = troupe::drop{};
};
struct Forever {
  static constexpr troupe::redeliver delivery{troupe::unlimited};
};

namespace {
struct Hidden {
  struct Deep {};
};
}  // namespace

template <class T>
std::string_view local_in_template() {
  struct Local {};
  return message_name<Local>();
}
struct Host {
  std::string_view local(int, const char*) const {
    struct Local {};
    return message_name<Local>();
  }
};
std::string_view local_with_hidden(Hidden) {
  struct Local {};
  return message_name<Local>();
}

}  // namespace message_test

using namespace message_test;

// These lines hold with g++ and with clang: that is the point of them.
TEST_CASE("a message's name is its qualified name, the same with every compiler") {
  CHECK(message_name<AtTop>() == "AtTop");
  CHECK(message_name<AtTop::Inside>() == "AtTop::Inside");
  CHECK(message_name<Greet>() == "message_test::Greet");
  CHECK(message_name<Colour>() == "message_test::Colour");
  CHECK(message_name<Either>() == "message_test::Either");
  CHECK(message_name<int>() == "int");
}

TEST_CASE("an anonymous namespace is spelled the same with every compiler") {
  CHECK(message_name<Hidden>() == "message_test::{anonymous}::Hidden");
  CHECK(message_name<Hidden::Deep>() == "message_test::{anonymous}::Hidden::Deep");
}

TEST_CASE("a class that is local to a function has its bare name with every compiler") {
  struct Local {
    struct Inside {};
  };
  CHECK(message_name<Local>() == "Local");
  CHECK(message_name<Local::Inside>() == "Local::Inside");
  CHECK(local_in_template<std::vector<int>>() == "Local");
  CHECK(Host{}.local(1, "") == "Local");
  CHECK(local_with_hidden({}) == "Local");
  const auto lambda = [](AtTop) {
    struct InLambda {};
    return message_name<InLambda>();
  };
  CHECK(lambda({}) == "InLambda");
}

TEST_CASE("an argument of a template is not taken for a function") {
  CHECK(troupe::detail::local_name("Box<int(int)>::Item") == 0);
  CHECK(troupe::detail::local_name("f(int)::Item") == 8);
  CHECK(troupe::detail::local_name("main()::<lambda(int)>::Item") == 23);
  CHECK(troupe::detail::local_name("Box<int(int)>") == 0);
  CHECK(troupe::detail::local_name("a::Item") == 0);
}

TEST_CASE("a message may say its name itself, and a template must") {
  CHECK(message_name<Named<int>>() == "message_test.Named");
  CHECK(message_name<Renamed>() == "old name");
}

TEST_CASE("const and references do not change a message's name") {
  CHECK(message_name<const Greet&>() == message_name<Greet>());
  CHECK(message_id<Greet&&>() == message_id<Greet>());
}

TEST_CASE("a message's id is FNV-1a 64 of its name") {
  CHECK(troupe::detail::fnv1a("") == 0xcbf29ce484222325U);
  CHECK(troupe::detail::fnv1a("a") == 0xaf63dc4c8601ec8cU);
  CHECK(troupe::detail::fnv1a("foobar") == 0x85944171f73967e8U);
  CHECK(message_id<Greet>() == troupe::detail::fnv1a("message_test::Greet"));
  static_assert(message_id<Greet>() != message_id<Colour>());
}

TEST_CASE("reply types are told apart, templates and void included") {
  using troupe::reply_id;
  static_assert(reply_id<void>() != reply_id<int>());
  CHECK(reply_id<Box<int>>() != reply_id<Box<long>>());
  CHECK(reply_id<std::string>() != reply_id<std::vector<std::string>>());
  CHECK(reply_id<Named<int>>() == message_id<Named<int>>());
  CHECK(reply_id<Greet>() == message_id<Greet>());
}

TEST_CASE("a message's delivery policy is found, and its absence too") {
  using kind = troupe::delivery::kind;
  CHECK(troupe::delivery_of<Tell>() == troupe::delivery{kind::redeliver, 5});
  CHECK(troupe::delivery_of<Once>() == troupe::delivery{kind::drop, 1});
  CHECK(troupe::delivery_of<Forever>() == troupe::delivery{kind::redeliver, troupe::unlimited});
  CHECK_FALSE(troupe::delivery_of<Greet>().has_value());
  CHECK_FALSE(troupe::delivery_of<int>().has_value());
  CHECK(troupe::redeliver{}.limit == 3);
}
