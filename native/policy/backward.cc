// The backward pass, layer by layer from the last. Gradients of weights are products over all rows; gradients
// of gains are summed per block of rows and merged in order.
#include <algorithm>
#include <cstring>

#include "cpu/linear_logprobs.h"
#include "policy/policy.h"

namespace lapidary {

class BackwardPass {
 public:
  explicit BackwardPass(Policy& policy)
      : p_(policy),
        net_(policy.network()),
        at_(*policy.activations_),
        width_(policy.config_.width),
        mlp_(policy.config_.mlp_width),
        rows_(at_.batch.count),
        blocks_((rows_ + kGemmRows - 1) / kGemmRows) {}

  Status run(const float* dlogp) {
    LAP_TRY(reserve());
    LAP_TRY(p_.pack(Direction::kBackward, &packed_));
    LAP_TRY(head(dlogp));
    for (int64_t layer = p_.config_.layers - 1; layer >= 0; --layer) {
      mlp_backward(layer);
      attention_backward_all(layer);
      projections_backward(layer);
      if (p_.pool_.is_cancelled()) return cancelled();
    }
    embedding_backward();
    return p_.pool_.is_cancelled() ? cancelled() : ok_status();
  }

 private:
  struct Memory {
    Memory(void* base, const BackwardPass& pass) : carver(base) {
      dlogp = carver.take<float>(pass.rows_);
      dstream = carver.take<float>(pass.rows_ * pass.width_);
      dattended = carver.take<float>(pass.rows_ * pass.width_);
      partials = carver.take<float>(pass.blocks_ * pass.width_);
      product = carver.take<float>(gemm_workspace(pass.p_.cpu_, std::max(pass.width_, pass.mlp_), pass.rows_,
                                                  pass.p_.pool_.threads()));
    }
    Carver carver;
    float* dlogp;      // [T], of the row's target
    float* dstream;    // [T, D], of the residual stream
    float* dattended;  // [T, D]; at first, of the final norm
    float* partials;   // [blocks, D], of a gain
    float* product;
  };

  Status reserve() {
    void* memory = nullptr;
    LAP_TRY(p_.backward_memory_.reserve(Memory(nullptr, *this).carver.bytes(), "gradients of activations",
                                        &memory));
    memory_.emplace(memory, *this);
    const int64_t block_scratch = row_scratch(p_.cpu_) + kGemmRows * (mlp_ + width_);
    scratch_size_ = std::max(block_scratch, p_.attention_scratch(true));
    return p_.worker_scratch(scratch_size_, &scratch_);
  }

  float* gradient(int64_t offset) { return p_.gradients_.get() + offset; }

  template <class Body>
  void for_blocks(const Body& body) {
    p_.pool_.parallel_for(blocks_, [&](int64_t task, int worker) {
      const int64_t begin = task * kGemmRows;
      body(RowBlock{begin, std::min(kGemmRows, rows_ - begin), scratch_ + worker * scratch_size_});
    });
  }

  // weight gradient [out, in] += dout [T, out]^T * in [T, in]
  void add_weight_gradient(int64_t offset, const float* dout, int64_t out, const float* in,
                           int64_t in_width) {
    gemm(
        p_.pool_, p_.cpu_,
        {out, in_width, rows_, transposed(dout, out), matrix(in, in_width), gradient(offset), in_width, true},
        memory_->product);
  }

  // Adds to dstream what comes through a norm of x, for the block's rows; dnorm begins at the block's first
  // row.
  void norm_backward(const float* x, const float* inv_rms, int64_t gain, const float* dnorm,
                     const RowBlock& block) {
    float* partial = memory_->partials + block.begin / kGemmRows * width_;
    std::fill_n(partial, width_, 0.f);
    for (int64_t r = 0; r < block.count; ++r) {
      const int64_t t = block.begin + r;
      p_.cpu_.rms_norm_backward(x + t * width_, p_.parameters_.get() + gain, inv_rms[t], dnorm + r * width_,
                                width_, memory_->dstream + t * width_, partial);
    }
  }

  void merge_gain(int64_t gain) {
    for (int64_t block = 0; block < blocks_; ++block)
      p_.cpu_.axpy(1.f, memory_->partials + block * width_, gradient(gain), width_);
  }

  Status head(const float* dlogp) {
    const PackedBatch& batch = at_.batch;
    for (int64_t t = 0; t < rows_; ++t)
      memory_->dlogp[t] = batch.targets[t] == kNoTarget ? 0.f : dlogp[t + 1];
    const lap_linear_logprobs_args forward = p_.head_arguments();
    lap_linear_logprobs_backward_args args{};
    args.struct_size = sizeof args;
    args.hidden = forward.hidden;
    args.weight = forward.weight;
    args.dtype = forward.dtype;
    args.rows = forward.rows;
    args.vocab = forward.vocab;
    args.width = args.hidden_stride = args.weight_stride = width_;
    args.targets = forward.targets;
    args.ignore_index = forward.ignore_index;
    args.transform = forward.transform;
    args.logp = forward.logp;
    args.lse = forward.lse;
    args.dlogp = memory_->dlogp;
    args.dhidden = memory_->dattended;
    args.dweight = gradient(p_.layout_.head);
    args.accumulate_dweight = 1;
    args.workspace_bytes = linear_logprobs_backward_workspace(p_.pool_, p_.cpu_, args);
    LAP_TRY(p_.head_memory_.reserve(args.workspace_bytes, "log-prob workspace", &args.workspace));
    LAP_TRY(linear_logprobs_backward(p_.pool_, p_.cpu_, args));
    for_blocks([&](const RowBlock& block) {
      const int64_t start = block.begin * width_;
      std::fill_n(memory_->dstream + start, block.count * width_, 0.f);
      norm_backward(at_.last, at_.final_inv_rms, p_.layout_.norm, memory_->dattended + start, block);
    });
    merge_gain(p_.layout_.norm);
    return ok_status();
  }

