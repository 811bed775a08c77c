#pragma once

#include <array>
#include <bit>
#include <cstddef>

#include <troupe/detail/bytes.hpp>
#include <troupe/detail/shape.hpp>

namespace troupe {
namespace detail {

/// Defined for every M by codec_cereal.hpp.
template <class M>
struct cereal_codec;

template <class T>
void encode_plain(const T& from, writer& to) noexcept {
  if constexpr (!std::is_empty_v<T>) to.bytes(&from, sizeof(T));
}

template <class T>
T decode_plain(reader& from) {
  if constexpr (std::is_empty_v<T>) {
    return T{};
  } else {
    struct alignas(T) raw {
      std::array<std::byte, sizeof(T)> bytes;
    } copy;
    from.bytes(copy.bytes.data(), sizeof(T));
    if (!bools_valid(*reinterpret_cast<const T*>(copy.bytes.data())))
      corrupt("a bool in the message is neither 0 nor 1");
    return std::bit_cast<T>(copy);
  }
}

/// As shape_of, of a message: what containers hold and what cereal finds is known once codec_cereal.hpp is included.
template <class M>
consteval shape message_shape() {
  if constexpr (is_plain<M> || self_coding<M> || shape_of<M>() > shape::unknown) {
    return shape_of<M>();
  } else if constexpr (requires { cereal_codec<M>::form; }) {
    return cereal_codec<M>::form;
  } else {
    return shape::unknown;
  }
}

/// The compile error, in the user's words. T and the shape appear in the compiler's trace.
template <class T, shape form, bool cereal_included>
consteval void require_shape() {
  constexpr bool missing = form == shape::unknown && !cereal_included;
  static_assert(form != shape::address,
                "message is not serializable: it holds a pointer, and an address means nothing in another process; "
                "send the value itself (std::string, std::vector, a payload)");
  static_assert(form != shape::shared,
                "message is not serializable: shared_ptr and weak_ptr share memory, which another process does not; "
                "send the value itself");
  static_assert(form != shape::long_double,
                "message is not serializable: long double has padding, which shows bytes of the sender's memory; "
                "send a double");
  static_assert(form != shape::no_default,
                "message is not serializable: a type in it has no default constructor, "
                "and decoding fills an object that is there");
  static_assert(!missing,
                "message is not serializable: its fields are more than plain bytes; "
                "include <troupe/codec_cereal.hpp> and give it a serialize function");
  static_assert(missing || form != shape::unknown,
                "message is not serializable: give it (or the field that has none) "
                "`template <class Ar> void serialize(Ar& ar) { ar(a, b); }` with its fields a, b");
}

/// Whoever takes a message as a template argument calls this first: what cannot be sent is refused with a sentence.
template <class M>
consteval void require_serializable() {
  require_shape < M, message_shape<M>(), requires { cereal_codec<M>::form; }
  > ();
}

template <class M>
M decode_fields(reader& from) {
  if constexpr (is_plain<M>) {
    return decode_plain<M>(from);
  } else if constexpr (self_coding<M>) {
    M m{};
    m.troupe_decode(from);
    return m;
  } else if constexpr (message_shape<M>() <= shape::own) {
    return cereal_codec<M>::decode(from);
  } else {
    corrupt("not a message");  // require_serializable has refused M
  }
}

}  // namespace detail

/// Whether M can be sent. Include codec_cereal.hpp before this is asked for the first time of an M that needs it.
template <class M>
inline constexpr bool is_message = detail::message_shape<M>() <= detail::shape::own;

template <class M>
concept message_type = is_message<M>;

/// Writes m to the end of `to`; what does not fit is counted there, not written. Throws error(errc::too_large) if m is
/// nested too deeply, and what serialize functions throw. What is refused is refused at compile time, with a sentence.
template <class M>
void encode(const M& m, detail::writer& to) {
  detail::require_serializable<M>();
  if constexpr (is_message<M>) {
    if constexpr (detail::is_plain<M>) {
      detail::encode_plain(m, to);
    } else if constexpr (detail::self_coding<M>) {
      m.troupe_encode(to);
    } else {
      detail::cereal_codec<M>::encode(m, to);
    }
  }
}

/// Reads an M that takes all the bytes that are left in `from`. Throws only error(errc::corrupt).
/// A bool is 0 or 1; an enum may have any value of its underlying type, so a switch over one needs a default.
template <class M>
M decode(detail::reader& from) {
  detail::require_serializable<M>();
  try {
    M m = detail::decode_fields<M>(from);
    if (from.left() > 0) detail::corrupt("the message is longer than its fields");
    return m;
  } catch (...) {
    detail::rethrow_as_corrupt();
  }
}

namespace detail {

/// encode() of an M that is known by its address only.
template <class M>
void encode_erased(const void* message, writer& to) {
  encode(*static_cast<const M*>(message), to);
}

}  // namespace detail
}  // namespace troupe
