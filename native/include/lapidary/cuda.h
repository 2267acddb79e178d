#ifndef LAPIDARY_CUDA_H_
#define LAPIDARY_CUDA_H_

/* The same operations on a CUDA device: an object of its own (lapidary_cuda), loaded at run time, so that
 * nothing else needs a driver.
 *
 *  - The argument structs are those of the CPU. Pointers in them are device pointers unless said otherwise.
 *  - Work is put on the context's stream and nothing waits for it, except where a function says so. What is
 * given must stay until the stream has passed it.
 *  - Contents that lie on the device cannot be checked. A target that is neither ignore_index nor in [0, V)
 * gives NaN in its row of every output, and -1 as top1.
 *  - Results are bitwise repeatable on one device, and a row's result does not depend on the rows it is
 * computed with. They differ from the CPU's in the last bits.
 *  - One context may be used by one thread at a time.
 */
#include "lapidary/base.h"
#include "lapidary/divergence.h"
#include "lapidary/linear_logprobs.h"
#include "lapidary/policy_loss.h"
#include "lapidary/token_logprobs.h"
#include "lapidary/vocab_shard.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lap_cuda_context lap_cuda_context;

typedef struct lap_cuda_device {
  size_t struct_size;
  char name[256];
  int32_t major, minor; /* compute capability */
  int32_t multiprocessors;
  int64_t memory_bytes;
} lap_cuda_device;

/* LAP_ABI_VERSION that this object was compiled with. */
LAP_API int32_t lap_cuda_abi_version(void);

/* How many devices there are; where there are none, the reason, valid for ever. Never fails. */
LAP_API int32_t lap_cuda_device_count(const char** reason);
LAP_API lap_status lap_cuda_device_describe(int32_t index, lap_cuda_device* out);
/* The CUDA versions of the driver (0: none) and of the runtime in this object, as 1000 major + 10 minor. */
LAP_API void lap_cuda_versions(int32_t* driver, int32_t* runtime);

/* `stream`: a cudaStream_t of the caller on that device, or NULL: one of the context's own. */
LAP_API lap_status lap_cuda_context_create(int32_t device, void* stream, lap_cuda_context** out);
/* Waits for a stream of its own. */
LAP_API void lap_cuda_context_destroy(lap_cuda_context* ctx);
LAP_API const char* lap_cuda_error_message(const lap_cuda_context* ctx);
/* The cudaStream_t that it works on: a second context may be made over it for a second thread. */
LAP_API void* lap_cuda_context_stream(const lap_cuda_context* ctx);
/* Waits for the stream; also says whether any work on it has failed. */
LAP_API lap_status lap_cuda_synchronize(lap_cuda_context* ctx);

/* Device memory from the device's pool, in the order of the stream, aligned to 256 bytes. LAP_OUT_OF_MEMORY
 * leaves everything as it was. Freeing NULL does nothing. */
LAP_API lap_status lap_cuda_allocate(lap_cuda_context* ctx, size_t bytes, void** out);
LAP_API lap_status lap_cuda_free(lap_cuda_context* ctx, void* memory);
/* Copies between host and device, in the order of the stream; both return when the host's bytes have been
 * read or written. */
LAP_API lap_status lap_cuda_upload(lap_cuda_context* ctx, void* device, const void* host, size_t bytes);
LAP_API lap_status lap_cuda_download(lap_cuda_context* ctx, void* host, const void* device, size_t bytes);

/* Sets every byte to `value`, in the order of the stream. */
LAP_API lap_status lap_cuda_fill(lap_cuda_context* ctx, void* device, int32_t value, size_t bytes);
/* From device memory to device memory, of one device or of two, in the order of the stream. */
LAP_API lap_status lap_cuda_copy(lap_cuda_context* ctx, void* to, const void* from, size_t bytes);
/* What the device has free, which is without what its pool keeps for the next allocation. */
LAP_API lap_status lap_cuda_memory_info(lap_cuda_context* ctx, int64_t* free_bytes, int64_t* total_bytes);
/* Waits for the stream, then gives what the pool keeps unused back to the device. */
LAP_API lap_status lap_cuda_trim(lap_cuda_context* ctx);

