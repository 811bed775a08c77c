// What workers print, and their death certificates.

#include "supervision/control.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

/// Without a descriptor left for its pipes a worker prints where the program does.
void control::capture_output(const life& who, wire::boot& frame, std::vector<std::shared_ptr<os::fd>>& fds) {
  if (!output_.captures()) return;
  try {
    auto [out, err] = output_.open(who.id, who.of->name);
    fds.push_back(std::make_shared<os::fd>(std::move(out)));
    fds.push_back(std::make_shared<os::fd>(std::move(err)));
    frame.outputs = 2;
  } catch (const error& e) {
    log_line("what " + who.of->name + " prints is not captured: " + e.what(), log_level::warning);
  }
}

/// The certificate is complete but for what is done about the death.
void control::file(const life& dead, const certificate& how, const std::vector<judged_record>& records) {
  death_certificate what = how;
  if (!records.empty()) note_in_flight(what, records.front(), name_of(records.front().sender), dead);
  certificates_.add(std::move(what), os::clock::now());
}

void control::restarts_later(policy::child_id id, std::chrono::milliseconds delay) {
  post([this, id, delay] {
    certificates_.decide(id, death_decision::restarts_later, delay);
    tell_of_wait(id);
  });
}

void control::restarts_with_others(policy::child_id id) {
  post([this, id] { tell_of_wait(id); });
}

void control::on_deaths(life& who, const wire::call& wanted, const std::string& name) {
  const auto all = wanted.identity != 0 ? certificates_.of(wanted.identity) : certificates_.of(name);
  detail::writer probe(nullptr, 0);
  for (const auto& each : all) each.troupe_encode(probe);
  const std::uint64_t bytes = probe.size();
  wire::answer answer{wanted.tag, all.size(), bytes, wire::status::ok, 0};
  std::vector<std::shared_ptr<os::fd>> fds;
  try {
    if (!all.empty()) {
      auto memory = std::make_shared<os::fd>(os::make_memory("troupe-deaths", bytes));
      const os::mapping map(*memory, bytes, os::access::read_write);
      detail::writer to(map.data(), bytes);
      for (const auto& each : all) each.troupe_encode(to);
      os::seal_memory(*memory, os::seal::one_writer);
      fds.push_back(std::move(memory));
    }
  } catch (const error&) {
    answer.what = wire::status::failed;  // who asks must not wait for ever
  }
  send(who, wire::frame::deaths_listed, answer, {}, std::move(fds));
}

}  // namespace troupe::supervision
