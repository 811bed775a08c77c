#pragma once

#include <string>

namespace troupe {

/// What is wrong with a value of a config that a tree file gives. A config, or a struct in it, that has rules of its own
/// says so with a function
///
///     std::vector<troupe::config_fault> faults() const {
///       if (port == 0) return {{"port", "0 is no port that can be reached"}};
///       return {};
///     }
///
/// The config itself may have one more, `faults(const troupe::child_spec& its)`, for what does not fit to the child's own
/// keys; it is asked when nothing else is wrong with the config.
///
/// `check` and `run` ask it when the fields themselves could be read, and say each fault with the place of its field.
/// Whoever makes the actor from code gives its constructor the same values: what must hold there too is asked there.
struct config_fault {
  std::string field;  ///< as its serialize function names it
  std::string text;   ///< what is wrong with it, as a sentence behind the field's name and a colon
};

}  // namespace troupe
