#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <troupe/child_spec.hpp>
#include <troupe/detail/actor_type.hpp>
#include <troupe/detail/runtime.hpp>

#include "channel/frames.hpp"
#include "channel/tree_codec.hpp"
#include "os/poller.hpp"
#include "supervision/certificate.hpp"
#include "supervision/cgroups.hpp"
#include "supervision/death_register.hpp"
#include "supervision/executor.hpp"
#include "supervision/judge.hpp"
#include "supervision/letters.hpp"
#include "supervision/output.hpp"
#include "supervision/spawner.hpp"
#include "supervision/supervisor.hpp"
#include "supervision/world.hpp"

namespace troupe::supervision {

/// The control thread: spawns, watches and reaps workers, introduces them to each other (broker), judges what was in
/// flight when one dies, and wakes whom the dead may have owed a wake. It alone touches the world; others post to it.
/// It never waits for a worker, and runs neither CAF nor user code.
class control final : public executor {
 public:
  struct hooks {
    std::function<void(int signal)> on_signal;  ///< control thread
    std::function<void(policy::outcome, const std::string&)> on_ended;  ///< control thread
  };
  control(spawner& spawns, cgroups& groups, std::span<const detail::actor_type* const> types,
          const dead_letter_limits& limits, const log_options& log, hooks calls);
  ~control();

  /// Makes main's own identity; returns what main's endpoint is made of. Before start().
  struct main_parts {
    wire::identity_id identity;
    wire::incarnation_id incarnation;
    os::fd control;
    os::mapping out;
    os::fd doorbell;
  };
  main_parts make_main(std::uint64_t outbox_bytes = default_outbox_bytes);
  /// Starts the thread. `decides`: whom deaths are told. `signals`: descriptor of the signals that the process takes.
  void start(supervisors& decides, os::fd signals);
  /// Kills what still runs, reaps it and ends the thread.
  void finish();

  /// SIGKILL to every worker, at once. Control thread only: for a hook.
  void kill_all();

  std::uint64_t deaths() const noexcept { return deaths_; }
  std::uint64_t restarts() const noexcept { return restarts_; }
  std::uint64_t dead_letters() const noexcept { return dead_letters_; }
  std::uint64_t workers() const noexcept { return workers_; }

  // executor: any thread
  void start(policy::child_id id) override;
  void stop(policy::child_id id, shutdown how, bool comes_again) override;
  void forget(policy::child_id id) override;
  void retire(policy::child_id id, supervisor_id keeper) override;
  void reclaim(policy::child_id id) override;
  void down_for_good(policy::child_id id, policy::down_because why) override;
  void rests(policy::child_id id) override;
  void restarts_later(policy::child_id id, std::chrono::milliseconds delay) override;
  void restarts_with_others(policy::child_id id) override;
  void report(supervisor_id of, const policy::report& line) override;
  void ended(supervisor_id which, policy::outcome how, const std::string& text) override;

 private:
  using command = std::function<void()>;
  void post(command what);

  // control.cpp: the thread
  void run();
  void guarded(const std::function<void()>& what) noexcept;
  void serve(const os::poller::event& event);
  void run_commands();
  void on_timer();
  std::optional<os::time_point> next_deadline() const;
  void sweep();

  // lives.cpp: birth and death of processes
  expected<identity*> add_identity(const std::string& name, const child_spec& spec);
  void start_life(identity& of);
  void on_spawned(const wire::spawn_reply& reply);
  void serve_spawner();
  void boot(life& who, cgroups::seat&& seat);
  /// confining.cpp
  void confine(wire::boot& frame, std::vector<std::shared_ptr<os::fd>>& fds, const child_spec& spec, cgroups::seat&& seat);
  void attached(life& who);
  void ready(life& who, const std::string& said);
  void stop_life(life& who, shutdown how);
  void on_death(life& who);
  void after_death(life& who, const certificate& how);
  void tell_askers(identity& of, const life& dead, const std::string& how);
  void finish_lanes_of(const life& dead);
  void end_life(life& who);
  void release(identity& which);
  life* find_life(wire::incarnation_id id);
  void bear(identity& of, bool spare);
  void let_go(life& who);
  void died(life& who, const os::exit_status& status);
  void forget_life(life& who);