/* ---- pinned host memory: copies from and to it are put on the stream, and nothing waits for them ---- */
LAP_API lap_status lap_cuda_allocate_host(lap_cuda_context* ctx, size_t bytes, void** out);
/* Freeing NULL does nothing. No copy may be under way. */
LAP_API lap_status lap_cuda_free_host(lap_cuda_context* ctx, void* memory);
/* Pins memory of the caller's, until it is unregistered, which must be before the caller frees it. */
LAP_API lap_status lap_cuda_register_host(lap_cuda_context* ctx, void* memory, size_t bytes);
LAP_API lap_status lap_cuda_unregister_host(lap_cuda_context* ctx, void* memory);
LAP_API lap_status lap_cuda_upload_async(lap_cuda_context* ctx, void* device, const void* pinned,
                                         size_t bytes);
LAP_API lap_status lap_cuda_download_async(lap_cuda_context* ctx, void* pinned, const void* device,
                                           size_t bytes);

/* ---- events: points in the work of a stream ---- */
typedef struct lap_cuda_event lap_cuda_event;

/* On the context's device. `timed`: elapsed times can be asked for. An event that was never recorded counts
 * as passed. */
LAP_API lap_status lap_cuda_event_create(lap_cuda_context* ctx, int32_t timed, lap_cuda_event** out);
LAP_API void lap_cuda_event_destroy(lap_cuda_event* event);
LAP_API lap_status lap_cuda_event_record(lap_cuda_context* ctx, lap_cuda_event* event);
/* What is put on the context's stream from now on starts when the event has been passed. */
LAP_API lap_status lap_cuda_event_wait(lap_cuda_context* ctx, lap_cuda_event* event);
LAP_API lap_status lap_cuda_event_query(lap_cuda_context* ctx, lap_cuda_event* event, int32_t* passed);
/* The calling thread sleeps until the event has been passed. */
LAP_API lap_status lap_cuda_event_synchronize(lap_cuda_context* ctx, lap_cuda_event* event);
LAP_API lap_status lap_cuda_event_elapsed(lap_cuda_context* ctx, lap_cuda_event* from, lap_cuda_event* to,
                                          float* milliseconds);

/* ---- memory that another process can open ---- */
typedef struct lap_cuda_ipc_handle {
  unsigned char bytes[64]; /* a cudaIpcMemHandle_t */
} lap_cuda_ipc_handle;

/* Not from the pool, whose memory cannot be exported, and rounded up to 2 MiB, so that a handle names this
 * memory alone and the other process finds it at the very start. Both may wait for the device. */
LAP_API lap_status lap_cuda_allocate_shareable(lap_cuda_context* ctx, size_t bytes, void** out);
LAP_API lap_status lap_cuda_free_shareable(lap_cuda_context* ctx, void* memory);
LAP_API lap_status lap_cuda_ipc_export(lap_cuda_context* ctx, void* shareable, lap_cuda_ipc_handle* out);
/* Opens memory of another process of this machine on the context's device. It may be used until it is closed
 * here or freed there. */
LAP_API lap_status lap_cuda_ipc_open(lap_cuda_context* ctx, const lap_cuda_ipc_handle* handle, void** out);
LAP_API lap_status lap_cuda_ipc_close(lap_cuda_context* ctx, void* memory);

/* ---- the operations; see the headers of the CPU for shapes and meaning ---- */
/* The forward with its gradient needs no workspace here. */
LAP_API lap_status lap_cuda_token_logprobs(lap_cuda_context* ctx, const lap_token_logprobs_args* args);
LAP_API lap_status lap_cuda_token_logprobs_backward(lap_cuda_context* ctx,
                                                    const lap_token_logprobs_backward_args* args);
LAP_API lap_status lap_cuda_token_logprobs_with_gradient(lap_cuda_context* ctx,
                                                         const lap_token_logprobs_with_gradient_args* args);

/* Stats lie on the device. A target below 0 that is not ignore_index, or that the shards do not hold exactly
 * once, gives NaN in all its floats. */
LAP_API lap_status lap_cuda_vocab_shard_stats(lap_cuda_context* ctx, const lap_vocab_shard_stats_args* args);
LAP_API lap_status lap_cuda_vocab_shard_merge(lap_cuda_context* ctx, const lap_vocab_shard_merge_args* args);
LAP_API lap_status lap_cuda_vocab_shard_backward(lap_cuda_context* ctx,
                                                 const lap_vocab_shard_backward_args* args);

