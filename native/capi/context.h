#pragma once

#include <memory>
#include <string>

#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/implementation.h"

struct lap_context {
  lap_context(int threads, const lapidary::Implementation* implementation)
      : pool(threads), cpu(implementation) {}

  lapidary::ThreadPool pool;
  const lapidary::Implementation* cpu;
  std::string error;
};
