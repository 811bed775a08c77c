#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <troupe/actor.hpp>
#include <troupe/ref.hpp>
#include <troupe/supervisor.hpp>

namespace troupe {

/// An actor that has been started, and what it said of its start.
template <class A>
class started : public actor_ref<A> {
 public:
  started(detail::started_child what) : actor_ref<A>(what.id), info_(std::move(what.info)), declined_(what.declined) {}
  /// What its on_start gave to self().announce(...).
  const std::string& info() const noexcept { return info_; }
  /// It did not want to run: see troupe::decline. It is known to its supervisor and down, a temporary one is forgotten.
  bool declined() const noexcept { return declined_; }

 private:
  std::string info_;
  bool declined_ = false;
};

/// Names a running supervisor: a value, cheap to copy, valid in every process of the program, across restarts of the
/// supervisor, until it is deleted.
///
/// The calls are Erlang/OTP's. They wait for the supervisor's answer and throw error; `closed`: the supervisor does not
/// run. Any thread of main; in an actor the loop thread. From its constructor and on_start an actor must not change the
/// children of its own supervisor, nor of those above, which may wait for it: errc::deadlock.
class supervisor_ref {
 public:
  /// Names nobody.
  supervisor_ref() noexcept = default;
  explicit supervisor_ref(std::uint64_t id) noexcept : id_(id) {}

  /// Adds a child behind all others and starts it; returns when it is up, or has declined.
  /// Throws error: already_started, already_present (there is a child of this name that runs, that does not), name_taken
  /// (elsewhere in the program), start_failed, spawn_failed (the child is forgotten), bad_spec, full (max_children).
  template <class A, class... Arguments>
  started<A> start_child(child_spec spec, Arguments&&... arguments) const {
    return detail::start_child(
        id_, detail::describe_child<A>(std::move(spec), std::forward<Arguments>(arguments)...), false);
  }
  supervisor_ref start_child(const supervisor& below) const {
    return supervisor_ref(detail::start_child(id_, below.as_child(), false).id);
  }
  /// simple_one_for_one: a child from the template; `further` are behind the template's own arguments.
  template <class A, class... Further>
  started<A> start(Further&&... further) const {
    return detail::start_from_template(id_, detail::further_id<Further...>(),
                                       detail::pack_further(detail::argument<Further>(std::forward<Further>(further))...));
  }

  /// Stops the child, or ends its restart loop; it stays known and down, a temporary one and one of simple_one_for_one
  /// is forgotten. Nothing happens to one that is down. Throws error: not_found.
  void terminate_child(const std::string& name) const { detail::terminate_child(id_, {0, name}); }
  template <class A>
  void terminate_child(const actor_ref<A>& child) const {
    detail::terminate_child(id_, {child.identity()});
  }
  /// Starts a child that is down. Throws error: running, restarting, not_found, start_failed (it stays down).
  detail::started_child restart_child(const std::string& name) const { return detail::restart_child(id_, {0, name}); }
  /// Forgets a child that is down: its name is free. Throws error: running, restarting, not_found.
  void delete_child(const std::string& name) const { detail::delete_child(id_, {0, name}); }

  /// All children, the newest first.
  std::vector<child_info> which_children() const { return detail::which_children(id_); }
  std::optional<child_info> which_child(const std::string& name) const {
    for (auto& each : which_children()) {
      if (each.name == name) return each;
    }
    return std::nullopt;
  }
  child_counts count_children() const { return detail::count_children(id_); }
  /// What the supervisor knows of a child, defaults filled in. Throws error: not_found; not_allowed: it is of the other
  /// kind.
  child_spec get_childspec(const std::string& name) const;
  supervisor_spec get_supervisorspec(const std::string& name) const;

  /// Takes new flags and child specs, as a code change does in Erlang/OTP: flags are in force at once; a child of the same
  /// name keeps its process and gets the new spec; new ones are added and not started; others stay. Arguments stay
  /// those of the first start, and children of a supervisor below stay: reload that one. bad_spec, and nothing has
  /// changed: also for a child that is an actor and is described as a supervisor, or the reverse, or that is of another
  /// class.
  void reload(const supervisor& described) const { detail::reload(id_, described.description()); }

  explicit operator bool() const noexcept { return id_ != 0; }
  friend bool operator==(const supervisor_ref&, const supervisor_ref&) noexcept = default;
  /// A number that stands for the supervisor; never reused.
  std::uint64_t id() const noexcept { return id_; }

  template <class Archive>
  void serialize(Archive& ar) {
    ar(id_);
  }

 private:
  std::uint64_t id_ = 0;
};

inline supervisor_ref self_t::children() const { return supervisor_ref(detail::find_own_supervisor()); }

inline std::optional<supervisor_ref> self_t::find_supervisor(const std::string& name) const {
  const auto found = detail::find_supervisor(name);
  return found == 0 ? std::nullopt : std::optional(supervisor_ref(found));
}

template <class A, class... Arguments>
actor_ref<A> self_t::spawn(const child_spec& spec, Arguments&&... arguments) const {
  return actor_ref<A>(
      detail::start_child(detail::own_supervisor,
                          detail::describe_child<A>(spec, std::forward<Arguments>(arguments)...), true)
          .id);
}

template <class A, class Name, class... Arguments>
  requires std::convertible_to<const Name&, std::string>
actor_ref<A> self_t::spawn(const Name& name, Arguments&&... arguments) const {
  return spawn<A>(child_spec{.name = name}, std::forward<Arguments>(arguments)...);
}

inline supervisor_ref self_t::spawn(const supervisor& described) const {
  return supervisor_ref(detail::start_child(detail::own_supervisor, described.as_child(), true).id);
}

}  // namespace troupe
