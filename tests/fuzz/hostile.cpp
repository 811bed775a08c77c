#include "fuzz/hostile.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <fstream>
#include <sstream>

namespace tests {

void (*on_question)() = nullptr;

// ----------------------------------------------------------------------------------------------------------- bystanders

bystanders::bystanders(troupe::system& sys)
    : left(sys.spawn<Bystander>("left", std::size_t{0})), right(sys.spawn<Bystander>("right", std::size_t{1})), sys_(sys) {
  left_pid_ = pid_of(left);
  right_pid_ = pid_of(right);
  left.tell(Play{right});
  right.tell(Play{left});
}

void bystanders::go_on() {
  constexpr std::uint64_t more = 60;
  for (const std::size_t each : {std::size_t{0}, std::size_t{1}}) {
    const auto before = total(each);
    EXPECT(eventually([&] { return total(each) >= before + more; }, 100s));
  }
  for (const auto& line : notes()) EXPECT_EQ(line.starts_with("a bystander got"), false);
  EXPECT_EQ(pid_of(left), left_pid_);
  EXPECT_EQ(pid_of(right), right_pid_);
  const std::string name = "newcomer " + std::to_string(++newcomers_);
  auto newcomer = sys_.spawn<Recorder>(name);
  EXPECT(sys_.find<Recorder>(name) == newcomer);
  EXPECT(pid_of(newcomer) > 0);
  sys_.stop(newcomer);
}

void Bystander::on(const Meet& m) {
  if (m.how == Meet::way::tell_often) met_ = m.whom;
  if (m.how == Meet::way::ask) m.whom.ask(Question{}, 100s).then([](const auto&) {});
  if (m.how != Meet::way::tell) return;
  try {
    m.whom.tell(Poke{});
  } catch (const troupe::error& e) {
    note(e.what());
  }
}

// -------------------------------------------------------------------------------------------------------------- attacker

std::string Hostile::on(Attack m) {
  try {
    reinterpret_cast<void (*)()>(m.function)();
    return "";
  } catch (const std::exception& e) {
    return e.what();
  }
}

int Hostile::on(Question) {
  if (on_question != nullptr) on_question();
  return 0;
}

troupe::child_spec disposable(const std::string& name) {
  return {.name = name, .restart = troupe::restart::temporary, .shutdown = troupe::shutdown::brutal_kill()};
}

void attack(const hostile& where, void (*how)()) {
  EXPECT_EQ(where.ask(Attack{reinterpret_cast<std::uintptr_t>(how)}, 100s).get(), std::string());
}

void attack_and_go_on(const hostile& where, void (*how)()) { where.tell(Attack{reinterpret_cast<std::uintptr_t>(how)}); }

outcome under_attack(const std::function<void(troupe::system&, bystanders&)>& body) {
  const auto ended = in_program<Bystander, Hostile, Recorder>(
      logged(1000),
      [&](troupe::system& sys) {
        bystanders others(sys);
        others.go_on();
        body(sys, others);
        others.go_on();
      },
      240s);
  return ended;
}

// --------------------------------------------------------------------------------------------------------------- reach

channel::out_link& link_to(const std::string& name) {
  const player other(identity_of(name));
  other.tell(Poke{});
  return own_endpoint().link_to(other.address());
}

wire::identity_id identity_of(const std::string& name) {
  const auto found = troupe::detail::find(name);
  EXPECT(found != 0);
  return found;
}

std::vector<std::span<std::byte>> writable_memory(std::string_view label) {
  std::vector<std::span<std::byte>> found;
  std::ifstream maps("/proc/self/maps");
  const std::string name = "/memfd:" + std::string(label) + " ";
  for (std::string line; std::getline(maps, line);) {
    if (line.find(name) == line.npos || line.find(" rw-s ") == line.npos) continue;
    std::uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::istringstream(line) >> std::hex >> begin >> dash >> end;
    found.emplace_back(reinterpret_cast<std::byte*>(begin), end - begin);
  }
  EXPECT(!found.empty());
  return found;
}

void scribble(std::span<std::byte> over, std::chrono::milliseconds length, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  keep(length, [&] {
    for (int i = 0; i < 1000; ++i) {
      const std::size_t at = random() % (over.size() / 8) * 8;
      // Words of every size: small ones look like positions, sizes and flags.
      const std::uint64_t word = random() >> random() % 64;
      *reinterpret_cast<volatile std::uint64_t*>(over.data() + at) = word;
    }
  });
}

namespace {

const os::fd& control_socket() {
  static const os::fd its = [] {
    for (int number = 3; number < 256; ++number) {
      int type = 0;
      socklen_t size = sizeof type;
      if (::getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET) {
        return os::duplicate(number);
      }
    }
    throw broken_expectation("this worker has no control socket");
  }();
  return its;
}

}  // namespace

bool send_raw(std::span<const std::byte> packet, std::span<const int> fds) {
  for (;;) {
    const os::io how = os::send_packet(control_socket(), packet, fds);
    if (how != os::io::again) return how == os::io::done;
    os::wait_ready(control_socket().get(), os::poller::write, std::nullopt);
  }
}

channel::incoming receive_raw(wire::frame type) {
  std::vector<std::byte> buffer(wire::max_frame);
  const auto until = os::clock::now() + 100s;
  for (;;) {
    channel::incoming frame;
    const os::io how = channel::receive_frame(control_socket(), buffer, frame);
    if (how == os::io::again) {
      EXPECT(os::wait_ready(control_socket().get(), os::poller::read, until));
      continue;
    }
    EXPECT(how == os::io::done);
    if (!frame.fds.empty()) send_frame(wire::frame::took, wire::number{frame.fds.size()});
    if (frame.type == type) return frame;
  }
}

void keep(std::chrono::milliseconds length, const std::function<void()>& step) {
  for (const auto until = os::clock::now() + length; os::clock::now() < until;) step();
}

}  // namespace tests
