#pragma once

/// The actor classes of the program that these tests run.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <troupe/main.hpp>
#include <troupe/troupe.hpp>

namespace tests {

struct Nothing {};

struct Reader : troupe::actor {
  struct config {
    std::string path = "access.log";
    std::chrono::milliseconds every{100};
    troupe::byte_count buffer{64 * 1024};
    std::uint16_t port = 80;
    bool follow = false;

    template <class Ar>
    void serialize(Ar& ar) {
      ar(CEREAL_NVP(path), CEREAL_NVP(every), CEREAL_NVP(buffer), CEREAL_NVP(port), CEREAL_NVP(follow));
    }
  };
  explicit Reader(config c) : its(std::move(c)) {}
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
  config its;
};

struct Parser : troupe::actor {
  enum class mode : std::uint8_t { strict, lax };
  struct output {
    std::string to;
    double share = 1;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(CEREAL_NVP(to), CEREAL_NVP(share));
    }
  };
  struct config {
    std::string reads;
    mode how = mode::strict;
    std::vector<std::string> words;
    std::map<std::string, std::int32_t> weights;
    std::optional<std::uint32_t> limit;
    std::vector<output> outputs;
    output errors{"errors.log", 0.5};
    std::pair<double, double> range{0, 1};

    template <class Ar>
    void serialize(Ar& ar) {
      ar(CEREAL_NVP(reads), CEREAL_NVP(how), CEREAL_NVP(words), CEREAL_NVP(weights), CEREAL_NVP(limit));
      ar(CEREAL_NVP(outputs), CEREAL_NVP(errors), CEREAL_NVP(range));
    }
  };
  explicit Parser(config c) : its(std::move(c)) {}
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
  config its;
};

struct Counter : troupe::actor {
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
};

struct Import : troupe::actor {
  static constexpr bool one_shot = true;
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
};

}  // namespace tests
