// Everything a forward pass computes, laid out in one piece of memory; with a null base it only measures.
#pragma once

#include <vector>

#include "policy/layer.h"
#include "policy/packed_batch.h"

namespace lapidary {

struct Activations {
  // Without `keep` all layers share the memory of one.
  Activations(void* base, const Network& net, int64_t count, int64_t sequences, bool keep)
      : carver(base), batch(carver, count, sequences) {
    const int64_t stream = count * net.config.width;
    layers.reserve(static_cast<size_t>(net.config.layers));
    layers.emplace_back(carver, net.config, count);
    for (int64_t layer = 1; layer < net.config.layers; ++layer) {
      if (keep) {
        layers.emplace_back(carver, net.config, count);
      } else {
        layers.push_back(layers[0]);
      }
    }
    last = carver.take<float>(stream);
    final_norm = carver.take<float>(stream);
    final_inv_rms = carver.take<float>(count);
    logp = carver.take<float>(count);
    lse = carver.take<float>(count);
  }
  // Where layer `layer` leaves the residual stream.
  float* output(size_t layer) const { return layer + 1 < layers.size() ? layers[layer + 1].input : last; }

  Carver carver;
  PackedBatch batch;
  std::vector<LayerRows> layers;
  float* last;                        // [T, D] residual stream after the last layer
  float *final_norm, *final_inv_rms;  // [T, D], [T]
  float *logp, *lse;                  // [T], of the row's target
};

}  // namespace lapidary
