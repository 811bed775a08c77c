// A calculator and three clients, each a process of its own. Every way in which an ask can end is here:
// a reply, an error that the handler chose, a deadline, and a callee that dies with the question.

#include <cstdlib>
#include <iostream>
#include <troupe/troupe.hpp>

using namespace std::chrono_literals;

struct Divide {
  double dividend, divisor;
};
struct SquareRoot {
  double of;
};
struct Ponder {};   // is never answered
struct Explode {};  // kills the calculator

struct Calculator : troupe::actor {
  troupe::result<double> on(Divide what) {
    if (what.divisor == 0) return troupe::fail("division by zero");
    return what.dividend / what.divisor;
  }
  // Newton's method, one step per message to oneself; the asker gets its answer after the last step, and meanwhile the
  // calculator serves others.
  troupe::deferred<double> on(SquareRoot what) {
    if (work_.empty()) after(1ms, Step{});
    work_.push_back({self().defer<double>(), what.of, what.of});
    return work_.back().answer;
  }
  struct Step {};
  void on(Step) {
    std::erase_if(work_, [](job& each) {
      each.guess = (each.guess + each.of / each.guess) / 2;
      if (++each.steps < 8) return false;
      each.answer.reply(each.guess);
      return true;
    });
    if (!work_.empty()) after(1ms, Step{});
  }
  troupe::deferred<void> on(Ponder) {
    pondered_.push_back(self().defer<void>());
    return pondered_.back();
  }
  void on(Explode) { std::abort(); }
  using handles = troupe::handles<double(Divide), double(SquareRoot), Step, void(Ponder), void(Explode)>;

 private:
  struct job {
    troupe::deferred<double> answer;
    double of, guess;
    int steps = 0;
  };
  std::vector<job> work_;
  std::vector<troupe::deferred<void>> pondered_;
};

struct Start {};

/// Asks its questions one after the other and answers with what came of them.
struct Client : troupe::actor {
  explicit Client(troupe::actor_ref<Calculator> calculator) : calculator_(calculator) {}

  std::string on(Start) {
    std::string report;
    const auto note = [&](const std::string& question, const auto& answer) {
      report += "  " + question + " -> " + (answer ? std::to_string(*answer) : answer.error().what()) + "\n";
    };
    note("355 / 113", calculator_.ask(Divide{355, 113}).try_get());
    note("1 / 0", calculator_.ask(Divide{1, 0}).try_get());
    note("the root of 2", calculator_.ask(SquareRoot{2}).try_get());
    const auto thought = calculator_.ask(Ponder{}, 50ms).try_get();
    return report + "  the meaning of it all -> " + (thought ? "?" : thought.error().what()) + "\n";
  }
  using handles = troupe::handles<std::string(Start)>;

 private:
  troupe::actor_ref<Calculator> calculator_;
};

int main(int argc, char** argv) {
  return troupe::run<Calculator, Client>(argc, argv, [](troupe::system& sys) {
    const auto calculator = sys.spawn<Calculator>("calculator");
    // Three questions under way at once; then() runs inside poll(), on this thread.
    int answers = 0;
    for (const auto* name : {"ada", "blaise", "carl"}) {
      sys.spawn<Client>(name, calculator).ask(Start{}).then([&, name](troupe::expected<std::string> report) {
        std::cout << name << " asked\n" << (report ? *report : report.error().what()) << std::flush;
        ++answers;
      });
    }
    while (answers < 3 && !sys.stopping()) sys.poll(1s);

    const auto exploded = calculator.ask(Explode{}).try_get();
    std::cout << "main asked it to explode -> " << (exploded ? "it did not" : exploded.error().what()) << "\n";
    std::cout << "and the next calculator says 1 / 4 = " << calculator.ask(Divide{1, 4}).get() << "\n";
  });
}
