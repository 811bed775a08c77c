#include "worker/process_worker.hpp"

#include <atomic>
#include <iostream>

#include <troupe/detail/runtime.hpp>

#include "channel/endpoint.hpp"
#include "os/process.hpp"

namespace troupe::worker {

namespace {

int call_function(const os::mapping& arguments) {
  detail::reader from(arguments.data(), arguments.size());
  std::uintptr_t caller = 0;
  from.bytes(&caller, sizeof caller);
  return reinterpret_cast<detail::process_caller>(caller)(from);
}

[[noreturn]] void failed(const os::fd& control, const std::string& name) {
  const std::string text = text_of_current_exception();
  std::cerr << "troupe: " << name << ": " << text << std::endl;
  leave(control, wire::leave::exception, text);
}

}  // namespace

void run_process(birth&& born) {
  const os::fd& control = born.last_word;
  const os::mapping arguments = std::move(born.arguments);
  std::atomic<bool> go{false};
  channel::endpoint* self = nullptr;
  channel::endpoint endpoint(
      {born.its.identity, born.its.incarnation, std::move(born.control), std::move(born.out), std::move(born.doorbell),
       born.its.outbox_bytes},
      [&](channel::incoming&& frame) {
        if (frame.type == wire::frame::go) go = true;
        if (frame.type == wire::frame::stop && self != nullptr) self->interrupt();
      });
  self = &endpoint;
  while (!go) endpoint.serve_once(std::nullopt, [&] { return go.load(); });
  os::name_thread(born.name);
  // Before anybody can know of this process: a signal that is sent to it must not get lost.
  os::restore_terminate();
  endpoint.send(wire::frame::ready, wire::nothing{});
  try {
    const int code = call_function(arguments);
    std::cout.flush();
    std::fflush(nullptr);
    endpoint.send(wire::frame::leaving, wire::leaving{wire::leave::normal, 0});
    os::exit_now(code);
  } catch (const error& e) {
    if (e.code() == errc::stopping) leave(control, wire::leave::shutdown, e.text());
    failed(control, born.name);
  } catch (...) {
    failed(control, born.name);
  }
}

}  // namespace troupe::worker
