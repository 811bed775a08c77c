#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <actors/framing.hpp>
#include <troupe/actor.hpp>
#include <troupe/child_program.hpp>
#include <troupe/codec_cereal.hpp>
#include <troupe/watch.hpp>

namespace troupe::actors {

/// Another program under supervision: it runs as the child of this actor's worker, which ends as the program ends. So
/// the rules for restarts hold for it as for any actor: exit code 0 is a normal end, another code is the worker's own,
/// and a signal is an abnormal end that names it. The start fails at once, with the system's text, if it cannot be
/// executed, and counts when the program is ready (program_options::ready_fd).
///
///     auto sorter = sys.spawn<troupe::actors::program>({.name = "sorter"},
///                                                      troupe::program_options{.exec = {"sort"}, .protocol =
///                                                      "lines"});
///
/// A stop sends it stop_signal, and kills it after grace, which should be less than child_spec::shutdown. With the
/// worker dies the program; what that has started dies with it in the ways of docs/programs-and-orphans.md.
class program : public troupe::actor {
 public:
  /// A line (without its end) or a frame for the program's standard input. It is handled when the program has it or it
  /// waits among max_pending bytes; what the program has not read when it ends, or closes its input, is gone.
  struct input {
    std::string bytes;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(bytes);
    }
  };
  /// A line (without its end) or a frame from the program's standard output. `more`: a piece of a longer line.
  struct output {
    std::string bytes;
    bool more = false;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(bytes, more);
    }
  };
  using reader = troupe::ref<troupe::handles<output>>;
  /// From now on `whom` is told what the program writes. Until somebody is, nothing is read, so the program waits when
  /// it has filled its pipe. This incarnation only: a reader that is given to the constructor is there in each.
  struct subscribe {
    reader whom;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(whom);
    }
  };
  /// The program reads the end of its input, after all that was told before.
  struct close_input {};
  /// Sends the program a signal.
  struct send_signal {
    int number;
  };
  struct process_id {};

  using config = program_options;
  static constexpr bool runs_programs = true;

  explicit program(program_options how) : how_(std::move(how)), framing_(how_.protocol, how_.max_message) {}
  program(program_options how, reader whom) : program(std::move(how)) { readers_.push_back(std::move(whom)); }

  void on_start() override {
    program_ = child_program(how_);
    wait_until_ready();
    death_ = self().watch(program_.death(), readiness::readable, [this] { look_for_end(); });
    if (!readers_.empty()) read_on();
  }

  void on_stop(stop_reason) override {
    program_.send_signal(static_cast<int>(how_.stop_signal));
    const auto until = in(how_.grace);
    while (program_.pid() != 0 && !program_.ended() && clock::now() < until) {
      wait_ready({{program_.death()}, {program_.output()}}, until);
      take_output();
    }
    program_.kill();
  }

  void on(const input& message) {
    if (how_.protocol == "none") throw error(errc::closed, name() + " has no input: protocol is \"none\"");
    if (closing_) throw error(errc::closed, name() + " has no input any more: close_input came before");
    if (program_.input() < 0) return look_for_end();  // it reads no more; if it has ended, that is the news
    const std::string bytes = framing_.wrapped(message.bytes);
    wait_for_room(bytes.size());
    pending_ += bytes;
    write_on();
  }
  void on(const subscribe& who) {
    readers_.push_back(who.whom);
    read_on();
  }
  void on(close_input) {
    closing_ = true;
    write_on();
  }
  void on(send_signal what) { program_.send_signal(what.number); }
  int on(process_id) const { return program_.pid(); }
  using handles = troupe::handles<input, subscribe, close_input, send_signal, process_id>;

 private:
  using clock = std::chrono::steady_clock;
  /// More than a pipe holds; what it has left behind may write on.
  static constexpr int most_last_parts = 64;

  static clock::time_point in(std::chrono::milliseconds time) { return clock::now() + time; }
  const std::string& name() const { return how_.exec[0]; }

  void wait_until_ready() {
    if (how_.ready_fd == 0) return;
    std::array<char, 256> said;
    for (;;) {
      wait_ready({{program_.ready()}, {program_.death()}, {readers_.empty() ? -1 : program_.output()}}, std::nullopt);
      if (!readers_.empty()) take_output();
      const auto got = program_.read_ready(said);
      if (got && std::string_view(said.data(), *got).find('\n') != std::string_view::npos) return;
      if (!got)
        wait_ready({{program_.death()}},
                   in(std::chrono::milliseconds(100)));  // its descriptors are closed before it is dead
      if (const auto how = program_.ended()) {
        throw std::runtime_error(name() + " " + child_program::text_of(*how) + " before it was ready");
      }
      if (!got) {
        throw std::runtime_error(name() + " closed descriptor " + std::to_string(how_.ready_fd) +
                                 " and has written no newline to it");
      }
    }
  }

  // ------------------------------------------------------------------------------------------------------------ input

  void wait_for_room(std::size_t bytes) {
    const auto until = in(how_.input_patience);
    for (write_on(); !pending_.empty() && pending_.size() + bytes > how_.max_pending; write_on()) {
      // Its output is read meanwhile: it may wait for that before it reads.
      const int output = readers_.empty() ? -1 : program_.output();
      wait_ready({{program_.input(), readiness::writable}, {output}, {program_.death()}}, until);
      if (clock::now() >= until) {
        throw error(errc::full,
                    name() + " has not read its input for " + std::to_string(how_.input_patience.count()) + " ms");
      }
      if (!readers_.empty()) take_output();
      if (program_.ended()) return;  // the watch tells how
    }
  }

  void write_on() {
    std::size_t at = 0;
    while (at < pending_.size()) {
      const auto put = program_.write_input(std::string_view(pending_).substr(at));
      if (!put) at = pending_.size();  // it reads no more
      if (!put || *put == 0) break;
      at += *put;
    }
    pending_.erase(0, at);
    if (pending_.empty()) {
      writable_.end();
      if (closing_) program_.close_input();
    } else if (!writable_) {
      writable_ = self().watch(program_.input(), readiness::writable, [this] { write_on(); });
    }
  }

  // ----------------------------------------------------------------------------------------------------------- output

  void read_on() {
    if (!readable_ && program_.output() >= 0) {
      readable_ = self().watch(program_.output(), readiness::readable, [this] { take_output(); });
    }
  }

  /// True: there was something.
  bool take_output() {
    std::array<char, 65536> part;
    const auto got = program_.read_output(part);
    if (!got) {
      readable_.end();
      if (auto rest = framing_.rest(); !rest.empty()) tell(std::move(rest), false);
      return false;
    }
    framing_.feed(std::string_view(part.data(), *got),
                  [this](std::string&& bytes, bool more) { tell(std::move(bytes), more); });
    return *got > 0;
  }

  void tell(std::string&& bytes, bool more) {
    const output what{std::move(bytes), more};
    std::erase_if(readers_, [&](const reader& each) {
      try {
        each.tell(what);
        return false;
      } catch (const error& e) {
        if (e.code() != errc::closed) throw;
        return true;  // it has ended for good
      }
    });
  }

  // ------------------------------------------------------------------------------------------------------------ death

  void look_for_end() {
    const auto how = program_.ended();
    if (!how) return;
    death_.end();
    for (int parts = 0; parts < most_last_parts && !readers_.empty() && take_output(); ++parts) continue;
    if (auto rest = framing_.rest(); !rest.empty()) tell(std::move(rest), false);
    if (how->signal != 0 || how->code < 0) throw std::runtime_error(name() + " " + child_program::text_of(*how));
    if (how->code != 0) child_program::exit_with(how->code);
    stop();
  }

  program_options how_;
  framing framing_;
  std::vector<reader> readers_;
  child_program program_;
  std::string pending_;
  bool closing_ = false;
  watch death_, readable_, writable_;
};

}  // namespace troupe::actors
