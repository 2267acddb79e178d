// Checks of the C ABI's arguments that several operations share, all before any work. Messages say what was
// given and what was expected.
#pragma once

#include <string>

#include "core/status.h"

namespace lapidary {

Status not_null(const void* pointer, const char* name);
Status in_range(int64_t value, int64_t low, const char* name);
Status check_matrix(const void* data, int64_t rows, int64_t columns, int64_t stride, const char* name);
Status check_struct(size_t given, size_t expected, const char* name);
Status check_targets(const int32_t* targets, int64_t rows, int64_t vocab, int32_t ignore_index);
Status check_dtype(lap_dtype dtype);
// `per_row` looks at the temperatures too, where there are any.
Status check_transform(const lap_logit_transform& transform, int64_t rows, bool per_row);
Status check_workspace(const void* workspace, size_t given, size_t needed);

// What the four log-prob operations share.
template <class Args>
Status check_rows(const Args& args, bool with_targets) {
  LAP_TRY(in_range(args.rows, 0, "rows"));
  // Sizes of workspaces are counted in 64 bits; no address space holds as many rows.
  if (args.rows >= int64_t{1} << 48)
    return invalid("rows is " + std::to_string(args.rows) + "; expected less than 2^48");
  LAP_TRY(in_range(args.vocab, 1, "vocab"));
  if (args.vocab > INT32_MAX)
    return invalid("vocab is " + std::to_string(args.vocab) + "; expected less than 2^31");
  LAP_TRY(check_dtype(args.dtype));
  LAP_TRY(check_transform(args.transform, args.rows, with_targets));
  if (args.ignore_index >= 0) {
    return invalid("ignore_index is " + std::to_string(args.ignore_index) + "; expected a negative number");
  }
  return with_targets ? check_targets(args.targets, args.rows, args.vocab, args.ignore_index) : ok_status();
}

}  // namespace lapidary
