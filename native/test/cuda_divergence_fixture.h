// Divergences for the CUDA half to compute: their rows, what they should give by definitions in double
// written here, and calls on the device and on the CPU.
#pragma once

#include <algorithm>
#include <cstring>

#include "cuda_fixture.h"

namespace cuda_test::divergence {

constexpr float kBeta = 0.3f;
constexpr lap_divergence_kind kKinds[] = {LAP_DIVERGENCE_FORWARD_KL, LAP_DIVERGENCE_REVERSE_KL,
                                          LAP_DIVERGENCE_JSD};

struct Side {
  lap_dtype dtype = LAP_F32;
  int64_t padding = 0;
  size_t shift = 0;
  float temperature = 1, softcap = 0;
  bool per_row = false;
};

struct Case {
  lap_divergence_kind kind = LAP_DIVERGENCE_FORWARD_KL;
  Side student{}, teacher{};
  int64_t rows = 5, vocab = 1000;
  float spread = 3, apart = 1;
  bool specials = false;

  std::string name() const {
    const auto side = [](const Side& s) {
      return std::string(name_of(s.dtype)) + " padding " + std::to_string(s.padding) + " shift " +
             std::to_string(s.shift) + " temperature " + std::to_string(s.temperature) + " softcap " +
             std::to_string(s.softcap);
    };
    return "kind " + std::to_string(kind) + " (" + side(student) + "), (" + side(teacher) + ") V " +
           std::to_string(vocab) + " apart " + std::to_string(apart) + (specials ? " specials" : "");
  }
};

struct Rows {
  Side given;
  int64_t stride;
  Matrix logits;
  std::vector<float> temperatures;

  Rows(const Side& side, const Case& c)
      : given(side),
        stride(c.vocab + side.padding),
        logits(side.dtype, static_cast<size_t>(c.rows * stride)) {
    for (int64_t t = 0; t < c.rows; ++t)
      temperatures.push_back(side.per_row ? 0.5f + 0.25f * static_cast<float>(t) : side.temperature);
  }
  void set(int64_t t, int64_t v, float x) { logits.set(static_cast<size_t>(t * stride + v), x); }
  double x(int64_t t, int64_t v) const { return logits.get(static_cast<size_t>(t * stride + v)); }
  double z(int64_t t, int64_t v) const {
    return transformed(x(t, v), temperatures[static_cast<size_t>(t)], given.softcap);
  }
  double slope(int64_t t, int64_t v) const {
    return transform_slope(x(t, v), temperatures[static_cast<size_t>(t)], given.softcap);
  }
  std::vector<double> log_probabilities(int64_t t, int64_t vocab) const {
    double top = -HUGE_VAL, sum = 0;
    for (int64_t v = 0; v < vocab; ++v) top = std::max(top, z(t, v));
    for (int64_t v = 0; v < vocab; ++v) sum += std::exp(z(t, v) - top);
    std::vector<double> out;
    for (int64_t v = 0; v < vocab; ++v) out.push_back(z(t, v) - top - std::log(sum));
    return out;
  }
};

constexpr int64_t kMasked = 3, kWeightless = 2;

struct Problem {
  Case given;
  Rows student, teacher;
  std::vector<uint8_t> mask;
  std::vector<float> weights;

