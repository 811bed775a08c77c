#include "supervision/letters.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "channel/letter_reader.hpp"

// The dead letters' memory: its writer as the supervisor has it, its readers as everybody else has them.

using namespace troupe;
using supervision::letter;
using supervision::letter_key;
using supervision::letters;
using supervision::noted_death;
using appended = letters::result;
using numbers = std::vector<std::uint64_t>;

namespace {

constexpr std::uint64_t small = wire::min_letters_ring;

/// A memory of letters with its writer; readers and further writers come to it as other processes would.
struct post {
  explicit post(std::uint64_t bytes = small, std::uint32_t most = 1000)
      : size(letters::memory_bytes({bytes, most})),
        memory(os::make_memory("test-letters", size)),
        box(std::make_unique<letters>(map(os::access::read_write), most)) {}
  os::mapping map(os::access how) const { return os::mapping(memory, size, how); }
  channel::letter_reader reader() const { return channel::letter_reader(map(os::access::read_only)); }
  /// What another process sees in the list.
  numbers seen() const {
    numbers all;
    for (const auto& each : reader().list(0)) all.push_back(each.number);
    return all;
  }

  std::uint64_t size;
  os::fd memory;
  std::unique_ptr<letters> box;
};

/// A message of so many bytes, which tell its position and their place in it.
std::vector<std::byte> body_of(std::uint64_t position, std::size_t bytes) {
  std::vector<std::byte> body(bytes);
  for (std::size_t i = 0; i < bytes; ++i) body[i] = static_cast<std::byte>((position + i * 7) & 0xff);
  return body;
}

letter letter_at(std::uint64_t position, std::span<const std::byte> body, wire::identity_id receiver = 7) {
  letter what;
  what.key = {receiver, 3, position};
  what.time_ns = 1'000'000'000 + position;
  what.receiver_name = "receiver";
  what.sender = 9;
  what.sender_incarnation = 11;
  what.sender_name = "sender";
  what.message = 13;
  what.message_name = "Message";
  what.why = "since the test says so";
  what.body = body;
  return what;
}

appended keep(letters& box, std::uint64_t position, std::size_t bytes = 100, wire::identity_id receiver = 7) {
  const auto body = body_of(position, bytes);
  return box.append(letter_at(position, body, receiver));
}

numbers range(std::uint64_t first, std::uint64_t last) {
  numbers all(last - first + 1);
  std::iota(all.begin(), all.end(), first);
  return all;
}

bool sums_up(const dead_letter_counts& all) { return all.total == all.kept + all.evicted + all.purged; }

}  // namespace

