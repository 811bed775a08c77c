#include "config/common.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

namespace tests {

namespace fs = std::filesystem;

namespace {

/// Both streams into one text while it lives.
class captured {
 public:
  captured() : out_(std::cout.rdbuf(text_.rdbuf())), err_(std::cerr.rdbuf(text_.rdbuf())) {}
  ~captured() {
    std::cout.rdbuf(out_);
    std::cerr.rdbuf(err_);
  }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* out_;
  std::streambuf* err_;
};

}  // namespace

said say_of(std::span<const troupe::detail::config_class> classes, troupe::detail::foreign_maker foreign,
            const std::vector<std::string>& arguments, const troupe::options& how) {
  std::vector<const char*> argv{"/usr/bin/service"};
  for (const auto& each : arguments) argv.push_back(each.c_str());
  said result;
  const captured both;
  result.wanted = troupe::detail::read_command(static_cast<int>(argv.size()), argv.data(), classes, foreign, how);
  result.exit_code = result.wanted.exit_code;
  result.text = both.text();
  return result;
}

said say(const std::vector<std::string>& arguments, const troupe::options& how) {
  static const std::vector<troupe::detail::config_class> classes{
      troupe::detail::class_of<Reader>(), troupe::detail::class_of<Parser>(), troupe::detail::class_of<Counter>(),
      troupe::detail::class_of<Import>()};
  return say_of(classes, nullptr, arguments, how);
}

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in, path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(TESTS_CONFIG) / folder)) {
    if (entry.path().extension() == ".toml") names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

scratch_file::scratch_file(const std::string& text) {
  static int number = 0;
  const auto name = "troupe-config-test-" + std::to_string(fs::hash_value(fs::current_path())) + "-" +
                    std::to_string(reinterpret_cast<std::uintptr_t>(this)) + "-" + std::to_string(++number) + ".toml";
  path_ = (fs::temp_directory_path() / name).string();
  std::ofstream(path_, std::ios::binary) << text;
}
scratch_file::~scratch_file() { std::remove(path_.c_str()); }

}  // namespace tests
