#include <doctest/doctest.h>

#include <string>

#include "supervision/log_format.hpp"

using namespace troupe::supervision;
using namespace std::chrono_literals;

namespace {

log_entry line_of(const std::string& text, const std::string& actor = "") {
  log_entry entry;
  entry.text = text;
  entry.actor = actor;
  entry.incarnation = actor.empty() ? 0 : 17;
  return entry;
}

TEST_CASE("a line for people says whose it is, what is missing, and stays one line") {
  CHECK(as_text(line_of("stopping")) == "troupe: stopping");
  CHECK(as_text(line_of("a\tb\nc\x1b[31m", "printer")) == "printer(17): a\tb\\nc?[31m");
  auto cut = line_of("long", "printer");
  cut.left_out = 9;
  CHECK(as_text(cut) == "printer(17): long [9 bytes more are left out]");
}

TEST_CASE("a line of JSON is valid UTF-8 and keeps what is valid already") {
  const auto json = [](const std::string& text) {
    const std::string whole = as_json(line_of(text));
    const auto at = whole.find("\"text\":") + 7;
    return whole.substr(at, whole.size() - at - 1);
  };
  const std::string bad = "\xef\xbf\xbd";
  CHECK(json("plain") == "\"plain\"");
  CHECK(json("\"\\\n\x01") == R"("\"\\\u000a\u0001")");
  CHECK(json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80") == "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
  CHECK(json("\xc0\xaf") == "\"" + bad + bad + "\"");              // longer than it need be
  CHECK(json("\xed\xa0\x80") == "\"" + bad + bad + bad + "\"");    // half of a surrogate pair
  CHECK(json("\xf5\x80\x80\x80") == "\"" + bad + bad + bad + bad + "\"");
  CHECK(json("\xe2\x82") == "\"" + bad + bad + "\"");              // cut off
  auto entry = line_of("x", "printer");
  entry.level = troupe::log_level::err;
  entry.left_out = 3;
  entry.time = std::chrono::system_clock::time_point{1'700'000'000'123'456us};
  CHECK(as_json(entry) == R"({"time":"2023-11-14T22:13:20.123456Z","level":"err","text":"x","actor":"printer",)"
                          R"("incarnation":17,"left_out":3})");
}

TEST_CASE("a death is a sentence with message, who wanted it, and what is done") {
  troupe::death_certificate what;
  what.name = "parser";
  what.incarnation = 4;
  what.text = "was killed by SIGKILL, as was asked for";
  what.asked_by = "main";
  what.in_flight = troupe::death_certificate::message{};
  what.in_flight->name = "Page";
  what.in_flight->sender = "reader";
  what.in_flight->attempt = 2;
  what.in_flight->again = true;
  what.decision = troupe::death_decision::restarts_later;
  what.delay = 40ms;
  CHECK(sentence(what) ==
        "parser(4) was killed by SIGKILL, as was asked for while it handled Page from reader, attempt 2; asked for by "
        "main; it is restarted in 40 ms; the message will be handled again");
  what.decision = troupe::death_decision::budget_spent;
  CHECK(sentence(what).ends_with("; asked for by main; it has used up its restarts, and stays down"));
}

}  // namespace