  Problem(const Case& c, unsigned seed) : given(c), student(c.student, c), teacher(c.teacher, c) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (int64_t t = 0; t < c.rows; ++t) {
      for (int64_t v = 0; v < c.vocab; ++v) {
        const float x = c.spread * normal(random);
        student.set(t, v, x);
        teacher.set(t, v, x + c.apart * normal(random));
      }
      mask.push_back(t == kMasked ? 0 : 1);
      weights.push_back(t == kWeightless ? 0.f : normal(random));
    }
    // What is masked out is not read.
    if (c.rows > kMasked) {
      for (int64_t v = 0; v < c.vocab; ++v) student.set(kMasked, v, NAN);
    }
    // A teacher who is certain.
    if (c.rows > 1) teacher.set(1, c.vocab / 2, 30.f);
    if (c.specials) add_specials();
  }
  // Rows beyond the first five.
  void add_specials() {
    const int64_t vocab = given.vocab;
    for (int64_t v = 0; v < vocab; ++v) student.set(5, v, -INFINITY);
    for (int64_t v = 0; v < vocab; ++v) teacher.set(6, v, -INFINITY);
    student.set(7, vocab / 2, NAN);
    teacher.set(8, vocab - 1, INFINITY);
    student.set(9, vocab / 3, -INFINITY);
    teacher.set(10, vocab / 3, -INFINITY);
    for (int64_t v = 0; v < vocab; v += 2) student.set(11, v, -INFINITY);
    for (int64_t v = 0; v < vocab; v += 2) teacher.set(11, v, -INFINITY);
  }
  bool is_plain(int64_t t) const { return t != kMasked && (t < 5 || !given.specials); }
};

struct Expected {
  double value;
  std::vector<double> gradient;  // to the student's logits
};

inline double or_zero(double p, double u) { return p == 0 ? 0 : p * u; }

inline Expected oracle(const Problem& p, int64_t t) {
  const auto log_s = p.student.log_probabilities(t, p.given.vocab);
  const auto log_t = p.teacher.log_probabilities(t, p.given.vocab);
  const double beta = kBeta;
  long double value = 0, mean = 0;
  std::vector<double> to_z;
  for (size_t v = 0; v < log_s.size(); ++v) {
    const double s = std::exp(log_s[v]), q = std::exp(log_t[v]), m = beta * q + (1 - beta) * s;
    switch (p.given.kind) {
      case LAP_DIVERGENCE_FORWARD_KL:
        value += or_zero(q, log_t[v] - log_s[v]);
        to_z.push_back(s - q);
        break;
      case LAP_DIVERGENCE_REVERSE_KL:
        value += or_zero(s, log_s[v] - log_t[v]);
        to_z.push_back(or_zero(s, log_s[v] - log_t[v]));
        break;
      default: {
        // log(s / m) from the difference of the logs, or the digits of a small divergence would be lost here.
        const double to_m = -std::log1p(beta * std::expm1(log_t[v] - log_s[v]));
        const double teacher_to_m = -std::log1p((1 - beta) * std::expm1(log_s[v] - log_t[v]));
        value += beta * or_zero(q, m == 0 ? 0 : teacher_to_m) + (1 - beta) * or_zero(s, to_m);
        to_z.push_back((1 - beta) * or_zero(s, to_m));
      }
    }
  }
  if (p.given.kind != LAP_DIVERGENCE_FORWARD_KL) {
    for (const double g : to_z) mean += g;
    for (size_t v = 0; v < to_z.size(); ++v) to_z[v] -= std::exp(log_s[v]) * static_cast<double>(mean);
  }
  for (size_t v = 0; v < to_z.size(); ++v) to_z[v] *= p.student.slope(t, static_cast<int64_t>(v));
  return {static_cast<double>(value), to_z};
}

class Runner {
 public:
  Runner(lap_cuda_context* ctx, lap_context* cpu, const Problem& problem)
      : ctx_(ctx),
        cpu_(cpu),
        p_(problem),
        teacher_(ctx, p_.teacher.logits.bytes, p_.given.teacher.shift * p_.teacher.logits.element_bytes()),
        student_temperatures_(ctx, p_.student.temperatures),
        teacher_temperatures_(ctx, p_.teacher.temperatures),
        mask_(ctx, p_.mask),
        weights_(ctx, p_.weights) {}

