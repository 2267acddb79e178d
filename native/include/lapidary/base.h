#ifndef LAPIDARY_BASE_H_
#define LAPIDARY_BASE_H_

/* Status, element types and the context: what every operation of the C ABI shares. */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define LAP_API __declspec(dllexport)
#else
#define LAP_API __attribute__((visibility("default")))
#endif

/* Enums are ints, in C++ too: a value that is none of theirs can then be looked at and refused. */
#ifdef __cplusplus
#define LAP_INT_ENUM : int
#else
#define LAP_INT_ENUM
#endif

/* Version of this ABI: raised by every change that a caller compiled against older headers would not survive.
 * Compare it with LAP_ABI_VERSION of the headers before any other call. */
#define LAP_ABI_VERSION 2
LAP_API int32_t lap_abi_version(void);

typedef enum lap_status LAP_INT_ENUM {
  LAP_OK = 0,
  LAP_INVALID_ARGUMENT = 1, /* the message names the argument */
  LAP_OUT_OF_MEMORY = 2,
  LAP_CANCELLED = 3,   /* the cancel flag was raised; outputs are unspecified */
  LAP_WRONG_STATE = 4, /* e.g. backward before forward */
  LAP_DEVICE_ERROR = 5 /* a CUDA call failed; the message has its name */
} lap_status;

/* bf16 and f16 elements are 16-bit patterns. */
typedef enum lap_dtype LAP_INT_ENUM { LAP_F32 = 0, LAP_BF16 = 1, LAP_F16 = 2 } lap_dtype;

/* ---- context: thread pool and implementation, both chosen at creation ---- */
typedef struct lap_context lap_context;

typedef struct lap_context_options {
  size_t struct_size;
  int32_t threads;            /* 0: one per core that the process may use */
  const char* implementation; /* NULL: the best this CPU supports; else a name, see below */
} lap_context_options;

LAP_API lap_status lap_context_create(const lap_context_options* options, lap_context** out);
LAP_API void lap_context_destroy(lap_context* ctx);
/* Message of the last failed call on this context; "" after a success. Valid until the next call. */
LAP_API const char* lap_error_message(const lap_context* ctx);
LAP_API const char* lap_context_implementation(const lap_context* ctx);
LAP_API int32_t lap_context_threads(const lap_context* ctx);
/* The implementations in this library, best first: the name at `index` ("avx512" and "avx2", or "neon", then
 * "portable"), NULL past the end; and whether this CPU can run it, 1 or 0. The last is always supported. */
LAP_API const char* lap_implementation_name(int32_t index);
LAP_API int32_t lap_implementation_supported(int32_t index);
/* A flag polled between tiles: non-zero stops the running call with LAP_CANCELLED. NULL: none. */
LAP_API void lap_context_set_cancel(lap_context* ctx, const int32_t* flag);

/* ---- how logits become z, in all operations over a vocabulary ----
 * z = cap(logit) / temperature, cap(x) = softcap * tanh(x / softcap), or x itself where softcap is 0; a logit
 * of -inf stays -inf and has p = 0. */
typedef struct lap_logit_transform {
  float temperature;         /* > 0, finite, with a finite reciprocal; used where temperatures is NULL */
  const float* temperatures; /* [T], one per row, each as above; or NULL */
  float softcap;             /* >= 0, finite; 0: none */
} lap_logit_transform;

#ifdef __cplusplus
}
#endif
#endif /* LAPIDARY_BASE_H_ */
