#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <troupe/troupe.hpp>

struct Print { std::string text; template <class Ar> void serialize(Ar& ar) { ar(CEREAL_NVP(text)); } };
struct Ready {};

struct Printer : troupe::actor {
  explicit Printer(std::string paper) : paper_(std::move(paper)) {}
  void on(const Print& page) {
    if (!std::filesystem::exists(paper_)) std::abort();  // a bug that a restart does not mend
    std::cout << "printed: " << page.text << std::endl;
  }
  bool on(Ready) { return true; }
  using handles = troupe::handles<Print, Ready>;
  std::string paper_;
};

int main(int argc, char** argv) {
  const auto paper = std::filesystem::temp_directory_path() / ("paper." + std::to_string(std::random_device{}()));
  const int code = troupe::run<Printer>(argc, argv, [&](troupe::system& sys) {
    auto printer = sys.spawn<Printer>("printer", paper.string());
    printer.tell(Print{"a page that kills its printer"});
    while (sys.dead_letters().list().empty()) sys.poll(std::chrono::milliseconds(10));
    for (const auto& letter : sys.dead_letters().list()) {
      std::cout << letter.message_name << " from " << letter.sender_name << " to " << letter.receiver_name << "\n";
      for (const auto& death : letter.deaths) std::cout << "  the printer " << death.text << "\n";
      std::cout << "it says: " << sys.dead_letters().read(letter.number)->as<Print>().text << std::endl;
      std::ofstream(paper) << "paper";           // what was wrong is mended
      sys.dead_letters().replay(letter.number);  // the same bytes, told again
    }
    printer.ask(Ready{}).get();
  });
  std::filesystem::remove(paper);
  return code;
}