TEST_CASE("a letter is read as it was kept, with all that was known of it") {
  post here;
  const std::vector<noted_death> deaths = {{21, 5'000'000'000, -1, 11, "was killed by SIGSEGV"},
                                           {22, 6'000'000'000, 3, 0, "exited with code 3"}};
  const auto body = body_of(640, 77);
  const auto first = body_of(1, 10), second = body_of(2, 4096);
  const std::span<const std::byte> payloads[] = {first, second};
  letter what = letter_at(640, body);
  what.request = true;
  what.reason = wire::letter_reason::dropped;
  what.attempts = 2;
  what.deaths = deaths;
  what.payloads = payloads;
  REQUIRE(here.box->append(what) == appended::kept);

  const auto found = here.reader().read(1);
  REQUIRE(found);
  CHECK(found->number == 1);
  CHECK(found->time.time_since_epoch() == std::chrono::nanoseconds(1'000'000'640));
  CHECK(found->receiver == 7);
  CHECK(found->receiver_name == "receiver");
  CHECK(found->sender == 9);
  CHECK(found->sender_incarnation == 11);
  CHECK(found->sender_name == "sender");
  CHECK(found->message == 13);
  CHECK(found->message_name == "Message");
  CHECK(found->request);
  CHECK(found->why == dead_letter::reason::dropped);
  CHECK(found->text == "since the test says so");
  CHECK(found->attempts == 2);
  REQUIRE(found->deaths.size() == 2);
  CHECK(found->deaths[0].incarnation == 21);
  CHECK(found->deaths[0].signal == 11);
  CHECK(found->deaths[0].text == "was killed by SIGSEGV");
  CHECK(found->deaths[1].exit_code == 3);
  CHECK(found->deaths[1].time.time_since_epoch() == std::chrono::seconds(6));
  CHECK(found->deaths[1].text == "exited with code 3");
  CHECK(found->bytes == 77);
  CHECK(found->body == body);
  CHECK(found->payloads == std::vector<std::uint64_t>{10, 4096});
  CHECK(found->payload_contents == std::vector<std::vector<std::byte>>{first, second});
  CHECK(found->incomplete().empty());

  const auto listed = here.reader().list(0);
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].text == found->text);
  CHECK(listed[0].deaths.size() == 2);
  CHECK(listed[0].kept == 77);
}

TEST_CASE("the same key again is the same letter") {
  post here;
  CHECK(keep(*here.box, 64) == appended::kept);
  CHECK(keep(*here.box, 64, 200) == appended::known);
  CHECK(keep(*here.box, 64, 100, 8) == appended::kept);  // another receiver
  auto other_slot = letter_at(64, {});
  other_slot.key.slot = 4;
  CHECK(here.box->append(other_slot) == appended::kept);
  CHECK(here.box->find({7, 3, 64}) == 1);
  CHECK(here.box->find({7, 3, 72}) == 0);
  CHECK(here.seen() == range(1, 3));
  CHECK(here.box->count().total == 3);
  CHECK(here.reader().read(1)->body.size() == 100);
}

TEST_CASE("the oldest letters make room, by bytes and by number") {
  struct row {
    const char* limit;
    std::uint32_t most;
    std::size_t bytes;
  };
  for (const row& each : {row{"number", 5, 10}, row{"bytes", 1000, 9000}}) {
    CAPTURE(each.limit);
    post here(small, each.most);
    for (std::uint64_t i = 1; i <= 100; ++i) {
      REQUIRE(keep(*here.box, i * 8, each.bytes) == appended::kept);
      const auto counts = here.box->count();
      CHECK(counts.total == i);
      CHECK(sums_up(counts));
      CHECK(here.box->list() == range(i - counts.kept + 1, i));
      CHECK(here.seen() == here.box->list());
      CHECK(here.reader().read(i)->body == body_of(i * 8, each.bytes));
    }
    CHECK(here.box->count().kept == (each.most < 1000 ? 5 : 7));  // 7 of 9 KiB in 64 KiB
    CHECK(here.box->count().purged == 0);
    CHECK(here.reader().count().kept == here.box->count().kept);
    CHECK(here.reader().count().evicted == here.box->count().evicted);
    CHECK_FALSE(here.reader().read(1));
    CHECK(here.box->find({7, 3, 8}) == 0);
  }
}

TEST_CASE("letters that fill the memory to its last byte make no room for each other") {
  post here;
  REQUIRE(keep(*here.box, 8, 0) == appended::kept);
  const std::size_t without_body = [&] {
    const auto map = here.map(os::access::read_only);
    const auto& state = map.at<wire::letters_header>()->states[1];
    return static_cast<std::size_t>(state.end - state.first);
  }();
  post full;
  for (std::uint64_t i = 1; i <= 16; ++i) REQUIRE(keep(*full.box, i * 8, small / 16 - without_body) == appended::kept);
  CHECK(full.box->count().kept == 16);
  CHECK(full.box->count().evicted == 0);
  CHECK(full.seen() == range(1, 16));
  REQUIRE(keep(*full.box, 17 * 8, 0) == appended::kept);
  CHECK(full.seen() == range(2, 17));
}

TEST_CASE("letters of all sizes wrap around the memory's end and stay whole") {
  post here;
  std::uint64_t position = 0;
  for (std::size_t round = 0; round < 3000; ++round) {
    position += 8;
    const std::size_t bytes = round * 37 % 3001;
    REQUIRE(keep(*here.box, position, bytes) == appended::kept);
    const auto got = here.reader().read(round + 1);
    REQUIRE(got);
    REQUIRE(got->body == body_of(position, bytes));
    if (round % 100 != 0) continue;
    const auto all = here.box->list();
    CHECK(here.seen() == all);
    for (const auto number : all) {
      CHECK(here.reader().read(number)->body == body_of(number * 8, (number - 1) * 37 % 3001));
    }
  }
}

TEST_CASE("of a large body a part is kept, and the letter says how large it was") {
  post here(1024 * 1024);
  struct row {
    const char* what;
    bool in_lane;
    std::size_t bytes;
    std::size_t kept;
  };
  const row rows[] = {
      {"outbox, at the limit", false, 65536, 65536},
      {"outbox, beyond it", false, 65537, 65536},
      {"outbox, large", false, 1 << 20, 65536},
      {"lane, larger than 64 KiB", true, 100'000, 100'000},
      {"lane, a quarter of the memory", true, 1 << 18, 1 << 18},
      {"lane, beyond it", true, (1 << 18) + 1, 1 << 18},
  };
  std::uint64_t position = 0;
  for (const auto& each : rows) {
    CAPTURE(each.what);
    position += 8;
    const auto body = body_of(position, each.bytes);
    letter what = letter_at(position, body);
    what.body_in_lane = each.in_lane;
    REQUIRE(here.box->append(what) == appended::kept);
    const auto got = here.reader().read(position / 8);
    REQUIRE(got);
    CHECK(got->bytes == each.bytes);
    CHECK(got->kept == each.kept);
    CHECK(got->body == std::vector<std::byte>(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(each.kept)));
    CHECK(got->incomplete().empty() == (each.kept == each.bytes));
    if (each.kept < each.bytes) {
      CHECK(got->incomplete().find(std::to_string(each.bytes)) != std::string::npos);
      CHECK_THROWS_AS(got->as<int>(), const error&);
    }
  }
}

TEST_CASE("in a small memory a letter takes a quarter, also of what lies in an outbox") {
  post here;
  const auto body = body_of(8, 60'000);
  letter what = letter_at(8, body);
  what.body_in_lane = false;
  REQUIRE(here.box->append(what) == appended::kept);
  CHECK(here.reader().read(1)->kept == small / 4);
  const auto fits = body_of(16, small / 4 - 100), too_large = body_of(24, small / 4 - 99), hundred = body_of(1, 100);
  for (const auto* payload : {&fits, &too_large}) {
    const std::span<const std::byte> one[] = {*payload};
    letter with = letter_at(payload->size(), hundred);
    with.payloads = one;
    REQUIRE(here.box->append(with) == appended::kept);
    const auto got = here.reader().read(here.box->list().back());
    REQUIRE(got);
    CHECK(got->payload_contents.size() == (payload == &fits ? 1 : 0));
    CHECK(got->body == hundred);
  }
}

TEST_CASE("payloads are kept while they and the body have 64 KiB, else only their sizes") {
  post here(1024 * 1024);
  const auto body = body_of(1, 100);
  const auto fits = body_of(2, 65536 - 100), too_large = body_of(3, 65536 - 99);
  const std::span<const std::byte> one[] = {fits};
  const std::span<const std::byte> other[] = {too_large};
  letter what = letter_at(8, body);
  what.payloads = one;
  REQUIRE(here.box->append(what) == appended::kept);
  what = letter_at(16, body);
  what.payloads = other;
  REQUIRE(here.box->append(what) == appended::kept);
  CHECK(here.reader().read(1)->payload_contents == std::vector<std::vector<std::byte>>{fits});
  CHECK(here.reader().read(1)->incomplete().empty());
  const auto cut = here.reader().read(2);
  CHECK(cut->payloads == std::vector<std::uint64_t>{65536 - 99});
  CHECK(cut->payload_contents.empty());
  CHECK(cut->body == body);
  CHECK(cut->incomplete().find("65437") != std::string::npos);
}

TEST_CASE("of many deaths the last are kept, of long texts the beginning") {
  post here;
  std::vector<noted_death> deaths;
  for (std::uint64_t i = 1; i <= 20; ++i) deaths.push_back({i, i, -1, 9, std::string(1000, 'd')});
  const std::string long_text(100'000, 't');
  letter what = letter_at(8, {});
  what.deaths = deaths;
  what.why = what.receiver_name = what.sender_name = what.message_name = long_text;
  REQUIRE(here.box->append(what) == appended::kept);
  const auto got = here.reader().read(1);
  REQUIRE(got);
  REQUIRE(got->deaths.size() == letters::most_deaths);
  CHECK(got->deaths.front().incarnation == 13);
  CHECK(got->deaths.back().incarnation == 20);
  CHECK(got->deaths.back().text == std::string(256, 'd'));
  CHECK(got->text == std::string(1024, 't'));
  CHECK(got->receiver_name == std::string(256, 't'));
}

TEST_CASE("purged letters are gone for readers, and their room comes back") {
  post here;
  for (std::uint64_t i = 1; i <= 6; ++i) keep(*here.box, i * 8, 100, i % 2 == 0 ? 20 : 30);
  CHECK(here.box->erase(3));
  CHECK_FALSE(here.box->erase(3));
  CHECK_FALSE(here.box->erase(7));
  CHECK_FALSE(here.box->erase(0));
  CHECK(here.seen() == numbers{1, 2, 4, 5, 6});
  CHECK_FALSE(here.reader().read(3));
  CHECK(keep(*here.box, 3 * 8, 100, 30) == appended::known);  // its worker says it again
  CHECK(here.reader().list(20).size() == 3);
  CHECK(here.box->erase_all(20) == 3);
  CHECK(here.seen() == numbers{1, 5});
  const auto counts = here.reader().count();
  CHECK(counts.total == 6);
  CHECK(counts.kept == 2);
  CHECK(counts.purged == 4);
  CHECK(counts.evicted == 0);
  CHECK(here.box->erase_all(0) == 2);
  CHECK(here.seen().empty());
  CHECK(here.box->erase_all(0) == 0);

  // Twice the memory in letters that are purged at once: none is ever evicted.
  for (std::uint64_t i = 10; i < 30; ++i) {
    REQUIRE(keep(*here.box, i * 8, 8000) == appended::kept);
    CHECK(here.box->erase(here.box->find({7, 3, i * 8})));
  }
  CHECK(here.box->count().evicted == 0);
  CHECK(sums_up(here.box->count()));
}

TEST_CASE("letters that are purged in the middle and then pushed out are not counted as evicted") {
  post here(small, 4);
  for (std::uint64_t i = 1; i <= 4; ++i) keep(*here.box, i * 8);
  CHECK(here.box->erase(2));
  for (std::uint64_t i = 5; i <= 8; ++i) keep(*here.box, i * 8);
  const auto counts = here.box->count();
  CHECK(counts.evicted == 3);
  CHECK(counts.purged == 1);
  CHECK(counts.kept == 4);
  CHECK(here.reader().count().purged == 1);
}

TEST_CASE("a letter does not make room for others while those that are kept are few") {
  post here(small, 3);
  keep(*here.box, 8);
  for (std::uint64_t i = 2; i <= 20; ++i) {
    keep(*here.box, i * 8);
    if (i > 2) CHECK(here.box->erase(i - 1));
  }
  CHECK(here.seen() == numbers{1, 20});
  CHECK(here.box->count().evicted == 0);
  CHECK(here.reader().count().purged == 18);
}

TEST_CASE("whoever takes the memory over goes on with what is there") {
  post here;
  for (std::uint64_t i = 1; i <= 50; ++i) keep(*here.box, i * 8, 3000);
  const auto last = here.box->list().back();
  here.box->erase(last - 1);
  const auto before = here.box->count();
  const auto listed = here.box->list();
  here.box = std::make_unique<letters>(here.map(os::access::read_write), 1000);
  CHECK(here.box->list() == listed);
  CHECK(here.box->count().total == before.total);
  CHECK(here.box->count().evicted == before.evicted);
  CHECK(here.box->count().purged == before.purged);
  CHECK(keep(*here.box, 50 * 8) == appended::known);
  CHECK(keep(*here.box, 51 * 8) == appended::kept);
  CHECK(here.box->list().back() == 51);
  CHECK(here.seen() == here.box->list());
}

TEST_CASE("a letter that its writer has not published is not there, whatever of it is written") {
  post here;
  keep(*here.box, 8, 100);
  keep(*here.box, 16, 100);
  // What a writer killed just before its last store leaves: the version of before, the rest as it wanted it.
  auto map = here.map(os::access::read_write);
  auto& version = map.at<wire::letters_header>()->version;
  const auto published = version.load();
  keep(*here.box, 24, 100);
  version.store(published);
  CHECK(here.seen() == range(1, 2));
  letters after(here.map(os::access::read_write), 1000);
  CHECK(after.list() == range(1, 2));
  const auto body = body_of(32, 500);
  CHECK(after.append(letter_at(32, body)) == appended::kept);
  CHECK(here.seen() == range(1, 3));
  CHECK(here.reader().read(3)->body == body);
}

TEST_CASE("a letter for which the machine has no memory is counted, and the others stay") {
  post here;
  REQUIRE(keep(*here.box, 8, 100) == appended::kept);
  // Behind its end a file cannot be made real, as if there were no memory for it.
  REQUIRE(::ftruncate(here.memory.get(), static_cast<off_t>(wire::letters_header_bytes + 4096)) == 0);
  CHECK(keep(*here.box, 16, 8000) == appended::no_room);
  CHECK(keep(*here.box, 24, 100) == appended::kept);
  CHECK(here.box->list() == numbers{1, 3});
  CHECK(here.box->count().evicted == 1);
  CHECK(sums_up(here.box->count()));
}

TEST_CASE("memory that holds no letters is refused, not believed") {
  post here;
  for (std::uint64_t i = 1; i <= 5; ++i) keep(*here.box, i * 8);
  auto map = here.map(os::access::read_write);
  const auto reader = here.reader();
  auto* words = map.at<std::uint64_t>(wire::letters_header_bytes);
  const std::uint64_t good = *words;
  for (const std::uint64_t bad : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{4}, std::uint64_t{1} << 32,
                                  good + 1, good | 0xff000000, (good & ~std::uint64_t{0xffffffff}) | 8}) {
    CAPTURE(bad);
    *words = bad;
    CHECK_THROWS_AS(reader.list(0), const error&);
    CHECK_THROWS_AS(reader.read(1), const error&);
  }
  *words = good;
  CHECK(reader.list(0).size() == 5);
  auto* record = map.at<wire::letter_record>(wire::letters_header_bytes);
  const wire::letter_record whole = *record;
  for (const std::uint32_t bad : {std::uint32_t{0}, std::uint32_t{sizeof whole} - 8, whole.prefix_bytes - 4,
                                  whole.bytes + 8, ~std::uint32_t{7}}) {
    CAPTURE(bad);
    record->prefix_bytes = bad;
    CHECK_THROWS_AS(reader.read(1), const error&);
  }
  *record = whole;
  for (const std::uint32_t bad : {whole.bytes - whole.prefix_bytes + 1, whole.bytes, ~std::uint32_t{0}}) {
    CAPTURE(bad);
    record->body_kept = bad;
    CHECK_THROWS_AS(reader.read(1), const error&);
  }
  *record = whole;
  CHECK(reader.read(1)->body.size() == 100);
  auto* header = map.at<wire::letters_header>();
  auto& state = header->states[header->version & 1];
  const std::uint64_t end = state.end;
  for (const std::uint64_t bad : {end + 1, end + 8 * small, std::uint64_t{0} - 8}) {
    CAPTURE(bad);
    state.end = bad;
    CHECK_THROWS_AS(reader.list(0), const error&);
  }
  state.end = end;
  header->layout = 99;
  CHECK_THROWS_AS(here.reader(), const error&);
}

TEST_CASE("readers see whole letters only, in order, while the writer keeps, evicts and purges") {
  post here;
  constexpr std::uint64_t rounds = 20'000;
  const auto bytes_of = [](std::uint64_t number) { return static_cast<std::size_t>(number * 131 % 4000); };
  std::atomic<bool> over = false;
  std::atomic<unsigned> torn = 0, disordered = 0, uncounted = 0;
  std::atomic<std::uint64_t> read = 0;
  const auto look_at = [&](const channel::letter_reader& reader, std::uint64_t& newest) {
    const auto all = reader.list(0);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i > 0 && all[i].number <= all[i - 1].number) ++disordered;
      if (all[i].bytes != bytes_of(all[i].number) || all[i].text != "since the test says so") ++torn;
    }
    // Not always a later one than before: it may have been purged during the walk.
    if (!all.empty()) newest = std::max(newest, all.back().number);
    for (const auto number : {newest, newest - std::min<std::uint64_t>(newest, 10)}) {
      const auto one = reader.read(number);
      if (!one) continue;
      ++read;
      if (one->body != body_of(number * 8, bytes_of(number))) ++torn;
    }
    if (!sums_up(reader.count())) ++uncounted;
  };
  const auto look = [&] {
    try {
      const auto reader = here.reader();
      for (std::uint64_t newest = 0; !over;) look_at(reader, newest);
    } catch (const error&) {
      ++torn;  // what is whole is never refused
    }
  };
  std::thread one(look), two(look);
  for (std::uint64_t i = 1; i <= rounds; ++i) {
    keep(*here.box, i * 8, bytes_of(i));
    if (i % 3 == 0) here.box->erase(i - 1);
  }
  // On one processor the readers may not have had a turn yet.
  while (read < 100 && torn == 0) std::this_thread::yield();
  over = true;
  one.join();
  two.join();
  CHECK(torn == 0);
  CHECK(disordered == 0);
  CHECK(uncounted == 0);
  CHECK(sums_up(here.box->count()));
  CHECK(here.box->count().total == rounds);
}
