#pragma once

#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/implementation.h"

namespace lapidary {

Status vocab_shard_stats(ThreadPool& pool, const Implementation& cpu, const lap_vocab_shard_stats_args& args);
Status vocab_shard_merge(ThreadPool& pool, const lap_vocab_shard_merge_args& args);
Status vocab_shard_backward(ThreadPool& pool, const Implementation& cpu,
                            const lap_vocab_shard_backward_args& args);

}  // namespace lapidary
