#pragma once

#include <troupe/codec.hpp>
#include <troupe/detail/cereal_in.hpp>
#include <troupe/detail/cereal_out.hpp>

/// cereal for messages: any type with one of cereal's functions (member or free serialize, save and load, save_minimal
/// and load_minimal, in the type's namespace or in cereal), and the containers of the standard library.
///
/// The archives are Troupe's own, since cereal's believe every size they read. Differences:
/// - A size is a varint; an element takes at least one byte (one that writes nothing gets a zero), so a size beyond the
///   bytes left is a lie and refused. What is reserved for a claim never exceeds the bytes left; memory grows beyond
///   that only with elements that were really there: at most 3 * sizeof(element and its node) for each byte.
/// - Names (CEREAL_NVP) are not written. Objects nest at most max_depth deep.
/// - bool, optional's flag and variant's index are checked; an enum may have any value of its underlying type.
/// - Refused at compile time: pointers, views, shared_ptr, long double, cereal::defer, cereal::virtual_base_class and
///   versioned functions (both ends are one program). unique_ptr travels by value, unless polymorphic.
///
/// A type that needs what travels beside the bytes asks `ar.with()`, or is self_coding (detail/shape.hpp).
namespace troupe::detail {

// cereal asks whether an archive takes raw bytes before its own functions (bitset, valarray) use them.
template <class T>
void save(out_archive& ar, const cereal::BinaryData<T>& bytes) {
  ar(bytes);
}
template <class T>
void load(in_archive& ar, cereal::BinaryData<T>& bytes) {
  ar(bytes);
}

template <class M>
struct cereal_codec {
  static constexpr shape form = archived_shape<M>();

  static void encode(const M& m, writer& to) { out_archive{to}(m); }

  static M decode(reader& from) {
    M m{};
    in_archive{from}(m);
    return m;
  }
};

}  // namespace troupe::detail

CEREAL_SETUP_ARCHIVE_TRAITS(troupe::detail::in_archive, troupe::detail::out_archive)
