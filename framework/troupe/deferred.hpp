#pragma once

#include <string_view>

#include <troupe/codec.hpp>
#include <troupe/detail/context.hpp>
#include <troupe/message.hpp>

namespace troupe {

/// A reply that comes later: the handler of a request returns it and keeps a copy; the actor goes on with other messages
/// and answers when it knows. Made by `self().defer<R>()` inside the handler. Copies mean the same request; only the
/// first answer counts. If the actor dies before, the asker learns errc::outcome_unknown.
template <class R>
class deferred {
 public:
  /// Loop thread of the actor only.
  void reply(const R& value) const {
    detail::context().reply_deferred(to_, reply_id<R>(), &value, &detail::encode_erased<R>);
  }
  /// The asker's get() throws error(errc::failed, text).
  void fail(std::string_view text) const { detail::context().fail_deferred(to_, text); }

  explicit deferred(detail::deferral to) noexcept : to_(to) {}

 private:
  detail::deferral to_;
};

template <>
class deferred<void> {
 public:
  void reply() const {
    detail::context().reply_deferred(to_, reply_id<void>(), nullptr, [](const void*, detail::writer&) {});
  }
  void fail(std::string_view text) const { detail::context().fail_deferred(to_, text); }

  explicit deferred(detail::deferral to) noexcept : to_(to) {}

 private:
  detail::deferral to_;
};

}  // namespace troupe
