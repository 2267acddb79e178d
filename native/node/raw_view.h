// A typed array as Node-API shows it.
#pragma once

#include <cstddef>

#include "node/setup.h"

namespace lapidary::node {

inline const char* type_name(napi_typedarray_type type) {
  switch (type) {
    case napi_float32_array:
      return "Float32Array";
    case napi_float64_array:
      return "Float64Array";
    case napi_int32_array:
      return "Int32Array";
    case napi_uint16_array:
      return "Uint16Array";
    case napi_uint8_array:
      return "Uint8Array";
    default:
      return "another typed array";
  }
}

inline size_t element_size(napi_typedarray_type type) {
  switch (type) {
    case napi_float64_array:
      return 8;
    case napi_float32_array:
    case napi_int32_array:
      return 4;
    case napi_uint16_array:
      return 2;
    default:
      return 1;
  }
}

struct RawView {
  napi_typedarray_type type;
  size_t elements;
  void* data;
  bool shared;

  size_t bytes() const { return elements * element_size(type); }
};

// Pointer, length and kind of memory in one look. `.ArrayBuffer()` would fail on a SharedArrayBuffer.
inline bool raw_view(Napi::Env env, Napi::Value value, RawView* out) {
  if (!value.IsTypedArray()) return false;
  napi_value buffer;
  size_t offset;
  out->type = napi_int8_array;  // element types newer than this Node-API (Float16Array) leave it unset
  if (napi_get_typedarray_info(env, value, &out->type, &out->elements, &out->data, &buffer, &offset) !=
      napi_ok) {
    return false;
  }
  bool plain = false;
  napi_is_arraybuffer(env, buffer, &plain);
  out->shared = !plain;
  return true;
}

}  // namespace lapidary::node
