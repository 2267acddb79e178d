// AdamW (arXiv 1711.05101) over the one buffer of parameters, in chunks of a fixed size.
#include <algorithm>
#include <cmath>
#include <string>

#include "policy/policy.h"

namespace lapidary {
namespace {

constexpr int64_t kChunk = 8192;

Status check(const char* field, float value, bool ok, const char* expected) {
  if (ok && std::isfinite(value)) return ok_status();
  return invalid(std::string(field) + " is " + std::to_string(value) + "; expected " + expected);
}

Status validate(const AdamwOptions& o) {
  LAP_TRY(check("lr", o.lr, o.lr >= 0, "a finite number >= 0"));
  LAP_TRY(check("beta1", o.beta1, o.beta1 >= 0 && o.beta1 < 1, "a number in [0, 1)"));
  LAP_TRY(check("beta2", o.beta2, o.beta2 >= 0 && o.beta2 < 1, "a number in [0, 1)"));
  LAP_TRY(check("epsilon", o.epsilon, o.epsilon > 0, "a finite number > 0"));
  LAP_TRY(check("weight_decay", o.weight_decay, o.weight_decay >= 0, "a finite number >= 0"));
  return check("max_grad_norm", o.max_grad_norm, true, "a finite number");
}

float correction(float beta, int64_t step) {
  return static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(beta), static_cast<double>(step))));
}

}  // namespace

double Policy::gradient_norm() {
  const int64_t chunks = (layout_.total + kChunk - 1) / kChunk;
  std::vector<double> partials(static_cast<size_t>(chunks));
  pool_.parallel_for(chunks, [&](int64_t task, int) {
    const int64_t begin = task * kChunk;
    partials[static_cast<size_t>(task)] =
        cpu_.sum_squares(gradients_.get() + begin, std::min(kChunk, layout_.total - begin));
  });
  double sum = 0;
  for (const double partial : partials) sum += partial;
  return std::sqrt(sum);
}

Status Policy::step(const AdamwOptions& options, double* grad_norm) {
  return without_throwing([&]() -> Status {
    LAP_TRY(validate(options));
    const double norm = gradient_norm();
    if (pool_.is_cancelled()) return cancelled();
    if (grad_norm != nullptr) *grad_norm = norm;
    if (!std::isfinite(norm)) {
      return wrong_state("the gradient norm is " + std::to_string(norm) +
                         "; expected a finite number; the parameters are unchanged");
    }
    const double limit = options.max_grad_norm;
    const AdamwStep step{options.lr,
                         options.beta1,
                         options.beta2,
                         options.epsilon,
                         options.weight_decay,
                         correction(options.beta1, step_count_ + 1),
                         correction(options.beta2, step_count_ + 1),
                         limit > 0 && norm > limit ? static_cast<float>(limit / norm) : 1.f};
    AdamwStep gain_step = step;
    gain_step.weight_decay = 0.f;
    pool_.set_cancel(nullptr);  // half an update would be worse than a late answer
    for (const TensorInfo& tensor : layout_.tensors) {
      pool_.parallel_for((tensor.size + kChunk - 1) / kChunk, [&](int64_t task, int) {
        const int64_t begin = tensor.offset + task * kChunk;
        const int64_t count = std::min(kChunk, tensor.size - task * kChunk);
        cpu_.adamw(tensor.is_gain() ? gain_step : step, gradients_.get() + begin, count,
                   parameters_.get() + begin, first_moments_.get() + begin, second_moments_.get() + begin);
      });
    }
    pool_.set_cancel(cancel_);
    ++step_count_;
    kept_ = false;  // it belongs to the parameters before the step
    return ok_status();
  });
}

}  // namespace lapidary
