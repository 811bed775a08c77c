#pragma once

#include <cstdint>

#include "supervision/world.hpp"
#include "wire/control.hpp"

namespace troupe::supervision {

/// Whether one more lane into this mailbox finds a slot.
bool has_slot(const identity& of) noexcept;
/// The lane that `from` asks for, in a slot that nobody uses. Its positions go on where the slot's last lane ended: what
/// a slot's head and mark say about earlier records never fits one of this lane. Nullptr: the head, which is the
/// receiver's word, is where no lane can begin. Needs has_slot().
in_lane* open_lane(identity& to, const life& from, const wire::connect& wanted);
/// The lane is drained for good, or nobody will read it: its slot may be used again. Ends `lane`.
void close_lane(identity& of, in_lane& lane);

}  // namespace troupe::supervision