LAP_API lap_status lap_cuda_divergence(lap_cuda_context* ctx, const lap_divergence_args* args);
LAP_API lap_status lap_cuda_divergence_with_gradient(lap_cuda_context* ctx,
                                                     const lap_divergence_with_gradient_args* args);

/* Everything but the objective lies on the device: offsets, pairs, stats and diagnostics too. All three calls
 * need the workspace; its size depends on the counts, the layout and whether `pairs` is given, not on the
 * objective. Counts are below 2^40.
 *  - Offsets or lengths that the CPU would refuse are not followed: g, the stats and all diagnostics, the
 * loss among them, are NaN in all of the batch. A map phase does not touch the stats.
 *  - So are g and the diagnostics where the objective is of pairs and one of them holds an index outside
 * [0, B) or one sequence twice, or where the gate is NFT and an nft_quality is not in [0, 1).
 *  - g and the stats of a sequence depend on nothing but itself (and its pairs). Sums over the batch are
 * added up in an order that the lengths give: packed and padded they have the same bits. */
LAP_API lap_status lap_cuda_policy_loss_workspace(lap_cuda_context* ctx, const lap_policy_loss_args* args,
                                                  size_t* bytes);
LAP_API lap_status lap_cuda_policy_loss_reduce(lap_cuda_context* ctx, const lap_policy_loss_args* args);
LAP_API lap_status lap_cuda_policy_loss_map(lap_cuda_context* ctx, const lap_policy_loss_args* args);
LAP_API lap_status lap_cuda_policy_loss(lap_cuda_context* ctx, const lap_policy_loss_args* args);

/* LAPIDARY_CUDA_HEAD, read when a context is created, chooses how the forward multiplies where the device
 * has compute capability 9.0: "wgmma" or "wgmma2" for a kernel of our own with tensor instructions, alone or
 * in clusters of two, for bf16 and f16 whose rows begin at multiples of 16 bytes. It has not run on a device
 * yet; otherwise the matrix product goes through cuBLASLt. */
/* What multiplies matrices, found at the first use of a context: "cublasLt 13.1.0", or "tiled: " and why
 * cuBLASLt is not in use. The environment variable LAPIDARY_CUBLASLT names the library to load; "none" asks
 * for none. Valid as long as the context. */
LAP_API const char* lap_cuda_context_gemm(lap_cuda_context* ctx);
/* `kept` is laid out otherwise than the CPU's, and its size depends on the element type: for 16-bit inputs 2
 * bytes per logit and 1/128 more. The backward rewrites some of it in place, to what a further backward of
 * the same forward reads just as well. The kept size is that of all rows, ignored ones too, and forward and
 * backward must be given the same `rows`. Ignored rows, and those of weight 0 in a backward without `kept`,
 * are not read; with cuBLASLt they cost their share of the matrix products, since how many there are is known
 * on the device only. A row's result is the same to the bit in any batch with the tiled products. With
 * cuBLASLt it is where the algorithm that it picks for a full tile of rows also does fewer of them, and sums
 * all its elements in one order. */
LAP_API lap_status lap_cuda_linear_logprobs_kept_bytes(lap_cuda_context* ctx, int64_t rows, int64_t vocab,
                                                       lap_dtype dtype, size_t* bytes);
LAP_API lap_status lap_cuda_linear_logprobs_workspace(lap_cuda_context* ctx,
                                                      const lap_linear_logprobs_args* args, size_t* bytes);
LAP_API lap_status lap_cuda_linear_logprobs(lap_cuda_context* ctx, const lap_linear_logprobs_args* args);
LAP_API lap_status lap_cuda_linear_logprobs_backward_workspace(lap_cuda_context* ctx,
                                                               const lap_linear_logprobs_backward_args* args,
                                                               size_t* bytes);
LAP_API lap_status lap_cuda_linear_logprobs_backward(lap_cuda_context* ctx,
                                                     const lap_linear_logprobs_backward_args* args);

#ifdef __cplusplus
}
#endif
#endif /* LAPIDARY_CUDA_H_ */
