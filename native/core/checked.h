// Checked size arithmetic: every byte count that comes from user sizes goes through here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lapidary {

// False on overflow or a negative factor; `out` is then untouched.
inline bool multiply_checked(int64_t a, int64_t b, int64_t* out) {
  if (a < 0 || b < 0) return false;
  if (a != 0 && b > INT64_MAX / a) return false;
  *out = a * b;
  return true;
}

// True where [rows, columns] with `stride` between rows addresses no more than INT64_MAX / 16 elements.
inline bool extent_fits(int64_t rows, int64_t stride) {
  int64_t elements = 0;
  return multiply_checked(rows, stride, &elements) && elements <= INT64_MAX / 16;
}

}  // namespace lapidary
