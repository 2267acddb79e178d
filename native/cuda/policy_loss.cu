// The policy loss: its workspace, and its kernels in order: prepare, reduce, map; in between what only some
// objectives need. All of it reads a token's columns once in each phase.
#include "cuda/policy_loss.h"

#include "cuda/policy_loss_work.h"
#include "objective/policy_map.h"

namespace lapidary::cuda {
namespace {

// Pieces of a workspace, each aligned to 256 bytes whatever the base; of a null base it only counts.
class Pieces {
 public:
  explicit Pieces(void* base) : base_(static_cast<char*>(base)) {
    if (base_ != nullptr) used_ = (256 - reinterpret_cast<uintptr_t>(base_) % 256) % 256;
  }
  template <class T>
  T* take(int64_t count) {
    T* piece = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += (static_cast<size_t>(count) * sizeof(T) + 255) / 256 * 256;
    return piece;
  }
  size_t bytes() const { return used_ + 256; }

 private:
  char* base_;
  size_t used_ = 0;
};

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t parts_of(int64_t whole, int64_t part) { return (whole + part - 1) / part; }
int64_t at_least(int64_t value, int64_t low) { return value < low ? low : value; }

bool has_lengths(const lap_policy_loss_args& args) {
  return args.cu_seqlens == nullptr && args.lengths != nullptr;
}

// The gradient runs through a sum over the sequence, which needs the stats first.
bool goes_through_sequence(const lap_objective& objective) {
  return is_ratio_gate(objective) && objective.ratio_level != LAP_LEVEL_TOKEN && !objective.through_token;
}

cudaError_t zero_padding(const lap_policy_loss_args& args, cudaStream_t stream) {
  if (!has_lengths(args) || args.tokens == 0) return cudaSuccess;
  return cudaMemsetAsync(args.dlogp, 0, static_cast<size_t>(args.tokens) * sizeof(float), stream);
}

#define LAP_CUDA_TRY(call)                    \
  do {                                        \
    const cudaError_t error_ = (call);        \
    if (error_ != cudaSuccess) return error_; \
  } while (false)

cudaError_t map_reduced(const lap_policy_loss_args& args, const LossWork& work, cudaStream_t stream) {
  if (goes_through_sequence(args.objective) && !has_one_push(args))
    LAP_CUDA_TRY(launch_shared(args, work, stream));
  if (is_pair_term(args.objective.sequence_term) && args.pairs != nullptr)
    LAP_CUDA_TRY(launch_pairs(args, work, stream));
  LAP_CUDA_TRY(zero_padding(args, stream));
  return launch_map(args, work, stream);
}

}  // namespace

LossWork loss_work(const lap_policy_loss_args& args, void* workspace, size_t* bytes) {
  LossWork work{};
  const int64_t sequences = args.sequences;
  work.slots = args.tokens / kTileTokens + sequences;
  work.blocks = static_cast<unsigned>(at_least(smaller(parts_of(work.slots, kLossWarps), kMostBlocks), 1));
  work.groups = (work.blocks + kGroupBlocks - 1) / kGroupBlocks;
  work.verdict_count = static_cast<unsigned>(smaller(parts_of(sequences + 1, kLossThreads), kMostVerdicts));
  Pieces pieces(workspace);
  work.verdicts = pieces.take<unsigned>(kMostVerdicts);
  work.merged = pieces.take<unsigned>(work.groups + 1);
  work.arrived = pieces.take<unsigned>(sequences);
  work.partials = pieces.take<double>(kColumns * work.slots);
  work.shared = pieces.take<double>(sequences);
  work.records = pieces.take<double>(static_cast<int64_t>(work.blocks) * LAP_DIAG_COUNT);
  work.group_records = pieces.take<double>(static_cast<int64_t>(work.groups) * LAP_DIAG_COUNT);
  if (has_lengths(args)) work.scanned = pieces.take<int64_t>(sequences + 1);
  work.offsets = args.cu_seqlens != nullptr ? args.cu_seqlens : work.scanned;
  if (args.pairs != nullptr) {
    work.pulls = pieces.take<Pull>(sequences);
    work.heads = pieces.take<PairNode>(sequences);
    work.nexts = pieces.take<PairNode>(2 * args.pair_count);
  }
  if (bytes != nullptr) *bytes = pieces.bytes();
  return work;
}

size_t policy_loss_workspace(const lap_policy_loss_args& args) {
  size_t bytes = 0;
  loss_work(args, nullptr, &bytes);
  return bytes;
}

cudaError_t policy_loss_reduce(const lap_policy_loss_args& args, cudaStream_t stream) {
  const LossWork work = loss_work(args, args.workspace, nullptr);
  LAP_CUDA_TRY(launch_prepare(args, work, false, stream));
  return launch_reduce(args, work, stream);
}

cudaError_t policy_loss_map(const lap_policy_loss_args& args, cudaStream_t stream) {
  const LossWork work = loss_work(args, args.workspace, nullptr);
  LAP_CUDA_TRY(launch_prepare(args, work, true, stream));
  return map_reduced(args, work, stream);
}

cudaError_t policy_loss(const lap_policy_loss_args& args, cudaStream_t stream) {
  const LossWork work = loss_work(args, args.workspace, nullptr);
  LAP_CUDA_TRY(launch_prepare(args, work, true, stream));
  LAP_CUDA_TRY(launch_reduce(args, work, stream));
  return map_reduced(args, work, stream);
}

#undef LAP_CUDA_TRY

}  // namespace lapidary::cuda
