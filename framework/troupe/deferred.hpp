#pragma once

#include <memory>
#include <string_view>

#include <troupe/codec.hpp>
#include <troupe/detail/context.hpp>
#include <troupe/message.hpp>

namespace troupe {
namespace detail {

/// Ends with the last copy of a deferred reply.
class owed_reply {
 public:
  explicit owed_reply(deferral to) noexcept : to_(to) {}
  owed_reply(const owed_reply&) = delete;
  owed_reply& operator=(const owed_reply&) = delete;
  ~owed_reply() { drop_deferred(to_); }

  void reply(std::uint64_t reply_type, const void* body, void (*encode)(const void*, writer&)) const {
    context().reply_deferred(to_, reply_type, body, encode);
  }
  void fail(std::string_view text) const { context().fail_deferred(to_, text); }

 private:
  deferral to_;
};

}  // namespace detail

/// A reply that comes later: the handler of a request returns it and keeps a copy; the actor goes on with other messages
/// and answers when it knows. Made by `self().defer<R>()` inside the handler. Copies mean the same request; only the
/// first answer counts. If the last copy goes before an answer was given, the asker's get() throws error(errc::failed);
/// if the actor dies before, errc::outcome_unknown. Loop thread of the actor only.
template <class R>
class deferred {
 public:
  void reply(const R& value) const { owed_->reply(reply_id<R>(), &value, &detail::encode_erased<R>); }
  /// The asker's get() throws error(errc::failed, text).
  void fail(std::string_view text) const { owed_->fail(text); }

  explicit deferred(detail::deferral to) : owed_(std::make_shared<const detail::owed_reply>(to)) {}
  // Never moved: what is left behind can answer, too.
  deferred(const deferred&) = default;
  deferred& operator=(const deferred&) = default;
  ~deferred() = default;

 private:
  std::shared_ptr<const detail::owed_reply> owed_;
};

template <>
class deferred<void> {
 public:
  void reply() const {
    owed_->reply(reply_id<void>(), nullptr, [](const void*, detail::writer&) {});
  }
  void fail(std::string_view text) const { owed_->fail(text); }

  explicit deferred(detail::deferral to) : owed_(std::make_shared<const detail::owed_reply>(to)) {}
  deferred(const deferred&) = default;
  deferred& operator=(const deferred&) = default;
  ~deferred() = default;

 private:
  std::shared_ptr<const detail::owed_reply> owed_;
};

}  // namespace troupe
