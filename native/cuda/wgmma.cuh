// Matrix products by a warpgroup (wgmma, sm_90a), as PTX. Only for threads of a warpgroup that all come here
// alike. Under the SIMT shim the twins read the operands through the descriptors as late as the rules allow.
#pragma once

#include "cuda/launch.h"
#include "cuda/wgmma_layout.h"
#include "lapidary/base.h"

namespace lapidary::cuda {

// Before the first product, and again after anything else has touched the accumulators.
__device__ __forceinline__ void product_fence() {
#if defined(__CUDACC__)
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}
// The products so far are one group.
__device__ __forceinline__ void product_commit() {
#if defined(__CUDACC__)
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
  simt::product_commit();
#endif
}
// Until no more than `kPending` groups are unfinished: the others have read their operands and written their
// accumulators.
template <int kPending>
__device__ __forceinline__ void product_wait() {
#if defined(__CUDACC__)
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
#else
  simt::product_wait(kPending);
#endif
}

// After the wait: the compiler takes an accumulator for written where its product stands, and could read it
// before the wait that it does not connect with it.
__device__ __forceinline__ void accept_results(float (&sums)[kFragment]) {
#if defined(__CUDACC__)
#pragma unroll
  for (int i = 0; i < kFragment; ++i) asm volatile("" : "+f"(sums[i])::"memory");
#endif
}

// More registers for the threads that hold accumulators, given up by those that do not. The kernel must have
// a limit at launch, and the sum over its warpgroups must not grow.
template <int kRegisters>
__device__ __forceinline__ void give_registers() {
#if defined(__CUDACC__)
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}
template <int kRegisters>
__device__ __forceinline__ void take_registers() {
#if defined(__CUDACC__)
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}

#define LAP_ACCUMULATORS_8(at)                                                                    \
  "+f"(sums[at]), "+f"(sums[at + 1]), "+f"(sums[at + 2]), "+f"(sums[at + 3]), "+f"(sums[at + 4]), \
      "+f"(sums[at + 5]), "+f"(sums[at + 6]), "+f"(sums[at + 7])
#define LAP_PRODUCT(types)                                                                                \
  asm volatile(                                                                                           \
      "{\n"                                                                                               \
      ".reg .pred keep;\n"                                                                                \
      "setp.ne.b32 keep, %130, 0;\n"                                                                      \
      "wgmma.mma_async.sync.aligned.m64n256k16.f32." types                                                \
      " {"                                                                                                \
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                            \
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                  \
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                  \
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "                  \
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "                  \
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "                  \
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "      \
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"    \
      "}, %128, %129, keep, 1, 1, 0, 0;\n"                                                                \
      "}"                                                                                                 \
      : LAP_ACCUMULATORS_8(0), LAP_ACCUMULATORS_8(8), LAP_ACCUMULATORS_8(16), LAP_ACCUMULATORS_8(24),     \
        LAP_ACCUMULATORS_8(32), LAP_ACCUMULATORS_8(40), LAP_ACCUMULATORS_8(48), LAP_ACCUMULATORS_8(56),   \
        LAP_ACCUMULATORS_8(64), LAP_ACCUMULATORS_8(72), LAP_ACCUMULATORS_8(80), LAP_ACCUMULATORS_8(88),   \
        LAP_ACCUMULATORS_8(96), LAP_ACCUMULATORS_8(104), LAP_ACCUMULATORS_8(112), LAP_ACCUMULATORS_8(120) \
      : "l"(rows), "l"(columns), "r"(static_cast<int>(keep)))

// sums = rows x columns^T, added to what they hold if `keep`. `rows` and `columns` are descriptors of
// 64 and of 256 rows of 16 elements.
template <lap_dtype kType>
__device__ __forceinline__ void product(float (&sums)[kFragment], uint64_t rows, uint64_t columns,
                                        bool keep) {
  static_assert(kType == LAP_BF16 || kType == LAP_F16);
#if defined(__CUDACC__)
  if constexpr (kType == LAP_BF16)
    LAP_PRODUCT("bf16.bf16");
  else
    LAP_PRODUCT("f16.f16");
#else
  simt::product(sums, rows, columns, keep, kType == LAP_BF16);
#endif
}

#undef LAP_PRODUCT
#undef LAP_ACCUMULATORS_8

}  // namespace lapidary::cuda
