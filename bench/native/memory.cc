// Rates of reading, writing and copying memory, with ordinary and with 2 MiB pages.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "ceilings.h"
#include "team.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

constexpr size_t kHuge = size_t{2} << 20;

// An anonymous mapping that starts on a 2 MiB boundary.
class Buffer {
 public:
  Buffer(size_t bytes, Pages pages) : bytes_(bytes), mapped_(bytes + kHuge) {
    base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) {
      std::perror("mmap");
      std::exit(1);
    }
    data_ = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(base_) + kHuge - 1) / kHuge * kHuge);
#if defined(__linux__)
    madvise(data_, bytes, pages == Pages::k2MiB ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
    (void)pages;
#endif
  }
  ~Buffer() { munmap(base_, mapped_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  char* data() { return data_; }

  double huge_share() const {
    std::FILE* file = std::fopen("/proc/self/smaps", "r");
    if (file == nullptr) return 0;
    char line[512];
    bool inside = false;
    unsigned long long begin, end, kib;
    double huge = 0;
    while (std::fgets(line, sizeof line, file) != nullptr) {
      if (std::sscanf(line, "%llx-%llx ", &begin, &end) == 2) {
        const auto at = reinterpret_cast<uintptr_t>(data_);
        inside = begin < at + bytes_ && end > at;
      } else if (inside && std::sscanf(line, "AnonHugePages: %llu kB", &kib) == 1) {
        huge += 1024.0 * kib;
      }
    }
    std::fclose(file);
    return huge / bytes_;
  }

 private:
  size_t bytes_, mapped_;
  void* base_;
  char* data_;
};

typedef uint64_t Words __attribute__((vector_size(32), may_alias));
volatile uint64_t sink;

// Four streams a page apart in one pass give the hardware's prefetchers more to do than one stream does;
// which of one and four is faster differs between machines, so both are measured.
template <int kStreams>
void read_bytes(const char* data, size_t bytes) {
  Words sums[8] = {};
  const size_t stride = bytes / kStreams;
  for (size_t i = 0; i + 128 * 2 <= stride; i += 256) {
    for (int stream = 0; stream < kStreams; ++stream) {
      const Words* at = reinterpret_cast<const Words*>(data + stream * stride + i);
      for (int k = 0; k < 8; ++k) sums[k] ^= at[k];
    }
  }
  Words all = {};
  for (const Words& sum : sums) all ^= sum;
  sink = all[0] ^ all[1] ^ all[2] ^ all[3];
}

void write_bytes(char* data, size_t bytes) {
#if defined(__AVX2__)
  const __m256i value = _mm256_set1_epi8(1);
  for (size_t i = 0; i < bytes; i += 32) _mm256_stream_si256(reinterpret_cast<__m256i*>(data + i), value);
  _mm_sfence();
#else
  std::memset(data, 1, bytes);
#endif
}

void copy_bytes(char* to, const char* from, size_t bytes) {
#if defined(__AVX2__)
  for (size_t i = 0; i < bytes; i += 32) {
    const __m256i value = _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i));
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i), value);
  }
  _mm_sfence();
#else
  std::memcpy(to, from, bytes);
#endif
}

}  // namespace

MemoryRates measure_memory(Pages pages, size_t bytes, int threads, int passes) {
  Buffer source(bytes, pages), target(bytes, pages);
  const size_t slice = bytes / threads / 4096 * 4096;
  const double total = static_cast<double>(slice) * threads;
  const auto at = [slice](Buffer& buffer, int thread) { return buffer.data() + thread * slice; };
  MemoryRates rates{};
  // Ordinary stores: the page faults and the clearing of pages are what is measured.
  rates.first_touch = total / best_seconds(threads, 1, [&](int t) { std::memset(at(source, t), 1, slice); });
  best_seconds(threads, 1, [&](int t) { std::memset(at(target, t), 1, slice); });
  rates.huge_share = pages == Pages::k2MiB ? source.huge_share() : 0;
  const double one = best_seconds(threads, passes, [&](int t) { read_bytes<1>(at(source, t), slice); });
  const double four = best_seconds(threads, passes, [&](int t) { read_bytes<4>(at(source, t), slice); });
  rates.read = total / (one < four ? one : four);
  rates.write = total / best_seconds(threads, passes, [&](int t) { write_bytes(at(target, t), slice); });
  rates.copy = 2 * total /
               best_seconds(threads, passes, [&](int t) { copy_bytes(at(target, t), at(source, t), slice); });
  return rates;
}
