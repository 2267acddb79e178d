// The forward pass: row blocks and (sequence, head) pairs are the units of work.
#include <algorithm>
#include <cstring>

#include "cpu/linear_logprobs.h"
#include "policy/policy.h"

namespace lapidary {
namespace {

// False where the sizes below could overflow, far beyond any machine's memory.
bool activations_fit(const PolicyConfig& config, int64_t count, bool keep) {
  const double row = 9.0 * static_cast<double>(config.width) + 4.0 * static_cast<double>(config.mlp_width);
  return static_cast<double>(count) * row * static_cast<double>(keep ? config.layers : 1) < 1e14;
}

int64_t block_count(int64_t rows) { return (rows + kGemmRows - 1) / kGemmRows; }

}  // namespace

// Floats per worker for the longest sequence of the batch.
int64_t Policy::attention_scratch(bool backward) const {
  const PackedBatch& batch = activations_->batch;
  const HeadShape shape(config_);
  int64_t longest = 0;
  for (int64_t i = 0; i < batch.sequences; ++i)
    longest = std::max(longest, batch.starts[i + 1] - batch.starts[i]);
  if (backward) return attention_backward_scratch(shape, longest);
  const int64_t stride = round_up_8(longest);
  return shape.width * stride + attend_scratch(shape, stride);
}

Status Policy::worker_scratch(int64_t floats, float** out) {
  void* memory = nullptr;
  LAP_TRY(scratch_memory_.reserve(static_cast<size_t>(floats * pool_.threads()) * sizeof(float), "scratch",
                                  &memory));
  *out = static_cast<float*>(memory);
  return ok_status();
}

Status Policy::pack(Direction direction, std::vector<PackedLayer>* packed) {
  const Network net = network();
  Carver measure(nullptr);
  carve_packed(measure, net, direction);
  void* memory = nullptr;
  LAP_TRY(packed_memory_.reserve(measure.bytes(), "packed weights", &memory));
  Carver carver(memory);
  *packed = carve_packed(carver, net, direction);
  pack_layers(pool_, net, direction, *packed);
  return ok_status();
}

Status Policy::forward(const int32_t* tokens, int64_t count, const int64_t* cu_seqlens, int64_t sequences,
                       float* logp, bool keep_for_backward) {
  return without_throwing([&]() -> Status {
    LAP_TRY(validate_packed(config_, tokens, count, cu_seqlens, sequences, 0));
    if (count > 0 && logp == nullptr) return invalid("logp is null; expected room for count values");
    kept_ = false;
    if (!activations_fit(config_, count, keep_for_backward)) return out_of_memory("activations");
    const size_t bytes = Activations(nullptr, network(), count, sequences, keep_for_backward).carver.bytes();
    void* memory = nullptr;
    LAP_TRY(activation_memory_.reserve(bytes, "activations", &memory));
    activations_.emplace(memory, network(), count, sequences, keep_for_backward);
    LAP_TRY(run_forward(tokens, cu_seqlens, logp));
    kept_ = keep_for_backward;
    return ok_status();
  });
}

Status Policy::run_forward(const int32_t* tokens, const int64_t* cu_seqlens, float* logp) {
  Activations& at = *activations_;
  PackedBatch& batch = at.batch;
  batch.fill(tokens, cu_seqlens);
  const Network net = network();
  std::vector<PackedLayer> packed;
  LAP_TRY(pack(Direction::kForward, &packed));
  const int64_t scratch_size = std::max(row_scratch(cpu_), attention_scratch(false));
  float* scratch = nullptr;
  LAP_TRY(worker_scratch(scratch_size, &scratch));
  const auto for_blocks = [&](const auto& body) {
    pool_.parallel_for(block_count(batch.count), [&](int64_t task, int worker) {
      const int64_t begin = task * kGemmRows;
      body(RowBlock{begin, std::min(kGemmRows, batch.count - begin), scratch + worker * scratch_size});
    });
  };
  for_blocks([&](const RowBlock& block) {
    embed_rows(net, batch.tokens, block.begin, block.count, at.layers[0].input);
  });
  for (size_t layer = 0; layer < at.layers.size(); ++layer) {
    const LayerRows& rows = at.layers[layer];
    const int64_t index = static_cast<int64_t>(layer);
    for_blocks([&](const RowBlock& block) {
      before_attention(net, index, packed[layer], rows, batch.positions, block);
    });
    attention_forward(rows, scratch, scratch_size);
    for_blocks([&](const RowBlock& block) {
      after_attention(net, index, packed[layer], rows, at.output(layer), block);
    });
    if (pool_.is_cancelled()) return cancelled();
  }
  for_blocks([&](const RowBlock& block) {
    for (int64_t t = block.begin; t < block.begin + block.count; ++t) {
      at.final_inv_rms[t] =
          cpu_.rms_norm(at.last + t * config_.width, parameters_.get() + layout_.norm, config_.width,
                        config_.norm_epsilon, at.final_norm + t * config_.width);
    }
  });
  LAP_TRY(head_forward());
  for (int64_t t = 0; t < batch.count; ++t) logp[t] = batch.positions[t] == 0 ? 0.f : at.logp[t - 1];
  return ok_status();
}

void Policy::attention_forward(const LayerRows& layer, float* scratch, int64_t scratch_size) {
  const PackedBatch& batch = activations_->batch;
  const HeadShape shape(config_);
  const int64_t width = config_.width, heads = config_.heads;
  pool_.parallel_for(batch.sequences * heads, [&](int64_t task, int worker) {
    const int64_t sequence = task / heads, head = task % heads;
    const int64_t start = batch.starts[sequence], length = batch.starts[sequence + 1] - start;
    const int64_t stride = 3 * width, key_stride = round_up_8(length), kept = head * batch.count + start;
    float* keys = scratch + worker * scratch_size;
    const float* qkv = layer.qkv + start * stride + head * shape.width;
    cpu_.block_keys({qkv + width, stride}, length, shape.width, keys);
    attend_rows(cpu_, shape,
                {0,
                 length,
                 {qkv, stride},
                 keys,
                 key_stride,
                 {qkv + 2 * width, stride},
                 layer.attended + start * width + head * shape.width,
                 width,
                 layer.maxima + kept,
                 layer.inverses + kept},
                keys + shape.width * key_stride);
  });
}

lap_linear_logprobs_args Policy::head_arguments() const {
  const Activations& at = *activations_;
  lap_linear_logprobs_args args{};
  args.struct_size = sizeof args;
  args.hidden = at.final_norm;
  args.weight = parameters_.get() + layout_.head;
  args.dtype = LAP_F32;
  args.rows = at.batch.count;
  args.vocab = config_.vocab;
  args.width = args.hidden_stride = args.weight_stride = config_.width;
  args.targets = at.batch.targets;
  args.ignore_index = kNoTarget;
  args.transform.temperature = 1.f;
  args.logp = at.logp;
  args.lse = at.lse;
  return args;
}

Status Policy::head_forward() {
  lap_linear_logprobs_args args = head_arguments();
  args.workspace_bytes = linear_logprobs_workspace(pool_, cpu_, args);
  LAP_TRY(head_memory_.reserve(args.workspace_bytes, "log-prob workspace", &args.workspace));
  return linear_logprobs(pool_, cpu_, args);
}

}  // namespace lapidary
