#include "channel/tree_codec.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include <troupe/codec_cereal.hpp>

// What is sent, field by field; found by the archives in the namespace of the types.
namespace troupe {

template <class Ar>
void serialize(Ar& ar, shutdown& s) {
  ar(s.how, s.grace);
}
template <class Ar>
void serialize(Ar& ar, backoff& b) {
  ar(b.first, b.max, b.reset_after, b.jitter);
}
template <class Ar>
void serialize(Ar& ar, restart_budget& b) {
  ar(b.max_restarts, b.within);
}
template <class Ar>
void serialize(Ar& ar, recycle& r) {
  ar(r.messages, r.memory);
}
template <class Ar>
void serialize(Ar& ar, limits& l) {
  ar(l.data, l.cpu, l.files, l.file_size, l.core, l.memory);
}
template <class Ar>
void serialize(Ar& ar, child_spec& s) {
  ar(s.name, s.restart, s.shutdown, s.significant, s.backoff, s.budget, s.start_timeout, s.deadline, s.mailbox, s.standby,
     s.recycle, s.lane_bytes, s.checkpoint_bytes, s.outbox_bytes, s.limits, s.no_new_privs);
}
template <class Ar>
void serialize(Ar& ar, supervisor_spec& s) {
  ar(s.name, s.strategy, s.max_restarts, s.within, s.auto_shutdown, s.max_children, s.restart, s.shutdown, s.significant,
     s.backoff, s.budget);
}
template <class Ar>
void serialize(Ar& ar, child_info& c) {
  ar(c.name, c.identity, c.kind, c.state, c.pid, c.incarnation);
}
template <class Ar>
void serialize(Ar& ar, child_counts& c) {
  ar(c.specs, c.active, c.supervisors, c.workers);
}

namespace channel {
namespace {

/// A described child between its two forms.
struct packed_child {
  child_spec spec;
  std::string type;  // of an actor; empty: it has none
  std::vector<std::byte> arguments;
  std::uint64_t further = 0;
  std::uint64_t tag = 0;
  std::optional<supervisor_spec> supervisor;
  std::vector<packed_child> children;

  template <class Ar>
  void serialize(Ar& ar) {
    ar(spec, type, arguments, further, tag, supervisor, children);
  }
};

template <class T>
std::vector<std::byte> to_bytes(const T& value) {
  detail::writer probe(nullptr, 0);
  troupe::encode(value, probe);
  std::vector<std::byte> bytes(probe.size());
  detail::writer to(bytes.data(), bytes.size());
  troupe::encode(value, to);
  return bytes;
}

template <class T>
T from_bytes(std::span<const std::byte> bytes) {
  detail::reader from(bytes.data(), bytes.size());
  return troupe::decode<T>(from);
}

packed_child pack(const detail::tree_child& child, std::span<const std::uint64_t>& tags) {
  packed_child made;
  if (!child.supervisor) {
    made.spec = child.spec;
    if (child.type != nullptr) made.type = child.type->name;
    made.arguments = child.arguments.bytes;
    made.further = child.further;
    if (!tags.empty()) made.tag = tags.front(), tags = tags.subspan(1);
    return made;
  }
  made.supervisor = child.supervisor->spec;
  for (const auto& each : child.supervisor->children) made.children.push_back(pack(each, tags));
  return made;
}

/// An enumerator that a stranger's number stands for.
template <class E>
void require(E value, E last, const char* what) {
  if (value > last) detail::corrupt(what);
}

void require_spec(const child_spec& spec) {
  require(spec.restart, restart::temporary, "a description with an unknown restart kind");
  require(spec.shutdown.how, shutdown::kind::infinity, "a description with an unknown way to shut down");
  require(spec.mailbox, troupe::mailbox::clear, "a description with an unknown way to treat a mailbox");
}

void require_spec(const supervisor_spec& spec) {
  require(spec.restart, restart::temporary, "a description with an unknown restart kind");
  require(spec.shutdown.how, shutdown::kind::infinity, "a description with an unknown way to shut down");
  require(spec.strategy, strategy::simple_one_for_one, "a description with an unknown strategy");
  require(spec.auto_shutdown, auto_shutdown::all_significant, "a description with an unknown auto_shutdown");
}

detail::tree_child unpack(packed_child& from, std::span<const detail::actor_type* const> types,
                          std::vector<std::uint64_t>& tags) {
  detail::tree_child made;
  if (!from.supervisor) {
    require_spec(from.spec);
    const auto type = std::find_if(types.begin(), types.end(), [&](const auto* each) { return each->name == from.type; });
    if (type == types.end() && !from.type.empty()) {
      throw error(errc::bad_spec, from.spec.name + ": the actor class " + from.type +
                                      " is not among those that troupe::run was given");
    }
    made.spec = std::move(from.spec);
    made.type = type == types.end() ? nullptr : *type;
    made.arguments.bytes = std::move(from.arguments);
    made.further = from.further;
    tags.push_back(from.tag);
    return made;
  }
  require_spec(*from.supervisor);
  auto node = std::make_shared<detail::tree_node>();
  node->spec = std::move(*from.supervisor);
  for (auto& each : from.children) node->children.push_back(unpack(each, types, tags));
  made.supervisor = std::move(node);
  return made;
}

void collect(const detail::tree_child& child, std::vector<const detail::tree_child*>& into) {
  if (!child.supervisor) return into.push_back(&child);
  for (const auto& each : child.supervisor->children) collect(each, into);
}

}  // namespace

std::vector<std::byte> pack_child(const detail::tree_child& child, std::span<const std::uint64_t> tags) {
  return to_bytes(pack(child, tags));
}

described unpack_child(std::span<const std::byte> bytes, std::span<const detail::actor_type* const> types) {
  auto packed = from_bytes<packed_child>(bytes);
  described made;
  made.child = unpack(packed, types, made.tags);
  return made;
}

std::vector<const detail::tree_child*> actors_of(const detail::tree_child& child) {
  std::vector<const detail::tree_child*> all;
  collect(child, all);
  return all;
}

std::vector<std::byte> pack_list(const std::vector<child_info>& children) { return to_bytes(children); }
std::vector<child_info> unpack_list(std::span<const std::byte> bytes) { return from_bytes<std::vector<child_info>>(bytes); }
std::vector<std::byte> pack_counts(const child_counts& counts) { return to_bytes(counts); }
child_counts unpack_counts(std::span<const std::byte> bytes) { return from_bytes<child_counts>(bytes); }

}  // namespace channel
}  // namespace troupe