  std::vector<float> value() {
    OnDevice<uint8_t> student(ctx_, p_.student.logits.bytes, student_shift());
    OnDevice<float> out(ctx_, std::vector<float>(static_cast<size_t>(p_.given.rows), 7));
    auto args = prepared<lap_divergence_args>(student.data());
    args.value = out.data();
    check(lap_cuda_divergence(ctx_, &args) == LAP_OK, p_.given.name() + ": value");
    check(lap_cuda_synchronize(ctx_) == LAP_OK, p_.given.name() + ": value ends well");
    return out.host();
  }

  std::vector<float> gradient(bool in_place, std::vector<float>* value, size_t out_shift = 1) {
    OnDevice<uint8_t> student(ctx_, p_.student.logits.bytes, student_shift());
    OnDevice<uint8_t> out(ctx_, std::vector<uint8_t>(p_.student.logits.bytes.size(), 0x55),
                          out_shift * p_.student.logits.element_bytes());
    OnDevice<float> values(ctx_, std::vector<float>(static_cast<size_t>(p_.given.rows), 7));
    auto args = prepared<lap_divergence_with_gradient_args>(student.data());
    args.value = values.data();
    args.row_weights = weights_.data();
    args.dstudent = in_place ? static_cast<void*>(student.data()) : out.data();
    args.dstudent_stride = p_.student.stride;
    check(lap_cuda_divergence_with_gradient(ctx_, &args) == LAP_OK, p_.given.name() + ": gradient");
    *value = values.host();
    return read(in_place ? student.host() : out.host());
  }

  std::vector<float> on_cpu(std::vector<float>* value) {
    value->assign(static_cast<size_t>(p_.given.rows), 7);
    std::vector<uint8_t> out(p_.student.logits.bytes.size());
    auto args = prepared<lap_divergence_with_gradient_args>(p_.student.logits.bytes.data());
    args.teacher = p_.teacher.logits.bytes.data();
    if (p_.given.student.per_row) args.student_transform.temperatures = p_.student.temperatures.data();
    if (p_.given.teacher.per_row) args.teacher_transform.temperatures = p_.teacher.temperatures.data();
    args.mask = p_.mask.data();
    args.value = value->data();
    args.row_weights = p_.weights.data();
    args.dstudent = out.data();
    args.dstudent_stride = p_.student.stride;
    check(lap_divergence_with_gradient(cpu_, &args) == LAP_OK, p_.given.name() + ": on the CPU");
    return read(out);
  }

 private:
  size_t student_shift() const { return p_.given.student.shift * p_.student.logits.element_bytes(); }

  template <class Args>
  Args prepared(const void* student) {
    Args args{};
    args.struct_size = sizeof args;
    args.kind = p_.given.kind;
    args.beta = kBeta;
    args.rows = p_.given.rows;
    args.vocab = p_.given.vocab;
    args.student = student;
    args.student_dtype = p_.given.student.dtype;
    args.student_stride = p_.student.stride;
    args.student_transform = {p_.given.student.temperature,
                              p_.given.student.per_row ? student_temperatures_.data() : nullptr,
                              p_.given.student.softcap};
    args.teacher = teacher_.data();
    args.teacher_dtype = p_.given.teacher.dtype;
    args.teacher_stride = p_.teacher.stride;
    args.teacher_transform = {p_.given.teacher.temperature,
                              p_.given.teacher.per_row ? teacher_temperatures_.data() : nullptr,
                              p_.given.teacher.softcap};
    args.mask = mask_.data();
    return args;
  }
  std::vector<float> read(const std::vector<uint8_t>& bytes) {
    std::vector<float> out(p_.student.logits.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] = p_.student.logits.read(bytes.data(), i);
    return out;
  }

  lap_cuda_context* ctx_;
  lap_context* cpu_;
  const Problem& p_;
  OnDevice<uint8_t> teacher_;
  OnDevice<float> student_temperatures_, teacher_temperatures_;
  OnDevice<uint8_t> mask_;
  OnDevice<float> weights_;
};

}  // namespace cuda_test::divergence
