#include "policy/policy.h"

#include <algorithm>
#include <cstdlib>

namespace lapidary {
namespace {

// A count of parameters that no machine holds, far from overflow in any size computed here.
constexpr double kMostParameters = 1e12;

double estimate_parameters(const PolicyConfig& c) {
  const double width = static_cast<double>(c.width), mlp = static_cast<double>(c.mlp_width);
  return static_cast<double>(c.layers) * (4 * width * width + 3 * width * mlp) +
         2 * static_cast<double>(c.vocab) * width;
}

}  // namespace

Policy::Policy(const PolicyConfig& config, const Implementation& cpu, int threads)
    : config_(config),
      cpu_(cpu),
      layout_(config),
      rotary_(config),
      pool_(threads),
      parameters_(nullptr, std::free),
      gradients_(nullptr, std::free),
      first_moments_(nullptr, std::free),
      second_moments_(nullptr, std::free) {
  for (Floats* buffer : {&parameters_, &gradients_, &first_moments_, &second_moments_}) {
    buffer->reset(static_cast<float*>(std::calloc(static_cast<size_t>(layout_.total), sizeof(float))));
    if (*buffer == nullptr) throw std::bad_alloc();
  }
}

Status Policy::create(const PolicyConfig& config, uint64_t seed, int threads, const char* implementation,
                      std::unique_ptr<Policy>* out) {
  return without_throwing([&]() -> Status {
    LAP_TRY(validate(config));
    if (estimate_parameters(config) > kMostParameters)
      return invalid("the configuration has more than 10^12 parameters");
    if (threads < 0 || threads > 1024)
      return invalid("threads is " + std::to_string(threads) + "; expected a number from 0 to 1024");
    const Implementation* cpu = find_implementation(implementation);
    if (cpu == nullptr) {
      return invalid("implementation is " + std::string(implementation == nullptr ? "null" : implementation) +
                     "; expected one that this CPU supports");
    }
    out->reset(new Policy(config, *cpu, threads));
    initialise(config, (*out)->layout_, seed, (*out)->parameters_.get());
    return ok_status();
  });
}

void Policy::set_cancel(const int32_t* flag) {
  cancel_ = flag;
  pool_.set_cancel(flag);
}

float* Policy::buffer(PolicyBuffer which) {
  switch (which) {
    case PolicyBuffer::kParameters:
      return parameters_.get();
    case PolicyBuffer::kGradients:
      return gradients_.get();
    case PolicyBuffer::kFirstMoments:
      return first_moments_.get();
    case PolicyBuffer::kSecondMoments:
      break;
  }
  return second_moments_.get();
}

std::vector<TensorSpan> Policy::spans(PolicyBuffer which) {
  std::vector<TensorSpan> spans;
  spans.reserve(layout_.tensors.size());
  for (const TensorInfo& tensor : layout_.tensors)
    spans.push_back({tensor.name, tensor.shape, buffer(which) + tensor.offset, tensor.size});
  return spans;
}

void Policy::zero_gradients() { std::fill_n(gradients_.get(), layout_.total, 0.f); }

}  // namespace lapidary