  // ends.cpp: who hears of a life's end
  struct end_of_life {
    wire::identity_id of;
    certificate how;
    policy::charge paid;
    bool failed_start, declined, stop_asked, retired, unannounced;
    std::string said;  // by who could not start
  };
  void tell_end(const end_of_life& end);
  void tell_failed_start(identity& of, const end_of_life& end);
  void start_failed(identity& of, errc code, const std::string& text, policy::charge paid = policy::charge::counts);
  template <class Body>
  void process_ended(identity& which, wire::frame type, const Body& news, const std::string& how);

  // unborn.cpp: the spawner's death
  void spawner_died();
  void reap_strays();

  // standby.cpp: spares
  void activate(identity& of, life& spare);
  static life* ready_spare(const identity& of);
  static process_rules rules_of_process(const child_spec& spec);
  bool restarts_at_once(const identity& of, policy::exit_kind how) const;
  void on_standing_by(life& who);
  void on_suspect(life& who, wire::incarnation_id suspected);
  void on_spare_death(life& who, const std::string& how);
  void stop_spares(identity& of);
  void plan_refill(identity& of);
  void make_spare(identity& of);
  void stop_spares_too_many(identity& of);
  void renew_spares(identity& of);
  void tell_whom_to_watch(identity& of);
  void look_at_suspects(os::time_point now);
  void look_after_spares(os::time_point now);
  std::optional<os::time_point> next_look() const;

  // recycling.cpp: planned replacement
  void note_start(life& who);
  void look_for_due();
  void retire_if_due(identity& of);
  void on_retiring(life& who);
  bool hand_over(identity& of);

  // certified.cpp: what workers print, and their death certificates
  void capture_output(const life& who, wire::boot& frame, std::vector<std::shared_ptr<os::fd>>& fds);
  void file(const life& dead, const certificate& how, const std::vector<judged_record>& records);
  void on_deaths(life& who, const wire::call& wanted, const std::string& name);

  // broker.cpp: introductions
  void serve_control(life& who);
  void hear(life& who);
  bool serve_frame(life& who);
  void stop_listening(life& who);
  void silence(life& who, const char* why);
  void say_lack();
  static std::shared_ptr<os::fd> for_owner(const std::shared_ptr<os::fd>& doorbell);
  void take_frame(life& who, channel::incoming& frame);
  void on_find(life& who, std::uint64_t tag, const std::string& name);
  void on_connect(life& who, const wire::connect& wanted);
  void connect_waiting(identity& to);
  void on_ask_link(life& who, wire::identity_id to);
  void on_monitor(life& who, wire::identity_id to);
  void on_signal_order(const wire::order& order);
  void on_end_order(const life& who, const wire::order& order);
  void on_lane_drained(life& who, const wire::slot& lane);
  void announce(identity& to, in_lane& lane);
  void join_link(identity& callee, in_lane& lane);
  template <class Body>
  void send(life& to, wire::frame type, const Body& body, std::string_view text = {},
            std::vector<std::shared_ptr<os::fd>> fds = {}) {
    enqueue(to, channel::pack(type, body, text), std::move(fds));
  }
  void enqueue(life& to, std::vector<std::byte> bytes, std::vector<std::shared_ptr<os::fd>> fds);
  void flush(life& to);

  // primitives.cpp: what is enclosed with messages; queues; processes
  using deposit_key = std::pair<wire::incarnation_id, std::uint64_t>;
  void on_deposit(life& who, const wire::deposit& said, channel::incoming& frame);
  void on_withdraw(life& who, const wire::token& token);
  bool is_void(const deposit_key& key, const enclosed& what);
  std::size_t deposits_of(const life& who) const;
  bool has_lane(const life& from, wire::identity_id to);
  void drop_void_deposits();
  void on_queue_make(life& who, const wire::queue& wanted);
  void on_queue_take(life& who, const wire::call& wanted);
  void on_queue_hold(life& who, wire::identity_id queue);
  void on_queue_drop(life& who, wire::identity_id queue);
  void end_unheld_queues();
  std::size_t owned_by(const life& who) const;
  void on_process_start(life& who, const wire::process& wanted, channel::incoming& frame);
  void stop_processes_of(wire::incarnation_id dead);

