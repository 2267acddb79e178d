// Runs one function on several threads at once and times it from the moment all are ready to the last one's
// end.
#pragma once

#include <barrier>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The shortest of `passes` runs of body(thread), in seconds; the threads start each pass together.
template <class Body>
double best_seconds(int threads, int passes, const Body& body) {
  double best = 1e30, started = 0;
  int phase = 0;
  const auto on_phase = [&]() noexcept {  // even: a pass begins; odd: it has ended
    if (phase++ % 2 == 0) {
      started = seconds_now();
    } else {
      const double took = seconds_now() - started;
      if (took < best) best = took;
    }
  };
  std::barrier sync(threads, on_phase);
  std::vector<std::thread> team;
  for (int t = 0; t < threads; ++t) {
    team.emplace_back([&, t] {
      for (int pass = 0; pass < passes; ++pass) {
        sync.arrive_and_wait();
        body(t);
        sync.arrive_and_wait();
      }
    });
  }
  for (std::thread& thread : team) thread.join();
  return best;
}
