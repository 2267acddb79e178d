#include "capi/checks.h"

#include <cmath>

#include "core/checked.h"

namespace lapidary {

using std::to_string;

Status not_null(const void* pointer, const char* name) {
  if (pointer != nullptr) return ok_status();
  return invalid(std::string(name) + " is NULL; expected a buffer");
}

Status in_range(int64_t value, int64_t low, const char* name) {
  if (value >= low) return ok_status();
  return invalid(std::string(name) + " is " + to_string(value) + "; expected " + to_string(low) + " or more");
}

Status check_matrix(const void* data, int64_t rows, int64_t columns, int64_t stride, const char* name) {
  if (rows > 0) LAP_TRY(not_null(data, name));
  if (stride < columns) {
    return invalid(std::string(name) + " has a row stride of " + to_string(stride) + "; expected " +
                   to_string(columns) + " or more, in elements");
  }
  if (!extent_fits(rows, stride))
    return invalid(std::string(name) + " addresses more elements than 64 bits allow");
  return ok_status();
}

Status check_struct(size_t given, size_t expected, const char* name) {
  if (given == expected) return ok_status();
  return invalid("struct_size of " + std::string(name) + " is " + to_string(given) +
                 "; this library expects " + to_string(expected));
}

Status check_targets(const int32_t* targets, int64_t rows, int64_t vocab, int32_t ignore_index) {
  if (rows > 0) LAP_TRY(not_null(targets, "targets"));
  for (int64_t t = 0; t < rows; ++t) {
    if (targets[t] == ignore_index || (targets[t] >= 0 && targets[t] < vocab)) continue;
    return invalid("targets[" + to_string(t) + "] is " + to_string(targets[t]) + "; expected 0 to " +
                   to_string(vocab - 1) + ", or ignore_index " + to_string(ignore_index));
  }
  return ok_status();
}

Status check_dtype(lap_dtype dtype) {
  if (dtype == LAP_F32 || dtype == LAP_BF16 || dtype == LAP_F16) return ok_status();
  return invalid("dtype is " + to_string(dtype) + "; expected LAP_F32, LAP_BF16 or LAP_F16");
}

namespace {

// The kernels multiply by the reciprocal, which overflows for the smallest denormals.
bool is_temperature(float value) { return value > 0 && std::isfinite(value) && std::isfinite(1.f / value); }

Status bad_temperature(const std::string& name, float value) {
  return invalid(name + " is " + to_string(value) +
                 "; expected a positive finite number with a finite reciprocal");
}

}  // namespace

Status check_transform(const lap_logit_transform& transform, int64_t rows, bool per_row) {
  if (!(transform.softcap >= 0) || !std::isfinite(transform.softcap)) {
    return invalid("softcap is " + to_string(transform.softcap) +
                   "; expected 0 (none) or a positive finite number");
  }
  if (transform.temperatures == nullptr) {
    return is_temperature(transform.temperature) ? ok_status()
                                                 : bad_temperature("temperature", transform.temperature);
  }
  for (int64_t t = 0; per_row && t < rows; ++t) {
    if (is_temperature(transform.temperatures[t])) continue;
    return bad_temperature("temperatures[" + to_string(t) + "]", transform.temperatures[t]);
  }
  return ok_status();
}

Status check_workspace(const void* workspace, size_t given, size_t needed) {
  LAP_TRY(not_null(workspace, "workspace"));
  if (given >= needed) return ok_status();
  return invalid("workspace_bytes is " + to_string(given) + "; expected " + to_string(needed) +
                 " or more, as the size query says");
}

}  // namespace lapidary
