// Where elements lie for wgmma.mma_async.m64n256k16, and for the bulk tensor copies that bring its operands
// (PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions"). Plain arithmetic, for host and device.
#pragma once

#include <cstdint>

namespace lapidary::cuda {

constexpr int kWarpgroup = 128;                            // threads that issue one instruction together
constexpr int kFragmentRows = 64, kFragmentColumns = 256;  // of the product
constexpr int kFragmentDepth = 16;                         // of one instruction
constexpr int kFragment = kFragmentRows * kFragmentColumns / kWarpgroup;  // accumulators of one thread

// Accumulator `i` of a thread: a warp has 16 rows, a quad of lanes one row and, 8 below, another; in each
// run of 8 columns a lane has two neighbours.
constexpr int fragment_row(int thread, int i) { return thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8; }
constexpr int fragment_column(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + i % 2; }

// Operands have 128 bytes of depth (64 elements) a row, rows one after the other; 8 rows are one atom of the
// swizzle, which must begin at a multiple of 1024 bytes. Within it the 16-byte piece `p` of row `r` lies at
// piece p ^ r: bits 4 to 6 of the address are changed by its bits 7 to 9.
constexpr int kRowBytes = 128, kAtomBytes = 1024;
constexpr uint32_t swizzled(uint32_t address) { return address ^ ((address >> 3) & 0x70u); }

// The descriptor of an operand whose depth is contiguous ("K-major"), at a shared address:
//   bits  0-13  the address over 16
//   bits 16-29  leading dimension offset over 16: not used where swizzled, 1 by convention
//   bits 32-45  stride dimension offset over 16: from one 8 rows to the next, an atom
//   bits 49-51  base offset: 0, since atoms begin at multiples of 1024 bytes
//   bits 62-63  1: the 128-byte swizzle
// The swizzle is of the address that the element has after all, so a step along the depth is an addition to
// the start: 16 elements are 32 bytes, 2 in units of the descriptor, and stay inside the row.
constexpr uint64_t operand_descriptor(uint32_t address) {
  return static_cast<uint64_t>((address & 0x3ffffu) >> 4) | uint64_t{1} << 16 |
         static_cast<uint64_t>(kAtomBytes >> 4) << 32 | uint64_t{1} << 62;
}
constexpr uint64_t kDepthStep = kFragmentDepth * 2 >> 4;

}  // namespace lapidary::cuda
