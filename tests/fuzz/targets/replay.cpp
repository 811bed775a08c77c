// What runs a target without libFuzzer: every seed, every file that is named, and a fixed number of changes of each.
//   TARGET [--changes N] [FILE or FOLDER...]
//   TARGET --write-seeds FOLDER

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <stdexcept>

#include "fuzz/targets/target.hpp"

namespace {

namespace fs = std::filesystem;
using fuzz::bytes;

bytes read(const fs::path& path) {
  std::ifstream from(path, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(from), {}};
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

void write(const fs::path& folder, const std::vector<bytes>& all) {
  fs::create_directories(folder);
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::ofstream to(folder / ("seed-" + std::to_string(i)), std::ios::binary);
    to.write(reinterpret_cast<const char*>(all[i].data()), static_cast<std::streamsize>(all[i].size()));
  }
}

void add(const fs::path& path, std::vector<bytes>& to) {
  if (!fs::exists(path)) throw std::runtime_error(path.string() + " does not exist");
  if (!fs::is_directory(path)) return to.push_back(read(path));
  for (const auto& each : fs::directory_iterator(path)) {
    if (each.is_regular_file()) to.push_back(read(each.path()));
  }
}

class changer {
 public:
  bytes changed(bytes from) {
    for (std::size_t n = 1 + below(8); n > 0 && !from.empty(); --n) change(from);
    if (below(8) == 0) from.resize(below(from.size() + 1));
    return from;
  }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  void change(bytes& what) {
    const std::size_t at = below(what.size());
    switch (below(4)) {
      case 0: what[at] = static_cast<std::byte>(below(256)); break;
      case 1: what[at] ^= static_cast<std::byte>(1U << below(8)); break;
      case 2: what[at] = std::byte{0xff}; break;
      default: {
        const std::uint64_t word = random_();
        std::memcpy(what.data() + at, &word, std::min<std::size_t>(sizeof word, what.size() - at));
      }
    }
  }
  std::mt19937_64 random_{20261123};
};

void run(const bytes& one) {
  // Exactly as large as the input, so that a sanitizer sees a read beyond it.
  const auto copy = std::make_unique<std::uint8_t[]>(one.size());
  if (!one.empty()) std::memcpy(copy.get(), one.data(), one.size());
  LLVMFuzzerTestOneInput(copy.get(), one.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<bytes> corpus = fuzz::seeds();
  std::size_t changes = 2000;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--write-seeds" && i + 1 < argc) return write(argv[i + 1], corpus), 0;
    if (word == "--changes" && i + 1 < argc) {
      changes = std::stoul(argv[++i]);
    } else {
      add(word, corpus);
    }
  }
  if (corpus.empty()) {
    std::cerr << "no input: this shows nothing\n";
    return 1;
  }
  changer change;
  std::size_t ran = 0;
  for (const bytes& one : corpus) {
    run(one);
    for (std::size_t n = 0; n < changes; ++n) run(change.changed(one));
    ran += changes + 1;
  }
  std::cout << ran << " inputs from a corpus of " << corpus.size() << ", all survived\n";
  return 0;
}
