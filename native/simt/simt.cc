#include "simt/simt.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace simt {

Position position{};
void* dynamic_shared = nullptr;
size_t dynamic_shared_bytes = 0;

namespace {

constexpr int kLanes = 32;
// Tops are an odd number of cache lines apart: at a power of two all stacks would share one set of the cache.
constexpr size_t kStackBytes = 96 * 1024 + 64;

#if defined(__x86_64__)
struct Context {
  void* stack_pointer = nullptr;
};
// Saves what a call must keep, changes stacks and returns there.
extern "C" void lapidary_simt_switch(void** save, void* load);
asm(R"(
.text
.globl lapidary_simt_switch
.hidden lapidary_simt_switch
.type lapidary_simt_switch, @function
lapidary_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size lapidary_simt_switch, .-lapidary_simt_switch
)");
void change(Context* from, Context* to) { lapidary_simt_switch(&from->stack_pointer, to->stack_pointer); }
void prepare(Context* context, char* stack, void (*entry)()) {
  auto top = reinterpret_cast<uintptr_t>(stack + kStackBytes) & ~uintptr_t{15};
  auto* words = reinterpret_cast<void**>(top);
  // `entry` is returned to, with the stack as after a call; it never returns itself.
  *--words = nullptr;
  *--words = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--words = nullptr;
  context->stack_pointer = words;
}
#else
struct Context {
  ucontext_t state;
};
void change(Context* from, Context* to) { swapcontext(&from->state, &to->state); }
void prepare(Context* context, char* stack, void (*entry)()) {
  getcontext(&context->state);
  context->state.uc_stack.ss_sp = stack;
  context->state.uc_stack.ss_size = kStackBytes;
  context->state.uc_link = nullptr;
  makecontext(&context->state, entry, 0);
}
#endif

struct Fiber {
  Context context;
  uint3 thread;
  int rank;  // of the block in its cluster
  bool begun, ended;
  Wait wait;
  int source;
  uint64_t value;
};

std::mutex one_launch;
// Never destroyed: a process may end while a stream still works.
std::vector<Fiber>& fibers = *new std::vector<Fiber>;  // of one block after the other
char* stacks = nullptr;
size_t stack_count = 0;
Context scheduler;
int running = 0;
uint64_t changes = 0;
uint3 first_block;                                            // of the cluster
std::vector<void*>& shared_memory = *new std::vector<void*>;  // of each block
const std::function<void()>* body = nullptr;

void fiber_entry() {
  (*body)();
  fibers[running].ended = true;
  change(&fibers[running].context, &scheduler);
  __builtin_unreachable();
}

void wait_for(Wait kind) {
  fibers[running].wait = kind;
  change(&fibers[running].context, &scheduler);
}

[[noreturn]] void stuck(const char* what, int index) {
  const uint3 thread = fibers[index].thread;
  std::fprintf(stderr, "simt: %s, in block (%u, %u, %u), thread (%u, %u, %u)\n", what, position.block.x,
               position.block.y, position.block.z, thread.x, thread.y, thread.z);
  std::abort();
}

void run(int index) {
  Fiber& fiber = fibers[index];
  running = index;
  position.thread = fiber.thread;
  position.block = {first_block.x + static_cast<unsigned>(fiber.rank), first_block.y, first_block.z};
  dynamic_shared = shared_memory[static_cast<size_t>(fiber.rank)];
  fiber.begun = true;
  fiber.wait = Wait::kNone;
  change(&scheduler, &fiber.context);
}

bool is_ready(const Fiber& fiber) {
  return !fiber.ended && (fiber.wait == Wait::kNone || fiber.wait == Wait::kYield);
}

// Where every live lane of the warp waits for the others: hands out the values. True if lanes may go on.
bool release_warp(int first, int end) {
  Wait kind = Wait::kNone;
  for (int i = first; i < end; ++i)
    if (!fibers[i].ended && fibers[i].wait == Wait::kYield) return false;
  for (int i = first; i < end; ++i) {
    if (fibers[i].ended) continue;
    if (kind == Wait::kNone) kind = fibers[i].wait;
    if (fibers[i].wait != kind) stuck("lanes of a warp wait for different things", i);
  }
  if (kind == Wait::kNone || kind == Wait::kBlock || kind == Wait::kCluster) return false;
  uint64_t values[kLanes] = {}, ballot = 0;
  for (int i = first; i < end; ++i) {
    if (fibers[i].ended) continue;
    values[i - first] = fibers[i].value;
    if (fibers[i].value != 0) ballot |= uint64_t{1} << (i - first);
  }
  for (int i = first; i < end; ++i) {
    Fiber& fiber = fibers[i];
    if (fiber.ended) continue;
    if (kind == Wait::kBallot) fiber.value = ballot;
    if (kind == Wait::kShuffle) {
      const int source = first + fiber.source;
      if (source >= end || fibers[source].ended) stuck("a shuffle reads a lane that is not there", i);
      fiber.value = values[fiber.source];
    }
    fiber.wait = Wait::kNone;
  }
  return true;
}

void run_warp(int first, int end) {
  do {
    for (int i = first; i < end; ++i)
      if (is_ready(fibers[i])) run(i);
  } while (release_warp(first, end));
}

// Lets threads from `first` on go on if all wait for this barrier.
bool release_barrier(int first, int end, Wait kind) {
  int ended = 0;
  for (int i = first; i < end; ++i) {
    if (!fibers[i].ended && fibers[i].wait != kind) return false;
    ended += fibers[i].ended;
  }
  if (ended == end - first) return false;
  if (ended > 0) stuck("a thread ended while others wait at a barrier", first);
  for (int i = first; i < end; ++i) fibers[i].wait = Wait::kNone;
  return true;
}

// A block runs until all of its threads wait for another one, so that blocks drift as far apart as the
// barriers of the cluster let them; the first or the last runs ahead.
void run_cluster(int threads, int blocks, bool is_reversed) {
  const int count = threads * blocks;
  const auto is_alive = [](const Fiber& fiber) { return !fiber.ended; };
  while (std::any_of(fibers.begin(), fibers.end(), is_alive)) {
    const uint64_t before = changes;
    bool moved = false;
    for (int i = 0; i < blocks; ++i) {
      const int block = threads * (is_reversed ? blocks - 1 - i : i), end = block + threads;
      bool may_go_on = true;
      while (may_go_on) {
        for (int first = block; first < end; first += kLanes) run_warp(first, std::min(end, first + kLanes));
        may_go_on = release_barrier(block, end, Wait::kBlock);
        moved = may_go_on || moved;
      }
    }
    moved = release_barrier(0, count, Wait::kCluster) || moved || changes != before;
    if (!moved && std::any_of(fibers.begin(), fibers.end(), is_alive))
      stuck("threads wait for what nobody changes", 0);
  }
}

void make_fibers(int threads, int count, dim3 block) {
  for (int i = 0; i < count; ++i) {
    const unsigned u = static_cast<unsigned>(i % threads);
    Fiber& fiber = fibers[static_cast<size_t>(i)];
    fiber.thread = {u % block.x, u / block.x % block.y, u / (block.x * block.y)};
    fiber.rank = i / threads;
    fiber.begun = fiber.ended = false;
    fiber.wait = Wait::kNone;
    prepare(&fiber.context, stacks + static_cast<size_t>(i) * kStackBytes, fiber_entry);
  }
}

void make_stacks(size_t count) {
  if (count <= stack_count) return;
  if (stacks != nullptr) munmap(stacks, stack_count * kStackBytes);
  void* memory = mmap(nullptr, count * kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    std::fprintf(stderr, "simt: no memory for %zu stacks\n", count);
    std::abort();
  }
  stacks = static_cast<char*>(memory);
  stack_count = count;
}

}  // namespace

