// Checks of the linear log-probs' arguments, for both backends. `sizes_only`: the buffers are not looked at,
// for the size queries. `contents`: look at what the pointers hold too, which only the host can where they
// are the host's.
#pragma once

#include "capi/checks.h"

namespace lapidary {

template <class Args>
Status check_head(const Args* args, const char* name, bool sizes_only, bool contents) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, name));
  LAP_TRY(check_rows(*args, contents && !sizes_only));
  LAP_TRY(in_range(args->width, 1, "width"));
  if (args->width > INT32_MAX)
    return invalid("width is " + std::to_string(args->width) + "; expected less than 2^31");
  if (sizes_only) return ok_status();
  LAP_TRY(check_matrix(args->hidden, args->rows, args->width, args->hidden_stride, "hidden"));
  LAP_TRY(check_matrix(args->weight, args->vocab, args->width, args->weight_stride, "weight"));
  if (args->rows == 0) return ok_status();
  LAP_TRY(not_null(args->targets, "targets"));
  LAP_TRY(not_null(args->logp, "logp"));
  return not_null(args->lse, "lse");
}

inline Status check_linear_logprobs(const lap_linear_logprobs_args* args, bool sizes_only, bool contents) {
  return check_head(args, "lap_linear_logprobs_args", sizes_only, contents);
}
inline Status check_linear_logprobs(const lap_linear_logprobs_backward_args* args, bool sizes_only,
                                    bool contents) {
  LAP_TRY(check_head(args, "lap_linear_logprobs_backward_args", sizes_only, contents));
  return sizes_only || args->rows == 0 ? ok_status() : not_null(args->dlogp, "dlogp");
}

}  // namespace lapidary
