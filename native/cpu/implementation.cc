#include "cpu/implementation.h"

#include <cstring>

namespace lapidary {

#if defined(__x86_64__)
extern const Implementation kAvx512Implementation;
extern const Implementation kAvx2Implementation;
extern const Implementation kWideImplementation;
#elif defined(__aarch64__)
extern const Implementation kNeonImplementation;
#endif
extern const Implementation kPortableImplementation;

const Implementation* const* implementations() {
  static const Implementation* const table[] = {
#if defined(__x86_64__)
    &kAvx512Implementation,
    &kAvx2Implementation,
#if defined(LAP_TEST_IMPLEMENTATIONS)
    &kWideImplementation,
#endif
#elif defined(__aarch64__)
    &kNeonImplementation,
#endif
    &kPortableImplementation,
    nullptr
  };
  return table;
}

const Implementation* find_implementation(const char* name) {
  for (const Implementation* const* entry = implementations(); *entry != nullptr; ++entry) {
    if (name != nullptr && std::strcmp(name, (*entry)->name) != 0) continue;
    if ((*entry)->supported()) return *entry;
  }
  return nullptr;
}

}  // namespace lapidary
