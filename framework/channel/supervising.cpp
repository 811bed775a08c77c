// The calls to supervisors, from main and from workers: one frame, one answer.

#include <troupe/detail/supervising.hpp>
#include <troupe/supervisor_ref.hpp>

#include <algorithm>

#include "channel/endpoint.hpp"
#include "channel/tree_codec.hpp"

namespace troupe::detail {

namespace {

static_assert(own_supervisor == wire::own_supervisor && supervisor_of_child == wire::supervisor_of_child);

os::fd sealed_copy(std::span<const std::byte> bytes) try {
  os::fd memory = os::make_memory("troupe-description", bytes.size());
  std::copy(bytes.begin(), bytes.end(), os::mapping(memory, bytes.size(), os::access::read_write).data());
  os::seal_memory(memory, os::seal::one_writer);
  return memory;
} catch (const error& e) {
  throw error(errc::spawn_failed, std::string("no memory for the description of a child: ") + e.what());
}

struct answered {
  wire::supervised what{};
  std::string text;
  std::vector<std::byte> bytes;
};

answered take(channel::incoming& frame) {
  answered got;
  if (!frame.take(got.what)) throw error(errc::corrupt, "the supervisor's answer is none");
  got.text = frame.text();
  if (got.what.error != 0) throw error(static_cast<errc>(got.what.error - 1), got.text);
  if (got.what.bytes == 0) {
    const auto text = std::as_bytes(std::span(got.text));
    got.bytes.assign(text.begin(), text.end());
    return got;
  }
  if (frame.fds.size() != 1 || !os::has_fixed_size(frame.fds[0], got.what.bytes)) {
    throw error(errc::corrupt, "the supervisor's answer has not the memory that it speaks of");
  }
  const os::mapping map(frame.fds[0], got.what.bytes, os::access::read_only);
  got.bytes.assign(map.data(), map.data() + got.what.bytes);
  return got;
}

struct question {
  wire::supervise_op what;
  std::uint64_t supervisor;
  std::uint64_t child = 0;
  std::uint64_t further = 0;
};

answered call(const question& asked, std::string_view text = {}, std::span<const std::byte> bytes = {}) {
  auto& here = channel::endpoint::current();
  wire::supervise what{here.new_tag(), asked.supervisor, asked.child, asked.further, 0, asked.what, 0};
  if (bytes.empty()) {
    here.send(wire::frame::supervise, what, text);
  } else if (bytes.size() <= wire::max_text) {
    here.send(wire::frame::supervise, what, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  } else {
    const os::fd memory = sealed_copy(bytes);
    what.bytes = bytes.size();
    const int fds[] = {memory.get()};
    here.send(wire::frame::supervise, what, text, fds);
  }
  auto frame = here.await_answer(what.tag);
  if (!frame) throw error(frame.error());
  return take(*frame);
}

answered call(wire::supervise_op what, std::uint64_t supervisor, child_key child) {
  return call(question{what, supervisor, child.id}, child.name);
}

/// What is enclosed with the arguments of actors that are about to be described: deposited, each under a tag.
class enclosures {
 public:
  explicit enclosures(std::span<const packed_arguments* const> all) : all_(all.begin(), all.end()) {
    try {
      for (const auto* each : all) deposit(*each);
    } catch (...) {
      take_back();
      throw;
    }
  }
  /// The supervisor keeps nothing that no actor has got.
  void take_back() const noexcept try {
    for (const auto number : numbers_) here_.withdraw({here_.incarnation(), number});
  } catch (const error&) {  // then the supervisor is gone, and everything with it
  }

  /// `call`: what hands them over if it does not throw.
  template <class Call>
  auto with(Call call) const try {
    auto result = call(tags_);
    for (const auto* each : all_) each->sent();
    return result;
  } catch (...) {
    take_back();
    throw;
  }

 private:
  void deposit(const packed_arguments& arguments) {
    tags_.push_back(arguments.enclosed.empty() ? 0 : here_.new_number());
    for (const auto& enclosed : arguments.enclosed) {
      here_.deposit(enclosed, 0, 0, tags_.back());
      numbers_.push_back(enclosed.number);
    }
  }

  channel::endpoint& here_ = channel::endpoint::current();
  std::vector<const packed_arguments*> all_;
  std::vector<std::uint64_t> tags_, numbers_;
};

started_child started(const answered& got) { return {got.what.subject, got.text, got.what.declined != 0}; }

}  // namespace

const std::string& tree_child::name() const { return supervisor ? supervisor->spec.name : spec.name; }

std::uint64_t find_own_supervisor() { return call(wire::supervise_op::find, own_supervisor, {}).what.subject; }

std::uint64_t find_supervisor(const std::string& name) {
  try {
    return call(wire::supervise_op::find, 0, {0, name}).what.subject;
  } catch (const error& e) {
    if (e.code() == errc::not_found) return 0;
    throw;
  }
}

started_child start_child(std::uint64_t supervisor, const tree_child& child, bool spawning) {
  std::vector<const packed_arguments*> arguments;
  for (const auto* each : channel::actors_of(child)) arguments.push_back(&each->arguments);
  const auto how = spawning ? wire::supervise_op::spawn : wire::supervise_op::start;
  return enclosures(arguments).with([&](const auto& tags) {
    return started(call(question{how, supervisor}, {}, channel::pack_child(child, tags)));
  });
}

started_child start_from_template(std::uint64_t supervisor, std::uint64_t further, const packed_arguments& arguments) {
  const packed_arguments* all[] = {&arguments};
  return enclosures(all).with([&](const auto& tags) {
    return started(call(question{wire::supervise_op::start_from, supervisor, tags.front(), further}, {}, arguments.bytes));
  });
}

void terminate_child(std::uint64_t supervisor, child_key child) {
  call(wire::supervise_op::terminate, supervisor, child);
}
started_child restart_child(std::uint64_t supervisor, child_key child) {
  return started(call(wire::supervise_op::restart, supervisor, child));
}
void delete_child(std::uint64_t supervisor, child_key child) { call(wire::supervise_op::remove, supervisor, child); }

std::vector<child_info> which_children(std::uint64_t supervisor) {
  return channel::unpack_list(call(wire::supervise_op::which, supervisor, {}).bytes);
}
child_counts count_children(std::uint64_t supervisor) {
  return channel::unpack_counts(call(wire::supervise_op::count, supervisor, {}).bytes);
}

tree_child get_childspec(std::uint64_t supervisor, child_key child) {
  return channel::unpack_child(call(wire::supervise_op::spec, supervisor, child).bytes, {}).child;
}

void reload(std::uint64_t supervisor, const tree_node& described) {
  tree_child whole;
  whole.supervisor = std::make_shared<const tree_node>(described);
  std::vector<const packed_arguments*> arguments;
  for (const auto* each : channel::actors_of(whole)) arguments.push_back(&each->arguments);
  const enclosures along(arguments);
  along.with([&](const auto& tags) {
    return call(question{wire::supervise_op::reload, supervisor}, {}, channel::pack_child(whole, tags));
  });
  along.take_back();  // children that are known already keep the arguments that they have
}

}  // namespace troupe::detail

namespace troupe {

child_spec supervisor_ref::get_childspec(const std::string& name) const {
  const auto found = detail::get_childspec(id_, {0, name});
  if (found.supervisor) throw error(errc::not_allowed, name + " is a supervisor: get_supervisorspec has its spec");
  return found.spec;
}

supervisor_spec supervisor_ref::get_supervisorspec(const std::string& name) const {
  const auto found = detail::get_childspec(id_, {0, name});
  if (!found.supervisor) throw error(errc::not_allowed, name + " is an actor: get_childspec has its spec");
  return found.supervisor->spec;
}

}  // namespace troupe
