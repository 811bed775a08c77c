// When the spawner dies: what becomes of those that were being born.

#include <algorithm>

#include "supervision/control.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

void control::spawner_died() {
  if (!spawner_alive_) return;
  poller_.remove(spawner_.socket());
  if (watching_twin_) poller_.remove(spawner_.twin_socket());
  watching_twin_ = false;
  spawner_alive_ = spawner_.take_over();
  if (spawner_alive_) poller_.add(spawner_.socket(), spawner_key);
  log_line(spawner_alive_ ? "the spawner process has died: its twin takes over"
                          : "the spawner process has died: no worker can be started or restarted any more; those that "
                            "run go on",
           log_level::warning);
  look_for_strays_ = 5;
  std::vector<wire::incarnation_id> unborn;
  for (auto& [id, who] : lives_) {
    if (who->now == life::stage::spawning) unborn.push_back(id);
  }
  // One that was forked and not answered for finds its control socket hung up, and exits.
  for (const auto id : unborn) {
    life* who = find_life(id);
    if (who == nullptr) continue;  // the twin has died, too, and a start that met it has ended all of these
    identity& of = *who->of;
    if (who->spare) {
      on_spare_death(*who, "the spawner process has died");
      continue;
    }
    const bool stopping = who->stop_asked;
    end_life(*who);
    if (spawner_alive_ && !stopping) {
      start_life(of);
    } else {
      start_failed(of, errc::spawn_failed, "the spawner process has died");
    }
  }
}

/// Looks for a while: what was half-born exits when it finds its control socket hung up.
void control::reap_strays() {
  if (look_for_strays_ == 0) return;
  --look_for_strays_;
  spawner_.reap_stray([this](int pid) {
    return std::any_of(lives_.begin(), lives_.end(), [pid](const auto& each) { return each.second->pid == pid; });
  });
}

}  // namespace troupe::supervision
