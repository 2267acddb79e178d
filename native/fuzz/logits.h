// Rows of logits and their gradient, for the targets of whole rows and of vocabulary shards.
#pragma once

#include "fuzz/input.h"

namespace lapidary::fuzz {

// Targets are below `whole_vocab`; 0: below the row's own.
template <class Args>
void fill_logits(Input& in, Args* args, int64_t whole_vocab) {
  args->struct_size = sizeof *args;
  args->dtype = in.dtype();
  args->rows = in.between(0, 5);
  args->vocab = in.between(1, 40);
  args->row_stride = args->vocab + in.between(0, 3);
  args->logits = in.matrix(args->dtype, args->rows, args->row_stride, args->vocab);
  args->ignore_index = -100;
  args->targets = in.targets(args->rows, whole_vocab == 0 ? args->vocab : whole_vocab, args->ignore_index);
  args->transform = in.transform(args->rows);
}

// What their backwards take besides; in place at times.
template <class Args>
void fill_backward(Input& in, Args* args) {
  args->logp = in.floats(args->rows);
  args->lse = in.floats(args->rows);
  args->dlogp = in.floats(args->rows);
  args->dlogits_stride = args->vocab + in.between(0, 3);
  args->dlogits = in.matrix(args->dtype, args->rows, args->dlogits_stride, args->vocab);
  if (in.flip()) args->dlogits = const_cast<void*>(args->logits), args->dlogits_stride = args->row_stride;
}

}  // namespace lapidary::fuzz
