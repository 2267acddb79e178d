/* Lapidary: the C ABI of the loss kernels.
 *
 * Conventions, for every function:
 *  - Sizes, strides and offsets are int64_t, counted in elements, never in bytes.
 *  - T rows (tokens), V vocabulary, H hidden width, N tokens of a packed batch, B sequences.
 *  - Argument structs begin with `struct_size`, set to sizeof the struct; later versions append fields.
 *  - Nothing throws, prints, exits or keeps global state. Every call returns a lap_status; on an error
 *    lap_error_message(ctx) says which argument was given what, and no output has been written.
 *  - Arguments are checked before any work, targets included. Outputs are never left unwritten.
 *  - Arithmetic and sums are f32 or wider whatever the input type; log-probs are natural logarithms.
 *  - Results are bitwise repeatable, do not depend on the number of threads, and a row's result does not
 *    depend on the rows it is computed with. Different instruction sets may differ in the last bits.
 *  - One context may be used by one thread at a time.
 */
#ifndef LAPIDARY_H_
#define LAPIDARY_H_

#include "lapidary/base.h"
#include "lapidary/divergence.h"
#include "lapidary/linear_logprobs.h"
#include "lapidary/policy_loss.h"
#include "lapidary/token_logprobs.h"
#include "lapidary/vocab_shard.h"

#endif /* LAPIDARY_H_ */
