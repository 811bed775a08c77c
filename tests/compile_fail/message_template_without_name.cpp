// expect: message is a template: give it a name with static constexpr std::string_view troupe_name
#include <troupe/message.hpp>

template <class T>
struct Put {
  T value;
};

std::uint64_t id() { return troupe::message_id<Put<int>>(); }
