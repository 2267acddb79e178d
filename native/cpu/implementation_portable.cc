// The implementation for any CPU: the compiler's baseline, no fused multiply-add.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/numerics.h"
#include "cpu/implementation.h"

#define LAP_ISA portable
#define LAP_ISA_NAME "portable"
#define LAP_TILE_ROWS 4
#define LAP_TILE_VECTORS 1
#define LAP_FMA(a, b, c) ((a) * (b) + (c))
#define LAP_MAX(a, b) ((a) > (b) ? (a) : (b))
#define LAP_MIN(a, b) ((a) < (b) ? (a) : (b))
#define LAP_WIDE_LANES 4
#define LAP_WIDE_FMA(a, b, c) ((a) * (b) + (c))
#define LAP_WIDE_MAX(a, b) ((a) > (b) ? (a) : (b))
#include "cpu/generic/implementation.inc"

namespace lapidary {
static bool always_supported() { return true; }
extern const Implementation kPortableImplementation;
const Implementation kPortableImplementation = portable::make_implementation(always_supported);
}  // namespace lapidary
