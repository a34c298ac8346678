#pragma once

#include <stdexcept>
#include <string>

namespace neonsense::image {

// Thrown by everything in image/. The message says what was expected and what came; the addon maps it to a JS error.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

}  // namespace neonsense::image
