// Checks of the token log-probs' arguments, for both backends. `contents`: look at what the pointers hold
// too, which only the host can where they are the host's.
#pragma once

#include "capi/checks.h"

namespace lapidary {

template <class Args>
Status check_logits(const Args* args, const char* name, bool contents) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, name));
  LAP_TRY(check_rows(*args, contents));
  if (args->rows > 0) LAP_TRY(not_null(args->targets, "targets"));
  return check_matrix(args->logits, args->rows, args->vocab, args->row_stride, "logits");
}

template <class Args>
Status check_dlogits(const Args* args) {
  LAP_TRY(check_matrix(args->dlogits, args->rows, args->vocab, args->dlogits_stride, "dlogits"));
  if (args->dlogits != args->logits || args->dlogits_stride == args->row_stride) return ok_status();
  return invalid(
      "dlogits is the buffer of logits with another row stride; expected the same stride in place");
}

template <class Args>
Status check_columns(const Args* args) {
  if (args->rows == 0) return ok_status();
  LAP_TRY(not_null(args->logp, "logp"));
  return not_null(args->lse, "lse");
}

inline Status check_token_logprobs(const lap_token_logprobs_args* args, bool contents) {
  LAP_TRY(check_logits(args, "lap_token_logprobs_args", contents));
  return check_columns(args);
}

inline Status check_token_logprobs(const lap_token_logprobs_backward_args* args, bool contents) {
  LAP_TRY(check_logits(args, "lap_token_logprobs_backward_args", contents));
  LAP_TRY(check_dlogits(args));
  LAP_TRY(check_columns(args));
  if (args->rows == 0) return ok_status();
  if (args->dentropy != nullptr) LAP_TRY(not_null(args->entropy, "entropy"));
  return not_null(args->dlogp, "dlogp");
}

inline Status check_token_logprobs(const lap_token_logprobs_with_gradient_args* args, bool contents) {
  LAP_TRY(check_logits(args, "lap_token_logprobs_with_gradient_args", contents));
  LAP_TRY(check_dlogits(args));
  return check_columns(args);
}

}  // namespace lapidary
