// Both rows of a divergence in the shared memory of a cluster's blocks, every logit read from memory once.
// token_logprobs_staged.cu says how that works and why three blocks on a multiprocessor, or two; here a block
// holds its part of both rows: at V = 152064 in bf16 eight blocks have 74 KB each, three of which fit. With
// the gradient 7.47 GB pass instead of 17.4: 2.5 ms at 3.0 TB/s, which the arithmetic (4.3 ms for the forward
// KL) then covers. JSD has enough arithmetic to cover three reads, and stays with them.
//
// A row has two exchanges, of statistics and of sums, each through a place of its own in every block. Why
// that is safe: who writes the statistics of the next row has passed the barrier of this row's sums, where
// every reader arrived after it had read this row's statistics; and likewise the other way round. In place, a
// gradient is written after both barriers, before which every block has its copy of both rows.
#include "cuda/divergence_staged.h"

#include "cuda/divergence_pair.cuh"
#include "cuda/staged_launch.h"
#include "cuda/staged_row.cuh"

namespace lapidary::cuda {
namespace {

constexpr int kPairBlocks = 3;  // on a multiprocessor

struct PartOfBoth {
  double student_max, student_sum, teacher_max, teacher_sum;
};

struct PairStaging {
  Arrival student, teacher;
  PartOfBoth stats[kMostClusterBlocks];
  DivergenceSums sums[kMostClusterBlocks];
  DivergenceScratch scratch;
};
constexpr size_t kPairStagingBytes = (sizeof(PairStaging) + 15) / 16 * 16;

// A block's part of both rows, in whole groups of eight of which it has at most `each`.
struct PairPart {
  int64_t each, begin, count;
};
__device__ __forceinline__ PairPart part_of(int64_t vocab) {
  const int64_t size = cluster_size(), each = ((vocab + kEight - 1) / kEight + size - 1) / size * kEight;
  const int64_t place = cluster_rank() * each, begin = place < vocab ? place : vocab;
  return {each, begin, each < vocab - begin ? each : vocab - begin};
}

// The copy of it is then under way.
template <lap_dtype kType>
__device__ __forceinline__ AnyRow begin_part_of(const AnyRow& row, const PairPart& part, uint4* words,
                                                Arrival* arrival) {
  const auto* data = static_cast<const typename Element<kType>::Storage*>(row.data);
  const RowSlice<kType> slice{part.begin, part.count, bytes_past(data), words};
  begin_copy<kType>(data, row.count, slice, arrival);
  return {slice.elements(), kType, slice.count};
}
__device__ __forceinline__ AnyRow begin_part(const AnyRow& row, const PairPart& part, uint4* words,
                                             Arrival* arrival) {
  if (row.dtype == LAP_BF16) return begin_part_of<LAP_BF16>(row, part, words, arrival);
  if (row.dtype == LAP_F16) return begin_part_of<LAP_F16>(row, part, words, arrival);
  return begin_part_of<LAP_F32>(row, part, words, arrival);
}

// Of the whole rows, from every block's part of them, in the order of ranks.
__device__ __forceinline__ BothStats exchange_stats(const BothStats& own, unsigned rank, unsigned size,
                                                    PartOfBoth* parts) {
  if (threadIdx.x < size)
    *in_block(parts + rank, threadIdx.x) = {own.student.max, own.student.sum, own.teacher.max,
                                            own.teacher.sum};
  cluster_barrier();
  BothStats all{{-HUGE_VAL, 0, 0, -1}, {-HUGE_VAL, 0, 0, -1}};
  for (unsigned r = 0; r < size; ++r) {
    merge(&all.student, {parts[r].student_max, parts[r].student_sum, 0, -1});
    merge(&all.teacher, {parts[r].teacher_max, parts[r].teacher_sum, 0, -1});
  }
  return all;
}
__device__ __forceinline__ DivergenceSums exchange_sums(const DivergenceSums& own, unsigned rank,
                                                        unsigned size, DivergenceSums* parts) {
  if (threadIdx.x < size) *in_block(parts + rank, threadIdx.x) = own;
  cluster_barrier();
  DivergenceSums all{0, 0, 0};
  for (unsigned r = 0; r < size; ++r) {
    all.value += parts[r].value;
    all.first += parts[r].first;
    all.weight += parts[r].weight;
  }
  return all;
}

// One row's value, and where the arguments have a gradient, this block's part of it into `out`.
template <int kKind, class Args>
__device__ __forceinline__ double staged_pair(const Args& args, int64_t t, unsigned turn,
                                              PairStaging* staging, uint4* words) {
  const unsigned rank = cluster_rank(), size = cluster_size();
  AnyRow student, teacher;
  DivergenceRow row = pair_of(args, t, &student, &teacher);
  const PairPart part = part_of(args.vocab);
  // One word more than the elements fill, where they do not begin on 16 bytes.
  uint4* others = words + part.each * element_bytes(student.dtype) / 16 + 1;
  Arrival::release();
  __syncthreads();
  const AnyRow own = begin_part(student, part, words, &staging->student);
  const AnyRow other = begin_part(teacher, part, others, &staging->teacher);
  staging->student.wait(turn % 2);
  staging->teacher.wait(turn % 2);
  __syncthreads();
  const BothStats part_stats = stats_of_both(row, own, other, &staging->scratch);
  set_lse_of_both(&row, exchange_stats(part_stats, rank, size, staging->stats));
  const auto at = divergence_entries<FloatMath>(row);
  const DivergenceSums part_sums = with_constants(
      at, [&](const auto& of) { return block_sums<kKind>(of, own, other, false, &staging->scratch); });
  const DivergenceSums sums = exchange_sums(part_sums, rank, size, staging->sums);
  if constexpr (requires { args.dstudent; }) {
    const AnyRowOut out = gradient_of(args, t).from(part.begin);
    const float weight = args.row_weights == nullptr ? 1.f : args.row_weights[t];
    if (weight == 0.f || isnan(sums.value)) {
      out.fill(weight == 0.f ? 0.f : nanf(""), own.count);
    } else {
      set_gradient(&row, sums, weight);
      with_constants(at, [&](const auto& of) {
        const StudentGradient<kKind> gradient{of, row.centre, row.scale};
        write_student_gradient(gradient, own, other, false, out);
      });
    }
  }
  return sums.value;
}

// A masked row is not read: its cluster's blocks each clear a part of its gradient.
template <class Args>
__device__ __forceinline__ void clear_part(const Args& args, int64_t t) {
  if constexpr (requires { args.dstudent; }) {
    const PairPart part = part_of(args.vocab);
    gradient_of(args, t).from(part.begin).fill(0.f, part.count);
  }
}

template <int kKind, class Args>
__global__ void __launch_bounds__(kPairThreads, kPairBlocks) staged_divergence_kernel(const Args args) {
  LAP_DYNAMIC_SHARED(memory);
  auto* staging = reinterpret_cast<PairStaging*>(memory);
  auto* words = reinterpret_cast<uint4*>(memory + kPairStagingBytes);
  if (threadIdx.x == 0) {
    staging->student.prepare();
    staging->teacher.prepare();
  }
  cluster_barrier();
  unsigned turn = 0;
  for (int64_t t = blockIdx.x / cluster_size(); t < args.rows; t += gridDim.x / cluster_size()) {
    double value = 0;
    if (args.mask == nullptr || args.mask[t] != 0)
      value = staged_pair<kKind>(args, t, turn++, staging, words);
    else
      clear_part(args, t);
    if (threadIdx.x == 0 && cluster_rank() == 0) args.value[t] = static_cast<float>(value);
  }
}

template <class Args>
cudaError_t launch_staged_pairs(const Args& args, cudaStream_t stream, bool* launched) {
  *launched = false;
  if (args.kind == LAP_DIVERGENCE_JSD) return cudaSuccess;
  SharedLimits limits;
  const cudaError_t error = shared_limits(&limits);
  if (error != cudaSuccess) return error;
  const int64_t eight_bytes =
      kEight * (element_bytes(args.student_dtype) + element_bytes(args.teacher_dtype));
  const StagedPlan plan =
      staged_plan((args.vocab + kEight - 1) / kEight, eight_bytes, 2, kPairStagingBytes, limits);
  if (plan.cluster == 0) return cudaSuccess;
  const auto kernel = args.kind == LAP_DIVERGENCE_FORWARD_KL
                          ? staged_divergence_kernel<LAP_DIVERGENCE_FORWARD_KL, Args>
                          : staged_divergence_kernel<LAP_DIVERGENCE_REVERSE_KL, Args>;
  return launch_staged(kernel, plan, limits, kPairThreads, args.rows, args, stream, launched);
}

}  // namespace

cudaError_t divergence_staged(const lap_divergence_args& args, cudaStream_t stream, bool* launched) {
  return launch_staged_pairs(args, stream, launched);
}

cudaError_t divergence_with_gradient_staged(const lap_divergence_with_gradient_args& args,
                                            cudaStream_t stream, bool* launched) {
  return launch_staged_pairs(args, stream, launched);
}

}  // namespace lapidary::cuda