uint64_t exchange(Wait kind, uint64_t value, int source) {
  Fiber& fiber = fibers[running];
  fiber.value = value;
  fiber.source = source;
  wait_for(kind);
  return fiber.value;
}

void block_barrier() { wait_for(Wait::kBlock); }
void cluster_barrier() { wait_for(Wait::kCluster); }
unsigned cluster_rank() { return static_cast<unsigned>(fibers[running].rank); }
unsigned cluster_size() { return static_cast<unsigned>(shared_memory.size()); }
void* shared_of(unsigned rank) {
  const size_t threads = fibers.size() / shared_memory.size();
  const auto first = fibers.begin() + static_cast<std::ptrdiff_t>(rank * threads);
  const auto end = first + static_cast<std::ptrdiff_t>(threads);
  const auto is_there = [](const Fiber& fiber) { return fiber.begun && !fiber.ended; };
  if (std::none_of(first, end, is_there))
    stuck("the shared memory of a block that has not begun, or has ended", running);
  return shared_memory.at(rank);
}
void* map_shared(void* own, unsigned rank) {
  return static_cast<char*>(shared_of(rank)) + (static_cast<char*>(own) - static_cast<char*>(dynamic_shared));
}
int thread_index() { return running; }
void yield() { wait_for(Wait::kYield); }
void note_progress() { ++changes; }
int lane() { return running % kLanes; }

void launch_clusters(dim3 grid, dim3 block, unsigned cluster, size_t shared_bytes,
                     const std::function<void()>& kernel) {
  const std::lock_guard<std::mutex> lock(one_launch);
  const int threads = static_cast<int>(block.x * block.y * block.z);
  const int blocks = static_cast<int>(cluster), count = threads * blocks;
  make_stacks(static_cast<size_t>(count));
  fibers.assign(static_cast<size_t>(count), Fiber{});
  if (cluster > 1 && (threads % kLanes != 0 || grid.x % cluster != 0))
    stuck("a grid or block that clusters do not divide", 0);
  for (int i = 0; i < blocks; ++i) {
    const size_t bytes = (shared_bytes + 127) / 128 * 128 + 128;
    shared_memory.push_back(std::aligned_alloc(128, bytes));
    std::memset(shared_memory.back(), 0xff, bytes);  // NaN
  }
  dynamic_shared_bytes = shared_bytes;
  body = &kernel;
  position.grid_size = grid;
  position.block_size = block;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; x += cluster) {
        first_block = {x, y, z};
        make_fibers(threads, count, block);
        run_cluster(threads, blocks, x / cluster % 2 == 1);
      }
    }
  }
  dynamic_shared = nullptr;
  for (void* memory : shared_memory) std::free(memory);
  shared_memory.clear();
}

}  // namespace simt
