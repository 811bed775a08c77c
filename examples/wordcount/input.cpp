#include "input.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>

namespace fs = std::filesystem;

namespace {

bool looks_binary(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + file);
  char head[4096];
  in.read(head, sizeof head);
  const auto end = head + in.gcount();
  return std::find(head, end, '\0') != end;
}

void add_file(const std::string& file, std::vector<std::string>& files) {
  if (looks_binary(file)) {
    std::cerr << "wordcount: " << file << " is not text: left out\n";
  } else {
    files.push_back(file);
  }
}

void add_directory(const std::string& directory, std::vector<std::string>& files) {
  std::error_code failed;
  std::vector<std::string> found;
  for (fs::recursive_directory_iterator at(directory, failed), end; !failed && at != end; at.increment(failed)) {
    if (at->is_regular_file(failed)) found.push_back(at->path().string());
  }
  if (failed) throw std::runtime_error("cannot read directory " + directory + ": " + failed.message());
  std::sort(found.begin(), found.end());
  for (const auto& file : found) add_file(file, files);
}

}  // namespace

std::vector<std::string> text_files(const std::vector<std::string>& arguments) {
  std::vector<std::string> files;
  for (const auto& argument : arguments) {
    std::error_code failed;
    const auto status = fs::status(argument, failed);
    if (!fs::exists(status)) throw std::runtime_error("there is no file or directory " + argument);
    if (fs::is_directory(status)) {
      add_directory(argument, files);
    } else {
      add_file(argument, files);
    }
  }
  return files;
}

void count_plainly(const std::string& text, std::map<std::string, std::uint64_t>& into) {
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) ++into[word];
    word.clear();
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 127) {
      word += c;
    } else if (std::isalnum(byte) != 0) {
      word += static_cast<char>(std::tolower(byte));
    } else {
      end_word();
    }
  }
  end_word();
}

std::map<std::string, std::uint64_t> count_plainly(const std::vector<std::string>& files) {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    count_plainly(std::string(std::istreambuf_iterator<char>(in), {}), counts);
  }
  return counts;
}
