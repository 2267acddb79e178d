#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/numerics.h"
#include "simt/cuda_runtime.h"

namespace simt {
namespace {

constexpr uint32_t kBase = 1040;  // where dynamic shared memory begins

[[noreturn]] void refuse(const char* what) {
  std::fprintf(stderr, "simt: %s, in block %u, thread %u\n", what, position.block.x, position.thread.x);
  std::abort();
}

uint8_t* at(uint32_t address, uint32_t bytes, unsigned rank) {
  if (address < kBase || address - kBase + bytes > dynamic_shared_bytes)
    refuse("an address outside the block's shared memory");
  return static_cast<uint8_t*>(shared_of(rank)) + (address - kBase);
}
uint8_t* at(uint32_t address, uint32_t bytes) { return at(address, bytes, cluster_rank()); }

// As the eight bytes of an mbarrier; their layout is not documented, so this one is as good.
struct Barrier {
  uint32_t phase : 1, count : 15, pending : 15, ready : 1;
  int32_t bytes;
};
static_assert(sizeof(Barrier) == 8);

Barrier load(uint32_t address, unsigned rank) {
  if (address % 8 != 0) refuse("a barrier that is not aligned to 8 bytes");
  Barrier barrier;
  std::memcpy(&barrier, at(address, 8, rank), 8);
  if (!barrier.ready) refuse("a barrier that was not initialised");
  return barrier;
}
void store(uint32_t address, unsigned rank, Barrier barrier) {
  if (barrier.pending == 0 && barrier.bytes == 0) {
    barrier.phase ^= 1;
    barrier.pending = barrier.count;
  }
  std::memcpy(at(address, 8, rank), &barrier, 8);
  note_progress();
}

struct Matrix {
  uint64_t data, rows, width, row_bytes, box_rows;
};
struct Copy {
  uint32_t to;
  Matrix matrix;
  int64_t column, row;
  uint32_t barrier;
  unsigned rank;
};
std::vector<Copy> copies;
constexpr uint32_t kRowBytes = 128;

// Bits 4 to 6 of a shared address are exchanged for their sum, modulo 2, with bits 7 to 9.
uint32_t swizzle(uint32_t address) {
  const uint32_t row = address / 128 % 8, piece = address / 16 % 8;
  return address - piece * 16 + (piece ^ row) * 16;
}

void land(const Copy& copy) {
  for (uint32_t r = 0; r < copy.matrix.box_rows; ++r) {
    for (uint32_t c = 0; c < kRowBytes / 2; ++c) {
      const uint64_t row = static_cast<uint64_t>(copy.row + r),
                     column = static_cast<uint64_t>(copy.column + c);
      uint16_t element = 0;
      if (row < copy.matrix.rows && column < copy.matrix.width)
        std::memcpy(
            &element,
            reinterpret_cast<const uint8_t*>(copy.matrix.data) + row * copy.matrix.row_bytes + column * 2, 2);
      std::memcpy(at(swizzle(copy.to + r * kRowBytes + c * 2), 2, copy.rank), &element, 2);
    }
  }
  Barrier barrier = load(copy.barrier, copy.rank);
  barrier.bytes -= static_cast<int32_t>(copy.matrix.box_rows * kRowBytes);
  store(copy.barrier, copy.rank, barrier);
}

struct Product {
  uint64_t rows, columns;
  bool keep, is_bf16, committed;
};
// Of one thread; `result` is what its accumulators will be.
struct Thread {
  std::vector<Product> products;  // a commit is an entry that only has `committed`
  float* sums = nullptr;
  float result[128];
};
std::vector<Thread> threads;

Thread& own() {
  const size_t index = static_cast<size_t>(thread_index());
  if (threads.size() <= index) threads.resize(index + 1);
  return threads[index];
}

struct Operand {
  uint32_t start, stride;
};
Operand operand(uint64_t descriptor) {
  if (descriptor >> 62 != 1) refuse("an operand without the 128-byte swizzle");
  if ((descriptor >> 49 & 7) != 0) refuse("an operand with a base offset");
  return {static_cast<uint32_t>(descriptor & 0x3fff) * 16,
          static_cast<uint32_t>(descriptor >> 32 & 0x3fff) * 16};
}
float element(const Operand& from, int row, int depth, bool is_bf16) {
  const uint32_t r = static_cast<uint32_t>(row), d = static_cast<uint32_t>(depth);
  uint16_t bits;
  std::memcpy(&bits, at(swizzle(from.start + r / 8 * from.stride + r % 8 * kRowBytes + d * 2), 2), 2);
  return is_bf16 ? lapidary::bf16_to_f32(bits) : lapidary::f16_to_f32(bits);
}

// d0 to d127 of PTX's figure: rows 16 w + l / 4 and 8 below, columns 2 (l % 4) and its neighbour, every 8.
void multiply(const Product& product, float* result) {
  const int warp = static_cast<int>(position.thread.x % 128 / 32),
            lane = static_cast<int>(position.thread.x % 32);
  const Operand a = operand(product.rows), b = operand(product.columns);
  float rows[2][16];
  for (int half = 0; half < 2; ++half)
    for (int k = 0; k < 16; ++k)
      rows[half][k] = element(a, 16 * warp + lane / 4 + 8 * half, k, product.is_bf16);
  for (int column = 0; column < 64; ++column) {
    float columns[16];
    for (int k = 0; k < 16; ++k)
      columns[k] = element(b, column / 2 * 8 + lane % 4 * 2 + column % 2, k, product.is_bf16);
    for (int half = 0; half < 2; ++half) {
      float& sum = result[column / 2 * 4 + half * 2 + column % 2];
      float added = 0.f;
      for (int k = 0; k < 16; ++k) added += rows[half][k] * columns[k];
      sum = product.keep ? sum + added : added;
    }
  }
}

}  // namespace

uint32_t shared_address(const void* pointer) {
  return kBase +
         static_cast<uint32_t>(static_cast<const uint8_t*>(pointer) - static_cast<uint8_t*>(dynamic_shared));
}

void barrier_init(uint32_t barrier, uint32_t count) {
  if (count == 0 || count >= 1u << 15) refuse("a barrier for no arrivals");
  const Barrier fresh{0, count, count, 1, 0};
  std::memcpy(at(barrier, 8), &fresh, 8);
}

void barrier_arrive(uint32_t barrier, uint32_t bytes) {
  Barrier state = load(barrier, cluster_rank());
  state.bytes += static_cast<int32_t>(bytes);
  --state.pending;
  store(barrier, cluster_rank(), state);
}

void barrier_arrive_at(uint32_t barrier, unsigned rank) {
  Barrier state = load(barrier, rank);
  --state.pending;
  store(barrier, rank, state);
}

void barrier_wait(uint32_t barrier, uint32_t parity) {
  const unsigned rank = cluster_rank();
  while (load(barrier, rank).phase == parity) {
    for (size_t i = copies.size(); i-- > 0;) {
      if (copies[i].barrier != barrier || copies[i].rank != rank) continue;
      const Copy copy = copies[i];
      copies.erase(copies.begin() + static_cast<std::ptrdiff_t>(i));
      land(copy);
      break;
    }
    yield();
  }
}

cudaError_t describe_matrix(const void* data, int64_t rows, int64_t width, int64_t row_bytes, int box_rows,
                            uint64_t* words) {
  if (reinterpret_cast<uintptr_t>(data) % 16 != 0 || row_bytes % 16 != 0 || row_bytes >= int64_t{1} << 40 ||
      rows < 1 || width < 1 || box_rows < 1 || box_rows > 256)
    return cudaErrorInvalidValue;
  const Matrix matrix{reinterpret_cast<uint64_t>(data), static_cast<uint64_t>(rows),
                      static_cast<uint64_t>(width), static_cast<uint64_t>(row_bytes),
                      static_cast<uint64_t>(box_rows)};
  std::memcpy(words, &matrix, sizeof matrix);
  return cudaSuccess;
}

void copy_box(unsigned blocks, uint32_t to, const uint64_t* words, int32_t column, int32_t row,
              uint32_t barrier) {
  Copy copy{to, {}, column, row, barrier, 0};
  std::memcpy(&copy.matrix, words, sizeof copy.matrix);
  if (to % 128 != 0) refuse("a copy to an address that is not aligned to 128 bytes");
  const uint32_t bytes = static_cast<uint32_t>(copy.matrix.box_rows) * kRowBytes;
  for (; blocks >> copy.rank != 0; ++copy.rank) {
    if ((blocks >> copy.rank & 1) == 0) continue;
    std::memset(at(to, bytes, copy.rank), 0xff, bytes);
    copies.push_back(copy);
  }
}

void product(float* sums, uint64_t rows, uint64_t columns, bool keep, bool is_bf16) {
  Thread& thread = own();
  if (thread.products.empty()) {
    thread.sums = sums;
    std::memcpy(thread.result, sums, sizeof thread.result);
    std::memset(sums, 0xff, sizeof thread.result);
  }
  if (thread.sums != sums) refuse("products under way into two sets of accumulators");
  thread.products.push_back({rows, columns, keep, is_bf16, false});
}

void product_commit() { own().products.push_back({0, 0, false, false, true}); }

void product_wait(int pending) {
  Thread& thread = own();
  size_t end = thread.products.size();
  for (int groups = 0; end > 0; --end)
    if (thread.products[end - 1].committed && groups++ == pending) break;
  for (size_t i = 0; i < end; ++i)
    if (!thread.products[i].committed) multiply(thread.products[i], thread.result);
  thread.products.erase(thread.products.begin(), thread.products.begin() + static_cast<std::ptrdiff_t>(end));
  if (thread.products.empty() && thread.sums != nullptr)
    std::memcpy(thread.sums, thread.result, sizeof thread.result);
  // For the whole warp at once: no lane goes on to release what another has yet to read.
  exchange(Wait::kWarp, 0, 0);
}

}  // namespace simt
