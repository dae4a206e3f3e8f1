// Calls from Rust: what libtorch throws becomes words.

#pragma once

#include <cstring>
#include <exception>

// Returns 0, or 1 and the reason in `words`, which ends with a zero.
template <typename F>
int caught(char* words, size_t capacity, F f) {
  try {
    f();
    return 0;
  } catch (const std::exception& error) {
    std::strncpy(words, error.what(), capacity - 1);
  } catch (...) {
    std::strncpy(words, "unknown exception", capacity - 1);
  }
  words[capacity - 1] = '\0';
  return 1;
}