  // segments.cpp: further segments of outboxes
  void on_segment_make(life& who, std::uint64_t room);
  void on_segment_mapped(life& who, std::uint64_t number);
  void on_segment_share(life& who, const wire::share& said);
  void on_segment_retired(life& who, std::uint64_t number);
  void hand_segment(life& to, wire::incarnation_id from, outbox_segments& all, std::uint32_t number,
                    wire::identity_id owner, std::uint32_t slot);

  // tree.cpp: supervisors below the root, and what main and actors ask of supervisors
  struct call {
    wire::incarnation_id from;
    std::uint64_t tag;
  };
  void on_supervise(life& who, const wire::supervise& asked, channel::incoming& frame);
  void supervise(life& who, branch& of, const wire::supervise& asked, const std::string& name,
                 std::span<const std::byte> bytes);
  void answer(const call& to, errc code, const std::string& text);
  void answer(const call& to, std::uint64_t subject, std::string_view info = {}, bool declined = false);
  void answer(const call& to, std::span<const std::byte> bytes);
  branch* find_branch(life& who, const wire::supervise& asked);
  policy::child_id find_child(const branch& of, policy::child_id child, const std::string& name);
  void call_for_child(const call& from, branch& of, const wire::supervise& asked, const std::string& name);
  void terminate_for(const std::string& asker, supervisor_id of, policy::child_id child, supervisors::completion done);
  void child_answered(const call& to, const child_plan& child, const policy::answer& got);
  void list_children(const call& to, const branch& of);
  void count_children(const call& to, const branch& of);
  void describe_child(const call& to, policy::child_id child);
  supervisor_id own_supervisor(life& who);
  void after_own_children(supervisor_id own, std::function<void()> then);
  void kill_children_of(wire::identity_id actor);
  bool is_killed_with(supervisor_id which);
  void branch_ended(supervisor_id which, const std::string& text);
  std::string branch_name(supervisor_id id);

  // plans.cpp: children that are described, on their way to a supervisor
  struct newcomer {
    call from;
    supervisor_id under;
    bool spawned;  // makes room, and is an error in other words
    channel::described what;
    policy::child_id forgotten = 0;  // had this name, and its supervisor does not know it any more
  };
  void start_described(newcomer its, bool again = false);
  void name_in_use(newcomer its, policy::child_id by);
  void start_from_template(life& who, branch& of, const wire::supervise& asked, std::span<const std::byte> bytes);
  void start_planned(const call& from, supervisor_id under, child_plan planned);
  expected<child_plan> plan(const detail::tree_child& described, supervisor_id under, life& who,
                            std::span<const std::uint64_t>& tags);
  expected<child_plan> plan_actor(const detail::tree_child& described, supervisor_id under, life& who,
                                  std::uint64_t tag);
  expected<child_plan> plan_supervisor(const detail::tree_child& described, supervisor_id under, life& who,
                                       std::span<const std::uint64_t>& tags);
  void give_memory(identity& its, std::span<const std::byte> arguments);
  void give_arguments(identity& its, std::span<const std::byte> arguments);
  void claim_deposits(wire::incarnation_id from, std::uint64_t tag, wire::identity_id to);
  void drop_arguments(const policy::child_def& started);
  supervisor_id parent_of(policy::child_id id);
  bool is_spawned(policy::child_id id);
  void make_room(newcomer its, policy::child_id by);
  expected<void> look_for_keeper(const std::string& name, supervisor_id under);
  void take_back(const child_plan& planned);
  void forget_now(policy::child_id id);

  // reload.cpp: new flags and specs
  struct renewal {
    call from;
    supervisor_id of;
    channel::described what;
    std::vector<child_plan> all, added;
    std::map<policy::child_id, std::uint64_t> tag_of;  // of those that are known
  };
  /// Why the child of this name cannot become what is described; empty: it can, or there is none.
  std::string lasts_beyond(const branch& of, const detail::tree_child& described);
  std::string wrong_with_renewal(const branch& of, const detail::tree_node& node);
  expected<void> plan_renewal(renewal& its, life& who, const branch& of);
  void reload(life& who, const call& from, branch& of, const channel::described& what);
  void reloaded(const renewal& its, const policy::answer& got);
  void reload_again(const renewal& its);
  void unclaim_deposits(const child_plan& planned);
  void renew(identity& which, const child_spec& with);
  void renew_from(child_spec from_template, identity& which);
  void renew_child(const renewal& its, const branch& of, const detail::tree_child& described);

