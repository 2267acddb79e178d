// The only error type below the Node layer. Nothing here throws or prints.
#pragma once

#include <string>
#include <utility>

#include "lapidary.h"

namespace lapidary {

struct [[nodiscard]] Status {
  lap_status code = LAP_OK;
  std::string message;

  bool ok() const { return code == LAP_OK; }
};

inline Status ok_status() { return {}; }
inline Status invalid(std::string message) { return {LAP_INVALID_ARGUMENT, std::move(message)}; }
inline Status wrong_state(std::string message) { return {LAP_WRONG_STATE, std::move(message)}; }
inline Status cancelled() { return {LAP_CANCELLED, "the call was cancelled"}; }
inline Status out_of_memory(std::string what) { return {LAP_OUT_OF_MEMORY, "out of memory: " + what}; }

}  // namespace lapidary

// Returns the status of `expression` from the enclosing function unless it is OK.
#define LAP_TRY(expression)                            \
  do {                                                 \
    ::lapidary::Status lap_try_status_ = (expression); \
    if (!lap_try_status_.ok()) return lap_try_status_; \
  } while (0)
