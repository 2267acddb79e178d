// How rows are shared out over blocks, for devices that are not here: by the published limits of their shared
// memory.
#include "cuda/staged_launch.h"
#include "cuda_fixture.h"

namespace {

using namespace cuda_test;
using lapidary::cuda::SharedLimits;
using lapidary::cuda::staged_plan;
using lapidary::cuda::StagedPlan;

constexpr size_t kFixed = 640;
constexpr SharedLimits kSm80{8, 108, 164 << 10, 163 << 10, 1 << 10};
constexpr SharedLimits kSm90{9, 132, 228 << 10, 227 << 10, 1 << 10};
constexpr SharedLimits kSm120{12, 170, 100 << 10, 99 << 10, 1 << 10};

void check_plan(const SharedLimits& limits, int64_t vocab, int64_t size, unsigned cluster, int together) {
  const StagedPlan plan = staged_plan((vocab * size + 15) / 16, 16, 1, kFixed, limits);
  const std::string where = "sm of major " + std::to_string(limits.capability_major) + ", V " +
                            std::to_string(vocab) + " of " + std::to_string(size) + " bytes";
  check(plan.cluster == cluster, where + ": " + std::to_string(plan.cluster) + " blocks");
  if (cluster == 0) return;
  const int64_t bytes = static_cast<int64_t>(plan.shared_bytes);
  check(bytes <= limits.per_block &&
            together * (bytes + limits.reserved_per_block) <= limits.per_multiprocessor,
        where + ": " + std::to_string(together) + " blocks fit");
  check(cluster * (bytes - static_cast<int64_t>(kFixed) - 16) >= vocab * size, where + ": the row fits");
}

// Student and teacher beside each other.
void check_pair_plan(const SharedLimits& limits, int64_t vocab, int64_t student, int64_t teacher,
                     unsigned cluster, int together) {
  constexpr size_t kPairFixed = 688;  // of sm_90
  const StagedPlan plan = staged_plan((vocab + 7) / 8, 8 * (student + teacher), 2, kPairFixed, limits);
  const std::string where = "sm of major " + std::to_string(limits.capability_major) + ", pairs, V " +
                            std::to_string(vocab) + " of " + std::to_string(student) + " and " +
                            std::to_string(teacher) + " bytes";
  check(plan.cluster == cluster, where + ": " + std::to_string(plan.cluster) + " blocks");
  if (cluster == 0) return;
  const int64_t bytes = static_cast<int64_t>(plan.shared_bytes);
  check(together * (bytes + limits.reserved_per_block) <= limits.per_multiprocessor,
        where + ": " + std::to_string(together) + " blocks fit");
  check(cluster * (bytes - static_cast<int64_t>(kPairFixed) - 32) >= vocab * (student + teacher),
        where + ": both rows fit");
}

}  // namespace

int main() {
  check_plan(kSm90, 4096, 2, 0, 0);
  check_plan(kSm90, 32000, 2, 1, 3);
  check_plan(kSm90, 50257, 2, 2, 3);
  check_plan(kSm90, 128256, 2, 4, 3);
  check_plan(kSm90, 152064, 2, 4, 3);
  check_plan(kSm90, 248320, 2, 8, 3);
  check_plan(kSm90, 152064, 4, 8, 3);
  check_plan(kSm90, 200000, 4, 8, 2);
  check_plan(kSm90, 1000000, 4, 0, 0);
  check_plan(kSm80, 16384, 2, 1, 3);
  check_plan(kSm80, 32000, 2, 1, 2);
  check_plan(kSm80, 152064, 2, 0, 0);
  check_plan(kSm120, 128256, 2, 8, 3);
  check_plan(kSm120, 152064, 2, 8, 2);
  check_pair_plan(kSm90, 2000, 2, 2, 0, 0);
  check_pair_plan(kSm90, 16384, 2, 2, 1, 3);
  check_pair_plan(kSm90, 32000, 2, 2, 2, 3);
  check_pair_plan(kSm90, 128256, 2, 2, 8, 3);
  check_pair_plan(kSm90, 152064, 2, 2, 8, 3);
  check_pair_plan(kSm90, 152064, 2, 4, 8, 2);
  check_pair_plan(kSm90, 152064, 4, 4, 0, 0);
  check_pair_plan(kSm80, 16384, 2, 2, 1, 2);
  check_pair_plan(kSm80, 32000, 2, 2, 0, 0);
  return finish();
}
