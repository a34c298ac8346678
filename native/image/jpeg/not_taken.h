#pragma once

#include <exception>

namespace neonsense::image::jpeg {

// A file that this reader leaves to others: of another kind, damaged or out of the ordinary. What it is, they say.
class NotTaken : public std::exception {
 public:
  const char* what() const noexcept override { return "The picture is not a JPEG file that is read here"; }
};

}  // namespace neonsense::image::jpeg