  // watching.cpp: workers that hang
  void look_at_workers(os::time_point now, bool all);
  void look_at(life& who, os::time_point now);
  hang::sample sample_of(life& who, os::time_point now);
  void found_hung(life& who, os::time_point now);
  void kill_hung(life& who, os::time_point now);
  std::string hung_text(const life& who) const;

  // closing.cpp: identities that end
  void close(identity& which, const std::string& why);
  void on_closed_seen(life& who, wire::identity_id closed);
  void sweep_lane(identity& of, in_lane& lane);
  channel::lane_reader::state sweep_records(identity& of, const in_lane& lane, channel::lane_reader& from,
                                            wire::letter_reason reason, const std::string& why);
  void clear_mailbox(identity& of);
  void clear_lane(identity& of, const in_lane& lane);
  void free_lane(identity& of, in_lane& lane);
  void send_down(identity& of, bool for_good);
  void tell_watchers(identity& of, bool for_good);
  void tell_of_wait(policy::child_id id);
  void remove_if_done(identity& which);

  // undelivered.cpp: dead letters
  static std::uint64_t ns_since_1970();
  void after_flight(identity& of, in_lane& lane, const channel::record& record, const judged_record& what,
                    const noted_death& death);
  void on_letter(life& who, const wire::letter& said, const std::string& why);
  void keep_letter(identity& of, const in_lane& lane, const channel::record& record, wire::letter_reason reason,
                   const std::string& why);
  void keep_reported(identity& of, const in_lane& lane, const wire::letter& said, const std::string& why);
  void keep_broken_lane(identity& of, const in_lane& lane);
  std::string message_name(const identity& of, const channel::record& record) const;
  bool encloses(const identity& of, const in_lane& lane, const channel::record& record) const;
  void say_letter(const std::string& line);
  void say_unlogged_letters();
  void say_what_is_left();
  void on_letters_open(life& who, std::uint64_t tag);
  void on_letters_purge(life& who, const wire::purge& wanted);

  identity* find_identity(wire::identity_id id);
  void free_name(std::uint64_t of);
  std::string name_of(wire::identity_id id);

  spawner& spawner_;
  cgroups& cgroups_;
  bool said_no_memory_ = false;  // that limits.memory is limits.data here
  bool spawner_alive_ = true;
  bool watching_twin_ = false;
  unsigned look_for_strays_ = 0;  // sweeps that still do so
  std::span<const detail::actor_type* const> types_;
  hooks hooks_;
  supervisors* supervisors_ = nullptr;
  os::fd signals_;
  os::fd bell_;  // commands wait
  os::poller poller_;
  std::thread thread_;
  bool finishing_ = false;
  bool signalled_ = false;  // the program is being stopped
  os::time_point next_sweep_{}, next_lack_line_{};
  std::vector<std::byte> buffer_;
  life* served_ = nullptr;  // whose frame is being served
  unsigned hearing_ = 0, left_to_hear_ = 0;

  std::mutex commands_mutex_;
  std::vector<command> commands_;
  std::map<wire::identity_id, errc> failures_;  // of starts, until they have been answered

  std::uint64_t next_number_ = 1;
  std::unordered_map<wire::identity_id, std::unique_ptr<identity>> identities_;
  std::unordered_map<std::string, wire::identity_id> names_;  // of actors and supervisors
  struct kept_name {
    policy::child_id id;
    supervisor_id keeper;
  };
  std::unordered_map<std::string, kept_name> kept_names_;  // of those that have been retired and not deleted
  std::unordered_map<supervisor_id, branch> branches_;
  std::unordered_map<wire::incarnation_id, std::unique_ptr<life>> lives_;
  std::map<deposit_key, enclosed> deposits_;
  struct suspicion {
    os::time_point look_at;
    unsigned looks = 0;
  };
  std::map<wire::incarnation_id, suspicion> suspects_;
  std::map<wire::identity_id, os::time_point> refills_;
  std::uint64_t letters_bytes_;
  std::shared_ptr<os::fd> letters_fd_;
  letters letters_;
  output output_;
  death_register certificates_;
  life* main_ = nullptr;
  std::optional<std::string> gave_up_;  // why: the last death

  std::uint64_t letters_since_sweep_ = 0;
  std::atomic<std::uint64_t> deaths_{0}, restarts_{0}, dead_letters_{0}, workers_{0};
};

}  // namespace troupe::supervision
