// Four steps of the 6 x 16 micro-tile of AVX2 (generic/gemm_tile.inc): 12 sums in registers, a row of b in
// two more. Written out because what limits it is the number of instructions: on a core that a second thread
// shares, only two start in a cycle. Four steps share one set of address updates, and a compiler that is left
// to unroll loads ahead until the sums do not fit the registers.
#pragma once

#define LAP_TILE_ROW(k, i, low, high)    \
  "vbroadcastss " #i "*%c[row]+" #k      \
  "*%c[depth](%[a]), %%ymm14\n\t"        \
  "vfmadd231ps %%ymm12, %%ymm14, %[" low \
  "]\n\t"                                \
  "vfmadd231ps %%ymm13, %%ymm14, %[" high "]\n\t"

#define LAP_TILE_STEP(k)                                                                                 \
  "vmovups " #k                                                                                          \
  "*64(%[b]), %%ymm12\n\t"                                                                               \
  "vmovups " #k "*64+32(%[b]), %%ymm13\n\t" LAP_TILE_ROW(k, 0, "s00", "s01")                             \
      LAP_TILE_ROW(k, 1, "s10", "s11") LAP_TILE_ROW(k, 2, "s20", "s21") LAP_TILE_ROW(k, 3, "s30", "s31") \
          LAP_TILE_ROW(k, 4, "s40", "s41") LAP_TILE_ROW(k, 5, "s50", "s51")

// sum[i][:] += a[i * row + k * depth] * b[16 k + :] for k = 0..3, in that order; row and depth in elements,
// known when compiled.
#define LAP_TILE_FOUR_STEPS(a_, b_, row_, depth_, sum)                                                      \
  asm volatile(                                                                                             \
      LAP_TILE_STEP(0) LAP_TILE_STEP(1) LAP_TILE_STEP(2) LAP_TILE_STEP(3)                                   \
      : [s00] "+x"((sum)[0][0]), [s01] "+x"((sum)[0][1]), [s10] "+x"((sum)[1][0]), [s11] "+x"((sum)[1][1]), \
        [s20] "+x"((sum)[2][0]), [s21] "+x"((sum)[2][1]), [s30] "+x"((sum)[3][0]), [s31] "+x"((sum)[3][1]), \
        [s40] "+x"((sum)[4][0]), [s41] "+x"((sum)[4][1]), [s50] "+x"((sum)[5][0]), [s51] "+x"((sum)[5][1])  \
      : [a] "r"(a_), [b] "r"(b_), [row] "i"((row_) * sizeof(float)), [depth] "i"((depth_) * sizeof(float))  \
      : "xmm12", "xmm13", "xmm14", "memory")