  // The MLP and its norm, then the gradient of the attended values through the output projection.
  void mlp_backward(int64_t layer) {
    const LayerRows& rows = at_.layers[static_cast<size_t>(layer)];
    const PackedLayer& packed = packed_[static_cast<size_t>(layer)];
    const LayerOffsets& offsets = p_.layout_.layers[static_cast<size_t>(layer)];
    add_weight_gradient(offsets.down, memory_->dstream, width_, rows.hidden, mlp_);
    for_blocks([&](const RowBlock& block) {
      float* dhidden = block.scratch + row_scratch(p_.cpu_);
      float* dnorm = dhidden + kGemmRows * mlp_;
      float* gate_up = rows.gate_up + block.begin * 2 * mlp_;
      const float* dstream = memory_->dstream + block.begin * width_;
      multiply_block(p_.cpu_, {dstream, width_, packed.down, mlp_, dhidden, false}, 0, block.count,
                     block.scratch);
      for (int64_t r = 0; r < block.count; ++r) {
        float *gate = gate_up + 2 * mlp_ * r, *up = gate + mlp_;
        p_.cpu_.swiglu_backward(gate, up, dhidden + mlp_ * r, mlp_, gate, up);
      }
      multiply_block(p_.cpu_, {gate_up, 2 * mlp_, packed.gate_up, width_, dnorm, false}, 0, block.count,
                     block.scratch);
      norm_backward(rows.middle, rows.inv_rms2, offsets.norm2, dnorm, block);
      multiply_block(p_.cpu_, {memory_->dstream, width_, packed.o, width_, memory_->dattended, false},
                     block.begin, block.count, block.scratch);
    });
    merge_gain(offsets.norm2);
    add_weight_gradient(offsets.gate_up, rows.gate_up, 2 * mlp_, rows.norm2, width_);
    add_weight_gradient(offsets.o, memory_->dstream, width_, rows.attended, width_);
  }

  void attention_backward_all(int64_t layer) {
    const LayerRows& rows = at_.layers[static_cast<size_t>(layer)];
    const PackedBatch& batch = at_.batch;
    const int64_t heads = p_.config_.heads, stride = 3 * width_;
    p_.pool_.parallel_for(batch.sequences * heads, [&](int64_t task, int worker) {
      const int64_t sequence = task / heads, head = task % heads, column = head * net_.shape.width;
      const int64_t start = batch.starts[sequence], kept = head * rows_ + start;
      float* q = rows.qkv + start * stride + column;
      attention_backward(p_.cpu_, net_.shape,
                         {batch.starts[sequence + 1] - start,
                          q,
                          q + width_,
                          q + 2 * width_,
                          stride,
                          {memory_->dattended + start * width_ + column, width_},
                          rows.maxima + kept,
                          rows.inverses + kept},
                         scratch_ + worker * scratch_size_);
    });
  }

  // Rotary embedding, the projections to q, k, v, and their norm.
  void projections_backward(int64_t layer) {
    const LayerRows& rows = at_.layers[static_cast<size_t>(layer)];
    const LayerOffsets& offsets = p_.layout_.layers[static_cast<size_t>(layer)];
    for_blocks([&](const RowBlock& block) {
      for (int64_t t = block.begin; t < block.begin + block.count; ++t) {
        const int64_t position = at_.batch.positions[t];
        p_.cpu_.rotate(p_.rotary_.cosines(position), p_.rotary_.sines(position), -1.f, p_.rotary_.half(),
                       2 * p_.config_.heads, rows.qkv + 3 * width_ * t);
      }
      float* dnorm = block.scratch + row_scratch(p_.cpu_);
      multiply_block(p_.cpu_,
                     {rows.qkv + block.begin * 3 * width_, 3 * width_,
                      packed_[static_cast<size_t>(layer)].qkv, width_, dnorm, false},
                     0, block.count, block.scratch);
      norm_backward(rows.input, rows.inv_rms1, offsets.norm1, dnorm, block);
    });
    merge_gain(offsets.norm1);
    add_weight_gradient(offsets.qkv, rows.qkv, 3 * width_, rows.norm1, width_);
  }

  // Tokens repeat, so threads share out columns and each goes through the rows in order.
  void embedding_backward() {
    constexpr int64_t kColumns = 32;
    p_.pool_.parallel_for((width_ + kColumns - 1) / kColumns, [&](int64_t task, int) {
      const int64_t first = task * kColumns, count = std::min(kColumns, width_ - first);
      float* embedding = gradient(p_.layout_.embedding) + first;
      for (int64_t t = 0; t < rows_; ++t)
        p_.cpu_.axpy(1.f, memory_->dstream + t * width_ + first, embedding + at_.batch.tokens[t] * width_,
                     count);
    });
  }

  Policy& p_;
  const Network net_;
  Activations& at_;
  const int64_t width_, mlp_, rows_, blocks_;
  std::vector<PackedLayer> packed_;
  std::optional<Memory> memory_;
  float* scratch_ = nullptr;
  int64_t scratch_size_ = 0;
};

Status Policy::backward(const float* dlogp) {
  return without_throwing([&]() -> Status {
    if (!kept_) return wrong_state("backward needs a forward with keep_for_backward, and uses it up");
    if (dlogp == nullptr && activations_->batch.count > 0)
      return invalid("dlogp is null; expected count values");
    kept_ = false;  // the gradients overwrite what was kept
    return BackwardPass(*this).run(dlogp);
  });
}

}  // namespace lapidary
